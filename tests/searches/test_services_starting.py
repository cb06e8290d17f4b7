"""Searches that start from a trained network: its weights belong to the search, whatever becomes of their origin."""

import io
import json
import zipfile

import pytest
from django.core.management import CommandError, call_command

from searches import selectors, services, worker_files
from searches.models import Artifact, Search, StartNetwork
from searches.nash.config import InvalidConfig, SearchConfig
from searches.nash.evaluation import evaluate
from searches.nash.export import export_model, weights_of
from searches.nash.model_zip import DamagedModel
from searches.nash.start import Start
from searches.selectors.models import model_info
from searches.services.restoring import settle_restored
from tests.searches.rows import TINY, make_dataset, make_search, run_to_end
from tests.searches.trained import make_trained_search
from tests.searches.working import work

pytestmark = pytest.mark.django_db
ONE = {**TINY, "n_steps": 1, "n_neigh": 2}


@pytest.fixture
def origin_search(data_folder):
    return make_trained_search(name="Grown")


@pytest.fixture
def final(origin_search):
    return origin_search.candidates.get(kind="final")


def started(origin, name="Child", **settings) -> Search:
    config = SearchConfig(**{**ONE, **settings, "start": origin.start})
    launched = services.create_search(config, dataset=origin_search_dataset(), name=name, origin=origin)
    Search.objects.filter(pk=launched.search_id).update(dataset_digest="d" * 64)  # what rows.py's workers have
    return Search.objects.get(pk=launched.search_id)


def origin_search_dataset():
    return Search.objects.get(name="Grown").dataset


def zip_of(candidate, path, **info):
    network, _ = worker_files.load_network(candidate)
    classes = candidate.search.dataset.meta["classes"]
    return export_model(network, path, info={"name": "Mine", "classes": classes, **info})


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_search_from_a_network_of_this_site_keeps_its_weights_and_says_where_they_are_from(final, data_folder):
    search = started(services.origin_of_candidate(final))
    row = search.start_network
    weights = final.artifacts.get(format=Artifact.Format.WEIGHTS)
    assert (row.sha256, row.bytes, row.words) == (weights.sha256, weights.bytes, "final of “Grown”")
    assert services.start_path(row).read_bytes() == selectors.artifact_path(weights).read_bytes()
    assert files_below(data_folder / "searches" / str(search.uuid)) == ["start/weights.safetensors"]
    first = search.candidates.get()
    assert (first.kind, first.digest, first.parent) == ("pretrain", final.digest, None)
    assert search.events.get().words.endswith("started from final of “Grown”")
    shown = selectors.snapshot(search)
    assert shown["start"]["url"].endswith(f"{final.search.uuid}/final-1-0/")
    assert shown["config"]["start"] == f"architecture {final.digest}, weights sha256 {row.sha256}"
    assert search.config["start"]["sha256"] == row.sha256


def test_a_worker_trains_model_0_from_it_to_the_bit_and_nothing_else(final):
    search = started(services.origin_of_candidate(final), comparisons=("model_0-final", "scratch", "wrn-16-4"))
    network = worker_files.load_parent(search.candidates.get())
    expected = weights_of(worker_files.load_network(final)[0])
    assert all(tensor.equal(expected[name]) for name, tensor in weights_of(network).items())
    run_to_end(search)
    begin_there = {c.code for c in search.candidates.filter(parent=None) if worker_files.load_parent(c) is not None}
    assert begin_there == {"model_0", "model_0, final budget"}


@pytest.mark.usefixtures("one_core")
def test_a_worker_goes_on_from_what_the_network_can_do(final, post):
    dataset = final.search.dataset
    search = started(services.origin_of_candidate(final), batch_size=256, precision="float32")
    Search.objects.filter(pk=search.pk).update(dataset_digest=dataset.digest)
    work(search, post, until="1.1")
    first = search.candidates.get(kind="pretrain")
    beginning = first.points.order_by("optimiser_step").first()
    images, network = worker_files.load_images(dataset), worker_files.load_network(final)[0]
    held_back = images.split(search.config["seed"]).validation
    as_it_was = evaluate(network, images.images[held_back], images.labels[held_back])
    assert (first.status, first.seal, beginning.optimiser_step) == ("done", None, 0)
    assert beginning.val_accuracy == pytest.approx(as_it_was, abs=1e-6)


def test_weights_that_changed_on_the_disk_are_not_trained_from(final):
    search = started(services.origin_of_candidate(final))
    services.start_path(search.start_network).write_bytes(b"x")
    with pytest.raises(worker_files.DamagedFile, match="started from"):
        worker_files.load_parent(search.candidates.get())


def test_a_zip_starts_the_same_search_as_the_network_that_it_is_of(final, tmp_path):
    origin = services.origin_of_file(zip_of(final, tmp_path / "model.zip"), "model.zip")
    here = services.origin_of_candidate(final)
    assert origin.start == here.start
    search = started(origin)
    assert search.start_network.words == "model.zip (“Mine”)"
    assert selectors.snapshot(search)["start"]["url"] is None
    assert selectors.snapshot(search)["start"]["remark"] == ""


def test_classes_of_other_names_or_another_order_are_said(final, tmp_path):
    names = [f"thing {k}" for k in range(10)]
    other = services.origin_of_file(zip_of(final, tmp_path / "a.zip", classes=names), "a.zip")
    words = started(other).events.get().words
    assert "named otherwise: thing 0, thing 1, thing 2, thing 3, thing 4 and 5 more; those of digits are" in words
    turned = list(reversed(final.search.dataset.meta["classes"]))
    order = started(services.origin_of_file(zip_of(final, tmp_path / "b.zip", classes=turned), "b.zip"))
    assert "stand in another order" in selectors.snapshot(order)["start"]["remark"]


