"""The running site: the web process and its workers, as `up` and `demo` start them."""

import http.client
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from nashweb.environment import words
from searches import datasets, services, startup, tasks
from searches.accounts import first_account_path
from searches.supervisor import ProcessPlan, Supervisor
from searches.worker_plans import WorkerPlan, plan_workers

WEB = "web"
READY_SECONDS = 60.0
POLL_SECONDS = 0.2
GRACE_SECONDS = 5
MANAGE = Path(settings.BASE_DIR) / "manage.py"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Site:
    """A site that answers at `address`."""

    address: str
    supervisor: Supervisor

    def poll(self) -> None:
        """Restart what has died. Raises TooManyDeaths."""
        self.supervisor.poll()


@contextmanager
def running_site(
    host: str, port: int | None, n_workers: int | None, say: Say, told_to_end: Callable[[], bool]
) -> Iterator[Site]:
    """Prepare the data folder, start web and workers, wait until the site answers; end all on leaving.

    Raises CannotStart, TooManyDeaths.
    """
    folder = settings.NASH_DATA_DIR
    workers = plan_workers(n_workers)
    with startup.lock_data_folder(folder) as lock:
        chosen = startup.choose_port(host, port)
        if port is None and chosen != startup.DEFAULT_PORT:
            say(f"Port {startup.DEFAULT_PORT} is taken, so it is {chosen} this time.")
        address = f"http://{_in_address(host)}:{chosen}"
        startup.describe_holder(lock, address)
        say(f"NASH  {address}/   (data in {folder})")
        startup.migrate(say)
        datasets.ensure_digits()
        startup.collect_static_files()
        _release(workers, say)
        logs = folder / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        plans = [_web_plan(host, chosen, logs), *(_worker_plan(worker, logs) for worker in workers)]
        names = {worker.name for worker in workers}
        supervisor = Supervisor(
            plans, say=say, on_death=lambda name: _release_worker(name, say) if name in names else None
        )
        try:
            _wait_until_it_answers(host, chosen, supervisor, told_to_end)
            _greet(address, workers, logs, say)
            yield Site(address, supervisor)
        finally:
            supervisor.stop()


def _greet(address: str, workers: list[WorkerPlan], logs: Path, say: Say) -> None:
    say(f"Workers: {', '.join(f'{worker.name} ({worker.device})' for worker in workers)}; logs in {logs}")
    if path := first_account_path():
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


def _release_worker(name: str, say: Say) -> None:
    try:
        tasks.enqueue(services.release_worker(name))
    except DatabaseError as error:
        say(f"The leases of {name} stay until they expire: {error}")


def _wait_until_it_answers(
    host: str, port: int, supervisor: Supervisor, told_to_end: Callable[[], bool]
) -> None:
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
