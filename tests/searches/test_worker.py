"""One candidate from message to end, with the real engine on a tiny network and the digits."""

import json

import numpy as np
import pytest

from searches import selectors, services, slots, worker, worker_run
from searches.models import Candidate, Search
from searches.selectors import artifact_path, candidate_folder, checkpoint_paths
from tests.searches.rows import kinds
from tests.searches.working import break_at, launch, weights, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_core")]


def test_a_search_is_trained_to_its_end(search, post, data_folder):
    work(search, post)
    assert search.status == "finished", search.reason
    final = search.candidates.get(kind="final")
    assert 0.0 < final.test_accuracy < 1.0
    child = search.candidates.get(kind="neighbour", index=1)
    assert child.seal["holds"]
    assert child.seal["float64"] <= 1e-10
    assert len(child.correct) == -(-len_validation(search) // 8)
    assert child.threads == 1
    assert child.numeric_path.startswith("cpu-float32")
    assert child.images_per_second > 0
    assert child.flops_per_second > 0
    assert child.peak_memory_bytes > 0
    assert child.seconds > 0
    formats = sorted(final.artifacts.values_list("format", flat=True))
    assert formats == ["assessment", "model_zip", "test_softmax", "weights"]
    for artifact in final.artifacts.all():
        assert artifact_path(artifact).stat().st_size == artifact.bytes
    softmax = np.load(artifact_path(final.artifacts.get(format="test_softmax")))
    assert softmax.shape == (search.dataset.n_test, 10)
    assert np.allclose(softmax.sum(1), 1, atol=1e-5)
    found = json.loads(artifact_path(final.artifacts.get(format="assessment")).read_bytes())
    assert found["n_right"] == round(final.test_accuracy * search.dataset.n_test)
    assert len(found["pictures"]) == len(found["mistakes"]) > 0


def test_comparisons_are_trained_as_the_final_network_is_and_tested_once(post, monkeypatch, data_folder):
    monkeypatch.setattr(slots, "WORTH_TWO_THREADS_MACS", 0)
    search = launch(n_steps=2, comparisons=["snapshots", "scratch", "model_0-final"])
    work(search, post)
    assert search.status == "finished", search.reason
    compared = search.candidates.exclude(kind__in=("pretrain", "neighbour", "final"))
    assert sorted(c.code for c in compared) == ["from scratch", "model_0, final budget", "snapshot 1"]
    for candidate in compared:
        assert 0.0 < candidate.test_accuracy < 1.0
        assert (candidate.val_accuracy, candidate.seal, candidate.correct) == (None, None, None)
        assert candidate.images_per_second > 0
        assert candidate.flops_per_second > 0
        formats = sorted(candidate.artifacts.values_list("format", flat=True))
        assert formats == ["test_softmax", "weights"]
        assert candidate.points.last().epoch == candidate.epochs


def test_children_without_network_morphism_have_no_seal_and_need_no_statistics(post, data_folder):
    search = launch(network_morphism=False, neighbour_rate=0.02)
    work(search, post)
    assert search.status == "finished", search.reason
    children = search.candidates.filter(kind="neighbour")
    assert [child.seal for child in children] == [None, None]
    assert {point.lr for child in children for point in child.points.all() if point.epoch > 0} == {0.02}
    assert not list(data_folder.rglob("statistics.safetensors"))


def test_whatever_is_no_neighbour_has_all_cores(monkeypatch):
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0, 1, 2))
    monkeypatch.setattr(slots, "WORTH_TWO_THREADS_MACS", 0)
    search = launch()
    candidate = search.candidates.get()
    threads = {}
    for kind in Candidate.Kind.values:
        candidate.kind = kind
        threads[kind] = worker.threads_of(candidate)
    assert threads == {**dict.fromkeys(Candidate.Kind.values, 3), "neighbour": 1}


def len_validation(search: Search) -> int:
    from searches.datasets import folder_of
    from searches.nash.data import read_imageset

    images = read_imageset(folder_of("digits"))
    return len(images.split(search.search_config.seed, None).validation)


def test_curves_have_their_points_and_epochs_their_events(search, post):
    work(search, post, until="1.1")
    work(search, post)
    child = search.candidates.get(kind="neighbour", index=1)
    points = list(child.points.all())
    assert points[0].optimiser_step == 0
    assert points[0].val_accuracy == pytest.approx(child.parent.val_accuracy, abs=0.01)
    assert points[-1].epoch == child.epochs
    assert points[-1].val_accuracy == child.val_accuracy
    sent = [
        row for event in search.events.filter(kind="epoch") for row in event.payload["points"].get(str(child.pk), [])
    ]
    assert [row[0] for row in sent] == [p.optimiser_step for p in points]


