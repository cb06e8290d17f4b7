"""Faults inside a worker: a child that runs out of memory, turns NaN or takes the process with it; a full disk.

NASH_FAULTS names them by child: "1.1=memory 1.2=nan 2.1=crash". NASH_FILL=checkpoint (database, archive) fills the
disk once, just before child 2.1, the finish of child 2.1 or the final model is written: with NASH_FILLER, a file on
that disk; NASH_FILLED says, on another, that it was done.
"""

import os
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
        if where := os.environ.get("NASH_FILL"):
            {"checkpoint": _fill_at_checkpoint, "database": _fill_at_finish, "archive": _fill_at_archive}[where]()


def _break_children(fault_of: dict[str, str]) -> None:
    from searches.worker_run import Run

    real_beat, real_epoch = Run._beat, Run._on_epoch

    def beat(self: Run) -> None:
        fault = fault_of.get(self._candidate.code)
        if fault == "memory":
            import torch

            torch.empty(ENTIRELY_TOO_MANY_BYTES, dtype=torch.uint8)
        if fault == "crash":
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
            fill_once()
        return real(candidate, *rest)

    worker_files.write_checkpoint = write_checkpoint


def _fill_at_finish() -> None:
    from searches import services
    from searches.models import Candidate

    real: Callable[..., list[int]] = services.finish

    def finish(lease: services.Lease, result: services.Result) -> list[int]:
        if Candidate.objects.get(pk=lease.candidate_id).code == FILLED_BEFORE:
            fill_once()
        return real(lease, result)

    services.finish = finish


def _fill_at_archive() -> None:
    from searches import worker_files

    real = worker_files._model_info

    def model_info(*of: Any) -> dict[str, Any]:
        fill_once()
        return real(*of)

    worker_files._model_info = model_info


def fill_once() -> None:
    """Write until the disk takes no more, unless that was done before."""
    filled = Path(os.environ["NASH_FILLED"])
    if filled.exists():
        return
    filled.touch()
    block = BLOCK
    with Path(os.environ["NASH_FILLER"]).open("wb", buffering=0) as filler:
        while block:
            try:
                filler.write(block)
            except OSError:
                block = block[: len(block) // 2]
