"""Claims, beats, checkpoints and the fence."""

from datetime import timedelta

import pytest
from django.utils import timezone

from searches import services
from searches.models import ENGINE_VERSION, Candidate, Point, Search
from tests.searches.rows import claim, expire, kinds, leased, make_search, result

pytestmark = pytest.mark.django_db


@pytest.fixture
def candidate() -> Candidate:
    return make_search().candidates.get()


def points(*steps: int) -> list[Point]:
    return [Point(optimiser_step=s, epoch=s / 10, loss=1 / s, lr=0.05, val_accuracy=None) for s in steps]


def test_a_claim_starts_search_and_candidate(candidate):
    lease = leased(candidate)
    candidate.refresh_from_db()
    assert (candidate.status, candidate.attempt, candidate.worker) == ("running", 1, "alpha:cpu-0")
    assert (candidate.threads, candidate.numeric_path) == (1, "cpu-float32-1")
    assert candidate.search.status == "running"
    assert candidate.search.started is not None
    assert lease.attempt == 1
    assert kinds(candidate.search)[-1] == "candidate_started"


def test_a_lease_lasts_as_long_as_the_settings_say_by_the_databases_clock(candidate, settings):
    settings.NASH_LEASE_SECONDS = 100
    leased(candidate)
    candidate.refresh_from_db()
    assert timedelta(seconds=95) < candidate.lease_expires - timezone.now() < timedelta(seconds=105)


def test_a_second_claim_gets_nothing(candidate):
    leased(candidate)
    assert claim(candidate, worker="beta:cpu-0") is None
    candidate.refresh_from_db()
    assert (candidate.attempt, candidate.worker) == (1, "alpha:cpu-0")


@pytest.mark.parametrize("status", ["done", "too_big", "diverged", "failed", "cancelled"])
def test_what_has_ended_is_never_claimed_again(candidate, status):
    Candidate.objects.update(status=status)
    assert claim(candidate) is None


@pytest.mark.parametrize("status", ["paused", "stopped", "finished", "failed"])
def test_nothing_is_claimed_of_a_search_that_does_not_run(candidate, status):
    Search.objects.update(status=status)
    assert claim(candidate) is None


def test_a_candidate_that_is_gone_is_not_claimed():
    assert claim(987654) is None


def test_a_dead_lease_is_taken_over_and_its_holder_fenced_off(candidate):
    old = leased(candidate)
    expire(candidate)
    new = leased(candidate, worker="beta:cpu-0")
    assert (new.attempt, new.worker) == (2, "beta:cpu-0")
    with pytest.raises(services.LeaseLost):
        services.beat(old)
    with pytest.raises(services.LeaseLost):
        services.record_epoch(old, points(10), epoch=1.0, seconds=1.0, checkpoint="checkpoint-1-1.pt")
    with pytest.raises(services.LeaseLost):
        services.finish(old, result())
    with pytest.raises(services.LeaseLost):
        services.end_candidate(old, "failed", "late")
    assert services.release(old) == []
    assert services.release_failed(old, "late") == []
    candidate.refresh_from_db()
    assert (candidate.status, candidate.worker, candidate.points.count()) == ("running", "beta:cpu-0", 0)


def test_a_late_holder_writes_no_event(candidate):
    old = leased(candidate)
    expire(candidate)
    leased(candidate)
    before = kinds(candidate.search)
    for late in (
        lambda: services.record_seal(old, {"holds": True, "float32": 0.0, "float64": 0.0}),
        lambda: services.record_epoch(old, points(10), epoch=1.0, seconds=1.0, checkpoint="c"),
        lambda: services.finish(old, result()),
    ):
        with pytest.raises(services.LeaseLost):
            late()
    assert kinds(candidate.search) == before


def test_a_beat_extends_the_lease_and_tells_progress(candidate, settings):
    lease = leased(candidate)
    expire(candidate)
    services.beat(lease, epoch=0.25, images_per_second=900.0, seconds=3.5)
    candidate.refresh_from_db()
    assert candidate.lease_expires > timezone.now()
    assert (candidate.epoch, candidate.images_per_second, candidate.seconds) == (0.25, 900.0, 3.5)


def test_a_long_call_extends_its_lease_first(candidate):
    services.beat(leased(candidate), lease_seconds=1000)
    candidate.refresh_from_db()
    assert candidate.lease_expires - timezone.now() > timedelta(seconds=900)


def test_beats_write_no_events(candidate):
    lease = leased(candidate)
    before = kinds(candidate.search)
    services.beat(lease, epoch=0.5)
    assert kinds(candidate.search) == before


@pytest.mark.parametrize(
    ("change", "thing"),
    [
        ({"dataset_digest": "e" * 64}, "digest of the data set"),
    ],
)
def test_a_worker_with_other_data_refuses(candidate, change, thing):
    with pytest.raises(services.UnfitWorker, match=thing):
        claim(candidate, **change)


def test_a_worker_of_another_engine_version_refuses(candidate):
    Search.objects.update(engine_version=ENGINE_VERSION + 1)
    words = f"engine version is {ENGINE_VERSION + 1}, this worker's is {ENGINE_VERSION}"
    with pytest.raises(services.UnfitWorker, match=words):
        claim(candidate)
    candidate.refresh_from_db()
    assert (candidate.status, candidate.attempt) == ("pending", 0)


