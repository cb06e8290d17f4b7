"""The running site: the web process and its workers, as `up` and `demo` start them."""

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import DatabaseError

from nashweb.environment import words
from searches import datasets, services, startup, tasks
from searches.accounts import first_account_path
from searches.management.watching import Watch
from searches.supervisor import ProcessPlan, Supervisor
from searches.worker_plans import WorkerPlan, plan_workers

WEB = "web"
READY_SECONDS = 60.0
POLL_SECONDS = 0.2
GRACE_SECONDS = 5
MANAGE = Path(settings.BASE_DIR) / "manage.py"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What is to run on this host: pages at host and port, workers (None: as many as suit the machine)."""

    host: str = "127.0.0.1"
    port: int | None = None
    n_workers: int | None = None
    per_device: int = 1
    with_pages: bool = True


@dataclass(frozen=True)
class Site:
    """A site that answers at `address` ("" where there are only workers), and the names of its workers."""

    address: str
    supervisor: Supervisor
    workers: frozenset[str]
    watch: Watch

    def poll(self) -> None:
        """Start again what has died, and replace workers that make no progress. Raises TooManyDeaths."""
        self.supervisor.poll()
        pids = {name: pid for name, pid in self.supervisor.pids.items() if name in self.workers}
        for name, why in self.watch.stuck(pids).items():
            self.supervisor.replace(name, why)


@contextmanager
def running_site(wanted: Wanted, say: Say, told_to_end: Callable[[], bool]) -> Iterator[Site]:
    """Prepare the data folder, start web and workers, wait until the site answers; end all on leaving.

    Raises CannotStart, TooManyDeaths.
    """
    folder, is_lab = settings.NASH_DATA_DIR, startup.is_lab()
    workers = plan_workers(wanted.n_workers, per_device=wanted.per_device, site=folder if is_lab else None)
    with startup.lock_data_folder(folder) as lock:
        address = _announce(wanted, lock, say)
        startup.check_database(say)
        startup.migrate(say)
        datasets.ensure_digits()
        if wanted.with_pages:
            startup.collect_static_files()
        _release(workers, say)
        services.note_disk_use_of_unknown()
        logs = folder / "logs" / (socket.gethostname() if is_lab else "")
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        plans = [_worker_plan(worker, logs) for worker in workers]
        if address:
            plans.insert(0, _web_plan(wanted.host, _port_of(address), logs))
        names = frozenset(worker.name for worker in workers)
        supervisor = Supervisor(plans, say=say, on_death=lambda name: name in names and _release_worker(name, say))
        try:
            if address:
                _wait_until_it_answers(wanted.host, _port_of(address), supervisor, told_to_end)
            _greet(address, workers, logs, say)
            yield Site(address, supervisor, names, Watch())
        finally:
            supervisor.stop()


def _announce(wanted: Wanted, lock: IO[str], say: Say) -> str:
    """Choose where the pages are served and say so; the address, "" where only workers are wanted."""
    host, port, folder = wanted.host, wanted.port, settings.NASH_DATA_DIR
    if not wanted.with_pages:
        startup.describe_holder(lock, "workers only")
        say(f"NASH  workers only (data in {folder})")
        return ""
    chosen = startup.choose_port(host, port)
    if port is None and chosen != startup.DEFAULT_PORT:
        say(f"Port {startup.DEFAULT_PORT} is taken, so it is {chosen} this time.")
    address = f"http://{_in_address(host)}:{chosen}"
    startup.describe_holder(lock, address)
    say(f"NASH  {address}/   (data in {folder})")
    return address


def _port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def _greet(address: str, workers: list[WorkerPlan], logs: Path, say: Say) -> None:
    named = ", ".join(f"{worker.name} ({worker.device})" for worker in workers)
    say(f"Workers: {named or 'none here; `manage.py up --no-web` starts some on another host'}; logs in {logs}")
    if address and (path := first_account_path()):
        say(f"No account exists yet. This link makes the first one, once:\n  {address}{path}")


def _in_address(host: str) -> str:
    """The host to write into a link: a wildcard is reached at loopback from this machine."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 (compared, not bound)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _web_plan(host: str, port: int, logs: Path) -> ProcessPlan:
    arguments = [
        sys.executable, "-m", "uvicorn", "nashweb.asgi:application",
        "--app-dir", str(settings.BASE_DIR), "--host", host, "--port", str(port),
        "--lifespan", "off", "--log-level", "warning", "--no-access-log", "--no-server-header",
        "--ws-max-size", "65536", "--ws-per-message-deflate", "false",
        "--timeout-graceful-shutdown", str(GRACE_SECONDS),
    ]  # fmt: skip
    allowed = [*words("NASH_ALLOWED_HOSTS"), *startup.served_names(host)]
    environment = {"NASH_ALLOWED_HOSTS": ",".join(allowed), "OMP_NUM_THREADS": "1"}
    return ProcessPlan(WEB, arguments, environment, logs / "web.log")


def _worker_plan(worker: WorkerPlan, logs: Path) -> ProcessPlan:
    """One Huey consumer with one thread. SQLite's queue is polled, hence the short delays."""
    arguments = [
        sys.executable, str(MANAGE), "run_huey", "--worker-type", "thread", "--workers", "1",
        "--delay", "0.05", "--max-delay", "0.25", "--no-periodic", "--simple",
    ]  # fmt: skip
    log = logs / f"{worker.name.rpartition(':')[2]}.log"
    return ProcessPlan(worker.name, arguments, worker.environment, log)


def _release(workers: list[WorkerPlan], say: Say) -> None:
    """Free what this machine's workers held when they last ended: the lock says that none of them lives."""
    for worker in workers:
        _release_worker(worker.name, say)


def _release_worker(name: str, say: Say) -> bool:
    """Free what it held; whether that was a training, which fails by itself if its workers die again and again."""
    try:
        released = services.release_worker(name)
    except DatabaseError as error:
        say(f"The leases of {name} stay until they expire: {error}")
        return False
    tasks.enqueue(released.ids)
    return released.held_a_training


def _wait_until_it_answers(host: str, port: int, supervisor: Supervisor, told_to_end: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not told_to_end() and not _answers(host, port):
        supervisor.poll()
        if time.monotonic() > deadline:
            raise startup.CannotStart(
                f"The web process does not answer within {READY_SECONDS:.0f} s; "
                f"see {settings.NASH_DATA_DIR / 'logs' / 'web.log'}"
            )
        time.sleep(POLL_SECONDS)


def _answers(host: str, port: int) -> bool:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(target, port, timeout=5)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ends_when_told() -> Callable[[], bool]:
    """Take SIGINT, SIGTERM and SIGHUP as a wish to end; return a function that says whether it came."""
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: told.append(received))
    return lambda: bool(told)


def pause() -> None:
    time.sleep(POLL_SECONDS)


def is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
