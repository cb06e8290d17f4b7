"""One candidate from message to end, with the real engine on a tiny network and the digits."""

import html
import json
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from searches import selectors, services, slots, tasks, worker, worker_run
from searches.datasets import ensure_digits
from searches.models import ENGINE_VERSION, Candidate, DataSet, Search, Worker
from searches.nash.config import SearchConfig
from searches.selectors import artifact_path, candidate_folder, checkpoint_paths
from tests.searches.rows import TINY, kinds

pytestmark = pytest.mark.django_db
QUICK: dict[str, Any] = {**TINY, "n_steps": 1, "n_neigh": 2, "batch_size": 256, "precision": "float32"}


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    """All cores of the tests' machine are one, for the bits and for the neighbours of this test."""
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0,))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)


@pytest.fixture
def search() -> Search:
    return launch()


@pytest.fixture
def post() -> worker.Post:
    return worker.Post("alpha:cpu-0", device="cpu")


def launch(**settings: Any) -> Search:
    dataset = DataSet.objects.get(pk=ensure_digits())
    config = SearchConfig(**{**QUICK, **settings})
    launched = services.create_search(config, dataset=dataset, name="Tiny")
    return Search.objects.get(pk=launched.search_id)


def work(search: Search, post: worker.Post, until: str = "") -> None:
    """Train what waits, in the order of the log, until the candidate of that code waits."""
    while waiting := list(search.candidates.filter(status="pending").order_by("step", "index")):
        if until and any(c.code == until for c in waiting):
            return
        worker.train(waiting[0].pk, post)
    search.refresh_from_db()


def weights(candidate: Candidate) -> str:
    return candidate.artifacts.get(format="weights").sha256


def break_at(monkeypatch, n: int, error: Exception, *, epochs_done: int = 0) -> None:
    """Let the n-th beat after so many epochs raise, counted from here on."""
    ended, beats = [0], iter(range(1, 10**9))
    real_beat, real_epoch = worker_run.Run._beat, worker_run.Run._on_epoch

    def epoch(self, training):
        real_epoch(self, training)
        ended[0] += 1

    def beat(self):
        if ended[0] >= epochs_done and next(beats) == n:
            raise error
        real_beat(self)

    monkeypatch.setattr(worker_run.Run, "_beat", beat)
    monkeypatch.setattr(worker_run.Run, "_on_epoch", epoch)


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


def test_statistics_are_computed_once_and_lie_beside_the_parents_weights(post):
    search = launch(n_neigh=3)
    work(search, post)
    folder = candidate_folder(search.candidates.get(kind="pretrain"))
    assert (folder / "statistics.safetensors").is_file()
    assert search.candidates.filter(kind="neighbour", status="done").count() == 3


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


@pytest.mark.parametrize("damage", ["newest", "both"])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_used(post, monkeypatch, damage):
    undisturbed, harmed = launch(epoch_neigh=4), launch(epoch_neigh=4)
    work(undisturbed, post)
    work(harmed, post, until="1.1")
    child = harmed.candidates.get(kind="neighbour", index=1)
    with monkeypatch.context() as patch:
        break_at(patch, 3, worker_run.WorkerStops(), epochs_done=3)
        worker.train(child.pk, post)
    paths = checkpoint_paths(candidate_folder(child))
    assert len(paths) == 2
    for path in paths[:1] if damage == "newest" else paths:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    work(harmed, post)
    child.refresh_from_db()
    assert child.status == "done"
    assert weights(child) == weights(undisturbed.candidates.get(kind="neighbour", index=1))


def test_a_database_that_does_not_answer_for_a_moment_costs_no_attempt(search, post, monkeypatch):
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    real, beats = services.beat, iter(range(10**9))

    def beat(lease, **told):
        if "lease_seconds" not in told and next(beats) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        real(lease, **told)

    monkeypatch.setattr(services, "beat", beat)
    monkeypatch.setattr(worker_run, "close_old_connections", lambda: None)  # the test's own transaction is on it
    monkeypatch.setattr(worker_run, "BEAT_SECONDS", 0.0)
    worker.train(child.pk, post)
    child.refresh_from_db()
    assert (child.status, child.attempt, child.failures) == ("done", 1, 0)
    assert next(beats) > 2


