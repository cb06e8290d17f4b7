"""Where finished models lie: STORAGES["models"], which is the data folder unless NASH_MODELS names another place.

A worker writes a model's zip into the data folder first, whole, and then publishes it; its row is written last.
Everything that is trained from (weights, checkpoints, statistics) stays in the data folder.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


def folder() -> Path | None:
    """Where models lie in a folder of their own, or the nearest one above it that is there yet; else None."""
    models = store()
    if isinstance(models, DataFolderStorage) or not isinstance(models, FileSystemStorage):
        return None
    where = Path(models.location)
    return next(path for path in (where, *where.parents) if path.exists())


@contextmanager
def _as_oserror(name: str) -> Iterator[None]:
    """Each storage has errors of its own (S3's are no OSError), which nobody here is to know."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{name} in {settings.NASH_MODELS}: {type(error).__name__}: {error}") from error


def publish(path: Path) -> None:
    """Move a finished file from the data folder to where models lie, under the same name. Raises OSError."""
    models = store()
    if isinstance(models, DataFolderStorage):
        return
    name = path.relative_to(settings.NASH_DATA_DIR).as_posix()
    with _as_oserror(name):
        models.delete(name)  # what an attempt left that died before its row was written
        with path.open("rb") as file:
            saved = models.save(name, File(file))
        if saved != name:
            models.delete(saved)
            raise OSError(f"{name}: stored as {saved}; is another process publishing it?")
    path.unlink()


def open_model(name: str) -> IO[Any]:
    """A model's file, open for reading bytes. Raises OSError."""
    with _as_oserror(name):
        return store().open(name, "rb")


def is_there(name: str) -> bool:
    """Raises OSError where the storage does not answer."""
    with _as_oserror(name):
        return store().exists(name)


def remove(names: Iterable[str]) -> None:
    """Remove models for good; those that are gone already count as removed. Raises OSError."""
    for name in names:
        with _as_oserror(name):
            store().delete(name)


def place_of(name: str) -> str:
    """Where a model lies, for people: its path, or its name in the storage."""
    models = store()
    return models.path(name) if isinstance(models, FileSystemStorage) else f"{name} in {settings.NASH_MODELS}"
