"""`manage.py search`: every verb that a page has, through the same service functions."""

import io
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.urls import URLPattern

from searches import selectors, services
from searches.management import following
from searches.management.launching import result_of
from searches.models import ENGINE_VERSION, Artifact, Search
from tests.searches.rows import make_dataset, make_search, pending, run_to, run_to_end, train
from tests.searches.test_search_command import a_living_worker, run, sent

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["sent"]  # a fixture


def waiting(search: Search) -> list[int]:
    return sorted(c.pk for c in pending(search))


def test_every_verb_of_the_table_is_a_verb_of_the_command():
    from django.core.management import get_commands, load_command_class

    parser = load_command_class(get_commands()["search"], "search").create_parser("manage.py", "search")
    known = set(parser._subparsers._group_actions[0].choices)
    named = {"finish_now": "finish", "run_next": "next", "go_on": "go-on", "undelete": "undo"}
    assert {named.get(verb, verb) for verb in services.VERBS if verb != "train"} <= known


COMMANDS = {
    "search_list": "list", "list_csv": "list", "list_json": "list", "bulk_stop": "stop", "bulk_delete": "delete",
    "bulk_undelete": "undo", "bulk_tag": "tag", "bulk_untag": "tag", "search_new": "launch", "search_detail": "show",
    "search_tree": "draw", "search_report": "report", "search_download": "download", "search_rename": "rename",
    "search_notes": "note", "search_log": "log", "candidate_notes": "note", "search_pause": "pause",
    "search_resume": "resume", "search_stop": "stop", "search_finish_now": "finish", "search_extend": "extend",
    "search_retry": "retry", "search_run_next": "next", "search_compare": "compare", "search_delete": "delete",
    "search_undelete": "undo", "candidate_detail": "show", "candidate_drawing": "draw", "model_detail": "show",
    "candidate_make_files": "files", "candidate_file": "files", "deleted_empty": "empty", "architecture_svg": "draw",
    "search_scalars": "scalars", "search_go_on": "go-on",
}  # fmt: skip
"""Of each address of a search's pages the verb of the command that does the same."""
ELSEWHERE = {"search_ensemble": ("ensemble", "create"), "candidate_answer": ("model", "predict")}
"""What other commands than `search` do, and their verb."""
ABOUT_SEARCHES = ("searches", "deleted/", "architectures/")
"""How these addresses begin; others are about data sets, workers and jobs, or lay searches side by side."""


def test_whatever_a_page_does_to_a_search_the_command_does_too():
    from django.core.management import get_commands, load_command_class

    from searches.urls import urlpatterns

    def verbs_of(command: str) -> set[str]:
        parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
        return set(parser._subparsers._group_actions[0].choices)

    addresses = {str(p.pattern): p.name for p in urlpatterns if isinstance(p, URLPattern)}
    of_searches = {name for route, name in addresses.items() if not route or route.startswith(ABOUT_SEARCHES)}
    assert set(COMMANDS) | set(ELSEWHERE) == of_searches
    assert set(COMMANDS.values()) <= verbs_of("search")
    assert all(verb in verbs_of(command) for command, verb in ELSEWHERE.values())


def test_several_are_told_at_once_and_what_is_refused_of_one_is_said_at_the_end(sent):
    first, second, third = (make_search(name=name) for name in ("First", "Second", "Third"))
    run("pause", str(second.uuid))
    out = io.StringIO()
    with pytest.raises(CommandError, match="“Second” is paused: only a search that is waiting or running"):
        call_command("search", "pause", *(str(s.uuid) for s in (first, second, third)), stdout=out)
    assert out.getvalue() == "First: paused\nThird: paused\n"
    assert "Second: stopped" in run("stop", *(str(s.uuid) for s in (first, second)))[0]


def test_finish_skips_to_the_final_training(sent):
    search = make_search(name="Night run", n_steps=4)
    with pytest.raises(CommandError, match="“Night run” is waiting: only a search that is running or paused"):
        run("finish", str(search.uuid))
    train(run_to(search, "1.1"))
    assert run("finish", str(search.uuid))[0] == "Night run: running\n"
    assert sent == [search.candidates.get(kind="final").pk]


