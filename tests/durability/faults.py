"""Faults inside a worker: a child that runs out of memory, turns NaN or takes the process with it; a full disk.

NASH_FAULTS names them by child: "1.1=memory 1.2=nan 2.1=crash 2.2=crash-once". NASH_FILL is a file on another disk
in which a test writes when the disk is to be filled, once: "checkpoint", "database" or "archive", just before a
checkpoint of child 2.1, its end, or the final model is written. NASH_FILLER is the file, on the disk, that fills it.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.apps import AppConfig

ENTIRELY_TOO_MANY_BYTES = 2**55
FILLED_BEFORE = "2.1"
BLOCK = bytes(2**16)


class Faults(AppConfig):
    name = "tests.durability.faults"

    def ready(self) -> None:
        by_child = dict(pair.split("=") for pair in os.environ.get("NASH_FAULTS", "").split())
        _break_children(by_child)
        _fill_at_checkpoint()
        _fill_at_finish()
        _fill_at_archive()


def _break_children(fault_of: dict[str, str]) -> None:
    from searches.worker_run import Run

    real_beat, real_epoch = Run._beat, Run._on_epoch

    def beat(self: Run) -> None:
        fault = fault_of.get(self._candidate.code)
        if fault == "memory":
            import torch

            torch.empty(ENTIRELY_TOO_MANY_BYTES, dtype=torch.uint8)
        if fault == "crash" or (fault == "crash-once" and self._lease.attempt == 1):
            os.abort()
        real_beat(self)

    def on_epoch(self: Run, training: Any) -> None:
        real_epoch(self, training)
        if fault_of.get(self._candidate.code) == "nan":
            next(training.network.parameters()).data.fill_(float("nan"))

    Run._beat, Run._on_epoch = beat, on_epoch  # type: ignore[method-assign]


def _fill_at_checkpoint() -> None:
    from searches import worker_files

    real = worker_files.write_checkpoint

    def write_checkpoint(candidate: Any, *rest: Any) -> str:
        if candidate.code == FILLED_BEFORE:
            fill_if_wanted("checkpoint")
        return real(candidate, *rest)

    worker_files.write_checkpoint = write_checkpoint


def _fill_at_finish() -> None:
    from searches import services
    from searches.models import Candidate

    real: Callable[..., list[int]] = services.finish

    def finish(lease: services.Lease, result: services.Result) -> list[int]:
        if Candidate.objects.get(pk=lease.candidate_id).code == FILLED_BEFORE:
            fill_if_wanted("database")
        return real(lease, result)

    services.finish = finish


def _fill_at_archive() -> None:
    from searches import selectors

    real = selectors.model_info  # what the zip of a final model says of it: asked for just before it is written

    def model_info(*of: Any, **said: Any) -> dict[str, Any]:
        fill_if_wanted("archive")
        return real(*of, **said)

    selectors.model_info = model_info


def fill_if_wanted(where: str) -> None:
    """Write until the disk takes no more, if a test wants that here and now."""
    wanted = Path(os.environ.get("NASH_FILL", "/nowhere"))
    if not wanted.is_file() or wanted.read_text() != where:
        return
    wanted.unlink()
    if where == "database":
        _empty_the_journal()
    block = BLOCK
    with Path(os.environ["NASH_FILLER"]).open("wb", buffering=0) as filler:
        while block:
            try:
                filler.write(block)
            except OSError:
                block = block[: len(block) // 2]


def _empty_the_journal() -> None:
    """Let SQLite's next commit need room of its own: what its journal has taken before, it would use again."""
    from django.db import connection

    for _ in range(100):
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if cursor.fetchone()[0] == 0:  # nobody was reading
                return
        time.sleep(0.02)
    raise AssertionError("the journal of the database is never free")
