"""Processes in which something is trained: their environment, their cores, and that they end with their parent."""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from benchmarks.images import ROOT
from searches.nash.devices import process_environment
from searches.slots import bind_threads, usable_cores

Row = dict[str, Any]
PR_SET_PDEATHSIG = 1


class Failed(RuntimeError):
    """A process ended before its work was done; what it said stands above."""


def trainer_environment(n_processes: int, n_threads: int) -> dict[str, str]:
    """The environment of a worker that shares this machine with others: as `up` starts them."""
    share = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // n_processes
    return {**os.environ, **process_environment(share), "OMP_NUM_THREADS": str(n_threads)}


def start(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """`python -m module arguments`, spoken with by lines on stdin and stdout; stderr is ours."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        cwd=ROOT,
        env={**environment},
    )


def settle(cores: Sequence[int]) -> None:
    """In a process that was started: run on these cores, torch with a thread on each; end when the parent does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    bind_threads(tuple(cores))
    import torch

    torch.set_num_threads(len(cores))


def results_of(module: str, jobs: Sequence[Row], at_once: int, arguments: Sequence[str] = ()) -> Iterator[Row]:
    """Run `python -m module --job JSON --core N arguments` for each job, `at_once` side by side on a core each.

    Yields the JSON object that each prints as its last line, as they end. Raises Failed, and ValueError for more
    at once than there are cores.
    """
    cores: queue.SimpleQueue[int] = queue.SimpleQueue()
    if not 1 <= at_once <= len(usable_cores()):
        raise ValueError(f"jobs={at_once}: this process may use {len(usable_cores())} cores; give 1 to that many")
    for core in usable_cores()[:at_once]:
        cores.put(core)
    running: set[subprocess.Popen[str]] = set()

    def run(job: Row) -> Row:
        core = cores.get()
        told = ["--job", json.dumps(job), "--core", str(core), *arguments]
        process = start(module, told, trainer_environment(at_once, 1))
        running.add(process)
        try:
            lines = process.communicate()[0].splitlines()
            if process.returncode or not lines:
                raise Failed(f"{module} ended with exit code {process.returncode} at {job}")
            return {**job, **json.loads(lines[-1])}
        finally:
            running.discard(process)
            cores.put(core)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            for future in as_completed([pool.submit(run, job) for job in jobs]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.kill()
