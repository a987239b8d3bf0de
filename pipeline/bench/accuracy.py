"""On-device accuracy: the outputs that the board gave, judged by the recipe's metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import digest_of
from pipeline.bench.arms import Arm
from pipeline.bench.proportion import Metric, exact_interval, resampled_interval
from pipeline.bench.records import Row, Unit
from pipeline.bench.results import Event
from pipeline.convert.layout import arranged
from pipeline.inputs.batch import Batch, saved


@dataclass(frozen=True)
class TestSample:
    """Test samples in torch's layout, (n, *input) float32, their targets (n, ...), the metric.

    `is_share`: the metric is the share of samples that are right, so its interval is exact;
    that of any other metric is resampled.
    """

    __test__ = False

    inputs: NDArray[np.float32] | Batch
    targets: NDArray[Any]
    metric: Metric
    is_share: bool = True


def write_samples(sample: TestSample, arms: Sequence[Arm], folder: Path) -> dict[str, Path]:
    """{arm: samples in its file's layout}; equal layouts share a file, unknown ones have none."""
    paths: dict[str, Path] = {}
    for arm in arms:
        if arm.layout is None:
            continue
        stem = folder / f"samples-{digest_of(arm.layout['input'])[:8]}"
        paths[arm.name] = saved(stem) or arranged(sample.inputs, arm.layout).save(stem)
    return paths


def accuracy_rows(
    sample: TestSample, arms: Sequence[Arm], events: Sequence[Event]
) -> Iterator[Row]:
    """One row an arm whose outputs came back whole; a metric that is not finite has no row."""
    found = {e["arm"]: e for e in events if e["event"] == "outputs"}
    for arm in arms:
        if arm.name not in found or arm.layout is None:
            continue
        outputs = torch_output(Path(found[arm.name]["path"]), arm.layout)
        value = sample.metric(outputs, sample.targets)
        if np.isfinite(value):
            yield _row(sample, arm.name, outputs, float(value))


def _row(sample: TestSample, arm: str, outputs: NDArray[np.float32], value: float) -> Row:
    if sample.is_share:
        interval = exact_interval(value, len(sample.targets))
    else:
        interval = resampled_interval(sample.metric, outputs, sample.targets)
    unit: Unit = "fraction" if sample.is_share else "score"
    return Row(name="accuracy", unit=unit, scope="test sample", arm=arm, value=value,
               interval=interval, n=len(sample.targets))  # fmt: skip


def torch_output(path: Path, layout: Mapping[str, Any]) -> NDArray[np.float32]:
    """The model's first output in torch's axis order, samples first."""
    first = layout["outputs"][0]
    with np.load(path, allow_pickle=False) as archive:
        name = first["name"] if first["name"] in archive else archive.files[0]
        values: NDArray[np.float32] = archive[name]
    return values.transpose(first["to_torch"])
