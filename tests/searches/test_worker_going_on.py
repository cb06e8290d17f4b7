"""A search that was half done under another engine version goes on to its end, with a real worker."""

import pytest

from searches import services, tasks, worker, worker_run
from searches.models import ENGINE_VERSION, Refusal, Search
from searches.nash import checkpoints
from searches.selectors import engine_words
from searches.selectors.refusals import why_refused
from tests.searches.working import break_at, launch, weights, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_core")]
OLD = ENGINE_VERSION - 1
BY = "a test"


def beat(post: worker.Post) -> None:
    identity = services.WorkerIdentity(post.name, "alpha", 7, "CPU", {"engine": ENGINE_VERSION})
    services.worker_beat(identity, None)


@pytest.fixture
def half_done(post, monkeypatch) -> Search:
    """Of an older version: model_0 is done, 1.1 was interrupted after an epoch, the others wait."""
    search = launch(epoch_neigh=3)
    work(search, post, until="1.1")
    with monkeypatch.context() as patch:
        break_at(patch, 2, worker_run.WorkerStops(), epochs_done=1)
        worker.train(search.candidates.get(kind="neighbour", index=1).pk, post)
    Search.objects.update(engine_version=OLD)
    search.refresh_from_db()
    return search


def test_it_is_refused_goes_on_from_its_checkpoint_and_is_trained_to_the_end(half_done, post):
    beat(post)
    model_0 = half_done.candidates.get(kind="pretrain")
    before = (model_0.digest, model_0.val_accuracy, model_0.attempt, weights(model_0))
    child = half_done.candidates.get(kind="neighbour", index=1)
    assert (child.status, int(child.epoch)) == ("pending", 1)
    assert worker.train_next(child.pk, post) == []
    assert half_done.candidates.get(pk=child.pk).attempt == child.attempt
    assert why_refused(half_done) is not None
    ids = services.go_on(half_done, BY)
    assert child.pk in ids
    half_done.refresh_from_db()
    assert why_refused(half_done) is None
    work(half_done, post)
    assert half_done.status == "finished", half_done.reason
    assert "Child 1.1 goes on from epoch 1 of 3" in half_done.events.values_list("words", flat=True)
    model_0.refresh_from_db()
    assert (model_0.digest, model_0.val_accuracy, model_0.attempt, weights(model_0)) == before
    assert engine_words(half_done) == f"{OLD}, from step 1 (1.1 after its epoch 1) on {ENGINE_VERSION}"


def test_where_this_version_gives_the_same_bits_so_does_the_search_that_went_on(half_done, post):
    undisturbed = launch(epoch_neigh=3)
    work(undisturbed, post)
    services.go_on(half_done, BY)
    work(half_done, post)
    assert weights(half_done.candidates.get(kind="final")) == weights(undisturbed.candidates.get(kind="final"))


def test_a_checkpoint_that_this_version_cannot_read_is_begun_anew(half_done, post, monkeypatch):
    monkeypatch.setattr(checkpoints, "MAGIC", b"NASH checkpoint 9\n")
    services.go_on(half_done, BY)
    work(half_done, post)
    assert half_done.status == "finished", half_done.reason
    assert "Child 1.1 goes on from its beginning" in half_done.events.values_list("words", flat=True)


def test_a_numeric_path_that_no_worker_has_is_refused_and_let_go_of(half_done, post):
    beat(post)
    Search.objects.update(engine_version=ENGINE_VERSION)
    half_done.refresh_from_db()
    half_done.candidates.filter(kind="neighbour").update(threads=1, numeric_path="cuda-bfloat16-sm90")
    child = half_done.candidates.get(kind="neighbour", index=1)
    worker.train_next(child.pk, post)
    unfit = why_refused(half_done)
    assert unfit
    assert "its numeric path is cuda-bfloat16-sm90, this worker's is cpu-float32-" in unfit.words
    services.go_on(half_done, BY)
    work(half_done, post)
    assert half_done.status == "finished", half_done.reason
    child.refresh_from_db()
    assert child.numeric_path.startswith("cpu-float32-")


def test_a_process_that_begins_says_nothing_of_what_the_one_before_refused(half_done, post, monkeypatch):
    beat(post)
    services.record_refusal(post.name, half_done.candidates.first().pk, "data set", "It cannot be read.")
    monkeypatch.setattr(tasks, "post", post)
    monkeypatch.setattr(tasks, "_every", lambda seconds, act: None)
    monkeypatch.setattr(tasks.atexit, "register", lambda act: None)
    tasks.start_worker()
    assert not Refusal.objects.exists()
