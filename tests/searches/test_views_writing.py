"""Names, notes and tags on the pages, the log as a file, the table of operators."""

import csv
import io
import json

import pytest
from django.urls import reverse

from searches import selectors, services
from searches.markdown import render
from searches.models import Candidate, Search
from searches.services import Refused
from tests.searches.rows import kinds, make_search, pending, run_to, run_to_end

pytestmark = pytest.mark.django_db
BY = "the command line"


@pytest.fixture
def search(alice) -> Search:
    return make_search(owner=alice)


def url(name: str, search: Search, *more: object) -> str:
    return reverse(name, args=[search.uuid, *more])


def notes_of(candidate: Candidate) -> str:
    return url("candidate_notes", candidate.search, candidate.kind, candidate.step, candidate.index)


# ---------------------------------------------------------------------- the name


def test_a_new_name_is_kept_and_said_to_every_page(client, search: Search):
    answer = client.post(url("search_rename", search), {"name": "  Deep \t and   wide "})
    assert answer.status_code == 204
    search.refresh_from_db()
    assert search.name == "Deep and wide"
    event = search.events.get(kind="renamed")
    assert event.payload == {"search": {"name": "Deep and wide"}}
    assert event.words == "“Tiny” is called “Deep and wide” from now on by alice"


@pytest.mark.parametrize(("name", "words"), [(" ", "needs a name"), ("x" * 201, "at most 200"), ("a\x00b", "cannot")])
def test_what_is_no_name_is_refused_in_words(client, search: Search, name: str, words: str):
    answer = client.post(url("search_rename", search), {"name": name})
    assert answer["Content-Type"].startswith("text/plain")
    assert words in answer.content.decode()
    search.refresh_from_db()
    assert search.name == "Tiny"


def test_the_same_name_again_says_nothing(search: Search):
    services.rename(search, "Tiny", BY)
    assert "renamed" not in kinds(search)


def test_a_stranger_neither_renames_nor_writes(client, search: Search, bob):
    client.force_login(bob)
    for name, data in (("search_rename", {"name": "Mine"}), ("search_notes", {"note": "x"})):
        assert "belongs to alice" in client.post(url(name, search), data).content.decode()
    assert b"notes-form" not in client.get(url("search_detail", search)).content
    search.refresh_from_db()
    assert (search.name, search.note) == ("Tiny", "")


def test_nobody_writes_about_what_was_deleted(search: Search, alice):
    services.delete(search, alice)
    for write in (services.rename, services.set_note):
        with pytest.raises(Refused, match="bring it back first"):
            write(search, "New", alice)


# ---------------------------------------------------------------------- notes and tags


def test_note_and_tags_are_saved_together_and_shown(client, search: Search):
    answer = client.post(url("search_notes", search), {"note": "It is **small**.", "tags": "Night, paper"})
    assert "<strong>small</strong>" in answer.content.decode()
    page = client.get(url("search_detail", search)).content.decode()
    assert "<strong>small</strong>" in page
    assert "?tag=night" in page
    snapshot = selectors.snapshot(search)
    assert (snapshot["tags"], snapshot["has_note"]) == (["night", "paper"], True)
    assert kinds(search)[-2:] == ["tagged", "noted"]


def test_where_one_of_both_is_refused_neither_is_saved(client, search: Search):
    client.post(url("search_notes", search), {"note": "x" * 20_001, "tags": "night"})
    assert selectors.snapshot(search)["tags"] == []


def test_a_training_has_a_note_of_its_own(client, search: Search):
    candidate = pending(search)[0]
    client.post(notes_of(candidate), {"note": "Odd.", "tags": "odd"})
    assert "Odd." in client.get(notes_of(candidate)).content.decode()
    (model_0,) = selectors.snapshot(search)["candidates"]
    assert (model_0["tags"], model_0["has_note"]) == (["odd"], True)
    assert search.events.last().payload["candidates"] == [{"id": candidate.pk, "has_note": True}]


def test_what_people_wrote_costs_the_snapshot_no_query_a_candidate(search: Search, django_assert_max_num_queries):
    run_to_end(search)
    for candidate in search.candidates.all():
        services.set_tags(candidate, ["a", "b"], BY)
    with django_assert_max_num_queries(14):
        snapshot = selectors.snapshot(search)
    assert all(c["tags"] == ["a", "b"] for c in snapshot["candidates"])


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("![x](https://example.org/p.png)", "<p></p>"),
        ("[x](https://example.org)", '<a href="https://example.org" rel="noopener noreferrer">x</a>'),
        ("# Why", "<h3>Why</h3>"),
        ("| a |\n|---|\n| 1 |", "<td>1</td>"),
        ("<b onclick=x>", "&lt;b onclick=x&gt;"),
    ],
)
def test_notes_are_rendered_and_made_safe(text: str, held: str):
    html = render(text)
    assert held in html
    for bad in ("<script", "<img", "style=", " onclick", 'href="javascript'):
        assert bad not in html.replace("&lt;b onclick", "")


# ---------------------------------------------------------------------- the log as a file


async def body_of(answer) -> str:
    return b"".join([piece async for piece in answer.streaming_content]).decode()


@pytest.mark.django_db(transaction=True)
async def test_the_whole_log_comes_as_csv_and_as_json_lines(async_client, alice):
    from asgiref.sync import sync_to_async

    search = await sync_to_async(lambda: run_to_end(make_search(owner=alice)))()
    await async_client.aforce_login(alice)
    lines = list(csv.reader(io.StringIO(await body_of(await async_client.get(url("search_log", search, "csv"))))))
    assert lines[0][1:] == ["at", "kind", "level", "words"]
    assert [int(line[0]) for line in lines[1:]] == list(range(1, search.seq + 1))
    answer = await async_client.get(url("search_log", search, "jsonl"))
    assert answer["Content-Disposition"] == 'attachment; filename="tiny-log.jsonl"'
    frames = [json.loads(line) for line in (await body_of(answer)).splitlines()]
    assert frames[0]["payload"]["search"]["name"] == "Tiny"
    assert len(frames) == search.seq


# ---------------------------------------------------------------------- operators


def test_the_api_gives_the_table_over_all_searches(client, search: Search):
    assert client.get("/api/v1/operators").json()["n_searches"] == 0
    run_to(search, "2.1")
    found = client.get("/api/v1/operators").json()
    assert found["n_searches"] == 1
    assert [row["kind"] for row in found["operators"]] == ["deepen", "widen", "concat", "add"]
    assert sum(row["drawn"] for row in found["operators"]) == 2
