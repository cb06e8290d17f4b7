"""GET /api/v1/: the list, a snapshot, and the log from a cursor."""

import pytest
from django.contrib.auth import get_user_model

from searches import services
from searches.models import Search
from tests.searches.rows import make_search, run_to, run_to_end

pytestmark = pytest.mark.django_db


@pytest.fixture
def charlie(client):
    user = get_user_model().objects.create_user("charlie")
    client.force_login(user)
    return client


@pytest.mark.parametrize("path", ["searches", "searches/{uuid}", "searches/{uuid}/events"])
def test_who_is_not_signed_in_gets_401_as_json(client, path):
    answer = client.get(f"/api/v1/{path.format(uuid=make_search().uuid)}")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Unauthorized"}


def test_the_list_has_the_newest_first_and_says_how_many_there_are(charlie):
    for n in range(3):
        make_search(name=f"Search {n}")
    answer = charlie.get("/api/v1/searches?limit=2").json()
    assert [s["name"] for s in answer["searches"]] == ["Search 2", "Search 1"]
    assert answer["total"] == 3
    rest = charlie.get("/api/v1/searches?limit=2&offset=2").json()
    assert [s["name"] for s in rest["searches"]] == ["Search 0"]


def test_a_search_is_its_snapshot(charlie):
    search = make_search()
    run_to(search, "1.1")
    answer = charlie.get(f"/api/v1/searches/{search.uuid}").json()
    assert answer["uuid"] == str(search.uuid)
    assert answer["status"] == "running"
    assert [c["code"] for c in answer["candidates"]] == ["model_0", "1.1", "1.2", "1.3"]


def test_events_come_after_the_cursor_oldest_first(charlie):
    search = run_to_end(make_search())
    path = f"/api/v1/searches/{search.uuid}/events"
    everything = charlie.get(path).json()
    assert [e["seq"] for e in everything["events"]] == list(range(1, search.seq + 1))
    assert everything["seq"] == search.seq
    page = charlie.get(f"{path}?after=3&limit=2").json()
    assert [e["seq"] for e in page["events"]] == [4, 5]
    assert page["seq"] == search.seq
    assert charlie.get(f"{path}?after={search.seq}").json()["events"] == []


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=100000", "after=99999999999999999999"])
def test_a_cursor_that_cannot_be_is_refused(charlie, query):
    assert charlie.get(f"/api/v1/searches/{make_search().uuid}/events?{query}").status_code == 422


def test_an_unknown_search_is_404(charlie):
    assert charlie.get("/api/v1/searches/00000000-0000-0000-0000-000000000000").status_code == 404
    assert charlie.get("/api/v1/searches/00000000-0000-0000-0000-000000000000/events").status_code == 404


def test_the_api_describes_itself(charlie):
    schema = charlie.get("/api/v1/openapi.json").json()
    assert set(schema["paths"]) == {
        "/api/v1/ensembles",
        "/api/v1/ensembles/{uuid}",
        "/api/v1/jobs/{uuid}",
        "/api/v1/estimate",
        "/api/v1/operators",
        "/api/v1/searches",
        "/api/v1/searches/{uuid}",
        "/api/v1/searches/{uuid}/events",
    }


def test_the_number_of_queries_does_not_grow_with_the_search(charlie, django_assert_max_num_queries):
    search = run_to_end(make_search(n_neigh=6))
    with django_assert_max_num_queries(22):
        charlie.get(f"/api/v1/searches/{search.uuid}")


@pytest.mark.parametrize("launched_with", [[], ["scratch", "model_0-final"]])
def test_replaying_the_log_onto_an_early_snapshot_gives_the_late_one(charlie, launched_with):
    search = make_search(comparisons=launched_with)
    early = charlie.get(f"/api/v1/searches/{search.uuid}").json()
    run_to_end(search)
    services.compare(search, ["snapshots"], "a test")
    run_to_end(search)
    late = charlie.get(f"/api/v1/searches/{search.uuid}").json()
    replayed = early
    for event in charlie.get(f"/api/v1/searches/{search.uuid}/events?after={early['seq']}").json()["events"]:
        replayed = merged(replayed, event)
    for d in (late, replayed):
        for moving in ("seconds_spent", "seconds_left", "workers", "log"):
            d.pop(moving)
    assert replayed == late


def merged(state, event):
    """What the page does with a frame."""
    payload = event["payload"]
    candidates = {c["id"]: c for c in state["candidates"]}
    for changed in payload.get("candidates", []):
        candidates[changed["id"]] = {**candidates.get(changed["id"], {}), **changed}
    points = {**state["points"]}
    for pk, rows in payload.get("points", {}).items():
        known = points.get(pk, [])
        points[pk] = known + [row for row in rows if not known or row[0] > known[-1][0]]
    kinds = ["pretrain", "neighbour", "final", "snapshot", "scratch", "reference"]
    ordered = sorted(candidates.values(), key=lambda c: (kinds.index(c["kind"]), c["step"], c["index"]))
    return {**state, **payload.get("search", {}), "seq": event["seq"], "candidates": ordered, "points": points}


def test_a_search_of_somebody_else_is_seen_by_all_who_are_signed_in(charlie):
    owner = get_user_model().objects.create_user("alice")
    search = make_search(owner=owner)
    assert Search.objects.get().owner == owner
    assert charlie.get(f"/api/v1/searches/{search.uuid}").status_code == 200
