"""Background jobs: asked for once, claimed once, done again when their process dies, cancelled, failed in words."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from django.urls import reverse
from django.utils import timezone

from searches import services, worker_jobs
from searches.models import BackgroundJob
from searches.services import LeaseLost, Refused
from tests.searches.rows import make_search, pending

pytestmark = pytest.mark.django_db


def ask(**changes):
    facts = {"subject": "count:1", "title": "Counting", "payload": {"to": 3}}
    return services.ask_for("count", **{**facts, **changes})


def count(work):
    for k in range(work.payload["to"]):
        work.tell(k, work.payload["to"], f"number {k}")
    return {"counted": work.payload["to"], "said": "Counted"}


def refuse(work):
    raise ValueError("3 is too many; count to 2")


@pytest.fixture(autouse=True)
def handlers(monkeypatch):
    monkeypatch.setattr(worker_jobs, "HANDLERS", {"count": count, "refuse": refuse})


def claimed(job, worker="alpha"):
    lease = services.claim_job(job.pk, worker=worker)
    assert lease is not None
    return lease


def expire(job):
    BackgroundJob.objects.filter(pk=job.pk).update(lease_expires="2000-01-01T00:00:00Z")


def test_of_one_subject_there_is_one_open_job():
    first = ask()
    assert ask() == first
    worker_jobs.do(claimed(first))
    assert ask() != first


def test_a_job_is_done_once_however_often_it_is_claimed():
    job = ask()
    lease = claimed(job)
    assert services.claim_job(job.pk, worker="beta") is None
    worker_jobs.do(lease)
    job.refresh_from_db()
    assert (job.status, job.result["counted"], job.done, job.total) == ("done", 3, 3, 3)
    assert job.ended is not None
    assert services.claim_job(job.pk, worker="beta") is None


def test_a_job_under_a_dead_lease_is_taken_over_and_the_first_can_write_nothing_more():
    job = ask()
    first = claimed(job)
    expire(job)
    second = claimed(job, "beta")
    with pytest.raises(LeaseLost):
        services.tell_job(first, done=1, total=2, words="")
    with pytest.raises(LeaseLost):
        services.finish_job(first, {})
    worker_jobs.do(second)
    job.refresh_from_db()
    assert (job.status, job.worker, job.attempt) == ("done", "beta", 2)


def test_a_job_whose_process_dies_again_and_again_has_failed():
    job = ask()
    for _ in range(3):
        services.job_died(claimed(job), "it ended with -9")
    job.refresh_from_db()
    assert job.status == "failed"
    assert "3 processes that worked on it died" in job.reason


def test_a_job_whose_lease_dies_again_and_again_has_failed():
    job = ask()
    for _ in range(3):
        claimed(job)
        expire(job)
    assert services.claim_job(job.pk, worker="alpha") is None
    job.refresh_from_db()
    assert job.status == "failed"


def test_a_worker_that_dies_gives_its_job_back():
    job = ask()
    claimed(job)
    services.release_worker("alpha")
    job.refresh_from_db()
    assert (job.status, job.failures) == ("pending", 1)


def test_a_worker_that_stops_gives_its_job_back_and_that_counts_as_nothing():
    job = ask()
    services.release_job(claimed(job))
    job.refresh_from_db()
    assert (job.status, job.failures) == ("pending", 0)


def test_what_goes_wrong_is_shown_in_words_and_can_be_tried_again(client, alice):
    job = services.ask_for("refuse", subject="r", title="Refusing", owner=alice)
    worker_jobs.do(claimed(job))
    shown = client.get(f"/api/v1/jobs/{job.uuid}").json()
    assert (shown["status"], shown["reason"]) == ("failed", "3 is too many; count to 2")
    client.post(reverse("job_retry", args=[job.uuid]))
    again = BackgroundJob.objects.exclude(pk=job.pk).get()
    assert (again.status, again.kind, again.owner) == ("pending", "refuse", alice)


def test_an_unknown_kind_fails_in_words():
    job = ask(subject="x")
    BackgroundJob.objects.update(kind="none")
    worker_jobs.do(claimed(job))
    job.refresh_from_db()
    assert "knows no 'none'" in job.reason


def test_a_cancelled_job_stops_at_its_next_word_and_stays_cancelled(monkeypatch):
    job = ask()

    def cancel_while_counting(work):
        work.tell(1, 3, "one")
        services.cancel_job(job, "alice")
        work.tell(2, 3, "two")
        raise AssertionError("it went on")

    monkeypatch.setitem(worker_jobs.HANDLERS, "count", cancel_while_counting)
    worker_jobs.do(claimed(job))
    job.refresh_from_db()
    assert (job.status, job.reason, job.done) == ("cancelled", "by alice", 1)
    with pytest.raises(Refused, match="ended already"):
        services.cancel_job(job, "alice")


def test_only_who_asked_and_staff_may_cancel(client, alice, bob):
    job = ask(owner=bob)
    assert client.post(reverse("job_cancel", args=[job.uuid])).status_code == 404
    client.force_login(bob)
    client.post(reverse("job_cancel", args=[job.uuid]), {"next": "https://elsewhere.example/"})
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_who_is_not_signed_in_sees_no_job(client):
    assert client.get(f"/api/v1/jobs/{ask().uuid}").status_code == 401


def test_a_job_about_a_candidate_says_in_the_search_s_log_how_it_ended():
    search = make_search()
    candidate = pending(search)[0]
    worker_jobs.do(claimed(ask(candidate=candidate)))
    event = search.events.last()
    assert (event.kind, event.words) == ("background_done", "Counted")
    assert event.seq == search.events.count()


def test_the_oldest_is_done_first():
    old, new = ask(subject="a"), ask(subject="b")
    assert list(worker_jobs.selectors.waiting_jobs()) == [old, new]
    BackgroundJob.objects.filter(pk=old.pk).update(status="running", lease_expires=timezone.now())
    expire(old)
    assert list(worker_jobs.selectors.waiting_jobs()) == [old, new]


@pytest.mark.django_db(transaction=True)
def test_a_worker_starts_a_process_and_one_that_is_killed_is_done_again(settings, monkeypatch, tmp_path):
    """The process is a stand-in that dies as a kill would; what is looked at is what its worker makes of that."""
    job = ask()
    ends = iter([-signal.SIGKILL, 0])

    class Process:
        def __init__(self, arguments, **_more):
            self.returncode = next(ends)
            assert arguments[2:] == ["background", str(job.pk), str(3 - len(left)), "alpha"]
            left.pop()
            if self.returncode == 0:
                worker_jobs.do(services.JobLease(job.pk, int(arguments[4]), "alpha"))

        def poll(self):
            return self.returncode

    left = [1, 1]
    monkeypatch.setattr(subprocess, "Popen", Process)
    worker_jobs.look("alpha", threading.Event())
    job.refresh_from_db()
    assert (job.status, job.failures) == ("pending", 1)
    worker_jobs.look("alpha", threading.Event())
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("done", 2)


@pytest.mark.slow
def test_a_real_process_does_a_job_and_leaves_with_its_worker(tmp_path):
    """`manage.py background` on a database of its own; its parent is killed, and it is gone."""
    folder = tmp_path / "data"
    environment = {**os.environ, "NASH_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "nashweb.settings"}
    script = tmp_path / "worker.py"
    mark = tmp_path / "mark"
    script.write_text(
        "import os, sys, threading, time, subprocess\n"
        f"sys.path.insert(0, {str(worker_jobs.MANAGE.parent)!r})\n"
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "from searches import services, worker_jobs\n"
        "import searches.management.commands.background as command\n"
        "if sys.argv[1:2] == ['background']:\n"
        "    def long(work):\n"
        "        for k in range(400):\n"
        "            work.tell(k, 400, 'long')\n"
        f"            open({str(mark)!r}, 'a').write('x')\n"
        "            time.sleep(0.05)\n"
        "        return {}\n"
        "    worker_jobs.HANDLERS['long'] = long\n"
        "    command.Command().handle(job=int(sys.argv[2]), attempt=int(sys.argv[3]), worker=sys.argv[4])\n"
        "else:\n"
        "    services.ask_for('long', subject='long', title='Long')\n"
        "    from pathlib import Path\n"
        "    worker_jobs.MANAGE = Path(__file__)\n"
        "    worker_jobs.look('alpha', threading.Event())\n"
    )
    worker = subprocess.Popen([sys.executable, str(script)], env=environment)
    try:
        wait_for(lambda: mark.exists() and mark.stat().st_size > 3)
    finally:
        worker.kill()
        worker.wait()
    time.sleep(0.5)
    size = mark.stat().st_size
    time.sleep(0.5)
    assert mark.stat().st_size == size


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
