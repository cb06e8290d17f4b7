"""The checker itself: it finds a whole search whole, and each of its rules names what breaks it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from searches import services
from searches.models import Candidate, Event, Point, Search
from searches.selectors import artifact_path
from searches.services.events import append
from tests.durability.checker import RULES, broken_rules
from tests.searches.trained import make_trained_search

pytestmark = pytest.mark.django_db
LONG_AGO = "2000-01-01T00:00:00Z"
FILES_AND_EPOCHS = {
    "no recorded epoch is trained again: a kill costs one epoch at most",
    "no row without its whole file",
    "no file without its row",
}


@pytest.fixture
def search(settings, tmp_path: Path) -> Search:
    """A finished search of one step, with all that the checker looks at."""
    settings.NASH_DATA_DIR = tmp_path / "data"
    settings.NASH_DATA_DIR.mkdir()
    made = make_trained_search()
    services.keep_best_model(made)
    for candidate in made.candidates.all():
        Point.objects.create(candidate=candidate, optimiser_step=9, epoch=candidate.epochs, loss=1.0, lr=0.1)
    return made


def broken(search: Search, folder: Path) -> dict[str, list[Any]]:
    def rows(query: str) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    return broken_rules(rows, folder)


def change(search: Search, kind: str, **columns: Any) -> None:
    search.candidates.filter(kind=kind).update(**columns)


def loser(search: Search) -> Candidate:
    return search.candidates.get(kind="neighbour", is_winner=False)


def one_child_too_many(search: Search) -> None:
    child = loser(search)
    child.pk, child.index = None, 3
    child.save(force_insert=True)


def an_epoch_twice(search: Search) -> None:
    child = loser(search)
    for epoch in (1.0, 2.0, 1.0):
        append(search, "epoch", f"epoch {epoch:g}", candidates=[{"id": child.pk, "epoch": epoch}])


def another_start(search: Search) -> None:
    Search.objects.update(config={**search.config, "start": {"sha256": "0" * 64}})


def another_content_of_the_same_size(search: Search) -> None:
    artifact = weights_of_the_winner(search)
    artifact_path(artifact).write_bytes(bytes(artifact.bytes))


def weights_of_the_winner(search: Search) -> Any:
    return search.candidates.get(kind="neighbour", is_winner=True).artifacts.get(format="weights")


BREAK: dict[str, Callable[[Search], Any]] = {
    "children per step are as planned": one_child_too_many,
    "a finished search has all of its steps and one final model": lambda s: change(s, "final", status="cancelled"),
    "a step opens only once the one before is decided": lambda s: change(s, "pretrain", status="pending"),
    "exactly one end per slot": lambda s: s.events.filter(kind="candidate_ended").first().delete(),
    "each attempt is told of once": lambda s: change(s, "final", attempt=2),
    "events are numbered without gaps": lambda s: s.events.get(seq=3).delete(),
    "best is the best: the winner of a decided step, ties to the parent, else to the lower j": lambda s: (
        s.candidates.filter(pk=loser(s).pk).update(val_accuracy=1.0)
    ),
    "one winner, that is done, for every step that another follows": lambda s: change(s, "pretrain", is_winner=False),
    "children and final training descend from the winner of the step before": lambda s: change(
        s, "final", parent=loser(s)
    ),
    "what runs has a live lease": lambda s: change(s, "final", status="running", lease_expires=LONG_AGO),
    "what does not run has no lease": lambda s: change(s, "final", lease_expires=LONG_AGO),
    "no search says that it runs with nothing left to train": lambda s: Search.objects.update(status="running"),
    "what is done has its weights, and a final training its model": lambda s: weights_of_the_winner(s).delete(),
    "a search has the network that its settings say it was started from, and no other has one": another_start,
    "curves of what is done reach its last epoch, no point twice": lambda s: Point.objects.update(epoch=0.5),
    "no recorded epoch is trained again: a kill costs one epoch at most": an_epoch_twice,
    "no row without its whole file": another_content_of_the_same_size,
    "no file without its row": lambda s: artifact_path(weights_of_the_winner(s)).with_name("left.tmp").touch(),
}


def test_a_whole_search_breaks_no_rule(search, settings):
    assert broken(search, settings.NASH_DATA_DIR) == {}
    assert Event.objects.filter(kind="candidate_ended").count() == search.candidates.count()


def test_every_rule_is_broken_here_once():
    assert set(BREAK) == set(RULES) | FILES_AND_EPOCHS


@pytest.mark.parametrize("rule", BREAK)
def test_what_breaks_a_rule_is_named(search, settings, rule):
    BREAK[rule](search)
    assert rule in broken(search, settings.NASH_DATA_DIR)