def test_extend_goes_on_and_says_why_it_does_not(sent):
    search = run_to_end(make_search(name="Night run"))
    with pytest.raises(CommandError, match="it has 2 already"):
        run("extend", str(search.uuid), "2")
    assert run("extend", str(search.uuid), "3")[0] == "Night run: running\n"
    assert sorted(sent) == waiting(search)
    assert {c.step for c in pending(search)} == {3}


def test_the_progress_line_of_an_extended_search_is_that_of_its_new_steps(sent):
    search = run_to_end(make_search(comparisons=["scratch", "model_0-final"]))
    services.extend(search, 3, "a test")
    search.refresh_from_db()
    assert following.progress_line(search).startswith("step 3 of 3 · ")


def test_retry_tries_one_training_or_all_of_the_open_step(sent):
    search = make_search(name="Night run")
    run_to(search, "1.1")
    for candidate in pending(search):
        lease = services.claim(
            candidate.pk, worker="w", threads=1, numeric_path="cpu-float32-1", dataset_digest=search.dataset_digest
        )
        services.end_candidate(lease, "diverged", "a test")
    with pytest.raises(CommandError, match=r"has no training '7\.7'"):
        run("retry", str(search.uuid), "7.7")
    run("retry", str(search.uuid), "1.2")
    assert [c.code for c in pending(search)] == ["1.2"]
    run("retry", str(search.uuid))
    assert [c.code for c in pending(search)] == ["1.1", "1.2", "1.3"]
    assert set(sent) == set(waiting(search))


def test_next_puts_a_search_first(sent):
    make_search(name="First")
    second = make_search(name="Second")
    assert run("next", str(second.uuid))[0] == "Second: waiting\n"
    assert selectors.waiting_candidates().first().search == second
    assert sent == waiting(second)


def test_what_every_worker_refuses_is_said_and_go_on_takes_it_to_this_version(sent):
    search = make_search(name="Night run")
    Search.objects.update(engine_version=ENGINE_VERSION - 1)
    with a_living_worker():
        assert "Every worker refuses it." not in run("show", str(search.uuid))[0]  # that one says no version
    identity = services.WorkerIdentity("alpha:cpu-0", "alpha", 1, "CPU", {"engine": ENGINE_VERSION})
    services.worker_beat(identity, None)
    differs = f"engine version is {ENGINE_VERSION - 1}, th"
    assert (
        f"Every worker refuses it. Its {differs}at of the workers {ENGINE_VERSION}."
        in run("show", str(search.uuid))[0]
    )
    assert f"refused: by every worker: its {differs}eirs {ENGINE_VERSION}" in run("list")[0]
    assert "Night run" in run("list", "--state", "refused")[0]
    search.refresh_from_db()
    assert f"refused by every worker: its {differs}eirs" in following.progress_line(search)
    assert run("go-on", str(search.uuid))[0] == "Night run: waiting\n"
    assert sent == waiting(search)
    mark = f"Engine version {ENGINE_VERSION - 1}, from the pretraining on {ENGINE_VERSION}.\n"
    told = run("show", str(search.uuid))[0]
    assert mark in told
    assert "refuses it" not in told
    with pytest.raises(CommandError, match="it goes on by itself"):
        run("go-on", str(search.uuid))


def test_delete_undo_and_empty(sent):
    search = make_search(name="Night run")
    uuid = str(search.uuid)
    assert run("empty")[0] == "No deleted searches.\n"
    deleted = run("delete", uuid)[0]
    assert deleted == f"Night run was deleted; `search undo {uuid[:8]}` brings it back within 24 h.\n"
    assert "Night run" not in run("list")[0]
    assert "Night run" in run("list", "--deleted")[0]
    with pytest.raises(CommandError, match="No searches have a uuid that begins"):
        run("show", uuid)
    assert run("undo", uuid[:8])[0] == "Night run: waiting\n"
    assert sent == waiting(search)
    assert run("list", "--deleted")[0] == "No deleted searches.\n"
    with pytest.raises(CommandError, match="No deleted searches have a uuid that begins"):
        run("undo", uuid)
    run("delete", uuid)
    with pytest.raises(CommandError, match="“Night run” would be removed for good, files included: add --yes"):
        run("empty")
    assert Search.objects.count() == 1
    assert run("empty", "--yes")[0] == "Removed for good: 1.\n"
    assert not Search.objects.exists()


