"""Tags of searches and of trainings: how names are kept, who may give them, what the log says."""

import pytest

from searches import services
from searches.models import Tag
from searches.services import Refused
from tests.searches.rows import kinds, make_search, pending

pytestmark = pytest.mark.django_db
BY = "the command line"


def names(of) -> list[str]:
    return list(of.tags.values_list("name", flat=True))


def test_names_are_kept_in_small_letters_with_single_spaces_each_once():
    assert services.clean_names(["  Baseline ", "baseline", "for  the  paper", ""]) == ["baseline", "for the paper"]


@pytest.mark.parametrize("bad", [["a" * 51], ["a, b"], ["a\x00b"], [f"t{i}" for i in range(21)]])
def test_what_is_no_tag_is_refused(bad):
    with pytest.raises(Refused):
        services.clean_names(bad)


def test_tags_are_set_added_and_taken_away_and_each_change_is_said():
    search = make_search()
    services.set_tags(search, ["Paper", "baseline"], BY)
    services.add_tags(search, ["night"], BY)
    services.remove_tags(search, ["paper"], BY)
    assert names(search) == ["baseline", "night"]
    events = search.events.filter(kind="tagged").order_by("seq")
    assert [e.payload["search"]["tags"] for e in events] == [
        ["baseline", "paper"], ["baseline", "night", "paper"], ["baseline", "night"],
    ]  # fmt: skip
    assert events[2].words == "The search is no longer tagged “paper” by the command line"


def test_what_is_tagged_so_already_says_nothing():
    search = make_search()
    services.set_tags(search, ["night"], BY)
    before = kinds(search)
    services.add_tags(search, ["NIGHT"], BY)
    services.remove_tags(search, ["day"], BY)
    assert kinds(search) == before


def test_two_searches_share_a_tag():
    for search in (make_search(name="One"), make_search(name="Two")):
        services.add_tags(search, ["night"], BY)
    assert Tag.objects.count() == 1


def test_a_training_has_tags_of_its_own():
    search = make_search()
    candidate = pending(search)[0]
    services.set_tags(candidate, ["odd"], BY)
    assert names(candidate) == ["odd"]
    assert names(search) == []
    event = search.events.get(kind="tagged")
    assert event.payload["candidates"] == [{"id": candidate.pk, "tags": ["odd"]}]
    assert event.words == "model_0 is tagged “odd” by the command line"


def test_a_stranger_tags_nothing_and_nobody_tags_what_was_deleted(alice, bob):
    search = make_search(owner=alice)
    with pytest.raises(Refused, match="only its owner and staff can tag it"):
        services.add_tags(search, ["mine"], bob)
    services.delete(search, alice)
    with pytest.raises(Refused, match="bring it back first"):
        services.add_tags(search, ["mine"], alice)
    assert names(search) == []


def test_more_tags_than_there_is_room_for_are_refused_together_with_those_that_are_there():
    search = make_search()
    services.set_tags(search, [f"t{i}" for i in range(15)], BY)
    with pytest.raises(Refused, match="21 tags: at most 20"):
        services.add_tags(search, [f"u{i}" for i in range(6)], BY)
