"""Which workers count as stuck, by their rows; and that a stuck one is replaced."""

import os
import signal

import pytest
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.db.models.functions import Now

from searches import services
from searches.management import watching
from searches.management.arguments import wanted_site
from searches.management.watching import Watch
from searches.models import Worker
from tests.searches.real_up import READY_SECONDS, Up
from tests.searches.rows import leased, make_search, pending
from tests.searches.test_supervisor import Clock, wait_until

NAME = "alpha:cpu-0"
PIDS = {NAME: 7}


@pytest.fixture
def clock(settings):
    settings.NASH_STUCK_SECONDS = 60.0
    return Clock()


def beat(candidate_id: int | None = None, pid: int = 7) -> None:
    services.worker_beat(services.WorkerIdentity(NAME, "alpha", pid, "CPU", {}), candidate_id)


def looks(watch: Watch, clock: Clock, seconds: int, *, beats: bool = True, candidate_id: int | None = None) -> dict:
    """Let the time pass, with or without beats; what was found on the way."""
    found: dict[str, str] = {}
    for _ in range(seconds):
        clock.now += 1
        if beats:
            beat(candidate_id)
        found |= watch.stuck(PIDS)
    return found


@pytest.mark.django_db
def test_a_worker_that_beats_is_not_stuck_whether_it_trains_or_not(clock):
    watch = Watch(clock)
    assert looks(watch, clock, 100) == {}
    candidate = pending(make_search())[0]
    leased(candidate, worker=NAME)
    assert looks(watch, clock, 100, candidate_id=candidate.pk) == {}


@pytest.mark.django_db
def test_one_whose_beats_have_stopped_is_stuck_after_a_minute(clock):
    watch = Watch(clock)
    beat()
    assert looks(watch, clock, 60, beats=False) == {}
    assert "it has not beaten for" in looks(watch, clock, 10, beats=False)[NAME]


@pytest.mark.django_db
def test_one_that_holds_on_to_a_training_that_it_lost_is_stuck_although_it_beats(clock):
    watch = Watch(clock)
    candidate = pending(make_search())[0]
    leased(candidate, worker=NAME)
    assert looks(watch, clock, 20, candidate_id=candidate.pk) == {}
    type(candidate).objects.filter(pk=candidate.pk).update(status="pending", worker="")
    assert looks(watch, clock, 55, candidate_id=candidate.pk) == {}
    assert "not let go of a training that it lost" in looks(watch, clock, 15, candidate_id=candidate.pk)[NAME]


@pytest.mark.django_db
def test_a_process_that_only_just_starts_is_waited_for(clock):
    watch = Watch(clock)
    assert looks(watch, clock, 100, beats=False) == {}
    beat(pid=6)  # of its former life
    assert looks(watch, clock, 100, beats=False) == {}
    beat()
    assert looks(watch, clock, 60, beats=False) == {}


@pytest.mark.django_db
def test_one_that_hangs_before_its_first_beat_is_stuck_after_five_minutes(clock):
    watch = Watch(clock)
    assert looks(watch, clock, 300, beats=False) == {}
    assert looks(watch, clock, 10, beats=False)[NAME].startswith("no beat in 30")


@pytest.mark.django_db
def test_while_the_database_cannot_be_asked_nobody_is_judged(clock, monkeypatch):
    watch = Watch(clock)
    beat()
    assert looks(watch, clock, 50, beats=False) == {}
    asked = watching.worker_signs

    def fails(names):
        raise DatabaseError("gone")

    monkeypatch.setattr(watching, "worker_signs", fails)
    assert looks(watch, clock, 100, beats=False) == {}
    monkeypatch.setattr(watching, "worker_signs", asked)
    assert looks(watch, clock, 50, beats=False) == {}


@pytest.mark.django_db
def test_each_life_of_a_worker_is_judged_anew(clock):
    watch = Watch(clock)
    beat()
    looks(watch, clock, 55, beats=False)
    beat(pid=8)
    pids = {NAME: 8}
    for _ in range(55):
        clock.now += 1
        assert watch.stuck(pids) == {}
    Worker.objects.update(last_beat=Now())
    clock.now += 6
    assert watch.stuck(pids) == {}


def test_a_worker_that_hangs_is_killed_and_started_anew(tmp_path):
    up = Up(tmp_path / "data", NASH_STUCK_SECONDS="8")
    try:
        up.find("Ready")

        def pids() -> list[int]:
            return [pid for (pid,) in up.rows("SELECT pid FROM searches_worker")]

        wait_until(lambda: len(pids()) == 1, READY_SECONDS)
        (hung,) = pids()
        os.kill(hung, signal.SIGSTOP)
        up.find(r"cpu-0 makes no progress \(it has not beaten for \d+ s\): it is killed and started anew")
        wait_until(lambda: pids() not in ([], [hung]), READY_SECONDS)
    finally:
        up.end()


def options(**given) -> dict:
    return {"host": "127.0.0.1", "port": None, "workers": "auto", "workers_per_device": 1, "no_web": False, **given}


def test_what_is_wanted_of_a_host():
    assert wanted_site(options()).n_workers is None
    assert wanted_site(options(workers="3")).n_workers == 3
    assert wanted_site(options(workers="0")).with_pages
    assert not wanted_site(options(no_web=True)).with_pages
    assert wanted_site(options(workers_per_device=3)).per_device == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"workers": "many"}, "write auto, or a number from 0 on"),
        ({"workers": "-1"}, "write auto, or a number from 0 on"),
        ({"workers_per_device": 0}, "write a number from 1 on"),
        ({"workers_per_device": 2, "workers": "4"}, "goes with --workers auto"),
        ({"no_web": True, "workers": "0"}, "nothing would be left to start"),
    ],
)
def test_what_cannot_be_wanted_is_refused_in_words(given, words):
    with pytest.raises(CommandError, match=words):
        wanted_site(options(**given))
