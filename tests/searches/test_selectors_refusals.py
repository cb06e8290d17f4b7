"""A search that every worker refuses says so, wherever its state is told, and what helps."""

import html

import pytest
from django.urls import reverse

from searches import selectors, services
from searches.models import ENGINE_VERSION, Candidate, Refusal, Search
from searches.selectors.bulletin import list_frames
from searches.selectors.refusals import HELPS, why_refused
from tests.searches.rows import expire, leased, make_search, pending, run_to, train

pytestmark = pytest.mark.django_db
OLD = ENGINE_VERSION - 1
BY = "a test"
DIFFERS = f"its engine version is {OLD}, theirs {ENGINE_VERSION}"


def beat(name: str, engine: int | None = ENGINE_VERSION) -> None:
    versions = {} if engine is None else {"engine": engine}
    services.worker_beat(services.WorkerIdentity(name, "alpha", 1, "CPU", versions), None)


def refuse(name: str, candidate: Candidate, thing: str = "numeric path") -> None:
    services.record_refusal(name, candidate.pk, thing, f"Tiny, {candidate.code}: its {thing} is another one")


def old_search(**columns) -> Search:
    search = make_search(**columns)
    Search.objects.filter(pk=search.pk).update(engine_version=OLD)
    search.refresh_from_db()
    return search


def brief(search: Search) -> str:
    search.refresh_from_db()
    unfit = why_refused(search)
    return unfit.brief if unfit else ""


# ------------------------------------------------------------------ when it is so


def test_without_a_worker_that_answers_nobody_refuses():
    assert brief(old_search()) == ""


def test_a_search_of_another_version_than_all_workers_is_refused():
    search = old_search()
    beat("alpha:cpu-0")
    assert brief(search) == f"by every worker: {DIFFERS}"
    beat("beta:cpu-0", OLD)
    assert brief(search) == ""


def test_a_worker_that_does_not_say_its_version_may_take_it():
    search = old_search()
    beat("alpha:cpu-0", None)
    assert brief(search) == ""


def test_what_is_trained_under_a_live_lease_is_not_refused_and_is_once_the_lease_is_dead():
    search = make_search()
    run_to(search, "1.1")
    running = pending(search)[0]
    leased(running)
    Search.objects.update(engine_version=OLD)
    beat("alpha:cpu-0")
    assert brief(search) == ""
    expire(running)
    assert brief(search).endswith(DIFFERS)


@pytest.mark.parametrize("status", ["paused", "stopped", "finished", "failed"])
def test_what_does_not_wait_for_a_worker_is_not_refused(status):
    search = old_search()
    beat("alpha:cpu-0")
    Search.objects.update(status=status)
    assert brief(search) == ""


def test_refused_is_what_each_worker_refused_all_that_waits_of():
    search = make_search()
    run_to(search, "1.1")
    first, second, third = pending(search)
    train(third)
    for name in ("alpha:cpu-0", "beta:cpu-0"):
        beat(name)
        refuse(name, first)
    assert brief(search) == ""
    refuse("alpha:cpu-0", second)
    assert brief(search) == ""
    refuse("beta:cpu-0", second)
    assert brief(search) == "by every worker, for its numeric path"
    beat("gamma:cpu-0", OLD)  # of another version: it refuses, too
    assert brief(search) == "by every worker, for its numeric path"
    beat("delta:cpu-0")  # one that has not looked yet
    assert brief(search) == ""


def test_a_claim_that_succeeds_and_a_new_process_of_the_name_end_it():
    search = make_search()
    candidate = pending(search)[0]
    beat("alpha:cpu-0")
    refuse("alpha:cpu-0", candidate)
    assert brief(search)
    services.release(leased(candidate))
    assert brief(search) == ""
    refuse("alpha:cpu-0", candidate)
    assert brief(search)
    services.forget_refusals("alpha:cpu-0")
    assert brief(search) == ""


def test_a_retry_lets_go_of_what_was_refused():
    search = make_search()
    candidate = run_to(search, "1.1")
    services.end_candidate(leased(candidate), "diverged", "a test")
    beat("alpha:cpu-0")
    refuse("alpha:cpu-0", candidate)
    services.retry(search, BY, "1.1")
    assert not Refusal.objects.exists()


