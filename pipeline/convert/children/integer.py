"""Float TFLite to full-integer TFLite with given calibration data; runs in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.convert.children.candidates import Candidate, Workbench, methods
from pipeline.errors import Refused
from pipeline.inputs import batch


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Quantize `spec["model"]` over `spec["samples"]` into `spec["out"]`.

    samples: `Batch.save`, in the layout of the file (N H W C). `spec["calibration"]` is a method
    of `quantize.ranges`, or `best`: then each is tried, and litert-quantizer after them with the
    most accurate one. What counts is the output error on samples that set no range: every
    sample's turn comes.
    """
    bench = Workbench(
        Path(spec["model"]), batch.load(Path(spec["samples"])), spec.get("runtime", "")
    )
    make = bench.tensorflow()
    for method in methods(spec["calibration"]):
        bench.candidate(f"tensorflow {method}", method, make)
    chosen = bench.settle(_whole(bench.tried))
    if spec["calibration"] == "best" and not bench.unlike:
        _litert(bench, chosen.method)
        chosen = bench.settle(_whole(bench.tried))
    Path(spec["out"]).write_bytes(bench.final(chosen))
    return {"variant": chosen.name, "tried": bench.table(chosen), "unlike": len(bench.unlike)}


def _litert(bench: Workbench, method: str) -> None:
    """litert-quantizer knows fewer operators; where it stumbles, it is no candidate."""
    try:
        bench.candidate(f"litert {method}", method, bench.litert())
    except Exception as error:  # its own assertions, of any kind
        print(f"error: litert-quantizer: {type(error).__name__}: {error}")


def _whole(tried: list[Candidate]) -> list[Candidate]:
    """Candidates without a float operator; if all have some, the audit will name them."""
    found = [one for one in tried if not one.audit.float_operators]
    for one in tried if found else []:
        if one not in found:
            one.figures["failed"] = "operators left in float"
    if not found and not tried:
        raise Refused("nothing could be quantized", fix="use scheme fp32")
    return found or tried
