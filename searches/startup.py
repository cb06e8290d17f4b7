"""What must be in order before the site can answer: lock, database, static files, a free port."""

import errno
import fcntl
import hashlib
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

DEFAULT_PORT = 8000
PORTS_TRIED = 20
LARGEST_PORT = 65535
MIGRATION_LOCK = 0x4E415348  # "NASH": the advisory lock of whoever migrates on PostgreSQL


WAL_RESET_MENDED_FROM = (3, 51, 3)
WAL_RESET_MENDED = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}


class CannotStart(Exception):
    """The site cannot start here; the message says why and what to do."""


def is_lab() -> bool:
    """Whether other hosts may work on the same database: it is a server, no file in the data folder."""
    return connection.vendor != "sqlite"


def lock_data_folder(folder: Path) -> IO[str]:
    """Hold `folder` for one `up` (of a lab: one on each host), until the file is closed or the process ends.

    Raises CannotStart where another holds it.
    """
    name = f"up-{socket.gethostname()}.lock" if is_lab() else "up.lock"
    file = (folder / name).open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise CannotStart(
            f"Another `up` serves the data folder {folder}{f' ({holder})' if holder else ''}. "
            "Use it, end it first, or set NASH_DATA_DIR to another folder."
        ) from None
    return file


def describe_holder(lock: IO[str], address: str) -> None:
    """Write into the lock file what a second `up` shows."""
    lock.seek(0)
    lock.truncate()
    lock.write(f"process {os.getpid()}, {address}\n")
    lock.flush()


def check_database(say: Callable[[str], None]) -> None:
    """Look whether SQLite's file is whole, and say what is known against this SQLite. Raises CannotStart.

    A database server looks after itself.
    """
    if connection.vendor != "sqlite":
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA quick_check(1)")
            found = str(cursor.fetchone()[0])
    except DatabaseError as error:
        found = str(error)
    if found != "ok":
        name = settings.DATABASES["default"]["NAME"]
        raise CannotStart(
            f"The database {name} is damaged ({' '.join(found.split())}). Nothing was changed. Restore a backup into "
            "an empty folder (NASH_DATA_DIR=... manage.py restore ARCHIVE), or put a copy from the folder backups "
            "in its place."
        )
    if has_wal_reset_bug(sqlite3.sqlite_version_info):
        say(
            f"SQLite {sqlite3.sqlite_version} has a rare bug that can damage a database that many processes write "
            "to (fixed in 3.51.3). Make backups (manage.py backup); a lab takes PostgreSQL (docs/deploy.md)."
        )


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Whether SQLite of this version may lose a page when the write-ahead log is reset.

    Source: sqlite.org/wal.html#walresetbug; all from 3.7.0 on, mended in 3.51.3 and in later 3.44 and 3.50.
    """
    mended = WAL_RESET_MENDED.get(version[:2], WAL_RESET_MENDED_FROM)
    return (3, 7, 0) <= version < mended


def migrate(say: Callable[[str], None]) -> None:
    """Bring the database up to date; one that holds something is copied first (SQLite)."""
    with _one_at_a_time():
        plan, is_update = _migrations_to_come()
        if not plan:
            return
        if is_update and connection.vendor == "sqlite":
            say(f"The database is of an older version; a copy of it: {backup(settings.NASH_DATA_DIR)}")
        elif is_update:
            say("The database is of an older version; its backups are the PostgreSQL server's business.")
        call_command("migrate", interactive=False, verbosity=0)
        if is_update:
            say(f"{len(plan)} migration{'s' if len(plan) > 1 else ''} applied.")


def why_not_migrated() -> str:
    """What a command says whose tables or columns are not there yet; "" where the database is up to date."""
    plan, is_update = _migrations_to_come()
    if not plan:
        return ""
    name = connection.settings_dict["NAME"]
    state = "is of an older version of NASH" if is_update else "was not set up yet"
    return f"The database {name} {state}: start `manage.py up`, or run `manage.py migrate`, and ask again."


def _migrations_to_come() -> tuple[list[Any], bool]:
    """Migrations that were not applied, and whether others were."""
    executor = MigrationExecutor(connection)
    return executor.migration_plan(executor.loader.graph.leaf_nodes()), bool(executor.loader.applied_migrations)


def backup(folder: Path) -> Path:
    """Copy the SQLite database, consistent and compact, to `folder`/backups. Returns the copy's path."""
    backups = folder / "backups"
    backups.mkdir(mode=0o700, exist_ok=True)
    copy = backups / f"nash-{datetime.now():%Y%m%d-%H%M%S-%f}.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    copy.chmod(0o600)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    return copy


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Of several hosts that start on one PostgreSQL, one migrates and the others wait."""
    if connection.vendor != "postgresql":
        yield  # the lock of the data folder is enough
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def collect_static_files() -> None:
    """Collect, hash and compress the static files, unless those there are of these sources."""
    if settings.DEBUG:
        return
    stamp = Path(settings.STATIC_ROOT) / ".sources"
    sources = _static_sources()
    if stamp.is_file() and stamp.read_text() == sources:
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(sources)


def _static_sources() -> str:
    """Digest of every source's name, size and time, and of what processes them."""
    digest = hashlib.sha256(f"{metadata.version('Django')} {metadata.version('servestatic')}".encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            state = Path(storage.path(name)).stat()
            digest.update(f"\n{name} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()


def choose_port(host: str, port: int | None) -> int:
    """Return `port` (0: any that is free); without one, 8000 or else the next free one.

    Raises CannotStart where the given port or every one of the default's neighbours is taken, and where
    this machine has no address `host`.
    """
    if port is not None:
        if not 0 <= port <= LARGEST_PORT:
            raise CannotStart(f"--port {port}: write a number from 0 (any free one) to {LARGEST_PORT}")
        chosen = _bound_port(host, port)
        if chosen is None:
            raise CannotStart(f"Port {port} of {host} is taken. Choose another --port, or leave it out.")
        return chosen
    for candidate in [*range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED), 0]:
        chosen = _bound_port(host, candidate)
        if chosen is not None:
            return chosen
    raise CannotStart(f"No free port on {host}.")


def _bound_port(host: str, port: int) -> int | None:
    """Bind `port` for a moment; return its number, or None where it is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise CannotStart(f"--host {host}: {error.strerror}") from error
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(address)
            return int(trial.getsockname()[1])
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return None
            raise CannotStart(f"--host {host}: {error.strerror}. Is it an address of this machine?") from error


def served_names(host: str) -> list[str]:
    """Names under which browsers may reach a site that listens on `host` (for ALLOWED_HOSTS)."""
    if host not in {"0.0.0.0", "::", ""}:  # noqa: S104 (compared, not bound)
        return [f"[{host}]" if ":" in host else host]
    names = {socket.gethostname()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        try:
            outward.connect(("192.0.2.1", 9))  # sends nothing: asks which of our addresses faces outward
            names.add(outward.getsockname()[0])
        except OSError:
            pass
    return sorted(names)
