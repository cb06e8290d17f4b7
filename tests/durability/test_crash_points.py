"""A worker killed at each named place of the code, one after another in one search: each costs nothing but time."""

import signal
import sys

import pytest

from searches.crash_points import POINTS, VARIABLE
from tests.durability.checker import still_broken
from tests.durability.crew import WAIT_SECONDS
from tests.durability.running import CANDIDATES, N_CANDIDATES, OVER, SETTINGS, launch, results

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

# Where each worker of the chain ends: the place, and at which time that it comes there. The pretraining is over
# with the first. The last one finds no message: what it does not send is the first that its reaper would.
CRASHES = {
    "claimed": ("claimed:2", "neighbour-1-1"),
    "checkpoint-half-written": ("checkpoint-half-written:2", "neighbour-1-1"),
    "finish-begins": ("finish-begins", "neighbour-1-1"),
    "finish-before-commit": ("finish-before-commit", "neighbour-1-1"),
    "finish-after-commit": ("finish-after-commit:2", "neighbour-1-2"),
    "message-not-sent": ("message-not-sent", ""),
}


def test_each_point_is_crashed_at():
    assert set(CRASHES) == set(POINTS)


def test_a_worker_killed_at_each_crash_point(crew, undisturbed):
    uuid = launch(crew.environment, **SETTINGS)
    for where, slot in CRASHES.values():
        before = {row[0]: row for row in crew.rows(CANDIDATES, uuid)}
        if not slot:
            crew.lose_messages()  # else it trains what one names until its reaper sends another
        assert crew.start(**{VARIABLE: where}).wait(WAIT_SECONDS) == -signal.SIGKILL, (where, crew.story())
        after = {row[0]: row for row in crew.rows(CANDIDATES, uuid)}
        assert len(after) <= N_CANDIDATES
        # No two deaths in a row without a checkpoint between them; and a new one forgets those before.
        assert {row[3] for row in after.values()} == {0}, (where, after)
        if slot:
            assert after[slot] != before.get(slot), (where, before, after)
        crew.end_leases()  # so that the next worker takes what this one held, and not another
    crew.start()
    crew.wait(lambda: crew.rows(OVER, uuid), "the end")
    assert crew.rows(OVER, uuid) == [("finished",)], crew.story()
    rows = {row[0]: row for row in crew.rows(CANDIDATES, uuid)}
    assert {row[1] for row in rows.values()} == {"done"}
    assert results(crew.rows, uuid) == undisturbed
    assert still_broken(crew.rows, crew.folder) == {}, crew.story()
    # Each crash cost one more attempt of its candidate, but the last two: they came after the end of one.
    attempts = {slot: row[2] for slot, row in rows.items()}
    assert attempts == {slot: 5 if slot == "neighbour-1-1" else 1 for slot in rows}, crew.story()
