"""One archive of everything: the database, the searches' files, the data sets, the secret key; and back again.

Models that lie in a folder of their own are in it under their names, as if they lay in the data folder; what is
restored is published again, to wherever models lie by then. A bucket has its own backups.

The database is copied first, as it is at one moment, then the files. A training that goes on meanwhile leaves files
that are newer than its row, as a worker does that is killed between the two: it goes on from the newest checkpoint.
The list of contents comes last: an archive that was cut short has none.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from searches import model_store, services
from searches.models import ENGINE_VERSION, Artifact, EnsembleFile

FORMAT = 1
MANIFEST = "manifest.json"
DATABASES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
SECRET_KEY = "secret-key"  # noqa: S105 (a file's name)
FOLDERS = ("searches", "ensembles", "datasets")
FRESH = {SECRET_KEY, "queue.sqlite3", "queue.sqlite3-wal", "queue.sqlite3-shm", "ballast"}
"""What any command makes in a data folder that was empty."""


class BackupError(Exception):
    """A backup cannot be made or restored; the message says why, and what was changed."""


@dataclass(frozen=True)
class Contents:
    """What an archive holds."""

    n_files: int
    n_bytes: int


def write_backup(target: Path) -> Contents:
    """Write the archive `target`, readable by its owner only: whole or not at all. Raises BackupError."""
    if target.exists():
        raise BackupError(f"{target} exists already; choose another name.")
    if not target.parent.is_dir():
        raise BackupError(f"There is no folder {target.parent}.")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".nash-backup-") as name:
        scratch = Path(name)  # mode 0700
        database = _copy_database(scratch)
        part = scratch / "archive.tar"
        contents = _pack(part, database)
        part.chmod(0o600)
        part.replace(target)
    return contents


def _copy_database(scratch: Path) -> Path:
    copy = scratch / _database_member()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(copy)])
    else:
        _postgres("pg_dump", "--format=custom", "--no-owner", f"--file={copy}")
    return copy


def _database_member() -> str:
    if connection.vendor not in DATABASES:
        raise BackupError(f"A database of {connection.vendor} is not known here.")
    return DATABASES[connection.vendor]


def _postgres(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on the database of the settings. Raises BackupError."""
    database: dict[str, Any] = {**settings.DATABASES["default"]}
    told = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    environment = {name: str(database[key]) for name, key in told.items() if database.get(key)}
    try:
        subprocess.run(
            [program, *arguments, f"--dbname={database['NAME']}"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError as error:
        raise BackupError(f"{program} is not on this machine: install PostgreSQL's client programs.") from error
    except subprocess.CalledProcessError as error:
        raise BackupError(f"{program}: {error.stderr.strip()}") from error


def _pack(part: Path, database: Path) -> Contents:
    folder = Path(settings.NASH_DATA_DIR)
    files = [(database, database.name), (folder / SECRET_KEY, SECRET_KEY)]
    for top in FOLDERS:
        found = sorted(path for path in (folder / top).rglob("*") if path.is_file())
        names = [path.relative_to(folder) for path in found]
        files += [(folder / n, n.as_posix()) for n in names if not any(p.startswith(".") for p in n.parts)]
    if models := model_store.folder():
        rows: list[Artifact | EnsembleFile] = [*Artifact.objects.all(), *EnsembleFile.objects.all()]
        files += [(models / row.file, row.file) for row in rows if row.lies_with_models]
    n_files = n_bytes = 0
    with part.open("wb") as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for path, name in files:
            if (size := _add(archive, path, name)) is not None:
                n_files, n_bytes = n_files + 1, n_bytes + size
        manifest = json.dumps(_manifest(n_files, n_bytes), indent=1).encode()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(manifest)
        archive.addfile(entry, BytesIO(manifest))
        archive.close()
        os.fsync(stream.fileno())
    return Contents(n_files, n_bytes)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> int | None:
    """Its size; None for a file that has gone since it was listed: one that is no longer wanted."""
    try:
        with path.open("rb") as file:
            entry = archive.gettarinfo(arcname=name, fileobj=file)
            archive.addfile(entry, file)
    except FileNotFoundError:
        return None
    return entry.size


def _manifest(n_files: int, n_bytes: int) -> dict[str, Any]:
    applied = MigrationLoader(connection).applied_migrations
    return {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "database": connection.vendor,
        "engine_version": ENGINE_VERSION,
        "migrations": sorted(list(migration) for migration in applied),
        "n_files": n_files,
        "n_bytes": n_bytes,
    }


def restore_backup(archive: Path) -> tuple[Contents, list[str]]:
    """Put what an archive holds into the empty data folder and the empty database of the settings.

    Returns what it was, and the files that rows name but the archive lacks. Raises BackupError.
    """
    folder = Path(settings.NASH_DATA_DIR)
    _refuse_unless_empty(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as name:
        scratch = Path(name)
        contents = _unpack(archive, scratch)
        _restore_database(scratch / _database_member())
        (folder / SECRET_KEY).unlink(missing_ok=True)
        for path in scratch.iterdir():
            if path.name in (SECRET_KEY, *FOLDERS):
                path.rename(folder / path.name)
    call_command("migrate", interactive=False, verbosity=0)
    try:
        return contents, services.settle_restored()
    except OSError as error:
        raise BackupError(
            f"All is restored but the models, which do not go where they are to lie: {error}. Mend that, empty "
            f"{folder} and the database, and restore once more."
        ) from error


def _refuse_unless_empty(folder: Path) -> None:
    if found := sorted({path.name for path in folder.iterdir()} - FRESH):
        raise BackupError(
            f"{folder} holds something already ({', '.join(found[:5])}): nothing was changed. Restore into an empty "
            "folder: NASH_DATA_DIR=/another/folder manage.py restore ARCHIVE"
        )
    name = settings.DATABASES["default"]["NAME"]
    if connection.vendor == "sqlite":
        holds = Path(name).exists()
    else:
        holds = bool(connection.introspection.table_names())
    if holds:
        raise BackupError(
            f"The database {name} holds something already: nothing was changed. Name an empty one in DATABASE_URL."
        )


def _is_ours(member: tarfile.TarInfo, allowed: Container[str]) -> bool:
    """Whether it is a file, or one that another name has too, at a place where a backup has some."""
    parts = member.name.split("/")
    return (member.isfile() or member.islnk()) and parts[0] in allowed and not {"", ".", ".."} & {*parts}


def _write_out(stream: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """With its mode and time. tarfile's own way for what cannot be trusted is not in Python 3.11.0 to 3.11.3."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = stream.extractfile(member)
    assert source is not None
    with source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    path.chmod(member.mode & 0o777)
    os.utime(path, (member.mtime, member.mtime))


def _unpack(archive: Path, scratch: Path) -> Contents:
    """Raises BackupError, with nothing changed, unless the archive is whole and this site's code can read it."""
    allowed = {MANIFEST, SECRET_KEY, *DATABASES.values(), *FOLDERS}
    try:
        with tarfile.open(archive) as stream:
            members = stream.getmembers()
            if strange := [m.name for m in members if not _is_ours(m, allowed)]:
                raise BackupError(f"{archive} is no backup of this program: it holds {strange[0]!r}.")
            for member in members:
                _write_out(stream, member, scratch / member.name)
    except FileNotFoundError as error:
        raise BackupError(f"There is no file {archive}.") from error
    except (tarfile.TarError, EOFError, OSError, KeyError) as error:
        raise BackupError(f"{archive} cannot be read: {error}. Nothing was changed.") from error
    if not (scratch / MANIFEST).is_file():
        raise BackupError(f"{archive} was cut short: its list of contents is missing. Nothing was changed.")
    manifest = json.loads((scratch / MANIFEST).read_bytes())
    sizes = [member.size for member in members if member.name != MANIFEST]
    contents = Contents(manifest["n_files"], manifest["n_bytes"])
    if manifest["format"] != FORMAT or contents != Contents(len(sizes), sum(sizes)):
        raise BackupError(f"{archive} does not hold what its list says. Nothing was changed.")
    _check_fits(archive, manifest)
    return contents


def _check_fits(archive: Path, manifest: dict[str, Any]) -> None:
    if manifest["database"] != connection.vendor:
        raise BackupError(
            f"{archive} is of a {manifest['database']} database, DATABASE_URL names a {connection.vendor} one. "
            "Nothing was changed."
        )
    known = MigrationLoader(connection=None).disk_migrations
    if newer := [f"{app}.{name}" for app, name in manifest["migrations"] if (app, name) not in known]:
        raise BackupError(
            f"{archive} was made by a newer version of this program, which knows {', '.join(newer)}. "
            "Nothing was changed."
        )


def _restore_database(copy: Path) -> None:
    if connection.vendor != "sqlite":
        _postgres("pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", str(copy))
        return
    database = sqlite3.connect(copy)
    try:
        found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = error
    finally:
        database.close()
    if found != "ok":
        raise BackupError(f"The database in the archive is damaged: {found}. Nothing was changed.")
    copy.chmod(0o600)
    shutil.move(copy, settings.DATABASES["default"]["NAME"])
