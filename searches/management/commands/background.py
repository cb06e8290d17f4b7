"""`manage.py background JOB ATTEMPT WORKER`: the process of one background job; workers start it (worker_jobs.py)."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from searches import worker_jobs
from searches.services import JobLease
from searches.supervisor import leave_with_parent

NICE = 10
"""Below the trainings, which share the cores."""


class Command(BaseCommand):
    help = "What a worker starts to do one background job (an import, the files of a model)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int)
        parser.add_argument("attempt", type=int)
        parser.add_argument("worker")

    def handle(self, *, job: int, attempt: int, worker: str, **_options: Any) -> None:
        leave_with_parent(os.getppid())
        os.nice(NICE)
        lease = JobLease(job, attempt, worker)
        with worker_jobs.beating(lease):
            worker_jobs.do(lease)