def test_a_network_whose_weights_are_gone_or_not_there_yet_is_refused(final):
    with pytest.raises(services.Refused, match="not trained yet"):
        services.origin_of_candidate(make_search().candidates.get())
    final.artifacts.filter(format=Artifact.Format.WEIGHTS).delete()
    with pytest.raises(services.Refused, match="were given up"):
        services.origin_of_candidate(final)


def test_a_search_that_does_not_come_to_be_leaves_nothing(final, data_folder, monkeypatch):
    before = files_below(data_folder / "searches")
    origin = services.origin_of_candidate(final)
    weights = selectors.artifact_path(final.artifacts.get(format=Artifact.Format.WEIGHTS))
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedModel, match="not what they were"):
        started(origin)
    assert files_below(data_folder / "searches") == before
    assert not Search.objects.filter(name="Child").exists()


def test_settings_and_network_must_be_of_one_another(final):
    origin = services.origin_of_candidate(final)
    another = SearchConfig(**{**ONE, "start": Start(origin.start.architecture, "0" * 64)})
    for config, given in ((another, origin), (another, None), (SearchConfig(**ONE), origin)):
        with pytest.raises(InvalidConfig, match="not the one that the settings name"):
            services.create_search(config, dataset=final.search.dataset, name="x", origin=given)


def test_it_outlives_its_origin_and_goes_with_its_search(final, data_folder):
    search = started(services.origin_of_candidate(final))
    services.delete(final.search, "alice")
    assert selectors.snapshot(search)["start"]["url"] is None
    services.empty_deleted("the command line")
    search.refresh_from_db()
    row = StartNetwork.objects.get()
    assert (row.candidate, row.words) == (None, "final of “Grown”")
    assert services.start_path(row).is_file()
    services.delete(search, "alice")
    services.empty_deleted("the command line")
    assert StartNetwork.objects.count() == 0
    assert files_below(data_folder / "searches") == []


def test_a_clone_starts_from_the_same_network_although_its_origin_is_gone(final):
    search = started(services.origin_of_candidate(final))
    services.delete(final.search, "alice")
    services.empty_deleted("the command line")
    again = services.origin_of_search(search)
    config = search.search_config.replace(seed=5)
    launched = services.create_search(config, dataset=search.dataset, name="Again", origin=again)
    row = StartNetwork.objects.get(search_id=launched.search_id)
    assert (row.sha256, row.words) == (search.start_network.sha256, "final of “Grown”")
    assert services.start_path(row) != services.start_path(search.start_network)
    assert services.origin_of_search(make_search()) is None


def test_a_clone_is_refused_where_the_file_is_gone(final):
    search = started(services.origin_of_candidate(final))
    services.start_path(search.start_network).unlink()
    with pytest.raises(services.Refused, match="no longer there"):
        services.origin_of_search(search)


def test_disk_use_counts_it_and_a_restore_that_lacks_it_says_so(final):
    search = started(services.origin_of_candidate(final))
    assert search.disk_bytes == selectors.disk_use(search) == search.start_network.bytes
    path = services.start_path(search.start_network)
    path.unlink()
    assert search.start_network.file in settle_restored()


def test_a_model_tells_what_its_search_was_started_from(final):
    search = started(services.origin_of_candidate(final))
    info = json.loads(json.dumps(model_info(run_to_end(search).candidates.get(kind="final"), test_accuracy=0.5)))
    assert info["lineage"][0].startswith("started from final of “Grown”, weights sha256 ")
    assert info["settings"]["start"].startswith("architecture ")


# ---------------------------------------------------------------------- the command


def run(*arguments):
    out = io.StringIO()
    call_command("search", *map(str, arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.fixture
def sent(monkeypatch):
    monkeypatch.setattr("searches.tasks.enqueue", lambda ids: None)


SET = [f"--set={name}={value}" for name, value in (("n_steps", 1), ("n_neigh", 2), ("epoch_final", 1))]


@pytest.mark.usefixtures("sent")
def test_the_command_starts_from_a_zip_its_folder_a_search_or_a_training(final, tmp_path):
    path = zip_of(final, tmp_path / "model.zip")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    uuid = str(final.search.uuid)
    for begin in (path, tmp_path / "folder", uuid[:8], f"{uuid}:final"):
        assert "It starts from" in run("launch", "--dataset", "digits", "--from", begin, *SET)
    assert set(StartNetwork.objects.values_list("sha256", flat=True)) == {StartNetwork.objects.first().sha256}
    newest = Search.objects.order_by("-pk").first()
    run("clone", newest.uuid, "--name", "Cloned")
    assert Search.objects.get(name="Cloned").start_network.words == "final of “Grown”"


@pytest.mark.usefixtures("sent")
def test_the_command_says_what_does_not_fit(final, tmp_path):
    path = zip_of(final, tmp_path / "model.zip")
    make_dataset("flowers", input_channels=3, height=32, width=32, n_classes=5)
    with pytest.raises(CommandError, match=r"start: it takes images of 8 x 8 px, grey, .*5"):
        run("launch", "--dataset", "flowers", "--from", path)
    with pytest.raises(CommandError, match="max_channels"):
        run("launch", "--dataset", "digits", "--from", path, "--set", "max_channels=2", "--set", "channels=2")
    (tmp_path / "text.zip").write_text("x")
    with pytest.raises(CommandError, match=r"text\.zip cannot be started from: .*not an exported model"):
        run("launch", "--from", tmp_path / "text.zip")
    with pytest.raises(CommandError, match=r"no file nowhere\.zip, and no such network"):
        run("launch", "--from", "nowhere.zip")
    assert Search.objects.count() == 1
