"""Ensembles of snapshots: what a click trains, what waits for it, and what becomes of it where some do not come."""

import pytest

from searches import services
from searches.models import BackgroundJob, Ensemble, EnsembleMember
from searches.selectors.ensembles import waits_for
from searches.services import Refused
from tests.searches.rows import claim, make_search, pending, run_to_end
from tests.searches.trained import end, end_all, looks, make_trained_search, measured

pytestmark = pytest.mark.django_db


def test_one_click_trains_the_snapshots_and_then_measures_their_mean(alice):
    search = make_trained_search(alice, n_steps=2)
    ensemble, ids = services.ensemble_snapshots(search, alice)
    assert [c.code for c in search.candidates.filter(pk__in=ids)] == ["snapshot 1"]
    assert not BackgroundJob.objects.exists()
    assert waits_for(ensemble) == "It is measured as soon as the snapshots of “Trained” are trained."
    with pytest.raises(Refused, match="“Snapshots of Trained” is under way"):
        services.ensemble_snapshots(search, alice)
    search = end_all(search)
    assert search.status == "finished"
    assert [m.name for m in ensemble.members.all()] == ["snapshot 1", "final"]
    result = measured(ensemble).result
    assert len(result["order"]) == 2
    assert len(looks(search)) == 1
    with pytest.raises(Refused, match="of exactly these networks already"):
        services.ensemble_snapshots(search, alice)


def test_snapshots_that_are_there_are_not_trained_again(alice):
    search = run_to_end(make_search(owner=alice, comparisons=("snapshots",)))
    ensemble, ids = services.ensemble_snapshots(search, alice)
    assert ids == []
    assert [m.name for m in ensemble.members.all()] == ["snapshot 1", "final"]
    assert BackgroundJob.objects.get().owner == alice


def test_a_worker_that_dies_in_a_snapshot_costs_the_ensemble_nothing(alice):
    search = make_trained_search(alice, n_steps=2)
    ensemble, _ = services.ensemble_snapshots(search, alice)
    (snapshot,) = pending(search)
    claim(snapshot, dataset_digest=search.dataset.digest, worker="doomed")
    assert services.release_worker("doomed") == (True, [snapshot.pk])
    end(pending(search)[0])
    assert EnsembleMember.objects.filter(ensemble=ensemble).count() == 2
    assert measured(ensemble).result["n_images"] == search.dataset.n_test


def test_a_choice_at_launch_makes_it_at_the_end_without_a_click(alice):
    search = make_search(owner=alice, snapshot_ensemble=True)
    assert search.config["comparisons"] == ["snapshots"]
    ensemble = Ensemble.objects.get()
    assert (ensemble.search, ensemble.owner) == (search, alice)
    run_to_end(search)
    assert [m.name for m in ensemble.members.all()] == ["snapshot 1", "final"]
    assert BackgroundJob.objects.get().subject == f"ensemble:{ensemble.pk}"
    assert "Ensemble “Snapshots of Tiny”: 2 members are trained, it is measured" in search.events.last().words


def test_an_ensemble_of_one_is_refused_at_launch_and_by_the_button(alice):
    from searches.nash.config import InvalidConfig

    with pytest.raises(InvalidConfig) as refusal:
        make_search(owner=alice, n_steps=1, snapshot_ensemble=True)
    assert "an ensemble of one" in refusal.value.errors["snapshot_ensemble"]
    search = run_to_end(make_search(owner=alice, n_steps=1))
    with pytest.raises(Refused, match="an ensemble of one"):
        services.ensemble_snapshots(search, alice)


def test_snapshots_of_an_unfinished_or_a_strangers_search_are_refused(alice, bob):
    search = make_search(owner=alice)
    with pytest.raises(Refused, match="only a search that has finished can be compared"):
        services.ensemble_snapshots(search, alice)
    run_to_end(search)
    with pytest.raises(Refused, match="belongs to alice"):
        services.ensemble_snapshots(search, bob)
    services.delete(search, alice)
    with pytest.raises(Refused, match="was deleted"):
        services.ensemble_snapshots(search, alice)
    assert not Ensemble.objects.exists()


def test_where_no_snapshot_comes_out_the_ensemble_says_so(alice):
    search = run_to_end(make_search(owner=alice))
    ensemble, _ = services.ensemble_snapshots(search, alice)
    (snapshot,) = pending(search)
    services.end_candidate(claim(snapshot), "diverged", "loss is nan")
    ensemble.refresh_from_db()
    assert ensemble.reason == "1 of its networks came out: an ensemble is of at least two."
    assert not BackgroundJob.objects.exists()


def test_stopping_the_snapshots_is_settled_by_the_reaper(alice):
    search = run_to_end(make_search(owner=alice))
    ensemble, _ = services.ensemble_snapshots(search, alice)
    services.stop(search, alice)
    services.settle_waiting()
    ensemble.refresh_from_db()
    assert "1 of its networks came out" in ensemble.reason


def test_an_ensemble_that_waited_for_snapshots_goes_with_its_search(alice):
    search = make_search(owner=alice, snapshot_ensemble=True)
    services.delete(search, alice)
    assert "was deleted before the snapshots were trained" in waits_for(Ensemble.objects.get())
    services.empty_deleted(alice)
    assert not Ensemble.objects.exists()
