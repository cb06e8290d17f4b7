"""The queue: sending candidates to it, and what a worker process does beside training.

The only module besides the settings that knows Huey. A message is a hint: lost, doubled and late ones change
nothing, for the row decides.
"""

import atexit
import logging
import os
import platform
import socket
import threading
from collections.abc import Callable, Iterable
from importlib import import_module, metadata

from django.conf import settings
from django.db import close_old_connections
from huey.contrib.djhuey import HUEY, db_task, on_startup

from searches import memory, services, worker, worker_files, worker_jobs
from searches.crash_points import reached
from searches.models import ENGINE_VERSION

logger = logging.getLogger(__name__)

WORKER_BEAT_SECONDS = 2.0
LEAVE_SECONDS = 8.0
JOBS_LOOK_SECONDS = 1.0

post = worker.Post(name=os.environ.get("NASH_WORKER") or f"{socket.gethostname()}:{os.getpid()}")
_idle = threading.Event()
_idle.set()


def enqueue(candidate_ids: Iterable[int]) -> None:
    """Send candidates to the queue, in this order; call it after commit.

    A queue that does not answer is logged and no more: the reaper sends again what waits.
    """
    for candidate_id in candidate_ids:
        reached("message-not-sent")
        try:
            train_candidate(candidate_id)
        except Exception:  # each storage has its own errors
            logger.exception("the queue does not take candidate %s; the reaper will send it", candidate_id)
            return


@db_task(name="train_candidate")  # type: ignore[untyped-decorator]
def train_candidate(candidate_id: int) -> None:
    """Train what is first of all that waits, this candidate or another, and send what follows."""
    _idle.clear()
    try:
        enqueue(worker.train_next(candidate_id, post))
    finally:
        _idle.set()


@on_startup(name="worker")  # type: ignore[untyped-decorator]
def start_worker() -> None:
    """Beat, reap, and load torch before the first message; runs once in each worker process."""
    _every(WORKER_BEAT_SECONDS, beat)
    _every(settings.NASH_REAP_SECONDS, reap)
    _every(JOBS_LOOK_SECONDS, do_background_jobs)
    atexit.register(leave)
    for part in ("runner", "checkpoints", "export"):
        import_module(f"searches.nash.{part}")
    services.forget_refusals(post.name)
    logger.info("worker %s is ready", post.name)


def beat() -> None:
    """Say that this worker lives, idle or not."""
    services.worker_beat(identity(), post.candidate_id)


def reap() -> None:
    """Send again what was left behind, and then the rest: what goes wrong with one is logged, the others go on."""
    for act in (
        send_left_behind,
        heed_budgets,
        services.forget_dead_workers,
        services.sweep_deleted,
        worker_files.tidy_left_behind,
        go_on_with_room,
        services.keep_missing_models,
        services.settle_waiting,
        services.measure_older,
    ):
        try:
            act()
        except Exception:
            logger.exception("%s failed; the reaper tries it again in its next round", act.__name__)
            close_old_connections()


def send_left_behind() -> None:
    enqueue(services.reap(queue_is_empty=HUEY.pending_count() == 0))


def heed_budgets() -> None:
    enqueue(services.heed_budgets())


def go_on_with_room() -> None:
    enqueue(services.go_on_with_room())


def do_background_jobs() -> None:
    """Beside the training: imports, files of models, and what else somebody waits for."""
    worker_jobs.look(post.name, post.stop)


def leave() -> None:
    """At the end of the process: what is trained goes back first, then the worker's row goes."""
    post.stop.set()
    if not _idle.wait(LEAVE_SECONDS):
        logger.warning("what %s trains could not be given back in time; its lease will expire", post.name)
    services.worker_left(post.name)


def identity() -> services.WorkerIdentity:
    cuda = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    total, held = memory.of_device(cuda)
    return services.WorkerIdentity(
        name=post.name,
        host=socket.gethostname(),
        pid=os.getpid(),
        device=f"CUDA device {cuda}" if cuda else "CPU",
        versions={
            "engine": ENGINE_VERSION,
            "python": platform.python_version(),
            "torch": metadata.version("torch"),
        },
        memory_bytes=total,
        memory_used_bytes=held,
    )


def _every(seconds: float, act: Callable[[], None]) -> None:
    """Do it now and every so many seconds, in a thread of its own, whatever happens."""

    def go_on() -> None:
        while not post.stop.is_set():
            try:
                act()
            except Exception:
                logger.exception("%s failed; it is tried again in %g s", act.__name__, seconds)
            finally:
                close_old_connections()
            post.stop.wait(seconds)

    threading.Thread(target=go_on, name=act.__name__, daemon=True).start()
