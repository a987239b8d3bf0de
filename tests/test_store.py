"""The store gives back what was put in, byte for byte, or nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.artifacts import Checkpoint, digest_of, write_atomic
from pipeline.gc import collect
from pipeline.store import Store


def put(store: Store, key: str, files: dict[str, bytes]) -> Checkpoint:
    with store.workdir(key) as work:
        for name, data in files.items():
            (work.out / name).write_bytes(data)
        return store.put(key, work.seal(Checkpoint, {"n": len(files)}), {"k": key}, {"wall": 1.0})


def key(text: str) -> str:
    return digest_of(text)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(st.text("abc", min_size=1), st.binary(max_size=64), max_size=3))
def test_round_trip(store: Store, files: dict[str, bytes]) -> None:
    made = put(store, key(repr(sorted(files.items()))), files)
    found = store.recall(key(repr(sorted(files.items()))), Checkpoint)
    assert found == made
    assert {n: found.file(n).read_bytes() for n in files} == files


def test_equal_content_has_one_digest_whatever_made_it(store: Store) -> None:
    assert put(store, key("a"), {"x": b"1"}) == put(store, key("b"), {"x": b"1"})
    assert put(store, key("c"), {"x": b"2"}).digest != put(store, key("a"), {"x": b"1"}).digest


@pytest.mark.parametrize("damage", ["flip", "delete", "add", "manifest"])
def test_a_corrupt_entry_is_dropped_with_a_word(
    store: Store, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = put(store, key("a"), {"x": b"1234"})
    if damage == "flip":
        made.file("x").write_bytes(b"1235")
    elif damage == "delete":
        made.file("x").unlink()
    elif damage == "add":
        made.file("y").write_bytes(b"")
    else:
        made.file("manifest.json").write_text("{")
    assert store.recall(key("a"), Checkpoint) is None
    assert "corrupt" in capsys.readouterr().err
    assert not made.path.exists()
    assert put(store, key("a"), {"x": b"1234"}) == made


def test_a_step_that_fails_leaves_nothing_but_its_scratch(store: Store) -> None:
    with pytest.raises(RuntimeError), store.workdir(key("a")) as work:
        (work.out / "half").write_bytes(b"")
        (work.scratch / "state").write_bytes(b"epoch 3")
        raise RuntimeError
    assert store.recall(key("a"), Checkpoint) is None
    assert not list(store.root.glob("artifacts/*/*"))
    with store.workdir(key("a")) as work:
        assert not list(work.out.iterdir())
        assert (work.scratch / "state").read_bytes() == b"epoch 3"


def test_atomic_write_keeps_the_old_file_when_the_disk_is_full(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "f"
    write_atomic(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError):
            write_atomic(path, b"new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_gc_keeps_what_is_in_use(store: Store) -> None:
    old, new = put(store, key("old"), {"x": b"1"}), put(store, key("new"), {"x": b"2"})
    shared = put(store, key("other"), {"x": b"2"})
    for name in ("old", "other"):
        os.utime(store._step_path(key(name)), (0, 0))
    swept = collect(store, days=1, dry_run=True)
    assert (swept.steps, swept.artifacts) == (2, 1)
    assert old.path.exists()
    collect(store, days=1, dry_run=False)
    assert not old.path.exists()
    assert store.recall(key("new"), Checkpoint) == new == shared
    assert json.loads((new.path / "manifest.json").read_text())["kind"] == "Checkpoint"


def test_gc_leaves_a_step_that_is_running(store: Store) -> None:
    with store.workdir(key("a")) as work:
        collect(store, days=0, dry_run=False)
        assert work.scratch.exists()
