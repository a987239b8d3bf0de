"""The agent's zipapp: the same bytes for the same source, and named by them."""

import hashlib
import os
import shutil
import subprocess
import sys

from pipeline.board import pack


def copy(tmp_path, name):
    return shutil.copytree(pack.SOURCE, tmp_path / name)


def test_the_same_source_gives_the_same_bytes_wherever_and_whenever(tmp_path):
    moved = copy(tmp_path, "elsewhere")
    for path in moved.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    (moved / "__pycache__").mkdir(exist_ok=True)
    (moved / "__pycache__" / "x.pyc").write_bytes(b"left over")
    assert pack.pack(moved) == pack.pack()


def test_another_source_gives_other_bytes(tmp_path):
    changed = copy(tmp_path, "changed")
    (changed / "spec.py").write_text("# changed\n")
    assert pack.pack(changed) != pack.pack()


def test_a_damaged_agent_in_the_cache_is_written_anew():
    first = pack.packed()
    first.path.write_bytes(b"damaged")
    again = pack.packed()
    assert again == first
    assert hashlib.sha256(again.path.read_bytes()).hexdigest() == again.digest


def test_it_runs_beside_a_users_own_folder_called_pipeline(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise SystemExit('imported the wrong one')")
    command = [sys.executable, "-I", pack.packed().path, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
