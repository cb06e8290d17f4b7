"""Data sets at the ends of what is allowed: 1 and 1,000 classes, 8 and 64 px, grey and colour; each to its model."""

import pytest
from django.core.management import call_command
from django.urls import reverse

from searches import datasets, services, worker
from searches.forms import SearchForm
from searches.models import DataSet, Search
from searches.nash.data import load_dataset
from searches.nash.runner import run_search
from tests.archives import encoded, image_folder, pixels, write_zip
from tests.searches.test_forms import filled
from tests.searches.working import do_job

pytestmark = pytest.mark.django_db
SHORT = {
    "channels": "4, 4", "n_steps": "1", "n_neigh": "2", "n_NM": "1", "epoch_pretrain": "1", "epoch_neigh": "1",
    "epoch_final": "1", "batch_size": "4", "calibration_images": "8", "max_channels": "8", "precision": "float32",
}  # fmt: skip


def form_of(row: DataSet, **changes: str) -> dict:
    return {**filled(dataset=str(row.pk)), **SHORT, **changes}


@pytest.mark.parametrize("side", [8, 64])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_small_and_large_grey_and_coloured_images_are_searched_on(tmp_path, data_folder, side, n_channels):
    path = write_zip(tmp_path / "pets.zip", image_folder(size=(side, side), n_channels=n_channels, n_train=12))
    row = DataSet.objects.get(pk=datasets.import_dataset("pets", path))
    assert row.input_shape == (n_channels, side, side)
    form = SearchForm(form_of(row))
    assert form.is_valid(), form.errors
    found = run_search(form.config, load_dataset("pets", data_folder), device="cpu")
    assert found.network.architecture.shapes[found.network.architecture.nodes[0].name] == row.input_shape
    assert 0 <= found.test_accuracy <= 1


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [1, 1000])
def test_one_and_a_thousand_classes_go_from_the_archive_to_the_files_of_a_model(
    client, alice, tmp_path, monkeypatch, n_classes
):
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0,))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)
    n_train = 3 if n_classes > 1 else 20
    images = {
        f"{part}/c{c}/{i}.png": encoded(pixels(7 * c + i, (8, 8)))
        for c in range(n_classes)
        for part, n in (("train", n_train), ("test", 1))
        for i in range(n)
    }
    call_command("dataset", "import", "many", str(write_zip(tmp_path / "many.zip", images)))
    row = DataSet.objects.get()
    assert (row.n_classes, row.n_train, row.n_test) == (n_classes, n_train * n_classes, n_classes)
    page = client.get(reverse("dataset_detail", args=["many"])).text
    assert ("every accuracy will be 100 %" in page) == (n_classes == 1)

    batch = {"batch_size": "64"} if n_classes > 1 else {}
    assert client.post(reverse("search_new"), form_of(row, **batch)).status_code == 302
    search = Search.objects.get()
    post = worker.Post("alpha:cpu-0", device="cpu")
    while waiting := search.candidates.filter(status="pending").order_by("step", "index").first():
        worker.train(waiting.pk, post)
    search.refresh_from_db()
    assert search.status == "finished", search.reason
    final = search.candidates.get(kind="final")
    if n_classes == 1:
        assert (final.test_accuracy, final.test_balanced) == (1.0, 1.0)

    services.ask_for_files(final, alice)
    job = do_job()
    assert job.status == "done", job.reason
    assert job.result["parity"]["holds"]
    assert "evaluation" not in job.result  # counted when the final training ended
    page = client.get(reverse("model_detail", args=[search.uuid]))
    assert len(page.context["evaluation"]["classes"]) == n_classes
    page = page.text
    assert ("Most often confused" in page) == (n_classes > 1)
    assert ("Confusion matrix" in page) == (n_classes == 1)
    for name in ("search_detail", "search_report"):
        assert client.get(reverse(name, args=[search.uuid])).status_code == 200
