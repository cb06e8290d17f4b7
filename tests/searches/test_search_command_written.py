"""`manage.py search`: what people write about a search, and what they take from its pages as files."""

import io
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management import CommandError
from django.urls import reverse

from searches import services
from searches.management import following, saving
from searches.models import Artifact, BackgroundJob, Candidate
from searches.selectors.exports import NAMES
from tests.searches.rows import make_search, run_to_end
from tests.searches.test_search_command import a_living_worker, run, sent

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["sent"]  # a fixture


def test_name_note_and_tags_are_written_of_a_search_and_of_a_training(sent, monkeypatch):
    search = make_search(name="Night run")
    uuid = str(search.uuid)
    assert run("rename", uuid, "Day run")[0] == "Night run is called Day run from now on.\n"
    with pytest.raises(CommandError, match="A search needs a name"):
        run("rename", uuid, " ")
    assert run("note", uuid, "too *slow*")[0] == "Day run: noted\n"
    assert run("note", uuid)[0] == "too *slow*\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("two\nlines\n"))
    assert run("note", uuid, "-", "--of", "model_0")[0] == "Day run, model_0: noted\n"
    assert search.candidates.get().note == "two\nlines"
    assert run("note", uuid, "")[0] == "Day run: the note was taken away\n"
    assert run("tag", uuid, "Table-1", "night run")[0] == "Day run: tagged night run, table-1\n"
    assert run("tag", uuid, "--remove", "night run")[0] == "Day run: tagged table-1\n"
    assert run("tag", uuid, "slow", "--of", "model_0")[0] == "Day run, model_0: tagged slow\n"
    with pytest.raises(CommandError, match=r"has no training '9\.9'"):
        run("tag", uuid, "slow", "--of", "9.9")


async def streamed(answer: Any) -> bytes:
    return b"".join([piece async for piece in answer.streaming_content])


def test_log_and_drawings_are_those_of_the_page(sent, client, admin_user, tmp_path):
    client.force_login(admin_user)
    search = run_to_end(make_search(name="Night run"))
    uuid = str(search.uuid)

    def page(name: str, *args: object) -> str:
        answer = client.get(reverse(name, args=[uuid, *args]))
        return (async_to_sync(streamed)(answer) if answer.streaming else answer.content).decode()

    for form, option in (("csv", "--csv"), ("jsonl", "--json")):
        assert run("log", uuid, option)[0] == page("search_log", form).removeprefix("\ufeff")
    run("draw", uuid, str(tmp_path))
    run("draw", uuid, str(tmp_path), "--of", "1.2")
    (network,) = tmp_path.glob("night-run-1-2-*.svg")
    (tree,) = tmp_path.glob("night-run-lineage-*.svg")
    assert tree.read_text() == page("search_tree")
    assert network.read_text() == page("candidate_drawing", "neighbour", 1, 2)


def test_files_are_asked_for_and_copied_once_they_are_made(sent, tmp_path, data_folder, monkeypatch):
    search = run_to_end(make_search(name="Night run"))
    uuid, folder = str(search.uuid), tmp_path / "new"
    final = search.candidates.get(kind="final")
    with pytest.raises(CommandError, match="final cannot be downloaded: its weights were given up"):
        run("files", uuid, str(folder))
    keep(final, "weights")
    with pytest.raises(CommandError, match=r"Files of final: no worker answers\. They are made as soon as"):
        run("files", uuid, str(folder))
    job = BackgroundJob.objects.get()

    def work(_seconds: float) -> None:
        for form in NAMES:
            keep(final, form)
        BackgroundJob.objects.update(status="done")

    monkeypatch.setattr(saving.time, "sleep", work)
    with a_living_worker():
        out = run("files", uuid, str(folder))[0]
    assert BackgroundJob.objects.get() == job
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES.values())
    assert (folder / "model.onnx").read_bytes() == b"onnx"
    assert len(out.splitlines()) == len(NAMES)


def keep(candidate: Candidate, form: str) -> None:
    """A file of this form, as a job would leave it."""
    (Path(settings.NASH_DATA_DIR) / form).write_bytes(form.encode())
    columns = {"file": form, "sha256": "5" * 64, "bytes": len(form)}
    Artifact.objects.update_or_create(candidate=candidate, format=form, defaults=columns)


def test_follow_ends_with_the_search_and_says_how(sent, monkeypatch):
    search = make_search(name="Night run")
    monkeypatch.setattr(following.time, "sleep", lambda _seconds: run_to_end(search))
    out = run("follow", str(search.uuid))[0]
    assert "Test error 10.00 %" in out
    stopped = make_search()
    services.stop(stopped, "a test")
    with pytest.raises(SystemExit):
        run("follow", str(stopped.uuid))
