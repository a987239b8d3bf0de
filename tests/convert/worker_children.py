"""Children for the worker's tests: each goes wrong in one way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

CALLS: list[int] = []


def main(spec: dict[str, Any]) -> dict[str, Any]:
    return globals()[spec["do"]](spec) or {}


def answer(spec: dict[str, Any]) -> dict[str, Any]:
    print("prose on stdout")
    seen = [*CALLS, os.environ.get("SAID_BY_A_JOB")]
    CALLS.append(spec["number"])
    os.environ["SAID_BY_A_JOB"] = "yes"
    return {
        "cwd": [path.name for path in Path().iterdir()],
        "path": sys.path,
        "double": 2 * spec["number"],
        "server": psutil.Process().parent().ppid(),
        "seen": seen,
    }


def leave(spec: dict[str, Any]) -> None:
    print("\x1b[31mERROR:\x1b[0m no such operator")
    sys.exit(spec["code"])


def ramble(_spec: dict[str, Any]) -> None:
    print("error: 'tf.Erf' op is neither a custom op nor a flex op")
    print("%1 = func.return() : tensor<1xf32>\n" * 50)
    sys.exit(1)


def abort(_spec: dict[str, Any]) -> None:
    os.abort()


def fail(_spec: dict[str, Any]) -> None:
    raise ValueError("an operator of no kind")


def refuse(_spec: dict[str, Any]) -> None:
    from pipeline.errors import Refused

    raise Refused("will not", fix="do not ask")


def download(_spec: dict[str, Any]) -> None:
    import urllib.request

    urllib.request.urlopen("http://127.0.0.1:9/")


def hang(spec: dict[str, Any]) -> None:
    """Start a grandchild, note both process ids, and never end."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    draft = Path(spec["pids"] + ".draft")
    draft.write_text(f"{os.getpid()} {grandchild.pid}")
    draft.rename(spec["pids"])
    time.sleep(600)
