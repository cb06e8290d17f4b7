"""What pages ask of what was added to a search: earlier final trainings, what a worker trains, disk use."""

from importlib import import_module

import pytest

from searches import selectors, services
from tests.searches.rows import make_search, pending, run_to_end

pytestmark = pytest.mark.django_db


def test_an_extended_search_has_its_earlier_final_training_under_another_name_and_no_result_yet():
    search = run_to_end(make_search(comparisons=["scratch"]))
    services.extend(search, 3, "a test")
    state = selectors.snapshot(search)
    codes = [c["code"] for c in state["candidates"] if c["kind"] in ("final", "scratch")]
    assert codes == ["final 2", "from scratch 2"]
    assert state["test_accuracy"] is None
    assert state["seconds_to_final"] is None
    best = next(c for c in state["candidates"] if c["id"] == state["best"])
    assert best["code"] == "2.1"
    run_to_end(search)
    state = selectors.snapshot(search)
    codes = [c["code"] for c in state["candidates"] if c["kind"] == "final"]
    assert codes == ["final 2", "final"]
    assert state["test_accuracy"] == 0.9


def test_a_worker_is_told_with_what_it_trains():
    candidate = pending(make_search(name="Leaves"))[0]
    services.worker_beat(services.WorkerIdentity("cpu-0", "attic", 7, "CPU", {}), candidate.pk)
    (worker,) = selectors.worker_dicts()
    assert (worker["candidate"], worker["code"], worker["search_name"]) == (candidate.pk, "model_0", "Leaves")
    assert worker["url"].endswith("/pretrain-0-0/")
    services.worker_beat(services.WorkerIdentity("cpu-0", "attic", 7, "CPU", {}), None)
    (worker,) = selectors.worker_dicts()
    assert (worker["candidate"], worker["code"], worker["url"]) == (None, None, None)


def test_disk_use_is_what_lies_below_the_folder_of_the_search(data_folder):
    search = make_search()
    assert selectors.disk_use(search) == 0
    folder = selectors.candidate_folder(search.candidates.get())
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"x" * 1000)
    (folder.parent / "note").write_bytes(b"x" * 10)
    (data_folder / "searches" / "other").write_bytes(b"x")
    assert selectors.disk_use(search) == 1010


def test_of_very_many_epochs_the_page_gets_the_ends_of_earlier_ones_and_all_of_the_newest(monkeypatch):
    search = run_to_end(make_search(n_steps=3))
    monkeypatch.setattr(import_module("searches.selectors.kept"), "MANY_EPOCHS", 1)
    early, late = (search.candidates.get(kind="neighbour", step=step, index=1) for step in (1, 3))
    for candidate in (early, late):
        candidate.points.all().delete()
        for k in (1, 2, 3, 4):
            accuracy = 0.5 if k % 2 == 0 else None
            candidate.points.create(optimiser_step=k, epoch=k / 2, loss=1.0, lr=0.1, val_accuracy=accuracy)
    points = selectors.snapshot(search)["points"]
    assert [row[0] for row in points[str(early.pk)]] == [2, 4]
    assert [row[0] for row in points[str(late.pk)]] == [1, 2, 3, 4]
