"""Core slots: all or nothing, freed by a kill, nobody overtaken for ever."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from searches import slots

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(slots, "usable_cores", lambda: (0, 1, 2, 3))


def never() -> bool:
    return False


def test_slots_are_taken_once(tmp_path):
    with slots.core_slots(tmp_path, 3, give_up=never) as first:
        assert first.cores == (0, 1, 2)
        with slots.core_slots(tmp_path, 1, give_up=never) as second:
            assert second.cores == (3,)
            assert slots.try_take(tmp_path, 1) is None


def test_all_or_nothing(tmp_path):
    one = slots.try_take(tmp_path, 1)
    assert slots.try_take(tmp_path, 4) is None
    assert slots.try_take(tmp_path, 3).cores == (1, 2, 3)  # the failed try holds none of them
    one.release()


def test_released_slots_are_free_again(tmp_path):
    with slots.core_slots(tmp_path, 4, give_up=never):
        pass
    assert slots.try_take(tmp_path, 4) is not None


def test_the_wait_can_be_given_up(tmp_path):
    held = slots.try_take(tmp_path, 4)
    with slots.core_slots(tmp_path, 1, give_up=lambda: True) as none:
        assert none is None
    held.release()


def test_more_threads_than_cores_are_refused_at_once(tmp_path):
    too_many = slots.core_slots(tmp_path, 5, give_up=never)
    with pytest.raises(ValueError, match="n_threads=5: this process may use 4 cores"), too_many:
        pass


def test_a_kill_frees_the_slots(tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from searches import slots\n"
            "slots.usable_cores = lambda: (0, 1, 2, 3)\n"
            "held = slots.try_take(Path(sys.argv[1]), 4); print('held', flush=True); time.sleep(60)",
            str(tmp_path),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    assert slots.try_take(tmp_path, 1) is None
    holder.kill()
    holder.communicate()
    assert slots.try_take(tmp_path, 4) is not None


def test_a_job_for_all_cores_is_not_overtaken_by_jobs_for_one(tmp_path):
    running = slots.try_take(tmp_path, 1)
    order: list[str] = []

    def job(name: str, n_threads: int) -> None:
        with slots.core_slots(tmp_path, n_threads, give_up=never):
            order.append(name)

    large = threading.Thread(target=job, args=("all cores", 4))
    large.start()
    time.sleep(0.2)  # it waits at the head of the line
    small = threading.Thread(target=job, args=("one core", 1))
    small.start()
    time.sleep(0.3)
    assert order == []
    running.release()
    large.join()
    small.join()
    assert order == ["all cores", "one core"]


def test_more_jobs_than_cores_never_hold_more_slots_than_there_are(tmp_path):
    held, most = set(), []
    lock = threading.Lock()

    def job(n_threads: int) -> None:
        with slots.core_slots(tmp_path, n_threads, give_up=never) as taken:
            with lock:
                assert not held & set(taken.cores)
                held.update(taken.cores)
                most.append(len(held))
            time.sleep(0.01)
            with lock:
                held.difference_update(taken.cores)

    threads = [threading.Thread(target=job, args=(1 + n % 4,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 12
    assert max(most) <= 4


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no threads")
def test_every_thread_of_the_process_is_bound(monkeypatch):
    before = os.sched_getaffinity(0)
    core = min(before)
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        slots.bind_threads((core,))
        assert os.sched_getaffinity(thread.native_id) == {core}
        assert os.sched_getaffinity(0) == {core}
    finally:
        slots.bind_threads(tuple(before))
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("quota", "n_cores"), [("max 100000", None), ("150000 100000", 1), ("50000 100000", 1), ("400000 100000", 4)]
)
def test_a_containers_quota_is_counted_in_whole_cores(tmp_path, monkeypatch, quota, n_cores):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(slots, "CPU_QUOTA", tmp_path / "cpu.max")
    assert slots._quota_cores() == n_cores
