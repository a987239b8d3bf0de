"""One model's files, one a scheme, all from the same float export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import single
from pipeline.artifacts import Deployable, Model
from pipeline.bench.records import Comparison
from pipeline.data.samples import Samples
from pipeline.errors import Refused
from pipeline.progress import say, working
from pipeline.quantize.calibration import CALIBRATED

AUTO = "auto"
BASELINE = "fp32"
ORDER = (BASELINE, "fp16", "dynamic", "int8", "mixed")


@dataclass(frozen=True)
class Wanted:
    """What the user asks for. `min_sqnr_db` is the accuracy budget, against torch."""

    scheme: str
    runtime: str
    calibration: str
    samples: int
    min_sqnr_db: float
    timeout_s: float = 1800

    @property
    def schemes(self) -> Sequence[str]:
        """The float file is always made: it is what the others are judged by."""
        return ORDER if self.scheme == AUTO else tuple(dict.fromkeys((BASELINE, self.scheme)))


@dataclass
class Entry:
    """One scheme that was tried: its file, what was found of it, or why there is none."""

    scheme: str
    made: Deployable | None = None
    missing: str = ""
    sqnr_db: float | None = None
    comparison: Comparison | None = None
    runtimes: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file; only where it was made."""
        assert self.made is not None
        return self.made.file(str(self.made.meta["file"]))

    @property
    def size_bytes(self) -> int:
        """Of the file; 0 where none was made."""
        return 0 if self.made is None else int(self.made.meta["size_bytes"])


def entries(model: Model, samples: Samples | None, wanted: Wanted, folder: Path) -> list[Entry]:
    """Make the wanted schemes' files below `folder`.

    Raises:
        UsageError, Refused: the model cannot be exported, or the one scheme asked for not made.
    """
    say("export: torch > ONNX > TFLite, in float")
    with working("export"):
        exported = single.run_stage("export", {}, folder / "export", model=model)
    return list(_entries(model, exported, samples, wanted, folder))


def _entries(
    model: Model, exported: Any, samples: Samples | None, wanted: Wanted, folder: Path
) -> Iterator[Entry]:
    for scheme in wanted.schemes:
        if scheme in CALIBRATED and samples is None:
            yield Entry(scheme, missing="needs --calibration")
            continue
        say(f"convert: {scheme}")
        table = {
            "scheme": scheme, "calibration": wanted.calibration, "samples": wanted.samples,
            "min_sqnr_db": wanted.min_sqnr_db, "runtime": wanted.runtime,
        }  # fmt: skip
        try:
            spec = single.run_stage(
                "quantize", table, folder / f"{scheme}-spec", model=model, data=samples
            )
            made = single.run_stage("convert", {}, folder / scheme, model=spec, exported=exported)
        except Refused as error:
            if wanted.scheme != AUTO:
                raise
            yield Entry(scheme, missing=error.what)
            continue
        assert isinstance(made, Deployable)
        yield Entry(scheme, made)
