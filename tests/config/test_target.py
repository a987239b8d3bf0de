"""Every setting has one origin: flag > environment > lab file > recipe > target > default."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.lab import lab_path
from pipeline.config.settings import Settings
from pipeline.config.target import load
from pipeline.errors import UsageError


def test_the_first_layer_that_gives_a_value_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    lab_path().parent.mkdir(parents=True)
    lab_path().write_text("[boards.local.measure]\nthreads = 2\nprocesses = 7\n")
    monkeypatch.setenv("SECATEUR_THREADS", "3")
    recipe = Settings(threads=9, processes=9, window_ms=90)
    found = load("local", flags={"threads": 4, "runtime": None}, recipe=recipe).origins
    assert found["threads"] == (4, "flag")
    assert found["processes"] == (7, str(lab_path()))
    assert found["window_ms"] == (90, "recipe")
    assert found["runtime"][0] == "ai-edge-litert"
    assert found["runtime"][1].endswith("local.toml")
    assert found["warmup_ms"] == (200, "default")
    found = load("local", flags={}, recipe=recipe).origins
    assert found["threads"] == (3, "environment")


def test_affinity_comes_from_the_environment_as_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECATEUR_AFFINITY", "0,1")
    assert load("local", flags={}).setting("affinity") == [0, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[boards.local.measure]\nthreds = 2", "did you mean 'threads'"),
        ("[board.local]", "did you mean 'boards'"),
        ("[boards.local.measure]\nthreads = 0", "greater than or equal to 1"),
    ],
)
def test_a_wrong_lab_file_is_refused(text: str, said: str) -> None:
    lab_path().parent.mkdir(parents=True)
    lab_path().write_text(text)
    with pytest.raises(UsageError, match=said):
        load("local", flags={})


def test_a_wrong_flag_and_a_wrong_target_are_refused() -> None:
    with pytest.raises(UsageError, match="threads"):
        load("local", flags={"threads": "many"})
    with pytest.raises(UsageError, match=r"no target 'lokal'.*\n.*did you mean 'local'"):
        load("lokal", flags={})


def test_every_shipped_target_and_recipe_says_what_it_is_for() -> None:
    from pipeline.config.search import available, description

    for kind in ("targets", "recipes"):
        files = available(kind)
        assert files
        for path in files.values():
            assert path.read_text().startswith("# ")
            assert 10 < len(description(path)) < 100


def test_the_users_file_hides_ours(home: Path) -> None:
    mine = home / "config/targets/local.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text('# mine\ntitle = "mine"\ntransport = "local"\nruntimes = ["tensorflow"]\n')
    assert load("local", flags={}).setting("runtime") == "tensorflow"
