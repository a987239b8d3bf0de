"""The only code that runs on a board: standard library, plus numpy and a runtime in its workers.

It measures and returns raw text and timestamps; what they mean is decided on the host. The
contract, which a runner in another language could keep as well:

- `python -I agent.pyz --fd N`; one line of JSON on stdin is the spec (`spec.py`: every setting
  with its default). Stdin stays open: its end, or the line `cancel`, ends the job.
- JSON lines on descriptor N: `hello`, then `facts` (before), then in the order of the spec
  `process`, `outputs` or `inspected` for each worker, or `failed` {reason, signal, stderr},
  `facts` (after) and `done`; between them `conditions` (texts that changed, at each process's
  start with its `index` and all the while without), `watched` (what that cost),
  `progress`, and a `heartbeat` about once a second. A spec that cannot be run gives `refused`
  {reason}.
- With `energy` in the spec and a sensor on the board, after the workers: `sampler` processes,
  then `idle` and `block` windows by turns with the `readings` over all of them (`blocks.py`).
- The line `ping N` on stdin gives `pong` {ping: N, t_ns} at once.
- Times end in `_ns` and are CLOCK_MONOTONIC; memory is in KiB. What is not known is absent.
"""
