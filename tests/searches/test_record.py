"""tools/record.py: a finished search as the tests of the estimates read it."""

import json

import pytest

from searches import services
from tests.recorded import begun, seconds_of
from tests.searches.rows import make_search, run_to, run_to_end
from tools.record import as_text, recording

pytestmark = pytest.mark.django_db
BY = "the command line"


def test_what_is_written_is_read_again_with_every_training_of_the_algorithm():
    search = run_to_end(make_search(comparisons=["scratch"]))
    recorded = json.loads(as_text(recording(search, steps_alone=False)))
    works = begun(recorded, seconds_of(recorded))
    assert [(w.kind, w.step, w.index) for w in works] == [
        ("pretrain", 0, 0), *(("neighbour", step, j) for step in (1, 2) for j in (1, 2, 3)), ("final", 2, 0),
    ]  # fmt: skip
    assert {w.seconds for w in works} == {2.0}
    assert [w.index for w in works if w.is_winner and w.kind == "neighbour"] == [2, 1]
    assert (recorded["n_workers"], recorded["config"]["comparisons"]) == (1, [])
    alone = recording(search, steps_alone=True)
    assert [row["kind"] for row in alone["rows"]].count("final") == 0
    assert len(alone["rows"]) == len(works) - 1


def test_what_is_no_whole_run_is_refused():
    stopped, paused = make_search(), make_search()
    run_to(stopped, "1.1")
    services.stop(stopped, BY)
    with pytest.raises(SystemExit, match="has trainings that are not done"):
        recording(stopped, steps_alone=False)
    services.pause(paused, BY)
    services.resume(paused, BY)
    with pytest.raises(SystemExit, match="was paused or changed while it ran"):
        recording(run_to_end(paused), steps_alone=False)
