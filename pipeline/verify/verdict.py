"""Figures against bounds: what one runtime's figures mean, and when a file goes no further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import Refused

if TYPE_CHECKING:
    from pipeline.verify.stage import VerifyConfig

PASSED, FAILED, NOT_VERIFIED = "passed", "failed", "not verified"
FIXES = {"float": "the conversion is wrong: report the network with its ONNX file"}
QUANTIZED = (
    "calibrate with more or better samples ([quantize] samples), or use scheme mixed or fp32"
)
WRONG_REFERENCE = "the file was made from another checkpoint: name that one as the reference"


def judge(found: Mapping[str, Any], scheme: str, cfg: VerifyConfig) -> dict[str, Any]:
    """`verdict`, and the first `reason` with its `fix` where the verdict is not `passed`."""
    for reason, fix in _failures(found, scheme, cfg):
        return {"verdict": FAILED, "reason": reason, "fix": fix}
    return {"verdict": PASSED}


def _failures(
    found: Mapping[str, Any], scheme: str, cfg: VerifyConfig
) -> Iterator[tuple[str, str]]:
    for job, why in found["failures"].items():
        yield f"the {job} run failed: {why}", "use a runtime or scheme that takes the file"
    kind = "float" if scheme == "fp32" else scheme
    bounds = {"fp32": cfg.min_sqnr_float_db, "fp16": cfg.min_sqnr_fp16_db}
    bound_db = bounds.get(scheme, cfg.min_sqnr_int8_db)
    for name, about, lowest in (
        ("float", "float", cfg.min_sqnr_float_db),
        ("file", kind, bound_db),
    ):
        figures = found[name]
        if figures and not figures["sqnr_db"] >= lowest:
            what = f"the {about} file is {figures['sqnr_db']:g} dB from torch"
            yield f"{what} (at least {lowest:g} dB)", FIXES.get(about, QUANTIZED)
    figures = found["file"]
    if figures and figures["agreement"] is not None and figures["agreement"] < cfg.min_agreement:
        share = f"agrees with torch on {figures['agreement']:.1%} of {figures['n']} samples"
        yield (
            f"the {kind} file {share} (at least {cfg.min_agreement:.1%})",
            FIXES.get(kind, QUANTIZED),
        )


def spread_db(runtimes: Mapping[Any, Mapping[str, Any]]) -> float | None:
    """How far runtimes disagree on one file: the best figure less the worst; None below two."""
    files = [found["file"] for found in runtimes.values() if found.get("file")]
    figures = [file["sqnr_db"] for file in files]
    return round(max(figures) - min(figures), 2) if len(figures) > 1 else None


def over_budget(found: Mapping[str, Any], max_drop: float, min_sqnr_db: float) -> str:
    """Why a file is not accurate enough in a runtime, on validation; empty where it is.

    With a metric, that of the float file beside it may drop by `max_drop`; without one, the file
    must be within `min_sqnr_db` of torch.
    """
    if found["verdict"] != PASSED:
        return str(found["reason"])
    floating, file = found["float"] or found["file"], found["file"]
    if file["metric"] is None or floating["metric"] is None:
        short = file["sqnr_db"] < min_sqnr_db
        return f"{file['sqnr_db']:g} dB, the budget is {min_sqnr_db:g} dB" if short else ""
    drop = floating["metric"] - file["metric"]
    return f"loses {drop:.4g} on validation, the budget is {max_drop:g}" if drop > max_drop else ""


def require(
    runtimes: Mapping[Any, Mapping[str, Any]], required: Sequence[str], *, same: bool
) -> None:
    """Refuse unless each required runtime passed; `same`: the reference is the file's checkpoint.

    Raises:
        Refused: figure, bound and fix of the first runtime that did not.
    """
    for name in required:
        found = runtimes.get(name)
        if found is None:
            fix = f'add "{name}" to `runtimes` under [verify] in the recipe'
            raise Refused("the model was not verified in it", where=name, fix=fix)
        if found["verdict"] != PASSED:
            fix = found.get("fix") or f"install a Python for {name}, or drop it from `required`"
            raise Refused(found["reason"], where=name, fix=fix if same else WRONG_REFERENCE)
