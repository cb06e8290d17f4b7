"""A child that cannot be trained ends as what happened to it; search and worker go on."""

import sys
from typing import Any

import pytest

from tests.durability.running import EVENTS, LEASE_SECONDS, SETTINGS, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

HOW_IT_ENDED = """
    SELECT c.step || '.' || c."index", c.status, c.attempt, c.failures, c.reason
    FROM searches_candidate c JOIN searches_search s ON s.id = c.search_id
    WHERE s.uuid = ? AND c.kind = 'neighbour'
"""


def test_out_of_memory_nan_and_a_crash_of_the_process_inside_a_child(tmp_path):
    """On one worker, which dies five times within a minute: `up` bears that, for the trainings count it."""
    site = Site(
        tmp_path / "data",
        workers=1,
        NASH_LEASE_SECONDS=LEASE_SECONDS,
        DJANGO_SETTINGS_MODULE="tests.durability.faulty",
        NASH_FAULTS="1.1=memory 1.2=nan 2.1=crash 2.2=crash-once",
    )
    try:
        before = site.worker_pids()
        uuid = site.launch(**{**SETTINGS, "n_neigh": 3})
        site.wait(lambda: "step_decided" in [kind for _, kind, _ in site.rows(EVENTS, uuid)], "step 1")
        assert site.worker_pids() == before  # memory and NaN cost no worker its life
        assert site.finished(uuid) == "finished"
        children = {row[0]: row[1:] for row in site.rows(HOW_IT_ENDED, uuid)}
        assert_children(children)
        site.is_whole()
        assert len(site.worker_pids()) == len(before)
    finally:
        site.end()


def assert_children(children: dict[str, Any]) -> None:
    states = {child: row[0] for child, row in children.items()}
    assert states == {
        "1.1": "too_big", "1.2": "diverged", "1.3": "done", "2.1": "failed", "2.2": "done", "2.3": "done",
    }  # fmt: skip
    assert children["1.1"][1:3] == (2, 0)
    assert "even with half a batch at a time" in children["1.1"][3]
    assert children["1.2"][1:3] == (1, 0)
    assert "the loss is nan" in children["1.2"][3]
    assert children["2.2"][1] == 2
    assert children["2.1"][1:3] == (4, 4)
    assert "4 attempts died without a new checkpoint" in children["2.1"][3]
