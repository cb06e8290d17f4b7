"""What goes wrong with one candidate: damaged files, a silent database, a broken seal, NaN, too little memory."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from searches import services, worker, worker_run
from searches.models import Candidate
from searches.selectors import artifact_path, candidate_folder, checkpoint_paths
from tests.searches.working import break_at, launch, weights, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_core")]


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


def lost(words: str = "consuming input failed: server closed the connection unexpectedly") -> OperationalError:
    """As Django says that psycopg lost its connection."""
    error = OperationalError(words)
    error.__cause__ = psycopg.OperationalError(words)
    return error


def test_a_database_that_does_not_answer_for_a_moment_costs_no_attempt(search, post, monkeypatch):
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    real, beats = services.beat, iter(range(10**9))

    def beat(lease, **told):
        if "lease_seconds" not in told and next(beats) == 1:
            raise lost()
        real(lease, **told)

    monkeypatch.setattr(services, "beat", beat)
    monkeypatch.setattr(worker_run, "close_old_connections", lambda: None)  # the test's own transaction is on it
    monkeypatch.setattr(worker_run, "BEAT_SECONDS", 0.0)
    worker.train(child.pk, post)
    child.refresh_from_db()
    assert (child.status, child.attempt, child.failures) == ("done", 1, 0)
    assert next(beats) > 2


def test_a_wrong_question_at_a_beat_is_no_silence_of_the_database(search, post, monkeypatch):
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    real = services.beat

    def beat(lease, **told):
        if "lease_seconds" not in told:
            raise OperationalError("no such column: x")
        real(lease, **told)

    monkeypatch.setattr(services, "beat", beat)
    worker.train(child.pk, post)
    child.refresh_from_db()
    assert (child.status, child.failures) == ("pending", 1)


def test_a_database_that_is_gone_when_an_epoch_must_be_written_down_is_no_failure(search, post, monkeypatch):
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)
    real, refused = services.release, [lost(), lost()]

    def release(lease, **told):
        if refused:
            raise refused.pop()
        return real(lease, **told)

    monkeypatch.setattr(worker, "close_old_connections", lambda: None)  # the test's own transaction is on it
    monkeypatch.setattr(worker, "AGAIN_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(services, "release", release)
        break_at(patch, 2, lost())
        assert worker.train(child.pk, post) == [child.pk]
    child.refresh_from_db()
    assert (child.status, child.failures, refused) == ("pending", 0, [])
    assert search.events.last().words == "Child 1.1 waits for a worker again: the database did not answer"
    assert search.events.last().level == "info"
    work(search, post)
    assert search.status == "finished"


def test_a_database_that_stays_away_longer_than_a_lease_is_left_to_the_reaper(search, post, monkeypatch, settings):
    settings.NASH_LEASE_SECONDS = 0.2
    work(search, post, until="1.1")
    child = search.candidates.get(kind="neighbour", index=1)

    def release(lease, **told):
        raise lost()

    monkeypatch.setattr(worker, "close_old_connections", lambda: None)
    monkeypatch.setattr(worker, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(services, "release", release)
    break_at(monkeypatch, 2, lost())
    with pytest.raises(OperationalError, match="server closed the connection"):
        worker.train(child.pk, post)


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


def test_weights_that_are_not_those_of_their_row_are_not_trained_on(search, post):
    work(search, post, until="1.1")
    parent = search.candidates.get(kind="pretrain")
    artifact_path(parent.artifacts.get()).write_bytes(b"something else")
    worker.train(search.candidates.get(kind="neighbour", index=1).pk, post)
    child = search.candidates.get(kind="neighbour", index=1)
    assert child.failures == 1
    assert "sha256" in search.events.last().words
