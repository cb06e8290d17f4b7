"""Data sets: image folders imported into the data folder, each with its row; the digits without any import."""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from searches.diagrams.words import counted
from searches.models import DataSet, Search
from searches.nash.imagefolder import BadArchive, arrays, convert, write_digits
from searches.nash.imagefolder.fetching import fetch
from searches.nash.imagefolder.originals import ORIGINALS, Original, convert_original
from searches.nash.imagefolder.samples import copies_across
from searches.nash.imagefolder.source import Beat, unwatched
from searches.nash.streams import derive

DIGITS = "digits"
RESERVED = "uploads"
"""No name: its address is another's."""
MAX_NAME = 64
N_NAMED = 10
LOCK_SECONDS = 0.2
"""How often it is looked whether another import has ended."""
COLUMNS = ("digest", "n_train", "n_test", "flips", "crops")
OF_META = ("classes", "counts", "mean", "std", "source", "broken", "notes", "twins")


class InUse(ValueError):
    """A data set that searches stand on cannot be deleted; the message lists them."""


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
    test_per_cent: float | None = None,
    report: Callable[[int, int], None] | None = None,
    beat: Beat = unwatched,
    owner_id: int | None = None,
    waits: bool = False,
) -> int:
    """Import an image folder or archive as the data set `name`; the id of its row.

    `size`: pixels of a side, 8 to 64 (None: what the images suggest); `flips`: whether a mirrored image keeps its
    label, `crops` whether one moved by an eighth of its side does; `test_per_cent`: the test part where the archive
    has no test folder, 1 to 90 (None: one sixth).
    `report(done, total)` is called as images are decoded, `beat()` before and after; what they raise ends the import.
    `waits`: until another import has ended, else refused.
    Raises BadName, BadArchive, ValueError for size and share. Nothing is left of an import that fails.
    """
    check_name(name)
    target = folder_of(name)
    with _alone_in(datasets_folder(), waits=waits, beat=beat):
        _clear_leftovers()
        check_name(name)  # again: another import may have ended just now
        if target.exists():  # written, but its process died before the row was
            shutil.rmtree(target)
        meta = convert(
            path, target, name=name, size=size, flips=flips, crops=crops, test_per_cent=test_per_cent, report=report,
            beat=beat,
        )  # fmt: skip
        n = meta["n_train"] + meta["n_test"] + meta["broken"]["n"]
        return _add_row(name, meta, owner_id, lambda: report(n, n) if report is not None else None)


def _add_row(name: str, meta: dict[str, Any], owner_id: int | None, last_word: Callable[[], None]) -> int:
    """The row of arrays that are written; the arrays go where it cannot be. Raises BadName.

    `last_word`, whose errors pass, is part of its transaction: who was told to stop meanwhile makes no row.
    """
    try:
        with transaction.atomic():
            last_word()
            return DataSet.objects.create(name=name, owner_id=owner_id, **_columns(meta)).pk
    except BaseException as error:
        shutil.rmtree(folder_of(name))
        if isinstance(error, IntegrityError):
            raise BadName(f"A data set {name!r} exists already; choose another name.") from error
        raise


def download_dataset(
    key: str,
    *,
    name: str = "",
    size: int | None = None,
    report: Callable[[int, int, str], None] | None = None,
    beat: Beat = unwatched,
    owner_id: int | None = None,
    waits: bool = False,
) -> int:
    """Fetch one of ORIGINALS and write it as the data set `name` (its own by default); the id of its row.

    `report(done, total, words)` as bytes come, `beat()` as they become arrays. What came is kept where the network
    breaks, and gone on from.
    Raises BadName, BadArchive in words, ValueError for the size.
    """
    if key not in ORIGINALS:
        raise BadName(f"{key!r} is none of {', '.join(ORIGINALS)}.")
    original, name = ORIGINALS[key], name or key
    check_name(name)
    folder = downloads_folder(key)

    def say_that_it_is_written() -> None:
        if report is not None:
            report(0, 0, f"{original.title} is written")

    with _alone_in(folder, waits=waits, beat=beat):
        files = [_fetched(original, i, folder, report) for i in range(len(original.files))]
        say_that_it_is_written()
        try:
            with _alone_in(datasets_folder(), waits=waits, beat=beat):
                meta = convert_original(original, files, folder_of(name), name=name, size=size, beat=beat)
                return _add_row(name, meta, owner_id, say_that_it_is_written)
        finally:
            shutil.rmtree(folder)


