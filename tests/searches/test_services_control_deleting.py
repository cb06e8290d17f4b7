"""Delete, undo, empty: hidden at once, brought back as it was, removed rows first, then files."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from searches import selectors, services, tasks, worker, worker_files
from searches.models import Artifact, Candidate, Event, Point, Search
from searches.services import Refused
from tests.searches.rows import claim, kinds, leased, make_search, pending, run_to, run_to_end, train

pytestmark = pytest.mark.django_db
BY = "the command line"
STATES = list(Search.Status.values)


def fill(search: Search) -> Path:
    """A folder of files for the search."""
    folder = selectors.candidate_folder(search.candidates.select_related("search").earliest("pk"))
    folder.mkdir(parents=True)
    (folder / "weights-1.safetensors").write_bytes(b"weights")
    return folder.parent


def make_old(folder: Path, hours: float) -> None:
    then = time.time() - 3600 * hours
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (then, then))


# ------------------------------------------------------------------ hidden at once


@pytest.mark.parametrize("status", STATES)
def test_a_search_can_be_deleted_and_brought_back_in_every_state(status, alice):
    search = make_search(owner=alice)
    Search.objects.update(status=status)
    services.delete(search, alice)
    assert not selectors.visible_to(alice).exists()
    assert list(selectors.deleted_for(alice)) == [search]
    services.undelete(search, alice)
    assert list(selectors.visible_to(alice)) == [search]
    search.refresh_from_db()
    assert (search.status, search.deleted) == (status, None)
    assert kinds(search) == ["search_created", "search_deleted", "search_undeleted"]
    assert all("by alice" in e.words for e in search.events.all()[1:])


def test_a_running_training_is_let_go_at_its_next_beat_and_nothing_is_trained_meanwhile():
    search = make_search()
    lease = leased(pending(search)[0])
    services.delete(search, BY)
    with pytest.raises(services.LeaseLost):
        services.beat(lease)
    with pytest.raises(services.LeaseLost):
        services.finish(lease, services.Result(0.5, None, None, 1.0, None, None, None))
    candidate = search.candidates.get()
    assert (candidate.status, candidate.failures, candidate.worker) == ("pending", 0, "")
    assert claim(candidate) is None
    assert not selectors.waiting_candidates().exists()
    assert services.reap(queue_is_empty=True) == []


def test_undone_it_goes_on_where_it_was():
    search = make_search()
    run_to(search, "1.1")
    lease = leased(pending(search)[0])
    services.record_epoch(lease, [], epoch=1.0, seconds=1.0, checkpoint="checkpoint-1-1.pt")
    services.delete(search, BY)
    ids = services.undelete(search, BY)
    assert sorted(ids) == sorted(c.pk for c in pending(search))
    assert leased(lease.candidate_id).attempt == 2
    assert search.candidates.get(pk=lease.candidate_id).epoch == 1.0


def test_undone_a_paused_search_stays_paused():
    search = make_search()
    services.pause(search, BY)
    services.delete(search, BY)
    assert services.undelete(search, BY) == []
    search.refresh_from_db()
    assert search.status == "paused"


@pytest.mark.parametrize("verb", ["pause", "stop", "delete", "run_next"])
def test_nothing_but_undo_happens_to_a_deleted_search(verb):
    search = make_search(name="Night run")
    services.delete(search, BY)
    seq = Search.objects.get().seq
    with pytest.raises(Refused, match="“Night run” was deleted: bring it back first"):
        getattr(services, verb)(search, BY)
    assert Search.objects.get().seq == seq


def test_there_is_nothing_to_undo_for_a_search_that_is_there():
    with pytest.raises(Refused, match="“Night run” is not deleted"):
        services.undelete(make_search(name="Night run"), BY)


def test_who_may_delete_and_bring_back(alice, charlie, staff):
    search = make_search(owner=alice, name="Hers")
    with pytest.raises(Refused, match="“Hers” belongs to alice: only its owner and staff can delete it"):
        services.delete(search, charlie)
    services.delete(search, alice)
    assert list(selectors.deleted_for(charlie)) == list(selectors.deleted_for(AnonymousUser())) == []
    assert list(selectors.deleted_for(staff)) == list(selectors.deleted_for(None)) == [search]
    with pytest.raises(Refused, match="only its owner and staff can bring it back"):
        services.undelete(search, charlie)
    services.undelete(search, staff)


def test_the_time_that_it_was_deleted_is_not_spent():
    search = make_search()
    train(run_to(search, "1.1"))
    services.delete(search, BY)
    services.undelete(search, BY)
    now = timezone.now()
    Search.objects.update(started=now - timedelta(seconds=1000))
    Event.objects.filter(kind="search_deleted").update(at=now - timedelta(seconds=900))
    Event.objects.filter(kind="search_undeleted").update(at=now - timedelta(seconds=100))
    search.refresh_from_db()
    assert selectors.seconds_spent(search) == pytest.approx(200, abs=5)


def test_undone_while_paused_the_time_stands_still_until_it_is_resumed():
    search = make_search()
    train(run_to(search, "1.1"))
    ago = {"search_paused": 900, "search_deleted": 800, "search_undeleted": 700, "search_resumed": 100}
    for verb in (services.pause, services.delete, services.undelete, services.resume):
        verb(search, BY)
    now = timezone.now()
    for kind, seconds in ago.items():
        Event.objects.filter(kind=kind).update(at=now - timedelta(seconds=seconds))
    Search.objects.update(started=now - timedelta(seconds=1000))
    search.refresh_from_db()
    assert selectors.seconds_spent(search) == pytest.approx(200, abs=5)


# ------------------------------------------------------------------ removed for good


def test_empty_removes_rows_and_files_of_what_is_deleted_and_nothing_else(alice):
    gone, kept = make_search(owner=alice, name="Gone"), make_search(owner=alice, name="Kept")
    for search in (gone, kept):
        run_to_end(search)
        Point.objects.create(candidate=search.candidates.first(), optimiser_step=0, epoch=0, lr=0.1)
        Artifact.objects.create(candidate=search.candidates.first(), format="weights", file="x", sha256="", bytes=1)
    folders = fill(gone), fill(kept)
    services.delete(gone, alice)
    assert services.empty_deleted(alice) == 1
    assert [folder.exists() for folder in folders] == [False, True]
    assert list(Search.objects.all()) == [kept]
    for rows in (Candidate, Event):
        assert set(rows.objects.values_list("search", flat=True)) == {kept.pk}
    assert Point.objects.count() == Artifact.objects.count() == 1
    assert services.empty_deleted(alice) == 0


def test_everybody_empties_their_own_staff_all(alice, charlie, staff):
    for owner in (alice, charlie):
        services.delete(make_search(owner=owner), owner)
    assert services.empty_deleted(alice) == 1
    assert list(Search.objects.values_list("owner__username", flat=True)) == ["charlie"]
    assert services.empty_deleted(staff) == 1


def test_a_search_brought_back_meanwhile_is_not_removed(monkeypatch):
    from searches.services import deleting

    search = make_search()
    folder = fill(search)
    services.delete(search, BY)
    real = deleting._remove

    def overtaken(pk, uuid):
        services.undelete(search, "somebody else")
        return real(pk, uuid)

    monkeypatch.setattr(deleting, "_remove", overtaken)
    assert services.empty_deleted(BY) == 0
    assert Search.objects.exists()
    assert folder.exists()


def test_the_reaper_removes_it_a_day_later(settings, monkeypatch):
    monkeypatch.setattr(tasks, "post", worker.Post("alpha:cpu-9"))
    search = make_search()
    folder = fill(search)
    services.delete(search, BY)
    Search.objects.update(deleted=timezone.now() - timedelta(hours=23))
    tasks.reap()
    assert Search.objects.exists()
    Search.objects.update(deleted=timezone.now() - timedelta(hours=25))
    tasks.reap()
    assert not Search.objects.exists()
    assert not folder.exists()


def test_a_folder_that_no_row_names_is_swept_once_it_is_old_and_others_are_left_alone(data_folder):
    search = make_search()
    mine = fill(search)
    orphan = mine.with_name("aaaaaaaa-0000-4000-8000-000000000001")
    other = mine.with_name("not-a-folder-of-searches")
    for folder in (orphan, other):
        (folder / "neighbour-1-1").mkdir(parents=True)
    services.sweep_deleted()
    assert orphan.exists()
    for folder in (mine, orphan, other):
        make_old(folder, 25)
    services.sweep_deleted()
    assert [folder.exists() for folder in (mine, orphan, other)] == [True, False, True]


def test_a_worker_whose_search_is_removed_while_it_trains_stops_and_leaves_no_file(monkeypatch):
    search = make_search()
    candidate = search.candidates.select_related("search__dataset", "parent").get()
    folder = selectors.candidate_folder(candidate).parent

    class Training:
        def __init__(self, candidate, lease, *_rest):
            self.lease = lease

        def result(self):
            services.delete(search, BY)
            services.empty_deleted(BY)
            fill_late = folder / "pretrain-0-0"
            fill_late.mkdir(parents=True)
            (fill_late / "checkpoint-1-1.pt").write_bytes(b"late")
            services.record_epoch(self.lease, [], epoch=1.0, seconds=1.0, checkpoint="checkpoint-1-1.pt")

    monkeypatch.setattr(worker, "Run", Training)
    monkeypatch.setattr(worker_files, "load_images", lambda dataset: type("Images", (), {"digest": "d" * 64}))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)
    assert worker.train(candidate.pk, worker.Post("alpha:cpu-0", device="cpu")) == []
    assert not folder.exists()
