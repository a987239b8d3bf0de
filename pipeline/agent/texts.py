"""Reading the small text files that Linux shows its state in."""

from __future__ import annotations


def read(path: str) -> str | None:
    """Text of a file, None when it cannot be read (sysfs files may exist and yet refuse)."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None


def read_stripped(path: str) -> str | None:
    """A one-value file without the newline; None when it cannot be read or is empty."""
    text = read(path)
    return (text.strip() or None) if text is not None else None


def read_all(root: str, channel: str) -> str | None:
    """One-value files, their paths parted by spaces, read in a row; None if one is missing."""
    texts = [read_stripped(root + path) for path in channel.split()]
    return None if None in texts else " ".join(text for text in texts if text)
