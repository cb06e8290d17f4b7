"""Background jobs in a worker: one at a time beside its training, each in a process of its own.

A worker looks for them every second, since it may train for hours before it read a message. The process is of low
priority, ends with its worker, and whatever it does to its memory or its threads touches no training.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from searches import selectors, services
from searches.models import BackgroundJob
from searches.selectors import ensembles
from searches.selectors.exports import FILES
from searches.services import JobLease, LeaseLost
from searches.work import Function, Work
from searches.work_data import count_twins, download, import_upload
from searches.worker_ensembles import make_ensemble_files, measure_ensemble
from searches.worker_exports import make_files

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
GRACE_SECONDS = 10.0
"""How long a process whose job was cancelled may tidy up."""
ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
MANAGE = Path(settings.BASE_DIR) / "manage.py"


HANDLERS: dict[str, Function] = {
    "dataset_import": import_upload,
    "dataset_download": download,
    "dataset_count": count_twins,
    FILES: make_files,
    ensembles.MEASURE: measure_ensemble,
    ensembles.FILES: make_ensemble_files,
}
"""Which function does a job of which kind. They import torch inside."""


def do(lease: JobLease) -> None:
    """Do a claimed job to its end: done, or failed with the reason in words."""
    job = BackgroundJob.objects.select_related("candidate__search__dataset", "owner").get(pk=lease.job_id)
    try:
        function = HANDLERS.get(job.kind)
        if function is None:
            services.fail_job(lease, f"this version knows no {job.kind!r}")
            return
        services.finish_job(lease, function(Work(job, lease)))
    except LeaseLost as error:
        logger.info("%s", error)
    except Exception as error:
        expected = isinstance(error, (ValueError, OSError))
        (logger.warning if expected else logger.exception)("%s: %s", job.title, error)
        services.fail_job(lease, str(error) if expected and str(error) else f"{type(error).__name__}: {error}")
    finally:
        if job.candidate:
            services.note_disk_use(job.candidate.search_id)


@contextmanager
def beating(lease: JobLease) -> Iterator[None]:
    """Keep the lease alive, in a thread, whatever is done meanwhile.

    Where the lease is lost and the work does not notice it (it tells nothing), this process is ended.
    """
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(min(1.0, settings.NASH_LEASE_SECONDS / 4)):
            try:
                services.beat_job(lease)
            except LeaseLost:
                if not stop.wait(GRACE_SECONDS):
                    os._exit(0)
            except DatabaseError as error:
                logger.warning("%s: no beat, the database does not answer: %s", lease, error)
            finally:
                close_old_connections()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def look(worker: str, stop: threading.Event) -> None:
    """Do what waits, one after another, until nothing does; called every second in a thread of the worker."""
    for job_id in selectors.waiting_jobs().values_list("pk", flat=True):
        if stop.is_set():
            return
        if lease := services.claim_job(job_id, worker=worker):
            _supervise(lease, stop)


def _supervise(lease: JobLease, stop: threading.Event) -> None:
    """Start the job's process and see how it ends."""
    close_old_connections()
    process = subprocess.Popen(
        [sys.executable, str(MANAGE), "background", str(lease.job_id), str(lease.attempt), lease.worker],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **ENVIRONMENT},
    )
    while process.poll() is None:
        if stop.wait(LOOK_SECONDS):
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    if stop.is_set() or process.returncode == -signal.SIGTERM:
        services.release_job(lease)
    else:  # where it came to its end, nothing is left to be said
        services.job_died(lease, f"it ended with {process.returncode}")
