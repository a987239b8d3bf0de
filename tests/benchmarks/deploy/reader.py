"""A reader of the published path: hashes what stands there again and again, and tells what it saw.

Run as text (`python -c`), so that it also runs inside a board: `slot LINK` resolves the link once
and holds a release against its own manifest; `file PATH` hashes one file. A line on stdout for
every change of what it sees: a digest, or `torn: why`. It ends when its stdin does.
"""

from __future__ import annotations

import hashlib
import json
import select
import sys
import time
from pathlib import Path


def release(link: str) -> str:
    """Digest of the release behind a link, every byte of it held against its manifest."""
    folder = Path(link).resolve()
    manifest = (folder / "manifest.json").read_bytes()
    digest = hashlib.sha256(manifest).hexdigest()
    if folder.name != digest:
        return "torn: the manifest is not the one that names the folder"
    for name, entry in json.loads(manifest)["files"].items():
        if file(folder / name) != entry["sha256"]:
            return "torn: " + name
    return digest


def file(path: Path) -> str:
    """sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Look until nobody listens any more."""
    kind, path = sys.argv[1:3]
    pause_s = float(sys.argv[3]) if len(sys.argv) > 3 else 0.005
    last, count = "", 0
    while True:
        began = time.process_time()
        try:
            seen = release(path) if kind == "slot" else file(Path(path))
        except (OSError, ValueError) as problem:
            seen = "torn: " + type(problem).__name__
        count += 1
        if seen != last:
            print(seen, flush=True)
            last = seen
        spent = time.process_time() - began  # a large file must not take the whole processor
        if select.select([0], [], [], max(pause_s, 3 * spent))[0]:
            break
    print("looks", count, flush=True)


if __name__ == "__main__":
    main()
