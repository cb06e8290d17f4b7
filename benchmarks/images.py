"""All of CIFAR-10 as arrays on disk: imported into the data folder, or converted into build/ from its archive."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from searches.nash.imagefolder import convert

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
NAME = "cifar10"


class NoImages(RuntimeError):
    """There is no CIFAR-10 here; the message says where it is looked for."""


def cifar10() -> str:
    """What load_dataset takes for all of CIFAR-10: a folder of arrays, made now if only the archive is there.

    Looks into the data folder (NASH_DATA_DIR, else data/), then for an archive (NASH_TEST_CIFAR10, else
    ../shared/data/cifar10.zip). Raises NoImages.
    """
    imported = Path(os.environ.get("NASH_DATA_DIR") or ROOT / "data") / "datasets" / NAME
    converted = BUILD / NAME
    for folder in (imported, converted):
        if (folder / "meta.json").is_file():
            return str(folder)
    archive = cifar10_archive()
    BUILD.mkdir(exist_ok=True)
    convert(archive, converted, name=NAME)
    return str(converted)


def cifar10_archive() -> Path:
    """The archive that NASH_TEST_CIFAR10 names, else ../shared/data/cifar10.zip. Raises NoImages."""
    archive = Path(os.environ.get("NASH_TEST_CIFAR10") or ROOT.parent / "shared" / "data" / "cifar10.zip")
    if not archive.is_file():
        raise NoImages(f"no archive of CIFAR-10 ({archive}): set NASH_TEST_CIFAR10, or NASH_DATA_DIR to one imported")
    return archive


def cifar10_or_leave() -> str:
    """As cifar10; where there is none, this is no error: leaves with words and exit code 0."""
    try:
        return cifar10()
    except NoImages as error:
        print(f"Skipped: {error}", file=sys.stderr)
        sys.exit(0)
