"""A runtime on a board without pip, venv or internet there: an archive of wheels, pushed once.

The folder is named by the digest of what is in it, and goes into a spec's `site`; nothing on the
board is installed or changed.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from pipeline.artifacts import file_digest
from pipeline.board.shell import Shell
from pipeline.board.site import packed
from pipeline.board.upload import upload
from pipeline.board.wheels import Choice
from pipeline.errors import BoardUnreachable, Refused
from pipeline.progress import say, watcher

MODULES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
UNPACK = """
import os, shutil, sys, tarfile, threading
archive, folder, module = sys.argv[1:]
making = folder + ".part"
def alive():
    while not over.wait(0.2):  # an emulated clock is slow
        print("alive", flush=True)
over = threading.Event()
threading.Thread(target=alive, daemon=True).start()
shutil.rmtree(making, ignore_errors=True)
try:
    with tarfile.open(archive) as packed:
        packed.extractall(making)
    sys.path.insert(0, making)
    __import__(module)
    os.sync()
    os.rename(making, folder)
    os.unlink(archive)
except BaseException:
    shutil.rmtree(making, ignore_errors=True)
    raise
print("done", flush=True)
os._exit(0)
"""
SILENCE_S = 15.0
GRACE_S = 10.0


def provision(shell: Shell, choice: Choice, work: PurePosixPath) -> PurePosixPath | None:
    """Have the runtime's folder on the board; None where its Python has the runtime itself.

    Raises:
        Refused: the wheels cannot be had here, or do not load there.
    """
    if not choice.pins:
        return None
    archive = packed(choice)
    folder = work / "sites" / f"{choice.runtime}-{file_digest(archive)[:16]}"
    script = 'mkdir -p "$1"; [ ! -d "$2" ] || { touch "$2"; echo yes; }'
    there = shell.run(script, str(folder.parent), str(folder))
    if there.strip():
        return folder
    say(f"{shell.name}: sending {', '.join(choice.pins)} for {choice.python}")
    remote = folder.with_name(f"{folder.name}.tar.gz")
    upload(shell, archive, remote)
    _unpack(shell, choice, remote, folder)
    return folder


def _unpack(shell: Shell, choice: Choice, archive: PurePosixPath, folder: PurePosixPath) -> None:
    """Unpack there, see that the runtime loads, and only then give the folder its name."""
    words = [str(archive), str(folder), MODULES[choice.runtime]]
    stream = shell.transport.stream([choice.python.path, "-I", "-c", UNPACK, *words])
    line: bytes | None = b"alive"
    try:
        while line == b"alive":
            if (by := watcher()) is not None:
                by.step(f"unpacking {choice.runtime}")
            line = stream.read_line(SILENCE_S * shell.patience)
    except TimeoutError:
        fix = "see whether the board hangs or swaps"
        raise BoardUnreachable("silent while it unpacks", where=shell.name, fix=fix) from None
    finally:
        stream.finish(GRACE_S)
    if line != b"done":
        shell.run('rm -f "$1"', str(archive))
        raise _does_not_load(shell, choice, stream.stderr_tail().rsplit("\n", 1)[-1])


def _does_not_load(shell: Shell, choice: Choice, said: str) -> Refused:
    """What the board said when it imported the runtime, with the fix that is usual for it."""
    if "cannot open shared object file" in said:
        library = said.split(": ")[-3 if said.count(": ") > 2 else 0]
        fix = f"install the package that has {library}; on Debian: sudo apt install libstdc++6"
    else:
        fix = "try the other runtime with --runtime"
    return Refused(f"{choice.runtime} does not load: {said[:300]}", where=shell.name, fix=fix)