def test_what_lies_on_disk_is_counted_at_a_checkpoint_and_at_the_end(post, monkeypatch):
    search = launch(epoch_pretrain=2)
    with monkeypatch.context() as patch:
        break_at(patch, 3, worker_run.WorkerStops(), epochs_done=1)
        worker.train(search.candidates.get().pk, post)
    search.refresh_from_db()
    assert len(checkpoint_paths(candidate_folder(search.candidates.get()))) == 1
    assert search.disk_bytes == selectors.disk_use(search) > 0
    work(search, post)
    assert search.disk_bytes == selectors.disk_use(search)
    assert search.status == "finished"


def test_checkpoints_go_when_the_candidate_has_ended(search, post):
    work(search, post, until="1.1")
    folder = candidate_folder(search.candidates.get(kind="pretrain"))
    assert checkpoint_paths(folder) == []
    assert [p.name for p in folder.glob("*")] == ["weights-1.safetensors"]


def test_statistics_are_computed_once_and_lie_beside_the_parents_weights(post, monkeypatch):
    from searches.nash import beginnings, runner

    real, computed = runner.statistics_of, []

    def counted(parent, *args, **kwargs):
        computed.append(parent)
        return real(parent, *args, **kwargs)

    for module in (runner, beginnings):  # a worker asks the first; a child that was given none asks the second
        monkeypatch.setattr(module, "statistics_of", counted)
    search = launch(n_neigh=3)
    work(search, post)
    folder = candidate_folder(search.candidates.get(kind="pretrain"))
    assert (folder / "statistics.safetensors").is_file()
    children = search.candidates.filter(kind="neighbour", status="done")
    assert [bool(child.morphisms) for child in children].count(True) == 2
    assert children.count() == 3
    assert len(computed) == 1


@pytest.mark.parametrize("epochs_done", [0, 2])
def test_an_attempt_that_stops_goes_on_to_the_same_bits(post, monkeypatch, epochs_done):
    undisturbed, stopped = launch(epoch_neigh=3), launch(epoch_neigh=3)
    work(undisturbed, post)
    work(stopped, post, until="1.1")
    child = stopped.candidates.get(kind="neighbour", index=1)
    with monkeypatch.context() as patch:
        break_at(patch, 3, worker_run.WorkerStops(), epochs_done=epochs_done)
        assert worker.train(child.pk, post) == [child.pk]
    child.refresh_from_db()
    assert (child.status, child.failures, child.attempt) == ("pending", 0, 1)
    work(stopped, post)
    child.refresh_from_db()
    assert child.attempt == 2
    for kind, index in (("neighbour", 1), ("final", 0)):
        one, other = (s.candidates.get(kind=kind, index=index) for s in (undisturbed, stopped))
        assert weights(one) == weights(other)
        assert list(one.points.values_list("optimiser_step", "loss", "val_accuracy")) == list(
            other.points.values_list("optimiser_step", "loss", "val_accuracy")
        )
        assert one.correct == other.correct


def test_a_pause_stops_a_running_training_without_a_trace(search, post, monkeypatch):
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    real, beats = worker_run.Run._beat, iter(range(10**9))

    def pausing(self):
        if next(beats) == 2:
            services.pause(search, "the command line")
            self._next_beat = 0.0
        real(self)

    with monkeypatch.context() as patch:
        patch.setattr(worker_run.Run, "_beat", pausing)
        assert worker.train(child.pk, post) == []
    child.refresh_from_db()
    assert (child.status, child.failures) == ("pending", 0)
    assert kinds(search)[-1] == "search_paused"
    for pk in services.resume(search, "the command line"):
        worker.train(pk, post)
    child.refresh_from_db()
    assert child.status == "done"


def test_the_seconds_of_a_running_training_fit_its_epochs(post, monkeypatch):
    search = launch(epoch_neigh=4)
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    with monkeypatch.context() as patch:
        patch.setattr(worker_run, "BEAT_SECONDS", 0.0)
        break_at(patch, 3, worker_run.WorkerStops(), epochs_done=2)
        worker.train(child.pk, post)
    child.refresh_from_db()
    assert 2 <= child.epoch < 3
    assert child.seconds > 0
    work(search, post)
    child.refresh_from_db()
    assert child.epoch == 4


def test_threads_belong_to_the_job(search, monkeypatch):
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0, 1, 2, 3))
    candidate = search.candidates.get()
    assert worker.threads_of(candidate) == 1  # digits: a second thread has nothing to do
    candidate.n_macs = 4_000_000
    assert worker.threads_of(candidate) == 4
    candidate.kind = Candidate.Kind.NEIGHBOUR
    assert worker.threads_of(candidate) == 1


def test_the_model_is_that_of_the_page(search, post):
    from searches.datasets import folder_of
    from searches.nash import Network, evaluate
    from searches.nash.data import read_imageset

    work(search, post)
    final = search.candidates.get(kind="final")
    network = Network.load(artifact_path(final.artifacts.get(format="model_zip")))
    images = read_imageset(folder_of("digits"))
    assert evaluate(network, images.test_images, images.test_labels) == pytest.approx(final.test_accuracy, abs=1e-9)
