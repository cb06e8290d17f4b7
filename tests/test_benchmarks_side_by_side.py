"""Two workers' speedup and the queue's overhead, from what the rows of a step say."""

import pytest

from benchmarks.processes import Failed
from benchmarks.side_by_side import Child, children_of, measures_of_steps, queue_overhead, wall_of

ONE = [Child(0, 1, 11), Child(0, 11.5, 21.5), Child(0, 22, 32), Child(0, 32.5, 42)]
TWO = [Child(0, 1, 11), Child(0, 1, 11), Child(0, 11.5, 21), Child(0, 11.5, 21)]


def test_a_step_lasts_from_its_plan_to_its_last_end():
    assert wall_of(ONE) == 42
    assert wall_of(TWO) == 21


def test_what_lies_between_one_child_and_the_next_is_the_queues():
    assert queue_overhead(ONE) == pytest.approx((1 + 3 * 0.5) / 4)
    assert queue_overhead(ONE[::-1]) == queue_overhead(ONE)


def test_the_measures_have_the_issues_names():
    measures = measures_of_steps(ONE, TWO)
    assert measures["two_workers_speedup"].value == 2
    assert measures["two_workers_speedup"].unit == "x"
    assert measures["queue_overhead_seconds_per_child"].value == 0.625


def row(attempt: int = 1, status: str = "done", ended: str = "2026-11-24 10:00:11.500") -> tuple:
    return "2026-11-24 10:00:00", "2026-11-24 10:00:01.250", ended, attempt, status


def test_children_are_read_from_their_rows():
    (child,) = children_of([row()])
    assert (child.started - child.created, child.ended - child.created) == (1.25, 11.5)


@pytest.mark.parametrize("rows", [[], [row(attempt=2)], [row(), row(status="failed")]])
def test_a_step_that_was_disturbed_measures_nothing(rows):
    with pytest.raises(Failed, match="not every child was trained in one go"):
        children_of(rows)
