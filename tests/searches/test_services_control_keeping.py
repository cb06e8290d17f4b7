"""A stopped search's best network: which it is, and that its zip is made without torch, as a final one is."""

import json
import subprocess
import sys
import zipfile

import pytest
from django.urls import reverse

from searches import selectors, services, worker
from searches.models import Search
from searches.nash import Network
from searches.nash.export import load_weights, weights_sha256
from searches.selectors import artifact_path, candidate_folder
from tests.conftest import ROOT
from tests.searches.rows import leased, make_search, result, run_to, run_to_end, train
from tests.searches.working import launch, work

pytestmark = pytest.mark.django_db
BY = "the command line"


def best(search: Search) -> str | None:
    found = selectors.best_so_far(search)
    return found.code if found else None


# ------------------------------------------------------------------ which


def test_the_best_is_the_winner_of_the_last_step_that_was_decided():
    search = make_search()
    assert best(search) is None
    run_to(search, "1.1")
    assert best(search) == "model_0"
    run_to(search, "2.1")
    assert best(search) == "1.2"
    run_to_end(search)
    assert best(search) == "final"


@pytest.mark.parametrize(("accuracy", "code"), [(0.69, "1.2"), (0.7, "1.2"), (0.71, "2.1")])
def test_a_child_of_the_open_step_is_the_best_if_it_is_better(accuracy, code):
    search = make_search()
    services.finish(leased(run_to(search, "2.1")), result(accuracy))
    assert best(search) == code


def test_of_an_extended_search_it_is_its_earlier_final_model_until_there_is_another():
    search = run_to_end(make_search())
    services.extend(search, 3, BY)
    train(search.candidates.get(step=3, index=1))
    assert (best(search), selectors.best_so_far(search).step) == ("final", 2)


# ------------------------------------------------------------------ its zip


@pytest.fixture
def post(monkeypatch, data_folder) -> worker.Post:
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0,))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)
    return worker.Post("alpha:cpu-0", device="cpu")


@pytest.fixture
def stopped(post) -> Search:
    """Trained for real: model_0, its first step and a child of the second."""
    search = launch(n_steps=3)
    work(search, post, until="2.1")
    services.stop(search, BY)
    search.refresh_from_db()
    return search


def test_a_stop_makes_the_zip_of_the_best_and_says_so(stopped, tmp_path):
    winner = selectors.best_so_far(stopped)
    assert (stopped.status, winner.step, winner.is_winner) == ("stopped", 1, True)
    artifact = selectors.model_artifact(stopped)
    assert artifact.candidate == winner
    path = artifact_path(artifact)
    assert path.stat().st_size == artifact.bytes
    weights = artifact_path(winner.artifacts.get(format="weights"))
    from searches.nash.architecture import Architecture

    as_trained = load_weights(weights, Architecture.from_dict(winner.architecture))
    assert weights_sha256(Network.load(path)) == weights_sha256(as_trained)
    event = stopped.events.last()
    assert event.kind == "model_kept"
    assert event.payload["search"]["download"] == selectors.snapshot(stopped)["download"] is not None


@pytest.mark.parametrize("dies", [False, True])
def test_a_search_that_fails_keeps_its_best_too_and_its_page_offers_it(post, client, admin_user, monkeypatch, dies):
    search = launch(n_steps=2)
    work(search, post, until="2.1")
    if dies:  # between the end of the search and its zip: what reaps finds it
        monkeypatch.setattr("searches.services.results.keep_best_model", lambda search: None)
    for candidate in search.candidates.filter(step=2):
        services.end_candidate(leased(candidate, dataset_digest=search.dataset_digest), "diverged", "a test")
    search.refresh_from_db()
    assert search.status == "failed"
    if dies:
        assert selectors.model_artifact(search) is None
        services.keep_missing_models()
    artifact = selectors.model_artifact(search)
    assert (artifact.candidate.step, artifact.candidate.is_winner) == (1, True)
    snapshot = selectors.snapshot(search)
    assert snapshot["download_of"] == snapshot["best"] == artifact.candidate_id
    client.force_login(admin_user)
    assert client.head(snapshot["download"]).headers["Content-Length"] == str(artifact.bytes)
    assert client.get(reverse("model_detail", args=[search.uuid])).status_code == 200


def test_it_runs_on_its_own(stopped, tmp_path):
    with zipfile.ZipFile(artifact_path(selectors.model_artifact(stopped))) as archive:
        archive.extractall(tmp_path)
        info = json.loads(archive.read("architecture.json"))["info"]
    assert len(info["classes"]) == 10
    assert info["lineage"][0].startswith("model_0")
    assert info["test_accuracy"] is None
    code = "import torch; from model import load; print(tuple(load()(torch.zeros(2, 1, 8, 8)).shape))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "(2, 10)"


def test_the_bytes_are_those_that_a_worker_would_export(stopped, tmp_path):
    from searches.nash.architecture import Architecture
    from searches.nash.export import export_model

    winner = selectors.best_so_far(stopped)
    winner.search = stopped
    weights = artifact_path(winner.artifacts.get(format="weights"))
    network = load_weights(weights, Architecture.from_dict(winner.architecture))
    exported = export_model(network, tmp_path / "m.zip", info=selectors.model_info(winner, test_accuracy=None))
    assert exported.read_bytes() == artifact_path(selectors.model_artifact(stopped)).read_bytes()


def test_no_torch_is_needed_for_it():
    code = "import sys, searches.nash.model_zip; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_weights_that_are_not_those_of_their_row_are_not_given_out_and_the_stop_holds(post, caplog):
    search = launch(n_steps=3)
    work(search, post, until="1.1")
    model_0 = search.candidates.get(kind="pretrain")
    path = artifact_path(model_0.artifacts.get())
    path.write_bytes(path.read_bytes() + b"x")
    services.stop(search, BY)
    search.refresh_from_db()
    assert search.status == "stopped"
    assert selectors.model_artifact(search) is None
    assert "its sha256 is not that of its row" in caplog.text
    assert not list(candidate_folder(model_0).glob("*.zip"))


def test_a_zip_that_is_tidied_away_before_its_row_is_there_is_made_again(post, monkeypatch):
    from searches import worker_files
    from searches.services import keeping

    search = launch(n_steps=3)
    work(search, post, until="1.1")
    model_0 = search.candidates.select_related("search").get(kind="pretrain")
    real, made = keeping._pack, []

    def overtaken(candidate):
        made.append(real(candidate))
        if len(made) == 1:
            worker_files.tidy(model_0)
        return made[-1]

    monkeypatch.setattr(keeping, "_pack", overtaken)
    services.stop(search, BY)
    assert artifact_path(selectors.model_artifact(search)).is_file()
    assert made[0] == made[1]


def test_it_is_made_once(stopped):
    seq = stopped.events.count()
    services.keep_best_model(stopped)
    assert stopped.events.count() == seq


def test_a_search_that_was_stopped_before_anything_was_trained_has_none():
    search = make_search()
    services.stop(search, BY)
    assert selectors.model_artifact(search) is None
    assert search.events.last().kind == "search_stopped"
