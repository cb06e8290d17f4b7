"""Starts processes, starts again what dies, and takes all of them down with it. Standard library only."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

DEATHS_ALLOWED = 5
DEATHS_WITHIN_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 30.0
STOP_SECONDS = 12.0
KILL_SECONDS = 3.0
LOG_BYTES = 20_000_000
LINES_SHOWN = 20
SHORT_LINES_SHOWN = 5
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class ProcessPlan:
    """One process to keep alive."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path


class TooManyDeaths(Exception):
    """A process died again and again; the message holds its last words."""


@dataclass
class _Kept:
    """A planned process, its current life, when the former ones ended, and when those did that count against it."""

    plan: ProcessPlan
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=deque)
    own_deaths: deque[float] = field(default_factory=deque)
    start_at: float = 0.0
    log_start: int = 0  # size of the log when this life began


class Supervisor:
    """Keeps a set of processes alive until `stop`.

    say: takes a line for the terminal. on_death: called with a process's name after each of its deaths, the
    wanted one in `stop` included; says whether somebody else counts that death, and ends what brings it about. Such
    a one makes the next start wait as all do, but is none of the DEATHS_ALLOWED.
    """

    def __init__(
        self,
        plans: Sequence[ProcessPlan],
        *,
        say: Callable[[str], None],
        on_death: Callable[[str], bool] = lambda name: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept = [_Kept(plan) for plan in plans]
        self._say = say
        self._on_death = on_death
        self._clock = clock

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of those alive, by name."""
        return {kept.plan.name: kept.process.pid for kept in self._kept if kept.process is not None}

    def poll(self) -> None:
        """Start what is due, notice what has died. Call it several times a second.

        Raises TooManyDeaths.
        """
        now = self._clock()
        for kept in self._kept:
            if kept.process is None:
                if now >= kept.start_at:
                    _start(kept)
            elif kept.process.poll() is not None:
                self._bury(kept, now)
            else:
                _cut_log(kept)

    def replace(self, name: str, why: str) -> None:
        """Kill the process of that name, which lives but does not get on; it starts again like one that died.

        Raises TooManyDeaths.
        """
        for kept in self._kept:
            if kept.plan.name == name and kept.process is not None:
                self._say(f"{name} makes no progress ({why}): it is killed and started anew.")
                _signal_group(kept, signal.SIGKILL)
                kept.process.wait()
                self._bury(kept, self._clock())

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask all to end (SIGTERM), kill after `seconds` what has not. Returns when none is left."""
        alive = [kept for kept in self._kept if kept.process is not None]
        for kept in alive:
            _signal_group(kept, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        for kept in alive:
            if not _ends_before(kept, deadline):
                self._say(f"{kept.plan.name} does not end within {seconds:.0f} s: killed.")
        for kept in alive:
            _signal_group(kept, signal.SIGKILL)  # its own children, too
            _ends_before(kept, time.monotonic() + KILL_SECONDS)
            kept.process = None
            self._on_death(kept.plan.name)

    def _bury(self, kept: _Kept, now: float) -> None:
        assert kept.process is not None
        how = _how_it_ended(kept.process.returncode)
        _signal_group(kept, signal.SIGKILL)  # what it may have left behind
        kept.process = None
        kept.deaths.append(now)
        if not self._on_death(kept.plan.name):
            kept.own_deaths.append(now)
        for deaths in (kept.deaths, kept.own_deaths):
            while deaths and deaths[0] < now - DEATHS_WITHIN_SECONDS:
                deaths.popleft()
        if len(kept.own_deaths) >= DEATHS_ALLOWED:
            words = "\n".join(_last_lines(kept, LINES_SHOWN)) or "(it wrote nothing)"
            raise TooManyDeaths(
                f"{kept.plan.name} ended {len(kept.own_deaths)} times within {DEATHS_WITHIN_SECONDS:.0f} s "
                f"(the last time {how}). Its last lines, from {kept.plan.log}:\n{words}"
            )
        wait = min(2.0 ** (len(kept.deaths) - 1), LONGEST_WAIT_SECONDS)
        kept.start_at = now + wait
        for line in _last_lines(kept, SHORT_LINES_SHOWN):
            self._say(f"  {kept.plan.name} | {line}")
        self._say(f"{kept.plan.name} ended ({how}); it starts again in {wait:.0f} s.")


def _start(kept: _Kept) -> None:
    plan = kept.plan
    with plan.log.open("ab") as log:
        kept.log_start = log.tell()
        kept.process = subprocess.Popen(
            plan.arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **plan.environment},
            start_new_session=True,  # Ctrl-C in the terminal reaches the supervisor alone, which ends the rest
            preexec_fn=partial(leave_with_parent, os.getpid()),  # noqa: PLW1509  (the supervisor has no threads)
        )


def leave_with_parent(parent: int) -> None:
    """What a new process does first: have the kernel kill it when its parent is gone, however that ended."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # gone before the line above
        os._exit(1)


def _signal_group(kept: _Kept, number: signal.Signals) -> None:
    assert kept.process is not None
    try:
        os.killpg(kept.process.pid, number)  # it leads its own session, hence its own group
    except (ProcessLookupError, PermissionError):  # all gone (macOS says PermissionError for zombies)
        pass


def _ends_before(kept: _Kept, deadline: float) -> bool:
    assert kept.process is not None
    try:
        kept.process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _how_it_ended(returncode: int) -> str:
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit code {returncode}"


def _last_lines(kept: _Kept, n: int) -> list[str]:
    """The last lines that this life of the process wrote to its log."""
    with kept.plan.log.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(kept.log_start if kept.log_start <= size else 0, size - 20_000))
        return log.read().decode(errors="replace").splitlines()[-n:]


def _cut_log(kept: _Kept) -> None:
    """Move what a long log holds to <name>.1; the process appends, so that it goes on at the new end."""
    log = kept.plan.log
    if log.stat().st_size <= LOG_BYTES:
        return
    log.with_suffix(".log.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)
