"""`manage.py ensemble`: through the same functions as the page, and refused in the same words."""

import io
import json
import zipfile

import pytest
from django.core.management import CommandError, call_command

from searches.models import Ensemble
from tests.searches.rows import make_search, run_to_end
from tests.searches.trained import make_trained_search

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sent(monkeypatch) -> list[int]:
    ids: list[int] = []
    monkeypatch.setattr("searches.tasks.enqueue", lambda given, *_a, **_k: ids.extend(given))
    return ids


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("ensemble", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.mark.slow
def test_created_listed_exported_and_deleted_without_a_worker(tmp_path):
    searches = [make_trained_search(name=f"Run {seed}", seed=seed) for seed in (1, 2)]
    out, err = run("create", *(str(search.uuid)[:13] for search in searches), "--name", "Both")
    ensemble = Ensemble.objects.get()
    assert out == f"Both: {ensemble.uuid}\n"
    assert "No worker is alive" in err
    assert "pending" in run("list")[0]
    out, _ = run("export", str(ensemble.uuid), str(tmp_path))
    assert f"{ensemble.uuid}.zip" in out
    with zipfile.ZipFile(tmp_path / f"{ensemble.uuid}.zip") as archive:
        assert {"model.py", "model.safetensors", "model.onnx", "model.pt2", "README.txt"} <= set(archive.namelist())
    (line,) = json.loads(run("list", "--json")[0])
    assert (line["state"], line["n_members"], line["dataset"]) == ("measured", 2, "digits")
    assert "measured" in run("list")[0]
    run("delete", str(ensemble.uuid))
    assert "No ensembles yet" in run("list")[0]


def test_snapshots_of_a_finished_search_are_sent_to_the_queue(sent):
    search = run_to_end(make_search())
    run("create", "--snapshots", str(search.uuid))
    assert [c.code for c in search.candidates.filter(pk__in=sent)] == ["snapshot 1"]
    assert "waiting" in run("list")[0]
    with pytest.raises(CommandError, match="has no members yet: its snapshots train"):
        run("export", str(Ensemble.objects.get().uuid), ".")


def test_what_cannot_be_averaged_is_refused_in_words():
    search = run_to_end(make_search(n_steps=1))
    with pytest.raises(CommandError, match="“Tiny” alone was chosen: an ensemble is of at least two"):
        run("create", str(search.uuid))
    with pytest.raises(CommandError, match="an ensemble of one"):
        run("create", "--snapshots", str(search.uuid))
    with pytest.raises(CommandError, match="not both"):
        run("create", str(search.uuid), "--snapshots", str(search.uuid))
    with pytest.raises(CommandError, match="No ensembles have a uuid that begins with 'abcdef'"):
        run("delete", "abcdef")
