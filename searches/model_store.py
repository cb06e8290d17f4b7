"""Where finished models lie: STORAGES["models"], which is the data folder unless NASH_MODELS names another place.

A worker writes a model's zip into the data folder first, whole, and then publishes it; its row is written last.
Everything that is trained from (weights, checkpoints, statistics) stays in the data folder.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages


class DataFolderStorage(FileSystemStorage):
    """The data folder itself: what is published lies there already."""

    @property
    def base_location(self) -> Any:
        return settings.NASH_DATA_DIR

    @property
    def location(self) -> Any:
        return str(Path(settings.NASH_DATA_DIR).resolve())


def store() -> Storage:
    return storages["models"]


def publish(path: Path) -> None:
    """Move a finished file from the data folder to where models lie, under the same name. Raises OSError."""
    models = store()
    if isinstance(models, DataFolderStorage):
        return
    name = path.relative_to(settings.NASH_DATA_DIR).as_posix()
    models.delete(name)  # what an attempt left that died before its row was written
    with path.open("rb") as file:
        saved = models.save(name, File(file))
    if saved != name:
        models.delete(saved)
        raise OSError(f"{name}: stored as {saved}; is another process publishing it?")
    path.unlink()


def open_model(name: str) -> IO[Any]:
    """A model's file, open for reading bytes. Raises OSError."""
    return store().open(name, "rb")


def is_there(name: str) -> bool:
    return store().exists(name)


def remove(names: Iterable[str]) -> None:
    """Remove models for good; those that are gone already count as removed."""
    for name in names:
        store().delete(name)


def place_of(name: str) -> str:
    """Where a model lies, for people: its path, or its name in the storage."""
    models = store()
    return models.path(name) if isinstance(models, FileSystemStorage) else f"{name} in {settings.NASH_MODELS}"