def test_a_resumed_training_has_time_to_be_built_up(search, post, monkeypatch):
    """Between what the checkpoint brings and the first batch there is no beat: the lease must last that long."""
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    with monkeypatch.context() as patch:
        break_at(patch, 2, worker_run.WorkerStops(), epochs_done=1)
        worker.train(child.pk, post)
    left = []
    real = worker_run.files.load_parent

    def load_parent(candidate):
        row = Candidate.objects.get(pk=candidate.pk)
        left.append((row.lease_expires - timezone.now()).total_seconds())
        return real(candidate)

    monkeypatch.setattr(worker_run.files, "load_parent", load_parent)
    worker.train(child.pk, post)
    child.refresh_from_db()
    assert (child.status, child.attempt) == ("done", 2)
    assert left[0] > 2 * settings.NASH_LEASE_SECONDS


def test_a_weight_rule_that_is_wrong_turns_the_seal_red_and_its_child_stays_untrained(post, monkeypatch):
    from searches.nash.inheritance import WEIGHT_RULES

    search = launch(n_NM=4, seed=3)
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    with monkeypatch.context() as patch:
        sabotage(patch, WEIGHT_RULES, type(child.morphism_list()[1]))
        worker.train(child.pk, post)
    child.refresh_from_db()
    assert child.status == "failed"
    assert child.seal["holds"] is False
    kinds_of = {m.words(): type(m) for m in child.morphism_list()}
    assert kinds_of[child.seal["broken_by"]] is type(child.morphism_list()[1])
    assert child.seal["broken_by"] in child.reason
    assert child.points.count() == 0
    assert child.artifacts.count() == 0
    assert search.events.get(kind="seal").level == "error"
    work(search, post)
    assert search.status == "finished"


def sabotage(monkeypatch, rules: dict[Any, Any], kind: Any) -> None:
    """The rule does its work and then adds a tenth to the logits."""
    real = rules[kind]

    def wrong(morphism, change, parent, chance):
        child = real(morphism, change, parent, chance)
        return replace(child, tensors={**child.tensors, "fc.bias": child.tensors["fc.bias"] + 0.1})

    monkeypatch.setitem(rules, kind, wrong)


def test_a_loss_that_is_no_number_ends_as_diverged(search, post, monkeypatch):
    from searches.nash.curves import Diverged

    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    break_at(monkeypatch, 2, Diverged("the loss is nan at optimiser step 4"))
    worker.train(child.pk, post)
    child.refresh_from_db()
    assert (child.status, child.reason) == ("diverged", "the loss is nan at optimiser step 4")


def test_out_of_memory_is_tried_again_with_half_a_batch_at_a_time_then_too_big(search, post, monkeypatch):
    from searches.nash.devices import OutOfMemory

    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    with monkeypatch.context() as patch:
        break_at(patch, 2, OutOfMemory("7 GiB are not there"))
        assert worker.train(child.pk, post) == [child.pk]
    child.refresh_from_db()
    assert (child.accumulate, child.status, child.failures) == (2, "pending", 0)
    with monkeypatch.context() as patch:
        break_at(patch, 2, OutOfMemory("7 GiB are not there"))
        worker.train(child.pk, post)
    child.refresh_from_db()
    assert child.status == "too_big"
    work(search, post)
    assert search.status == "finished"


def test_out_of_memory_over_the_parents_statistics_is_no_failure(search, post, monkeypatch):
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 GiB")

    monkeypatch.setattr("searches.worker_files.load_statistics", fail)
    assert worker.train(child.pk, post) == [child.pk]
    child.refresh_from_db()
    assert (child.accumulate, child.status, child.failures) == (2, "pending", 0)


def test_a_child_that_fits_with_half_a_batch_is_trained_and_marked(search, post, monkeypatch):
    from searches.nash.devices import OutOfMemory

    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    with monkeypatch.context() as patch:
        break_at(patch, 2, OutOfMemory("7 GiB are not there"))
        worker.train(child.pk, post)
    worker.train(child.pk, post)
    child.refresh_from_db()
    assert (child.status, child.accumulate) == ("done", 2)


def test_any_other_error_counts_and_the_fourth_ends_the_child(search, post, monkeypatch):
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    for n in range(1, 5):
        with monkeypatch.context() as patch:
            break_at(patch, 2, RuntimeError("a bug"))
            worker.train(child.pk, post)
        child.refresh_from_db()
        assert child.failures == n
    assert child.status == "failed"
    assert "RuntimeError: a bug" in child.reason


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


def test_files_of_an_attempt_that_died_go_when_the_candidate_has_ended(search, post, monkeypatch):
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    with monkeypatch.context() as patch:
        patch.setattr(services, "finish", lambda lease, result: services.release(lease))
        worker.train(child.pk, post)
    folder = candidate_folder(child)
    assert (folder / "weights-1.safetensors").is_file()
    (folder / ".checkpoint-1-2.pt.1-4711.tmp").write_bytes(b"half")
    worker.train(child.pk, post)
    assert [p.name for p in folder.glob("*")] == ["weights-2.safetensors"]


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