@pytest.mark.parametrize("change", [{"threads": 2}, {"numeric_path": "cpu-bfloat16-amx-1"}])
def test_threads_and_numeric_path_are_fixed_by_the_first_claim(candidate, change):
    services.release(leased(candidate))
    with pytest.raises(services.UnfitWorker):
        claim(candidate, **change)
    assert leased(candidate).attempt == 2


def test_an_epoch_stores_points_progress_and_event_together(candidate):
    lease = leased(candidate)
    services.record_epoch(lease, points(5, 10), epoch=1.0, seconds=2.5, checkpoint="x/checkpoint-1-1.pt")
    candidate.refresh_from_db()
    assert (candidate.epoch, candidate.seconds, candidate.checkpoint) == (1.0, 2.5, "x/checkpoint-1-1.pt")
    event = candidate.search.events.last()
    assert event.kind == "epoch"
    rows = [[5, 0.5, 0.2, 0.05, None, None], [10, 1.0, 0.1, 0.05, None, None]]
    assert event.payload["points"] == {str(candidate.pk): rows}
    assert event.payload["candidates"][0]["epoch"] == 1.0


def test_points_that_come_again_are_replaced(candidate):
    lease = leased(candidate)
    services.record_epoch(lease, points(5, 10), epoch=1.0, seconds=1.0, checkpoint="checkpoint-1-1.pt")
    again = points(10, 15)
    again[0].val_accuracy = 0.9
    services.record_epoch(lease, again, epoch=1.5, seconds=2.0, checkpoint="checkpoint-1-2.pt")
    assert list(candidate.points.values_list("optimiser_step", "val_accuracy")) == [(5, None), (10, 0.9), (15, None)]


def test_a_checkpoint_that_the_rows_did_not_hear_of_is_taken_over_with_its_points(candidate):
    lease = leased(candidate)
    services.record_resumed(lease, points(5, 10), epoch=1.0, checkpoint="checkpoint-1-1.pt")
    candidate.refresh_from_db()
    assert (candidate.epoch, candidate.points.count()) == (1.0, 2)
    assert candidate.search.events.last().words == "model_0 goes on from epoch 1 of 1"


def test_a_seal_is_stored_and_told(candidate):
    seal = {"float32": 1.9e-6, "float64": 4e-15, "holds": True, "broken_by": None}
    services.record_seal(leased(candidate), seal)
    candidate.refresh_from_db()
    assert candidate.seal == seal
    event = candidate.search.events.last()
    assert event.words == (
        "Seal of model_0: largest |Δ logit| 1.9 × 10⁻⁶ in float32 and 4.0 × 10⁻¹⁵ in float64, evaluation mode"
    )
    assert event.level == "info"


def test_a_broken_seal_is_an_error_in_the_log(candidate):
    services.record_seal(leased(candidate), {"float32": 0.3, "float64": 0.3, "holds": False})
    assert candidate.search.events.last().level == "error"


def test_a_release_counts_as_nothing_and_is_sent_again(candidate):
    assert services.release(leased(candidate)) == [candidate.pk]
    candidate.refresh_from_db()
    assert (candidate.status, candidate.failures, candidate.worker) == ("pending", 0, "")


def test_four_attempts_without_a_checkpoint_end_the_candidate_as_failed(candidate):
    for n in (1, 2, 3):
        assert services.release_failed(leased(candidate), "it fell over") == [candidate.pk]
        candidate.refresh_from_db()
        assert (candidate.status, candidate.failures) == ("pending", n)
    services.release_failed(leased(candidate), "it fell over")
    candidate.refresh_from_db()
    assert candidate.status == "failed"
    assert candidate.reason == "4 attempts died without a new checkpoint, the last: it fell over"


def test_a_checkpoint_forgets_earlier_failures(candidate):
    for _ in range(3):
        services.release_failed(leased(candidate), "it fell over")
    lease = leased(candidate)
    services.record_epoch(lease, points(5), epoch=0.5, seconds=1.0, checkpoint=f"checkpoint-{lease.attempt}-1.pt")
    assert services.release_failed(lease, "it fell over") == [candidate.pk]
    candidate.refresh_from_db()
    assert (candidate.status, candidate.failures) == ("pending", 0)


def test_a_checkpoint_of_an_earlier_attempt_does_not_excuse_a_later_one(candidate):
    first = leased(candidate)
    services.record_epoch(first, points(5), epoch=0.5, seconds=1.0, checkpoint="checkpoint-1-1.pt")
    services.release(first)
    for _ in range(3):
        services.release_failed(leased(candidate), "it fell over")
    candidate.refresh_from_db()
    assert candidate.failures == 3


def test_the_batch_can_be_split_for_a_second_try(candidate):
    assert services.split_batch(leased(candidate), 2, why="memory is short") == [candidate.pk]
    candidate.refresh_from_db()
    assert (candidate.accumulate, candidate.status, candidate.failures) == (2, "pending", 0)
    assert leased(candidate).attempt == 2


def test_finishing_twice_is_refused(candidate):
    lease = leased(candidate)
    services.finish(lease, result())
    with pytest.raises(services.LeaseLost):
        services.finish(lease, result())
    assert candidate.search.candidates.filter(step=1).count() == 3


def test_files_get_their_rows_with_the_result(candidate, data_folder):
    path = data_folder / "searches" / "x" / "weights.safetensors"
    made = services.MadeFile(format="weights", path=path, sha256="a" * 64, bytes=12)
    services.finish(leased(candidate), result(files=(made,)))
    artifact = candidate.artifacts.get()
    assert (artifact.file, artifact.sha256, artifact.bytes) == ("searches/x/weights.safetensors", "a" * 64, 12)
