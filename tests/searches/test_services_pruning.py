"""Losers' weights go once the next step has begun; winners, the open step and all that was measured stay."""

import pytest

from searches import selectors, services, worker
from searches.models import Artifact, Candidate, Point, Search
from searches.selectors import artifact_path, candidate_folder
from tests.searches.rows import leased, make_search, pending, result, run_to, run_to_end, train
from tests.searches.working import launch, work

pytestmark = pytest.mark.django_db


def give_weights(search: Search) -> None:
    """A row for the weights of all that are done and have none."""
    for candidate in search.candidates.filter(status="done", artifacts=None):
        Artifact.objects.create(
            candidate=candidate, format="weights", file=f"{candidate.slug}.st", sha256="", bytes=1
        )


def dropped(search: Search) -> list[str]:
    give_weights(search)
    return sorted(c.code for c in services.drop_losers(search.pk) if not c.artifacts.exists())


def with_weights(search: Search) -> list[str]:
    return sorted(c.code for c in search.candidates.exclude(artifacts=None))


def test_the_open_step_keeps_all_of_its_weights():
    search = make_search()
    run_to(search, "1.1")
    train(pending(search)[0])
    assert dropped(search) == []
    assert with_weights(search) == ["1.1", "model_0"]


def test_the_losers_of_a_step_go_once_the_next_has_begun():
    search = make_search()
    run_to(search, "2.1")
    assert dropped(search) == ["1.1", "1.3"]
    assert with_weights(search) == ["1.2", "model_0"]


def test_the_last_steps_losers_go_once_the_final_training_is_there():
    search = make_search()
    run_to(search, "final")
    assert dropped(search) == ["1.1", "1.3", "2.2", "2.3"]
    run_to_end(search)
    give_weights(search)
    assert with_weights(search) == ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "final", "model_0"]
    assert dropped(search) == ["1.1", "1.3", "2.2", "2.3"]
    assert with_weights(search) == ["1.2", "2.1", "final", "model_0"]


def test_a_search_that_is_extended_goes_on_from_its_winner():
    search = run_to_end(make_search())
    give_weights(search)
    services.drop_losers(search.pk)
    services.extend(search, 3, "the command line")
    search.refresh_from_db()
    assert all(child.parent.code == "2.1" for child in search.candidates.filter(kind="neighbour", step=3))
    assert run_to_end(search).status == "finished"


def test_a_model_that_was_made_ready_of_a_loser_stays():
    search = make_search()
    lease = leased(run_to(search, "1.1"))
    services.finish(lease, result(0.1))
    loser = Candidate.objects.get(pk=lease.candidate_id)
    Artifact.objects.create(candidate=loser, format="model_zip", file="1.zip", sha256="", bytes=1)
    run_to(search, "2.1")
    assert dropped(search) == ["1.3"]
    assert with_weights(search) == ["1.1", "1.2", "model_0"]


def test_who_sets_nash_keep_losers_keeps_them(settings):
    settings.NASH_KEEP_LOSERS = True
    search = make_search()
    run_to(search, "2.1")
    assert dropped(search) == []


def test_a_worker_removes_files_with_rows_and_keeps_what_was_measured(monkeypatch):
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0,))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)
    search = launch(n_steps=2, n_neigh=2)
    work(search, worker.Post("alpha:cpu-0", device="cpu"))
    assert search.status == "finished"
    for candidate in search.candidates.select_related("search"):
        loses = candidate.kind == "neighbour" and not candidate.is_winner
        assert candidate_folder(candidate).exists() != loses
        assert (candidate.artifacts.filter(format="weights").count() == 0) == loses
        assert candidate.val_accuracy is not None or candidate.kind == "final"
        assert Point.objects.filter(candidate=candidate).exists()
    named = {artifact_path(a) for a in Artifact.objects.all()}
    files = [p for p in (selectors.searches_folder() / str(search.uuid)).rglob("*") if p.is_file()]
    assert {p for p in files if p.name != "statistics.safetensors"} == named
