"""The folder of records: whole, mergeable, and never stopped by a corrupt one."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.bench.records import Row
from pipeline.bench.results import RAW, RECORD, find, read_all, read_raw, save, session_id
from pipeline.errors import UsageError
from tests.bench.sessions import record

EVENTS = [{"event": "process", "index": 0, "samples_ns": [1, 2, 3]}, {"event": "done"}]


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    folder = save(tmp_path, record(), EVENTS)
    assert [p.name for p in tmp_path.iterdir()] == [record().id]
    assert [s.record for s in read_all(tmp_path)] == [record()]
    assert read_raw(folder) == EVENTS


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    a, b = save(tmp_path / "a", record(), EVENTS), save(tmp_path / "b", record(), EVENTS)
    for name in (RECORD, RAW):
        assert (a / name).read_bytes() == (b / name).read_bytes()


def test_an_id_sorts_by_time_and_differs_by_its_figures() -> None:
    started = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
    name = session_id(started, "my recipe/v2", "pi4", EVENTS)
    assert name.startswith("20261123T101500Z-my_recipe_v2-pi4-")
    assert name != session_id(started, "my recipe/v2", "pi4", EVENTS[:1])


CORRUPTIONS = {
    "empty": b"",
    "half": record().model_dump_json().encode()[:400],
    "binary": bytes(range(256)),
    "list": b"[]",
    "number": b"7",
    "nothing in it": b"{}",
    "newer": json.dumps({"schema_version": 99}).encode(),
    "unknown key": json.dumps({**record().model_dump(mode="json"), "x": 1}).encode(),
    "text for a figure": record().model_dump_json().replace("2410000.0", '"fast"').encode(),
    "no figure": record().model_dump_json().replace("2410000.0", "NaN").encode(),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corrupt_record_is_named_and_skipped(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, record(), EVENTS)
    bad = tmp_path / "20261124T000000Z-bad"
    bad.mkdir()
    (bad / RECORD).write_bytes(CORRUPTIONS[kind])
    assert [s.record for s in read_all(tmp_path)] == [record()]
    said = capsys.readouterr().err
    assert said.startswith(f"warning: skipped {bad / RECORD}: ")
    assert said.count("\n") == 1


def test_a_folder_without_a_record_is_named_and_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    assert read_all(tmp_path) == []
    assert "photos" in capsys.readouterr().err


def test_what_a_killed_run_left_is_no_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(tmp_path, record(), EVENTS)
    folder.rename(tmp_path / f".{record().id}.tmp")
    assert read_all(tmp_path) == []
    assert capsys.readouterr().err == ""


def test_records_merge_by_copying_and_count_once(tmp_path: Path) -> None:
    for n in (1, 2):
        save(tmp_path / str(n), record(f"2026112{n}T000000Z-demo-local-{n}"), EVENTS)
    shutil.copytree(tmp_path / "2", tmp_path / "1", dirs_exist_ok=True)
    shutil.copytree(next((tmp_path / "2").iterdir()), tmp_path / "1" / "again")
    assert len(read_all(tmp_path / "1")) == 2


def test_no_results_folder_is_no_records(tmp_path: Path) -> None:
    assert read_all(tmp_path / "none") == []


def test_a_record_is_found_by_id_part_and_folder(tmp_path: Path) -> None:
    for n in (1, 2):
        save(tmp_path, record(f"2026112{n}T000000Z-demo-local-{n}{n}"), EVENTS)
    assert find(tmp_path, "local-11").record.id.endswith("11")
    assert find(tmp_path, str(tmp_path / "20261122T000000Z-demo-local-22")).record.id[-2:] == "22"


@pytest.mark.parametrize("name", ["demo", "no-such"])
def test_no_one_record_of_that_name(name: str, tmp_path: Path) -> None:
    for n in (1, 2):
        save(tmp_path, record(f"2026112{n}T000000Z-demo-local-{n}{n}"), EVENTS)
    with pytest.raises(UsageError, match="fix: give one id in full: 20261121"):
        find(tmp_path, name)


@pytest.mark.parametrize("data", [None, b"", b"\x1f\x8b\x08"])
def test_corrupt_raw_samples_are_a_users_error(data: bytes | None, tmp_path: Path) -> None:
    folder = save(tmp_path, record(), EVENTS)
    (folder / RAW).unlink()
    if data is not None:
        (folder / RAW).write_bytes(data)
    with pytest.raises(UsageError, match="raw samples"):
        read_raw(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_no_figure(value: float) -> None:
    with pytest.raises(ValidationError):
        Row(name="load", unit="ns", scope="process", arm="a", value=value)
