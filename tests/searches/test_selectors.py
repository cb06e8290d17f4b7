"""What pages ask: the snapshot, progress, time left, the log, who may see and change."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from searches import selectors, services
from searches.models import Artifact, Event, Point, Search
from searches.selectors.listing import listing
from searches.selectors.models import winning_line
from tests.searches.rows import leased, make_search, pending, run_to, run_to_end

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
def test_what_a_stop_cancelled_counts_as_far_as_it_got(alice):
    search = make_search(owner=alice)
    run_to(search, "1.2")
    services.beat(leased(pending(search)[0]), epoch=0.5)
    services.stop(search, alice)
    search.refresh_from_db()
    assert selectors.progress_fields(search)["epochs_done"] == 1 + 2 + 0.5
    (line,) = listing(Search.objects.all())
    assert line.epochs_done == 1 + 2 + 0.5


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
    assert selectors.progress_fields(search, simulate_seconds=5)["seconds_left"] is None
    run_to(search, "1.1")
    assert selectors.progress_fields(search, simulate_seconds=5)["seconds_left"] > 0
    run_to_end(search)
    assert selectors.progress_fields(search, simulate_seconds=5)["seconds_left"] is None


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


@pytest.mark.django_db
def test_the_winning_line_takes_two_queries_however_long_it_is(django_assert_num_queries):
    for n_steps in (1, 4):
        search = run_to_end(make_search(n_steps=n_steps))
        final = search.candidates.get(kind="final")
        final.search = search
        with django_assert_num_queries(2):
            line = winning_line(final)
            codes = [link.code for link in line]
            parents = [link.parent for link in line[1:]]
        assert codes[0] == "model_0"
        assert codes[-1] == "final"
        assert [code.partition(".")[0] for code in codes[1:-1]] == [str(step) for step in range(1, n_steps + 1)]
        assert parents == line[:-1]
