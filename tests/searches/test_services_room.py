"""A full disk: the search is paused with words that name it, and goes on by itself once there is room."""

import errno

import pytest

from nashweb.models_storage import models_storage
from searches import disk, services
from searches.models import Candidate, Search
from tests.searches.rows import claim, kinds, make_search, pending

pytestmark = pytest.mark.django_db
WHERE = "/data: 0.1 MB of 200.0 MB are free"


@pytest.fixture
def full(monkeypatch):
    """The bytes that are free: few until the test says otherwise."""
    free = [1000]
    monkeypatch.setattr(disk, "free_bytes", lambda folder: free[0])
    return free


def paused() -> Search:
    search = make_search()
    claim(pending(search)[0])
    services.pause_for_room(search.pk, WHERE)
    search.refresh_from_db()
    return search


def test_it_is_paused_with_the_disk_in_words_and_no_attempt_failed(settings):
    settings.NASH_MIN_FREE_BYTES = 500e6
    search = paused()
    assert search.status == "paused"
    assert search.reason == f"the disk is full ({WHERE}); it goes on by itself once 500 MB are free"
    candidate = search.candidates.get()
    assert (candidate.status, candidate.failures, candidate.lease_expires) == ("pending", 0, None)
    event = search.events.last()
    assert (event.kind, event.level, event.words) == ("search_paused", "warning", f"Paused: {search.reason}")


def test_it_goes_on_only_once_there_is_room(full):
    search = paused()
    assert services.go_on_with_room() == []
    full[0] = 10**12
    assert services.go_on_with_room() == [search.candidates.get().pk]
    assert services.go_on_with_room() == []
    search.refresh_from_db()
    assert (search.status, search.reason) == ("running", "")
    assert kinds(search)[-2:] == ["search_paused", "search_resumed"]


def test_a_disk_of_the_models_own_is_named_and_waited_for(settings, tmp_path, monkeypatch):
    models = tmp_path / "models"
    settings.STORAGES = {**settings.STORAGES, "models": models_storage(str(models / "not there yet"))}
    models.mkdir()
    free = {settings.NASH_DATA_DIR: 10**12, models: 1000}
    monkeypatch.setattr(disk, "free_bytes", free.__getitem__)
    assert services.fullest_folder() == models
    search = paused()
    assert services.go_on_with_room() == []
    free[models] = 10**12
    assert services.go_on_with_room() == [search.candidates.get().pk]


def test_what_a_person_paused_stays_paused(full, alice):
    search = make_search(owner=alice)
    services.pause(search, alice)
    full[0] = 10**12
    assert services.go_on_with_room() == []
    search.refresh_from_db()
    assert search.status == "paused"


def test_what_was_stopped_meanwhile_is_not_paused(alice):
    search = make_search(owner=alice)
    services.stop(search, alice)
    services.pause_for_room(search.pk, WHERE)
    search.refresh_from_db()
    assert search.status == "stopped"


def test_room_brings_the_ballast_back(full, data_folder):
    services.go_on_with_room()
    assert not (data_folder / disk.BALLAST).exists()
    full[0] = 10**12
    services.go_on_with_room()
    assert (data_folder / disk.BALLAST).exists()


def test_a_deleted_search_does_not_go_on(full, alice):
    search = paused()
    services.delete(search, "the command line")
    full[0] = 10**12
    assert services.go_on_with_room() == []
    assert Candidate.objects.get(search=search).status == "pending"


def test_a_worker_whose_checkpoint_finds_no_room_pauses_the_search(monkeypatch, data_folder):
    from searches import worker, worker_files
    from tests.searches.working import launch

    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0,))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)
    disk.keep_ballast(data_folder)

    def no_room(*of):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worker_files, "write_checkpoint", no_room)
    search = launch()
    assert worker.train(search.candidates.get().pk, worker.Post("alpha:cpu-0", device="cpu")) == []
    search.refresh_from_db()
    assert search.status == "paused"
    assert f"the disk is full ({data_folder}: " in search.reason
    assert search.candidates.get().failures == 0
    assert not (data_folder / disk.BALLAST).exists()
