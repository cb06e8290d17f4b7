"""What pages ask: the snapshot, progress, time left, the log, who may see and change."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from searches import selectors, services
from searches.models import Artifact, Event, Point, Search
from searches.nash.config import SearchConfig
from searches.selectors.estimate import Work, makespan, reference_macs, time_left
from tests.searches.rows import TINY, leased, make_search, pending, run_to, run_to_end

# ---------------------------------------------------------------------- access


@pytest.mark.django_db
def test_all_who_are_signed_in_see_every_search_and_nobody_else_any():
    make_search()
    alice = get_user_model().objects.create_user("alice")
    gone = get_user_model().objects.create_user("gone", is_active=False)
    assert selectors.visible_to(alice).count() == 1
    assert selectors.visible_to(gone).count() == 0
    assert selectors.visible_to(AnonymousUser()).count() == 0


@pytest.mark.django_db
def test_owner_and_staff_change_a_search_and_nobody_else():
    alice, charlie = (get_user_model().objects.create_user(n) for n in ("alice", "charlie"))
    staff = get_user_model().objects.create_user("sam", is_staff=True)
    search = make_search(owner=alice)
    assert [selectors.may_change(u, search) for u in (alice, staff, charlie, AnonymousUser())] == [
        True, True, False, False,
    ]  # fmt: skip


# ---------------------------------------------------------------------- snapshot


@pytest.mark.django_db
def test_a_snapshot_is_json_and_has_what_the_page_reads():
    snapshot = json.loads(json.dumps(selectors.snapshot(make_search())))
    assert set(snapshot) >= {
        "uuid", "name", "status", "reason", "seq", "dataset", "config", "preset", "created", "started", "ended",
        "epochs_total", "epochs_done", "seconds_spent", "seconds_left", "best", "test_accuracy", "download",
        "workers", "candidates", "points", "log",
    }  # fmt: skip
    assert snapshot["epochs_total"] == 1 + 2 * 3 * 2 + 1
    assert snapshot["dataset"]["n_train"] + snapshot["dataset"]["n_validation"] == 1497
    (model_0,) = snapshot["candidates"]
    assert (model_0["code"], model_0["status"], model_0["parent"], model_0["winner"]) == (
        "model_0", "pending", None, False,
    )  # fmt: skip


@pytest.mark.django_db
def test_candidates_come_in_the_order_of_algorithm_1():
    snapshot = selectors.snapshot(run_to_end(make_search()))
    assert [c["code"] for c in snapshot["candidates"]] == [
        "model_0", "1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "final",
    ]  # fmt: skip


@pytest.mark.django_db
def test_a_child_names_its_parent_and_says_its_morphisms_in_words():
    search = make_search()
    run_to(search, "1.1")
    child = selectors.snapshot(search)["candidates"][1]
    assert child["parent_digest"] == search.candidates.get(kind="pretrain").digest
    assert child["morphisms"][0]["words"]
    assert child["url"] == f"/searches/{search.uuid}/neighbour-1-1/"


@pytest.mark.django_db
def test_the_best_is_the_newest_winner_and_at_the_end_the_final_model():
    search = make_search()
    run_to(search, "2.1")
    assert selectors.snapshot(search)["best"] == search.candidates.get(step=1, index=2).pk
    assert selectors.snapshot(search)["test_accuracy"] is None
    run_to_end(search)
    snapshot = selectors.snapshot(search)
    final = search.candidates.get(kind="final")
    assert (snapshot["best"], snapshot["test_accuracy"], snapshot["download"]) == (final.pk, 0.9, None)
    Artifact.objects.create(candidate=final, format="model_zip", file="x.zip", sha256="a" * 64, bytes=1)
    assert selectors.snapshot(search)["download"] == f"/searches/{search.uuid}/download/"


@pytest.mark.django_db
def test_a_snapshot_has_every_setting_and_what_comparisons_cost():
    snapshot = json.loads(json.dumps(selectors.snapshot(make_search(comparisons=["scratch"]))))
    assert snapshot["config"]["comparisons"] == ["scratch"]
    assert (snapshot["config"]["network_morphism"], snapshot["config"]["neighbour_rate"]) == (True, None)
    assert snapshot["epochs_total"] == 14 + 6
    assert snapshot["comparison_lengths"] == {
        "snapshots": [1], "scratch": [6], "model_0-final": [1], "model_0-total": [14], "wrn-16-4": [14],
        "wrn-28-10": [14],
    }  # fmt: skip


@pytest.mark.django_db
def test_points_are_rows_by_candidate_rounded_for_the_eye():
    search = make_search()
    lease = leased(pending(search)[0])
    point = Point(optimiser_step=3, epoch=0.123456, loss=1.23456789, lr=0.0499999999, seconds=2.3456)
    services.record_epoch(lease, [point], epoch=1.0, seconds=1.0, checkpoint="c")
    assert selectors.snapshot(search)["points"] == {str(lease.candidate_id): [[3, 0.1235, 1.23457, 0.05, None, 2.35]]}


@pytest.mark.django_db
def test_the_log_holds_the_newest_hundred_lines():
    search = make_search()
    Event.objects.bulk_create(Event(search=search, seq=n, kind="warning", words=f"line {n}") for n in range(2, 152))
    Search.objects.update(seq=151)
    log = selectors.snapshot(search)["log"]
    assert [line["seq"] for line in log] == list(range(52, 152))
    assert set(log[0]) == {"seq", "at", "kind", "level", "words"}


# ---------------------------------------------------------------------- progress


@pytest.mark.django_db
def test_epochs_done_count_the_ended_whole_and_the_running_as_far_as_they_are():
    search = make_search()
    run_to(search, "1.2")
    services.beat(leased(pending(search)[0]), epoch=0.5)
    assert selectors.progress_fields(search)["epochs_done"] == 1 + 2 + 0.5


@pytest.mark.django_db
def test_seconds_spent_leave_pauses_out():
    search = make_search()
    now = timezone.now()
    Search.objects.update(started=now - timedelta(seconds=100), ended=now)
    for seq, kind, ago in ((2, "search_paused", 80), (3, "search_resumed", 50), (4, "search_paused", 10)):
        event = Event.objects.create(search=search, seq=seq, kind=kind, words="")
        Event.objects.filter(pk=event.pk).update(at=now - timedelta(seconds=ago))
    search.refresh_from_db()
    assert selectors.seconds_spent(search) == pytest.approx(100 - 30 - 10)


@pytest.mark.django_db
def test_no_time_is_left_where_none_runs():
    search = make_search()
    assert selectors.progress_fields(search)["seconds_left"] is None
    run_to(search, "1.1")
    assert selectors.progress_fields(search)["seconds_left"] > 0
    run_to_end(search)
    assert selectors.progress_fields(search)["seconds_left"] is None


@pytest.mark.django_db
def test_a_progress_frame_names_what_is_trained_now():
    search = make_search()
    lease = leased(pending(search)[0])
    services.beat(lease, epoch=0.25, images_per_second=800.0)
    search.refresh_from_db()
    frame = selectors.progress_frame(search)
    assert frame["kind"] == "progress"
    assert "seq" not in frame
    assert frame["candidates"] == [{"id": lease.candidate_id, "epoch": 0.25, "images_per_second": 800.0}]
    assert set(frame["search"]) == {"epochs_done", "seconds_spent", "seconds_left", "disk_bytes"}


# ---------------------------------------------------------------------- time left

CONFIG = SearchConfig(**{**TINY, "n_steps": 1, "n_neigh": 4, "epoch_pretrain": 2, "epoch_neigh": 2, "epoch_final": 4})
MODEL_0 = Work("pretrain", 0, n_macs=100, epochs=2, epoch=2.0, seconds=20.0, is_open=False)


def left(works: list[Work], n_workers: int = 1, config: SearchConfig = CONFIG) -> float | None:
    return time_left(config, works, n_train=80, n_validation=20, n_workers=n_workers)


def child(**changes: object) -> Work:
    return replace(Work("neighbour", 1, n_macs=100, epochs=2, epoch=0.0, seconds=0.0, is_open=True), **changes)


def test_nothing_is_estimated_before_anything_was_measured():
    assert left([replace(MODEL_0, epoch=0.0, seconds=0.0, is_open=True)]) is None


def test_with_one_worker_all_trainings_add_up():
    # 10 s an epoch: 4 children of 2 epochs, and 4 epochs of the final training on a quarter more images
    assert left([MODEL_0]) == pytest.approx(4 * 2 * 10 + 4 * 10 * 100 / 80)


def test_children_of_a_step_share_the_workers():
    # with two workers one thread each is half as fast as both cores together; four children are two rounds
    assert left([MODEL_0], n_workers=2) == pytest.approx(2 * 2 * 20 + 50)


def test_a_running_training_counts_what_is_left_of_it():
    half = child(epoch=1.0, seconds=10.0)
    waiting = [child() for _ in range(3)]
    assert left([MODEL_0, half, *waiting]) == pytest.approx(10 + 3 * 20 + 50)


def test_a_larger_network_takes_longer_in_proportion():
    done = child(epoch=2.0, seconds=20.0, is_open=False)
    works = [MODEL_0, done, child(n_macs=300), child(n_macs=100), child(n_macs=100)]
    final_macs = (100 + 300 + 100 + 100) / 4
    assert left(works) == pytest.approx(60 + 20 + 20 + 4 * 10 * final_macs / 100 * 100 / 80)


def test_only_the_final_training_is_left_at_the_end():
    children = [child(epoch=2.0, seconds=20.0, is_open=False) for _ in range(4)]
    final = Work("final", 1, n_macs=100, epochs=4, epoch=2.0, seconds=25.0, is_open=True)
    assert left([MODEL_0, *children, final]) == pytest.approx(25.0, rel=0.2)
    assert left([MODEL_0, *children, replace(final, is_open=False, epoch=4.0, seconds=50.0)]) == 0.0


def test_steps_to_come_are_taken_to_grow_but_not_beyond_the_bound():
    config = replace(CONFIG, n_steps=3)
    grown = [child(n_macs=150, epoch=2.0, seconds=30.0, is_open=False) for _ in range(4)]
    steady = [child(n_macs=100, epoch=2.0, seconds=20.0, is_open=False) for _ in range(4)]
    assert left([MODEL_0, *grown], config=config) > left([MODEL_0, *steady], config=config) * 1.5


def compared(*names: str, **changes: object) -> SearchConfig:
    return replace(CONFIG, comparisons=names, **changes)


def test_comparisons_to_come_are_counted_with_all_images_one_after_another():
    # model_0 took 10 s an epoch on 80 images; all 100 take a quarter more
    alone = left([MODEL_0])
    budget = 2 + 4 * 2 + 4
    assert left([MODEL_0], config=compared("model_0-final", "model_0-total")) == pytest.approx(
        alone + 12.5 * (4 + budget)
    )
    assert left([MODEL_0], config=compared("scratch")) == pytest.approx(alone + 12.5 * (2 + 2 + 4))
    wide = reference_macs(16, 4, (1, 8, 8), 10)
    assert left([MODEL_0], config=compared("wrn-16-4")) == pytest.approx(alone + 12.5 * budget * wide / 100)


def test_a_snapshot_to_come_is_as_large_as_its_step():
    config = compared("snapshots", n_steps=2)
    step_1 = [child(n_macs=150, epoch=2.0, seconds=30.0, is_open=False) for _ in range(4)]
    assert left([MODEL_0, *step_1], config=config) - left([MODEL_0, *step_1], config=compared(n_steps=2)) == (
        pytest.approx(4 * 12.5 * 1.5)
    )


def test_comparisons_that_are_planned_are_not_counted_twice():
    final = Work("final", 1, n_macs=100, epochs=4, epoch=4.0, seconds=50.0, is_open=False)
    waiting = Work("scratch", 1, n_macs=100, epochs=8, epoch=0.0, seconds=0.0, is_open=True)
    steps = [child(epoch=2.0, seconds=20.0, is_open=False) for _ in range(4)]
    assert left([MODEL_0, *steps, final, waiting], config=compared("scratch")) == pytest.approx(8 * 12.5, rel=0.01)


def test_where_everything_has_one_thread_comparisons_share_the_workers_as_children_do():
    model_0 = replace(MODEL_0, threads=1)
    assert left([model_0], n_workers=2) == pytest.approx(2 * 2 * 10 + 50)
    both = compared("model_0-final", "scratch")
    assert left([model_0], n_workers=2, config=both) == pytest.approx(2 * 2 * 10 + 50 + 8 * 12.5)


def test_a_training_that_is_under_way_is_judged_by_its_own_pace():
    slow = child(epoch=1.0, seconds=100.0)
    assert left([MODEL_0, slow]) == pytest.approx(100 + 50)


@pytest.mark.parametrize(
    ("seconds", "n_workers", "expected"),
    [([5, 4, 3, 3], 2, 8), ([5, 4, 3, 3], 1, 15), ([9, 1, 1], 2, 9), ([], 3, 0)],
)
def test_the_longest_job_goes_first(seconds, n_workers, expected):
    assert makespan(seconds, n_workers) == expected
