"""A disk that is full: how it is recognised, and the ballast that makes room for saying so."""

import errno
import os
import shutil
from pathlib import Path

BALLAST = "ballast"
BALLAST_BYTES = 4_000_000
"""Removed when the disk is full: a full disk does not even take the message that it is full."""
FULL_NUMBERS = {errno.ENOSPC, errno.EDQUOT}
FULL_WORDS = ("database or disk is full", "no space left on device", "disk quota exceeded")
FULL_IN_EFFECT_BYTES = 100_000
"""With less than this free, SQLite's unspecific errors of writing are taken for a full disk too."""
IO_WORDS = ("disk i/o error", "unable to open database file")


def is_full(error: BaseException | None, folder: Path) -> bool:
    """Whether an error, or what it came from, says that a disk takes no more; `folder` is on the disk to look at."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL_NUMBERS:
            return True
        words = str(error).lower()
        if any(w in words for w in FULL_WORDS):
            return True
        if any(w in words for w in IO_WORDS) and free_bytes(folder) < FULL_IN_EFFECT_BYTES:
            return True
        error = error.__cause__ or error.__context__
    return False


def free_bytes(folder: Path) -> int:
    """What the disk of `folder` takes yet."""
    return shutil.disk_usage(folder).free


def in_words(folder: Path) -> str:
    """The disk by a folder on it, and what is free there."""
    usage = shutil.disk_usage(folder)
    return f"{folder}: {_megabytes(usage.free)} of {_megabytes(usage.total)} are free"


def _megabytes(n: int) -> str:
    return f"{n / 1e6:,.1f} MB"


def keep_ballast(folder: Path) -> None:
    """Have the ballast there, of real bytes; call it where there is room."""
    path = folder / BALLAST
    if path.exists():
        return
    temporary = folder / f".{BALLAST}-{os.getpid()}"
    try:
        temporary.write_bytes(os.urandom(BALLAST_BYTES))  # no disk that compresses makes nothing of it
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def drop_ballast(folder: Path) -> None:
    (folder / BALLAST).unlink(missing_ok=True)
