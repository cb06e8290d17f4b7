"""A site of its own for measuring pages: a real `manage.py up` without workers, and this process as the worker."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.images import ROOT

READY_SECONDS, END_SECONDS = 120.0, 20.0
TICKS = os.sysconf("SC_CLK_TCK")
DIGITS = {"input_shape": (1, 8, 8), "n_classes": 10, "channels": (16, 16, 16)}


@dataclass(frozen=True)
class Site:
    """Its address, the process that serves it, and the cookie of somebody who is signed in."""

    address: str
    web_process: int
    cookie: tuple[str, str]

    def memory_bytes(self) -> int:
        """That the web process holds now, SQLite within it."""
        status = Path(f"/proc/{self.web_process}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def cpu_seconds(self) -> float:
        """That the web process has used so far, SQLite within it."""
        fields = Path(f"/proc/{self.web_process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def running_site() -> Iterator[Site]:
    """A site on an empty data folder; Django is set up in this process on the same rows."""
    with tempfile.TemporaryDirectory(prefix="nash-web-") as folder:
        os.environ |= {"NASH_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "nashweb.settings"}
        os.environ |= {"DATABASE_URL": "", "REDIS_URL": ""}
        log = Path(folder) / "up.log"
        command = [sys.executable, "manage.py", "up", "--workers", "0", "--port", "0"]
        with log.open("w") as out:
            up = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        try:
            address = _address(up, log)
            yield Site(address, _web_process(up.pid), _signed_in())
        finally:
            up.send_signal(signal.SIGTERM)
            try:
                up.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                up.kill()  # its web process ends with it
                up.wait()


def _address(up: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        found = re.search(r"(http://\S+)/welcome/", log.read_text())
        if found and "Ready" in log.read_text():
            return found[1]
        if up.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"up did not come up:\n{log.read_text()}")


def _web_process(up: int) -> int:
    children = Path(f"/proc/{up}/task/{up}/children").read_text().split()
    return next(int(pid) for pid in children if b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes())


def _signed_in() -> tuple[str, str]:
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in the thread that writes rows
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client

    ada = get_user_model().objects.create_superuser("ada")
    client = Client()
    client.force_login(ada)
    return settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value


class Training:
    """The pretraining of a search that runs, with this process as its worker: epochs end when it is told so."""

    def __init__(self, n_epochs: int, *, points_per_epoch: int = 8) -> None:
        from searches import services
        from searches.datasets import ensure_digits
        from searches.models import DataSet, Search
        from searches.nash.config import SearchConfig

        ensure_digits()
        digits = DataSet.objects.get(name="digits")
        config = SearchConfig(**DIGITS, epoch_pretrain=n_epochs, n_steps=1, n_neigh=2)  # type: ignore[arg-type]
        launched = services.create_search(config, dataset=digits, name="Watched", owner=None)
        self.search = Search.objects.get(pk=launched.search_id)
        lease = services.claim(
            launched.candidate_ids[0], worker="bench:cpu-0", threads=1, numeric_path="cpu-float32-1",
            dataset_digest=digits.digest,
        )  # fmt: skip
        assert lease is not None
        self.lease, self.n_epochs, self.points_per_epoch, self.epoch = lease, n_epochs, points_per_epoch, 0
        self.search.refresh_from_db()
        self.first_seq = self.search.seq + 1

    def end_epoch(self) -> None:
        """An epoch's points, its event, one transaction: as worker_run does it."""
        from searches import services
        from searches.models import Point

        first, n = self.epoch, self.points_per_epoch
        points = [
            Point(
                optimiser_step=first * n + k,
                epoch=first + k / n,
                loss=2.3 * math.exp(-(first + k / n) / 40),
                lr=0.05,
                val_accuracy=None if k < n else 1 - 0.9 * math.exp(-(first + 1) / 40),
            )
            for k in range(1, n + 1)
        ]
        self.epoch += 1
        services.record_epoch(self.lease, points, epoch=float(self.epoch), seconds=2.0 * self.epoch, checkpoint="")


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all are at most."""
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def cookie_header(site: Site) -> dict[str, Any]:
    return {"Cookie": "=".join(site.cookie)}
