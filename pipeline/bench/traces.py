"""Raw samples from a file of anybody's: `{"a": [[ns, ...], ...], "b": [...], "pairs": [...]}`."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pipeline.errors import UsageError

Process = list[float]
Pairs = list[tuple[int, int]]
STDIN = Path("-")
FORM = '{"a": [[ns, ...] a process, ...], "b": [[ns, ...], ...], "pairs": [[i, j], ...]}'


@dataclass(frozen=True)
class Traces:
    """Two arms: the baseline's and the candidate's processes, and which of them belong together.

    Pairs stand in the order they were measured. `by_index` says that the file named none. A
    process without samples has failed; no pair holds one, and `lost` counts those that would.
    """

    a: list[Process]
    b: list[Process]
    pairs: Pairs
    by_index: bool
    lost: int = 0


def read_traces(path: Path) -> Traces:
    """The file, or what comes in by stdin for `-`; whole and plausible.

    Raises:
        UsageError: no such file, no JSON of this form, a sample that is no time above 0, or pairs
            that name a process twice or one that is not there.
    """
    found = _json(path)
    try:
        return _traces(found)
    except _Wrong as wrong:
        raise UsageError(wrong.what, where=path, fix=wrong.fix) from None


class _Wrong(Exception):
    def __init__(self, what: str, fix: str) -> None:
        self.what, self.fix = what, fix


def _json(path: Path) -> Any:
    try:
        return json.loads(sys.stdin.buffer.read() if path == STDIN else path.read_bytes())
    except OSError as error:
        fix = f"give a JSON file: {FORM}"
        raise UsageError(error.strerror or str(error), where=path, fix=fix) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is no JSON: {error}", where=path, fix=f"write it as {FORM}") from error


def _traces(found: Any) -> Traces:
    if not isinstance(found, dict) or not {"a", "b"} <= set(found):
        raise _Wrong("has no two arms 'a' and 'b'", f"write it as {FORM}")
    a, b = (_arm(name, found[name]) for name in "ab")
    given = found.get("pairs")
    pairs = _by_index(a, b) if given is None else _pairs(given, a, b)
    whole = [(i, j) for i, j in pairs if a[i] and b[j]]
    if not whole:
        raise _Wrong("has no pair of processes with samples", "give at least one")
    return Traces(a, b, whole, given is None, len(pairs) - len(whole))


def _arm(name: str, given: Any) -> list[Process]:
    if not isinstance(given, list) or not all(isinstance(process, list) for process in given):
        raise _Wrong(f"'{name}' is no list of processes", "one list of samples for each process")
    return [
        [_sample(value, f"{name}[{i}][{k}]") for k, value in enumerate(process)]
        for i, process in enumerate(given)
    ]


def _sample(value: Any, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        _no_time(value, where)
    try:
        number = float(value)
    except OverflowError:
        _no_time("a number beyond all bounds", where)
    if not math.isfinite(number) or number <= 0:
        _no_time(value, where)
    return number


def _no_time(value: Any, where: str) -> NoReturn:
    fix = "a sample is a time in ns: a finite number above 0"
    raise _Wrong(f"{where} is {json.dumps(value)[:40]}", fix)


def _by_index(a: list[Process], b: list[Process]) -> Pairs:
    if len(a) != len(b):
        fix = 'say which were measured together: "pairs": [[0, 0], [1, 1], ...]'
        raise _Wrong(f"'a' has {len(a)} processes, 'b' has {len(b)}, and there are no pairs", fix)
    return [(index, index) for index in range(len(a))]


def _pairs(given: Any, a: list[Process], b: list[Process]) -> Pairs:
    pairs = [_pair(pair, number) for number, pair in enumerate(_list(given))]
    for side, arm in enumerate((a, b)):
        name, seen = "ab"[side], set[int]()
        for number, pair in enumerate(pairs):
            index = pair[side]
            if not 0 <= index < len(arm):
                fix = f"'{name}' has {len(arm)} processes, the first is 0"
                raise _Wrong(f"pairs[{number}] names {name}[{index}], which is not there", fix)
            if index in seen:
                fix = "each process belongs to one pair: it counts once"
                raise _Wrong(f"pairs[{number}] names {name}[{index}] a second time", fix)
            seen.add(index)
    return pairs


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise _Wrong("'pairs' is no list", 'write it as "pairs": [[0, 0], [1, 1], ...]')
    return given


def _pair(given: Any, number: int) -> tuple[int, int]:
    if isinstance(given, list) and len(given) == 2 and all(type(index) is int for index in given):
        return given[0], given[1]
    fix = "a pair is two indices, [i, j]: process i of a, process j of b"
    raise _Wrong(f"pairs[{number}] is {json.dumps(given)[:40]}", fix)