def test_a_late_message_changes_nothing(search, post):
    work(search, post)
    before = kinds(search)
    for candidate in search.candidates.all():
        assert worker.train(candidate.pk, post) == []
    assert worker.train(987654, post) == []
    assert kinds(search) == before


def test_threads_belong_to_the_job(search, monkeypatch):
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0, 1, 2, 3))
    candidate = search.candidates.get()
    assert worker.threads_of(candidate) == 1  # digits: a second thread has nothing to do
    candidate.n_macs = 4_000_000
    assert worker.threads_of(candidate) == 4
    candidate.kind = Candidate.Kind.NEIGHBOUR
    assert worker.threads_of(candidate) == 1


def test_a_worker_that_stops_gives_its_message_back(search, post):
    post.stop.set()
    pk = search.candidates.get().pk
    assert worker.train(pk, post) == [pk]
    assert search.candidates.get().attempt == 0


def test_a_worker_with_too_few_cores_refuses_and_says_so_once(search, post):
    search.candidates.update(threads=64)
    for _ in range(2):
        assert worker.train(search.candidates.get().pk, post) == []
    (warning,) = search.events.filter(kind="warning")
    assert "trained with 64 threads, this worker has 1 cores" in warning.words


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("dataset_digest", "e" * 64, "digest of the data set"),
        ("engine_version", ENGINE_VERSION + 1, f"its engine version is {ENGINE_VERSION + 1}, this worker's is"),
    ],
)
def test_a_worker_of_another_kind_refuses_and_the_workers_page_says_so_until_it_trains_again(
    search, post, client, alice, column, value, words
):
    identity = services.WorkerIdentity(post.name, "alpha", 7, "CPU", {})
    services.worker_beat(identity, None)
    before = getattr(search, column)
    Search.objects.update(**{column: value})
    assert worker.train(search.candidates.get().pk, post) == []
    assert words in search.events.get(kind="warning").words
    assert search.candidates.get().status == "pending"
    services.worker_beat(identity, None)
    assert words in Worker.objects.get().refusal
    assert words in html.unescape(client.get("/workers/").content.decode())
    Search.objects.update(**{column: before})
    worker.train(search.candidates.get().pk, post)
    assert Worker.objects.get().refusal == ""
    assert words not in html.unescape(client.get("/workers/").content.decode())


def test_weights_that_are_not_those_of_their_row_are_not_trained_on(search, post):
    work(search, post, until="1.1")
    parent = search.candidates.get(kind="pretrain")
    artifact_path(parent.artifacts.get()).write_bytes(b"something else")
    worker.train(search.candidates.get(kind="neighbour", index=1).pk, post)
    child = search.candidates.get(kind="neighbour", index=1)
    assert child.failures == 1
    assert "sha256" in search.events.last().words


def test_the_model_is_that_of_the_page(search, post):
    from searches.datasets import folder_of
    from searches.nash import Network, evaluate
    from searches.nash.data import read_imageset

    work(search, post)
    final = search.candidates.get(kind="final")
    network = Network.load(artifact_path(final.artifacts.get(format="model_zip")))
    images = read_imageset(folder_of("digits"))
    assert evaluate(network, images.test_images, images.test_labels) == pytest.approx(final.test_accuracy, abs=1e-9)


def test_enqueued_candidates_reach_the_queue_in_order(settings):
    tasks.HUEY.storage.flush_all()
    tasks.enqueue([5, 3])
    assert [tasks.HUEY.dequeue().args for _ in range(2)] == [(5,), (3,)]


def test_a_queue_that_does_not_answer_is_no_error_of_the_page(monkeypatch, caplog):
    def broken(candidate_id):
        raise OSError("nobody listens")

    monkeypatch.setattr(tasks, "train_candidate", broken)
    tasks.enqueue([1])
    assert "the reaper will send it" in caplog.text


def test_a_worker_process_beats_and_leaves(monkeypatch):
    monkeypatch.setattr(tasks, "post", worker.Post("alpha:cpu-9", stop=threading.Event()))
    tasks.beat()
    row = Worker.objects.get()
    assert (row.name, row.device, row.versions["engine"]) == ("alpha:cpu-9", "CPU", ENGINE_VERSION)
    tasks.leave()
    assert not Worker.objects.exists()
    assert tasks.post.stop.is_set()


def test_the_reaper_sends_what_waits_while_the_queue_is_empty(search):
    tasks.HUEY.storage.flush_all()
    tasks.reap()
    assert tasks.HUEY.pending_count() == 1
    tasks.reap()
    assert tasks.HUEY.pending_count() == 1
    tasks.HUEY.storage.flush_all()
