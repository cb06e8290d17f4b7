"""Data sets: image folders imported into the data folder, each with its row; the digits without any import."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from searches.models import DataSet
from searches.nash.imagefolder import BadArchive, convert, write_digits

DIGITS = "digits"
MAX_NAME = 64
COLUMNS = ("digest", "n_train", "n_test", "flips", "crops")
OF_META = ("classes", "counts", "mean", "std", "source", "broken", "notes")


class BadName(ValueError):
    """A data set cannot have this name; the message says why."""


def folder_of(name: str) -> Path:
    """Where the arrays of the data set of that name lie."""
    return datasets_folder() / name


def datasets_folder() -> Path:
    """The folder of all data sets, made if it is not there."""
    folder = Path(settings.NASH_DATA_DIR) / "datasets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def import_dataset(
    name: str,
    path: Path,
    *,
    size: int | None = None,
    flips: bool = True,
    crops: bool = True,
    report: Callable[[int, int], None] | None = None,
) -> int:
    """Import an image folder or archive as the data set `name`; the id of its row.

    `size`: pixels of a side, 8 to 64 (None: what the images suggest); `flips`: whether a mirrored image keeps its
    label, `crops` whether one moved by an eighth of its side does.
    `report(done, total)` is called as images are decoded.
    Raises BadName, BadArchive, ValueError for the size. Nothing is left of an import that fails.
    """
    check_name(name)
    target = folder_of(name)
    with _alone_in(datasets_folder(), waits=False):
        _clear_leftovers()
        check_name(name)  # again: another import may have ended just now
        if target.exists():  # written, but its process died before the row was
            shutil.rmtree(target)
        meta = convert(path, target, name=name, size=size, flips=flips, crops=crops, report=report)
        try:
            with transaction.atomic():
                return DataSet.objects.create(name=name, **_columns(meta)).pk
        except IntegrityError as error:
            shutil.rmtree(target)
            raise BadName(f"A data set {name!r} exists already; choose another name.") from error


def check_name(name: str) -> None:
    """Raises BadName unless a new data set may have this name: it is a folder's and stands in addresses."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or len(name) > MAX_NAME:
        raise BadName(
            f"{name!r} cannot be a data set's name; use letters, digits, - and _, at most {MAX_NAME},"
            " such as my-images."
        )
    taken = sorted({DIGITS, *DataSet.objects.values_list("name", flat=True)})
    if name.lower() in (other.lower() for other in taken):  # some file systems do not tell A from a
        raise BadName(f"A data set {name!r} exists already; choose another name (taken: {', '.join(taken)}).")


def ensure_digits() -> int:
    """The id of the bundled digits' row; the row and the arrays are made if they are not there."""
    target = folder_of(DIGITS)
    found = DataSet.objects.filter(name=DIGITS).first()
    if found is not None and (target / "meta.json").is_file():
        return found.pk
    with _alone_in(Path(settings.NASH_DATA_DIR), waits=True):
        if found is None or not (target / "meta.json").is_file():
            shutil.rmtree(target, ignore_errors=True)
            meta = write_digits(target)
            found, _ = DataSet.objects.update_or_create(name=DIGITS, defaults=_columns(meta))
    return found.pk


def _columns(meta: dict[str, Any]) -> dict[str, Any]:
    channels, height, width = meta["input_shape"]
    return {
        "input_channels": channels,
        "height": height,
        "width": width,
        "n_classes": len(meta["classes"]),
        **{key: meta[key] for key in COLUMNS},
        "meta": {key: meta[key] for key in OF_META},
    }


def _clear_leftovers() -> None:
    """Remove what imports that were killed have left; nobody else imports now."""
    for leftover in datasets_folder().glob(".*.part"):
        if leftover.name != f".{DIGITS}.part":
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _alone_in(folder: Path, *, waits: bool) -> Iterator[None]:
    """Hold a lock on the folder. Raises BadArchive if another process has it and `waits` is false."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        raise BadArchive("Another import is running; wait until it has ended.") from error
    finally:
        os.close(descriptor)