def test_clone_launches_the_same_settings_with_what_differs_on_the_same_data_for_the_same_owner(sent):
    alice = get_user_model().objects.create_user("alice")
    search = make_search(name="Night run", owner=alice, seed=3, n_steps=4)
    Search.objects.update(hours_limit=5.0)
    out, err = run("clone", str(search.uuid), "--set", "seed=4", "--accuracy", "80")
    copy = Search.objects.exclude(pk=search.pk).get()
    assert (copy.name, copy.owner, copy.dataset, copy.status) == ("Night run, copy", alice, search.dataset, "waiting")
    assert copy.search_config == search.search_config.replace(seed=4)
    assert (copy.hours_limit, copy.accuracy_goal) == (5.0, 0.8)
    assert str(copy.uuid) in out
    assert "No worker is alive" in err
    assert sent == waiting(copy)
    with pytest.raises(CommandError, match="n_steps"):
        run("clone", str(search.uuid), "--set", "n_steps=0")


def test_launch_takes_a_budget_and_says_it_in_the_log(sent):
    make_dataset()
    run("launch", "--hours", "12", "--accuracy", "92.5")
    search = Search.objects.get()
    assert (search.hours_limit, search.accuracy_goal) == (12, 0.925)
    assert search.events.get().words.endswith(", at most 12 h, until 92.50 % validation accuracy")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--hours", "0"), "hours_limit: 0 h; give more than none"),
        (("--hours", "nan"), "hours_limit: nan h"),
        (("--accuracy", "0.925"), "accuracy_goal: 0.925 %; give more than guessing among 10 classes gives, 10 %"),
        (("--accuracy", "101"), "accuracy_goal: 101 %"),
    ],
)
def test_a_budget_that_is_none_is_refused_in_words(sent, arguments, words):
    make_dataset()
    with pytest.raises(CommandError) as caught:
        run("launch", *arguments)
    assert words in str(caught.value)
    assert not Search.objects.exists()


def test_waiting_for_a_search_that_is_deleted_ends(sent, monkeypatch):
    make_dataset()
    monkeypatch.setattr(following.time, "sleep", lambda _seconds: services.delete(Search.objects.get(), "a test"))
    with pytest.raises(SystemExit):
        run("launch", "--wait")


def test_download_of_a_search_that_was_stopped_gives_its_best(sent, tmp_path, data_folder, monkeypatch):
    search = make_search(name="Night run")
    run_to(search, "1.1")
    services.stop(search, "a test")
    with pytest.raises(CommandError, match="Night run is stopped: it has no model"):
        run("download", str(search.uuid), str(tmp_path))  # its weights are not there

    def pack(candidate):
        (data_folder / "model.zip").write_bytes(b"zip")
        return {"file": "model.zip", "sha256": "5" * 64, "bytes": 3}

    monkeypatch.setattr("searches.services.keeping._pack", pack)
    run("download", str(search.uuid), str(tmp_path))
    assert (tmp_path / f"{search.uuid}.zip").read_bytes() == b"zip"
    assert Artifact.objects.get().candidate.code == "model_0"


def test_the_newest_final_model_is_the_one_that_is_told_and_downloaded(sent, tmp_path, data_folder):
    search = run_to_end(make_search(name="Night run"))
    services.extend(search, 3, "a test")
    run_to_end(search)
    for final, content in zip(search.candidates.filter(kind="final").order_by("step"), (b"old", b"new"), strict=True):
        Path(data_folder / f"{final.step}.zip").write_bytes(content)
        Artifact.objects.create(
            candidate=final, format="model_zip", file=f"{final.step}.zip", sha256="5" * 64, bytes=3
        )
    newest = search.candidates.get(kind="final", step=3)
    assert result_of(search)["n_parameters"] == newest.n_parameters
    run("download", str(search.uuid), str(tmp_path / "m.zip"))
    assert (tmp_path / "m.zip").read_bytes() == b"new"
