"""What the README and the Makefile say is so."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

from pipeline import cli
from pipeline.config.explain import parse
from pipeline.config.lab import LabFile
from pipeline.config.recipe import RecipeFile
from pipeline.run import register_stages
from pipeline.stage import STAGES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words], cwd=ROOT, capture_output=True, text=True, env=os.environ | environment
    )


def test_the_readmes_recipe_is_one(tmp_path: Path) -> None:
    register_stages()
    block = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert block and block[1].count("\n") <= 12
    for name in ("mynet.pt", "photos"):
        (tmp_path / name).touch()
    file, problems = parse(RecipeFile, tomllib.loads(block[1]), tmp_path)
    assert file is not None, problems
    for step in file.step:
        own = {k: v for k, v in step.items() if k not in ("id", "use", "teacher")}
        assert not parse(STAGES[step["use"]].config, own, tmp_path)[1]


def test_the_readmes_lab_file_is_one_of_five_lines() -> None:
    block = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)[1]
    assert block.count("\n") == 5
    file, problems = parse(LabFile, tomllib.loads(block), ROOT)
    assert file is not None, problems
    assert set(file.boards) <= {path.stem for path in (ROOT / "targets").glob("*.toml")}


def test_every_command_the_readme_names_exists_and_the_other_way_round() -> None:
    table = README[README.index("| command |") : README.index("Exit codes")]
    named = {word for cell in re.findall(r"^\| (.*?) \|", table, re.M) for word in cell.split("`")}
    words = {part.split()[0] for part in named if part.strip(" ,")}
    assert {module.command.name for module in cli.COMMANDS} <= words


def test_every_room_stands_in_the_architecture() -> None:
    rooms = {p.stem for p in (ROOT / "pipeline").iterdir() if p.suffix == ".py" or p.is_dir()}
    small = {"__init__", "__pycache__", "artifacts", "errors", "paths", "progress"}
    architecture = README[README.index("## Architecture") :]
    assert not {room for room in rooms - small if f"`{room}`" not in architecture}


def test_make_alone_is_one_screen_that_lists_boards_and_recipes() -> None:
    shown = make().stdout
    assert shown.count("\n") <= 40
    for kind in ("targets", "recipes"):
        for path in (ROOT / kind).glob("*.toml"):
            assert path.stem in shown
            assert path.read_text().splitlines()[0].removeprefix("# ") in shown


def test_an_unknown_board_is_an_error_that_lists_the_boards() -> None:
    done = make("rpi55")
    assert done.returncode == 2
    assert "no board or command 'rpi55'; boards are:" in done.stderr
    assert "local" in done.stderr


def test_host_counts_only_from_the_command_line_of_make() -> None:
    said = make("-n", "rpi5", HOST="set-by-the-shell").stdout
    assert "--target rpi5" in said
    assert "--host" not in said
    said = make(
        "-n", "rpi5", "HOST=pi@raspberrypi", "AFFINITY=2,3", "THREADS=2", HOST="shell"
    ).stdout
    assert "--host 'pi@raspberrypi'" in said
    assert "--affinity '2,3'" in said
    assert "--threads '2'" in said
    assert "--publish" not in said


def test_nothing_is_published_unless_it_is_said() -> None:
    assert "--publish" in make("-n", "rpi5", "HOST=x", "PUBLISH=1").stdout
    assert "--publish" not in make("-n", "rpi5", "HOST=x", "PUBLISH=0").stdout
