"""Zips that were sent with the launch form, kept while other values are mended: a browser sends no file twice.

Each lies at uploads/starts/<account>/<its sha256>/<its name> until its search is launched, or for a day. There is no
row: the page names it by its sum, and only whoever sent it finds it.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from searches.nash.model_zip import DamagedModel
from searches.nash.start import SHA256
from searches.selectors.access import Asker
from searches.services.starting import Origin, origin_of_file

FOLDER = "starts"
KEPT_SECONDS = 24 * 3600
NAME_LENGTH = 60


@dataclass(frozen=True)
class SentZip:
    """A zip that is kept; `sha256` is that of all its bytes."""

    path: Path
    sha256: str

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def n_bytes(self) -> int:
        return self.path.stat().st_size


def keep_zip(sender: Asker | None, name: str, pieces: Iterable[bytes]) -> SentZip:
    """Write what was sent, whole; those that lie there for a day are removed. Raises OSError."""
    _sweep()
    folder = _folder_of(sender)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, part = hashlib.sha256(), folder / f".{os.urandom(8).hex()}.part"
    try:
        with part.open("wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
        path = folder / digest.hexdigest() / _plain(name)
        shutil.rmtree(path.parent, ignore_errors=True)  # the same bytes, under another name
        path.parent.mkdir(mode=0o700)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return SentZip(path, digest.hexdigest())


def kept_zip(sender: Asker | None, sha256: str) -> SentZip | None:
    """What this account sent before, if it is there still."""
    if not SHA256.fullmatch(sha256):
        return None
    path = next((_folder_of(sender) / sha256).glob("*"), None)
    return SentZip(path, sha256) if path else None


def forget_zip(sent: SentZip) -> None:
    """Remove it: its search is launched, or it is no model."""
    shutil.rmtree(sent.path.parent, ignore_errors=True)


def origin_of_zip(sent: SentZip) -> Origin:
    """The network in it; one that is none is not kept. Raises DamagedModel, OSError."""
    try:
        return _origin_at(sent.path)
    except DamagedModel:
        forget_zip(sent)
        raise


@lru_cache(maxsize=8)
def _origin_at(path: Path) -> Origin:
    """Read once, however often the form is asked what it would cost: a path names its bytes."""
    return origin_of_file(path, path.name)


def _folder_of(sender: Asker | None) -> Path:
    return Path(settings.NASH_DATA_DIR) / "uploads" / FOLDER / str(sender.pk if sender else None)


def _plain(name: str) -> str:
    return re.sub(r"[/\\\0]", "_", name).lstrip(".")[-NAME_LENGTH:] or "model.zip"


def _sweep() -> None:
    """Remove what has lain there for a day."""
    before = time.time() - KEPT_SECONDS
    for place in (Path(settings.NASH_DATA_DIR) / "uploads" / FOLDER).glob("*/*"):
        try:
            is_old = place.stat().st_mtime < before
        except FileNotFoundError:
            continue  # another process was quicker
        if is_old and place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        elif is_old:
            place.unlink(missing_ok=True)
