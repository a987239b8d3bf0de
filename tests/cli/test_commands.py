"""What the command line promises: quick help, one JSON document, errors of one or two lines."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import cli
from tests import tiny

HEAVY = {
    "torch",
    "tensorflow",
    "paramiko",
    "scipy",
    "matplotlib",
    "numpy",
    "ai_edge_litert",
    "rich",
}


def secateur(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(tiny.command(*words), capture_output=True, text=True, **options)  # type: ignore[call-overload]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["secateur", *words])
        code = cli._exit_code()
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.mark.parametrize("words", [["--help"], *[[m.command.name, "--help"] for m in cli.COMMANDS]])
def test_help_imports_nothing_heavy_and_has_an_example(words: list[str]) -> None:
    code = (
        "import sys, pipeline.cli as c\n"
        f"c.secateur.main({words!r}, standalone_mode=False)\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert "secateur " in done.stdout
    assert len(words) == 1 or "Example" in done.stdout


def test_checking_a_recipe_and_a_target_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pipeline.run import load_recipe, steps_of\n"
        "from pipeline.config.target import load\n"
        "steps_of(load_recipe('demo')), load('local', flags={})\n"
        "print(sorted({'torch', 'tensorflow', 'paramiko'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_json_is_one_document(main, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert "demo" in json.loads(main("list", "--json")[1])["recipes"]
    settings = json.loads(main("config", "local", "--threads", "2", "--json")[1])["settings"]
    assert settings["threads"] == {"value": 2, "from": "flag"}
    steps = json.loads(main("status", str(tiny.write(tmp_path)), "--json")[1])["steps"]
    assert steps[0] == {"id": "model", "stage": "load", "cached": False, "why": "never run"}
    assert json.loads(main("gc", "--dry-run", "--json")[1])["artifacts"] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "dmo"], 2, "did you mean 'demo'"),
        (["run", "demo", "--target", "lokal"], 2, "did you mean 'local'"),
        (["run", "demo", "--until", "prun"], 2, "no step 'prun'"),
        (["run", "demo", "--runtime", "onnx"], 2, "runtime"),
        (["run"], 2, "Missing argument"),
        (["bench", "no.tflite"], 2, "no.tflite: No such file"),
        (["bench", __file__], 2, "is no TFLite model"),
        (["inspect", "abcdef"], 2, "no file, no folder and no digest"),
        (["inspect", __file__], 2, "test_commands.py"),
        (["compare", "--results", "nowhere"], 2, "make demo"),
        (["compare", "one"], 2, "name two records"),
        (["prune", "--model", "nonet:build", "--input", "1,3,8,8"], 2, "cannot import module"),
        (["prune", "--model", "pipeline.models.resnet8:resnet8"], 2, "--input is missing"),
        (["prune", "--model", "a:b", "--input", "1,x"], 2, "1,3,224,224"),
        (["convert", "--model", "a:b", "--input", "1,3,8,8"], 2, "int8 needs calibration"),
    ],
)
def test_usage_errors_name_the_fix(main, words: list[str], code: int, said: str) -> None:  # type: ignore[no-untyped-def]
    got, out, err = main(*words)
    assert (got, out) == (code, ""), err
    assert said in err
    assert "Traceback" not in err


def test_a_bug_keeps_its_traceback_and_exits_with_1(main, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(cli.gc.command, "callback", lambda **_: 1 / 0)
    code, _, err = main("gc")
    assert code == 1
    assert "ZeroDivisionError" in err
    assert "bug of secateur" in err
    assert Path(err.split("report it with ")[1].strip()).is_file()


def test_a_full_disk_is_an_error_of_two_lines_and_loses_nothing(tmp_path: Path, home: Path) -> None:
    recipe = tiny.write(tmp_path)

    def limit() -> None:  # a write beyond this fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = secateur("run", str(recipe), "--until", "dense", preexec_fn=limit)
    assert done.returncode == 4, done.stderr
    assert "no space left" in done.stderr
    assert "secateur gc" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((home / "cache/store").glob("artifacts/*/*/*.tmp"))
    assert secateur("run", str(recipe), "--until", "dense").returncode == 0


def test_ctrl_c_exits_with_130_and_the_next_run_goes_on(tmp_path: Path) -> None:
    recipe = tiny.write(tmp_path)
    recipe.write_text(recipe.read_text().replace("epochs = 3", "epochs = 60"))
    words = tiny.command("run", str(recipe), "--until", "dense")
    process = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that started the tests in its background has them ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 2/" in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in rest
    done = secateur("run", str(recipe), "--until", "dense")
    assert done.returncode == 0
    assert "resumed after epoch" in done.stderr
