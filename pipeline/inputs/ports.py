"""The inputs of a model: for each a name, the shape of one sample, and a dtype."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch

FLOAT = "float32"
DTYPES = (FLOAT, "int64", "int32", "bool")
STORED = {"int64": "int32"}
"""What a .tflite file has in its place: users of TFLite expect int32, and kernels take it."""
FORM = re.compile(r"(?:(?P<name>[^=]+)=)?(?P<shape>\d+(?:,\d+)+)(?::(?P<dtype>\w+))?")
EXAMPLE = "image=1,3,96,96 or ids=1,128:int64"


@dataclass(frozen=True)
class Port:
    """One input: `shape` is one sample's, without the batch; an empty name or dtype is not known.

    Of an integer input, `rows` is the length of the table that it looks up, so every value lies
    below; `fill` is the one value to take where neither 0 nor 1 may be mixed at will.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = FLOAT
    rows: int | None = None
    fill: int | None = None

    @property
    def is_float(self) -> bool:
        """Whether its values can be scaled and quantized."""
        return self.dtype in ("", FLOAT)

    @property
    def stored(self) -> str:
        """The dtype of the input in a float .tflite file."""
        return STORED.get(self.dtype, self.dtype)

    def integers(self, samples: int, random: np.random.Generator) -> Any:
        """Valid values: rows of its table; or 0 and 1, a 1 first, as a mask has them."""
        shape = (samples, *self.shape)
        if self.fill is not None:
            return np.full(shape, self.fill, self.dtype)
        values = random.integers(0, self.rows or 2, shape)
        if self.rows is None:
            values.reshape(samples, -1)[:, :1] = 1
        return values.astype(self.dtype)

    def __str__(self) -> str:
        sizes = ", ".join(map(str, self.shape))
        return f"{self.name or 'an input'} ({sizes}) {self.dtype or FLOAT}".strip()


class Ports(tuple[Port, ...]):
    """All inputs of a model, in the order in which it takes them."""

    __slots__ = ()

    @staticmethod
    def of(given: Any) -> Ports:
        """Ports as they are, or from what `to_json` gives; a plain shape is one float input."""
        if isinstance(given, Ports):
            return given
        entries = [given] if all(isinstance(size, int) for size in given) else list(given)
        return Ports(_port(entry) for entry in entries)

    def to_json(self) -> list[Any]:
        """A list of sizes for one float input, whatever its name; else a list of tables."""
        if len(self) == 1 and self[0].is_float:
            return list(self[0].shape)
        return [_table(port) for port in self]

    @property
    def names(self) -> list[str]:
        """Their names, in order."""
        return [port.name for port in self]

    def known(self, names: Sequence[str]) -> Ports:
        """The ports with the model's own `names`, in its order; float32 where nobody said a dtype.

        Ports are given in the model's order, or all by name.

        Raises:
            UsageError: a name that the model has not, one given twice, or more than it takes.
        """
        given = [port.name for port in self if port.name]
        fix = f"the model takes {', '.join(names)}: name all inputs, or none and keep that order"
        if given and (len(given) < len(self) or len(set(given)) < len(given)):
            raise UsageError(f"only some inputs are named, or one twice: {self}", fix=fix)
        if len(self) > len(names) or not set(given) <= set(names):
            raise UsageError(f"the model has no such inputs: {self}", fix=fix)
        placed = sorted(self, key=lambda port: names.index(port.name)) if given else self
        named = zip(placed, given or names, strict=False)
        return Ports(
            replace(port, name=port.name or name, dtype=port.dtype or FLOAT) for port, name in named
        )

    def numbered(self) -> Ports:
        """The ports with a name each: `input_0` and so on where there is none."""
        return Ports(replace(port, name=port.name or f"input_{n}") for n, port in enumerate(self))

    def draw(
        self, samples: int, normal: Callable[[tuple[int, ...]], Any] | None = None, seed: int = 0
    ) -> Batch:
        """Random valid samples: floats as `normal` gives them for a shape, integers by `seed`."""
        random, whole = np.random.default_rng(seed), np.random.default_rng(seed)
        normal = normal or (lambda shape: random.standard_normal(shape, dtype=np.float32))
        return Batch({
            port.name: normal((samples, *port.shape))
            if port.is_float else port.integers(samples, whole)
            for port in self
        })  # fmt: skip

    def typed(self, samples: Batch) -> list[Any]:
        """The arrays, in the dtypes of the ports."""
        return [a.astype(port.dtype) for a, port in zip(samples.arrays, self, strict=True)]

    def check(self, samples: Batch, where: object) -> None:
        """Refuse samples that are not of these shapes and kinds.

        Raises:
            UsageError: names the input, what is wrong, and the fix.
        """
        if len(samples.arrays) != len(self):
            what = f"{len(samples.arrays)} inputs are given, the model takes {self}"
            raise UsageError(what, where=where, fix="give one array an input")
        for port, array in zip(self, samples.arrays, strict=True):
            _check(port, array, where, named=len(self) > 1)

    def __str__(self) -> str:
        return ", ".join(map(str, self))


def parse(texts: Iterable[str]) -> Ports:
    """`1,3,96,96`, `ids=1,128:int64`: shapes with the batch in front, as torch users write them.

    Raises:
        ValueError: another form, or a dtype that no model here takes.
    """
    return Ports(_parsed(text) for text in texts)


def _parsed(text: str) -> Port:
    found = FORM.fullmatch(text.replace(" ", ""))
    if found is None:
        raise ValueError(f"write it as 1,3,224,224, {EXAMPLE}")
    dtype = found["dtype"] or ""
    if dtype and dtype not in DTYPES:
        raise ValueError(f"{dtype} is none of {', '.join(DTYPES)}")
    _, *shape = (int(size) for size in found["shape"].split(","))
    return Port(found["name"] or "", tuple(shape), dtype)


def _port(entry: Any) -> Port:
    if isinstance(entry, Port):
        return entry
    if isinstance(entry, dict):
        return Port(**{**entry, "shape": tuple(entry["shape"])})
    return Port("", tuple(entry))


def _table(port: Port) -> dict[str, Any]:
    about = {"name": port.name, "shape": list(port.shape), "dtype": port.dtype}
    extra = {"rows": port.rows, "fill": port.fill}
    return {**about, **{key: value for key, value in extra.items() if value is not None}}


def _check(port: Port, array: Any, where: object, *, named: bool) -> None:
    of = f"'{port.name}': " if named else ""
    if array.ndim == 0 or tuple(array.shape[1:]) != port.shape:
        got, want = list(array.shape[1:]), list(port.shape)
        channels_last = got == [*want[1:], *want[:1]]
        what = f"{of}samples have the shape {got}, the model takes {want}"
        raise UsageError(
            what, where=where, fix="transpose them: channels come first in torch"
            if channels_last and len(got) > 1
            else "give samples in the torch model's own layout, first axis the samples",
        )  # fmt: skip
    if not port.is_float:
        _check_integers(port, array, where, of)


def _check_integers(port: Port, array: Any, where: object, of: str) -> None:
    if array.dtype.kind not in "iub":
        what = f"{of}{array.dtype} values, the input takes {port.dtype}"
        raise UsageError(what, where=where, fix=f"store the array as {port.dtype}")
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    if port.rows is not None and not (low >= 0 and high < port.rows):
        what = f"{of}values from {low} to {high}, the table they look up has {port.rows} rows"
        raise UsageError(what, where=where, fix=f"give values from 0 to {port.rows - 1}")