def test_the_same_refusal_is_kept_once_and_one_for_the_version_is_known_without_a_row():
    search = make_search()
    beat("alpha:cpu-0")
    for _ in range(2):
        refuse("alpha:cpu-0", pending(search)[0])
    refuse("alpha:cpu-0", pending(search)[0], "data set")
    assert [r.thing for r in Refusal.objects.all()] == ["data set"]
    Refusal.objects.all().delete()
    refuse("alpha:cpu-0", pending(search)[0], "engine version")
    refuse("nobody:cpu-0", pending(search)[0])
    assert not Refusal.objects.exists()


# ------------------------------------------------------------------ how it is told


def test_the_words_say_what_happened_what_is_safe_and_what_helps():
    search = old_search()
    beat("alpha:cpu-0")
    fields = selectors.fit_fields(search)
    assert fields["refused"] == (
        f"Its engine version is {OLD}, that of the workers {ENGINE_VERSION}. Nothing is lost: what was trained so "
        f"far is kept. Go on with version {ENGINE_VERSION}, which marks it; or start workers of version {OLD}."
    )
    assert fields["can_go_on"]


@pytest.mark.parametrize("thing", list(HELPS))
def test_each_thing_has_its_next_step(thing):
    search = make_search()
    beat("alpha:cpu-0")
    refuse("alpha:cpu-0", pending(search)[0], thing)
    fields = selectors.fit_fields(search)
    assert fields["refused"].startswith(f"Tiny, model_0: its {thing} is another one. Nothing is lost")
    assert fields["refused"].endswith(HELPS[thing])
    assert fields["can_go_on"] == (thing in ("number of threads", "numeric path"))


def test_workers_of_another_version_than_the_site_need_workers_of_its_own():
    search = make_search()
    beat("alpha:cpu-0", OLD)
    fields = selectors.fit_fields(search)
    assert fields["refused"].endswith(f"Start workers of version {ENGINE_VERSION}.")
    assert not fields["can_go_on"]


def test_the_page_of_the_search_begins_with_it_and_events_bring_the_mark(client, alice):
    search = old_search(owner=alice)
    beat("alpha:cpu-0")
    state = client.get(f"/api/v1/searches/{search.uuid}").json()
    assert state["refused"].startswith(f"Its engine version is {OLD}")
    assert (state["can_go_on"], state["engine"], state["went_on"]) == (True, str(OLD), [])
    services.go_on(search, alice)
    state = client.get(f"/api/v1/searches/{search.uuid}").json()
    assert (state["refused"], state["can_go_on"], state["engine_version"]) == ("", False, ENGINE_VERSION)
    assert state["engine"] == f"{OLD}, from the pretraining on {ENGINE_VERSION}"
    (line,) = client.get("/api/v1/searches").json()["searches"]
    assert (line["engine_version"], line["engine"]) == (ENGINE_VERSION, state["engine"])
    page = client.get(reverse("search_detail", args=[search.uuid])).text
    assert f'<li id="chip-engine">engine {state["engine"]}</li>' in page


def test_the_list_says_refused_counts_it_filters_by_it_and_reckons_without_it(client, alice):
    old, new = old_search(owner=alice, name="Left behind"), make_search(owner=alice, name="Goes on")
    run_to(new, "1.1")
    beat("alpha:cpu-0")
    page = html.unescape(client.get(reverse("search_list")).text)
    assert DIFFERS in page
    assert "state-refused" in page
    assert "1 refused by every worker" in page
    rows = {line["name"]: line for line in client.get("/searches.json").json()["searches"]}
    assert (rows["Left behind"]["state"], rows["Goes on"]["state"]) == ("refused", "running")

    def named(query: str) -> list[str]:
        return [line["name"] for line in client.get(f"/searches.json{query}").json()["searches"]]

    assert named("?state=refused") == ["Left behind"]
    assert named("?state=waiting") == []
    make_search(owner=alice, name="Third")
    rows = {line["name"]: line for line in client.get("/searches.json").json()["searches"]}
    assert rows["Third"]["words"] == "waits for a worker, 1 before it"
    services.go_on(old, alice)
    assert named("?state=refused") == []


def test_the_list_has_another_version_as_soon_as_a_search_is_refused_and_when_it_goes_on():
    search = old_search()
    beat("alpha:cpu-0", OLD)
    seen = [list_frames()[0]["version"]]
    beat("alpha:cpu-0")
    seen.append(list_frames()[0]["version"])
    services.go_on(search, BY)
    seen.append(list_frames()[0]["version"])
    assert seen[0] != seen[1] != seen[2]
