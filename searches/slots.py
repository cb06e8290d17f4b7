"""Core slots of this host: one lock file per core, freed by the kernel however a worker ends.

There are never more training threads than cores, whatever the number of workers: a job takes all of the
slots that it needs or none, before its row is claimed. Who waits for slots holds the turnstile, so that a
job that needs every core is not overtaken for ever by jobs that need one.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

logger = logging.getLogger(__name__)

Taken = TypeVar("Taken")

POLL_SECONDS = 0.05
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
THREADS_OF_THIS_PROCESS = Path("/proc/self/task")
WORTH_TWO_THREADS_MACS = 100_000_000
"""Multiply-accumulates of one batch's forward pass below which a training has one thread."""


@cache
def usable_cores() -> tuple[int, ...]:
    """Numbers of the cores that this process may use, fewer where a container's quota allows fewer.

    Asked once and kept: pinning narrows the affinity that a later question would see.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return tuple(allowed)[: _quota_cores() or None]


def _quota_cores() -> int | None:
    try:
        quota, period = CPU_QUOTA.read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, int(quota) // int(period))


def takes_all_cores(kind: str, batch_macs: float) -> bool:
    """Neighbours train side by side, one thread each; pretraining and the final training have all cores.

    A network whose batch is little work has one thread too: a second gains nothing there, and waits for its
    turn at every layer as soon as anything else runs on the machine (digits: 6 s alone, minutes beside others).
    """
    return kind != "neighbour" and batch_macs >= WORTH_TWO_THREADS_MACS


@dataclass(frozen=True)
class Slots:
    """The cores that a job holds, and the open lock files that hold them."""

    cores: tuple[int, ...]
    files: tuple[int, ...]

    def release(self) -> None:
        for file in self.files:
            os.close(file)


def try_take(folder: Path, n_threads: int) -> Slots | None:
    """Take `n_threads` free cores of this host at once, or none of them."""
    held: list[int] = []
    cores: list[int] = []
    for core in usable_cores():
        file = _try_lock(folder / f"core-{core}.lock")
        if file is not None:
            held.append(file)
            cores.append(core)
        if len(cores) == n_threads:
            return Slots(tuple(cores), tuple(held))
    Slots((), tuple(held)).release()
    return None


def _try_lock(path: Path) -> int | None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


@contextmanager
def core_slots(folder: Path, n_threads: int, *, give_up: Callable[[], bool]) -> Iterator[Slots | None]:
    """Wait for `n_threads` core slots and hold them; None when `give_up()` turned true while waiting.

    Raises ValueError for more threads than this process may use: no wait would ever end.
    """
    if n_threads > len(usable_cores()):
        raise ValueError(f"n_threads={n_threads}: this process may use {len(usable_cores())} cores")
    folder.mkdir(parents=True, exist_ok=True)
    slots = _wait(folder, n_threads, give_up)
    try:
        yield slots
    finally:
        if slots is not None:
            slots.release()


def _wait(folder: Path, n_threads: int, give_up: Callable[[], bool]) -> Slots | None:
    turnstile = _poll(lambda: _try_lock(folder / "turnstile.lock"), give_up)
    if turnstile is None:
        return None
    try:
        return _poll(lambda: try_take(folder, n_threads), give_up)
    finally:
        os.close(turnstile)


def _poll(attempt: Callable[[], Taken | None], give_up: Callable[[], bool]) -> Taken | None:
    while (taken := attempt()) is None:
        if give_up():
            return None
        time.sleep(POLL_SECONDS)
    return taken


def pin(cores: tuple[int, ...]) -> None:
    """Bind every thread of this process to `cores` and torch to as many threads.

    Call it from the thread that trains: the thread count of OpenMP belongs to the thread that sets it.
    """
    bind_threads(cores)
    import torch

    torch.set_num_threads(len(cores))


def bind_threads(cores: tuple[int, ...]) -> None:
    """Bind every thread of this process; threads started later inherit it from the one that starts them."""
    if not hasattr(os, "sched_setaffinity"):
        return
    for thread in THREADS_OF_THIS_PROCESS.iterdir():
        try:
            os.sched_setaffinity(int(thread.name), cores)
        except ProcessLookupError:
            logger.debug("thread %s has ended meanwhile", thread.name)
