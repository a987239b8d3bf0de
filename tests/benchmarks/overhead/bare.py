"""The bare loop, run on the board as text: `python -I -c bare.py SITE MODEL COUNT`.

Nothing but `Interpreter.invoke()` between two readings of the clock, divided by their number.
"""

import sys
from time import perf_counter_ns

sys.path[:0] = [sys.argv[1]]
from ai_edge_litert.interpreter import Interpreter  # noqa: E402 (the path comes first)

model = Interpreter(model_path=sys.argv[2], num_threads=1)
model.allocate_tensors()
count = int(sys.argv[3])
for _ in range(5):
    model.invoke()
begin = perf_counter_ns()
for _ in range(count):
    model.invoke()
print((perf_counter_ns() - begin) / count)