def downloads_folder(key: str) -> Path:
    """Where the original files of a set lie while they come."""
    folder = Path(settings.NASH_DATA_DIR) / "downloads" / key
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _fetched(original: Original, i: int, folder: Path, report: Callable[[int, int, str], None] | None) -> Path:
    url, md5 = original.files[i]
    of = f", file {i + 1} of {len(original.files)}" if len(original.files) > 1 else ""
    target = folder / url.rpartition("/")[2]

    def tell(done: int, total: int) -> None:
        if report is not None:
            report(done, total, f"{original.title} is downloaded{of}")

    fetch(url, target, md5, tell)
    return target


def check_name(name: str) -> None:
    """Raises BadName unless a new data set may have this name: it is a folder's and stands in addresses."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or len(name) > MAX_NAME or name.lower() == RESERVED:
        raise BadName(
            f"{name!r} cannot be a data set's name; use letters, digits, - and _, at most {MAX_NAME},"
            " such as my-images."
        )
    taken = sorted({DIGITS, *DataSet.objects.values_list("name", flat=True)})
    if name.lower() in (other.lower() for other in taken):  # some file systems do not tell A from a
        raise BadName(f"A data set {name!r} exists already; choose another name (taken: {', '.join(taken)}).")


def delete_dataset(dataset: DataSet) -> None:
    """Remove row and files. Raises InUse with the list of who uses it; the digits, which are bundled, stay."""
    if dataset.name == DIGITS:
        raise InUse("The digits are bundled: without them there is no first try.")
    try:
        with transaction.atomic():
            dataset.delete()
    except ProtectedError as error:
        raise InUse(in_use_words(dataset)) from error
    shutil.rmtree(folder_of(dataset.name), ignore_errors=True)


def count_twins(dataset: DataSet, report: Callable[[int, int], None] | None = None) -> dict[str, int]:
    """Count copies and leaks of a set that was imported before they were; row and meta.json have them afterwards.

    Raises OSError, ValueError where its files cannot be read.
    """
    twins = arrays.count_twins(folder_of(dataset.name), report)
    with transaction.atomic():
        row = DataSet.objects.select_for_update().get(pk=dataset.pk)
        row.meta = {**row.meta, "twins": twins}
        row.save(update_fields=["meta"])
    return twins


def copies_are_known(dataset: DataSet) -> bool:
    """Whether copies and leaks were counted, and it was kept which training images are there more than once."""
    twins = dataset.meta.get("twins")
    return bool(twins) and (not twins["train"] or (folder_of(dataset.name) / arrays.COPIES).is_file())


def copies_across_split(search: Search) -> int:
    """How many validation images of a search are among its other training images, too; 0 where that is unknown."""
    dataset, config = search.dataset, search.search_config
    if not (dataset.meta.get("twins") or {}).get("train"):
        return 0
    try:
        return copies_across(folder_of(dataset.name), derive(config.seed, "split"), config.n_validation)
    except (OSError, ValueError):
        return 0


def in_use_words(dataset: DataSet) -> str:
    """Who stands on it, at most ten by name, as far as there are any."""
    searches = list(dataset.searches.only("dataset_id", "name", "deleted"))
    users = [f"{s.name} (deleted)" if s.deleted else s.name for s in searches]
    ensembles = [ensemble.name for ensemble in dataset.ensembles.only("dataset_id", "name")]
    counts = [counted(len(users), "search"), counted(len(ensembles), "ensemble")]
    what = " and ".join(count for count in counts if not count.startswith("0 "))
    if not what:
        return ""
    everybody = [*users, *ensembles]
    more = f" and {len(everybody) - N_NAMED:,} more" if len(everybody) > N_NAMED else ""
    n_deleted = sum(s.deleted is not None for s in searches)
    first = " Delete them first." if n_deleted < len(everybody) else ""
    kept = " Deleted searches count until they are removed: “Empty now” in the list does it at once."
    who = f"{', '.join(everybody[:N_NAMED])}{more}"
    return f"{dataset.name} is in use by {what}: {who}.{first}{kept if n_deleted else ''}"


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
def _alone_in(folder: Path, *, waits: bool, beat: Beat = unwatched) -> Iterator[None]:
    """Hold a lock on the folder. Raises BadArchive if another process has it and `waits` is false.

    `beat()` is called while it waits; what it raises ends that.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        while not _locked(descriptor):
            if not waits:
                raise BadArchive("Another import is running; wait until it has ended.")
            beat()
            time.sleep(LOCK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
