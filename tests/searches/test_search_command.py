"""`manage.py search`: what it launches, what it prints, and what it refuses."""

import io
import json
import uuid
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command

from searches import selectors, services
from searches.management import following
from searches.management.following import Progress, follow, progress_line
from searches.management.launching import duration, find, result_of
from searches.models import Artifact, Search
from tests.searches.rows import leased, make_dataset, make_search, pending, result

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch) -> list[int]:
    """Ids that the command sends to the queue."""
    ids: list[int] = []
    monkeypatch.setattr("searches.tasks.enqueue", lambda given, *_a, **_k: ids.extend(given))
    return ids


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("search", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@contextmanager
def a_living_worker():
    identity = services.WorkerIdentity("alpha:cpu-0", "alpha", 1, "CPU", {})
    services.worker_beat(identity, None)
    yield
    services.worker_left(identity.name)


def train_pending(search: Search, accuracy: float = 0.5) -> None:
    for candidate in pending(search):
        test_accuracy = 0.97 if candidate.kind == "final" else None
        lease = leased(candidate, dataset_digest=search.dataset_digest)
        services.finish(lease, result(accuracy, test_accuracy=test_accuracy))


def finish(search: Search) -> None:
    while pending(search):
        train_pending(search)
    search.refresh_from_db()


def test_launch_takes_the_preset_and_what_differs_from_it_and_sends_the_first_training(sent):
    make_dataset()
    out, _ = run("launch", "--preset", "demo", "--set", "n_steps=3", "--set", "seed=7", "--name", "Mine")
    search = Search.objects.get()
    assert str(search.uuid) in out
    assert (search.name, search.preset, search.dataset.name, search.owner) == ("Mine", "demo", "digits", None)
    config = search.search_config
    assert (config.n_steps, config.seed, config.n_neigh) == (3, 7, 4)
    assert (config.input_shape, config.n_classes) == ((1, 8, 8), 10)
    assert sent == [search.candidates.get().pk]


def test_launch_says_that_no_worker_is_alive(sent):
    make_dataset()
    _, err = run("launch")
    assert "No worker is alive" in err
    assert "make run" in err
    with a_living_worker():
        assert run("launch")[1] == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "n_stepz=3"), "n_stepz"),
        (("--set", "n_steps"), "name=value"),
        (("--set", "n_steps=-1"), "n_steps"),
        (("--set", "n_steps=many"), "n_steps"),
        (("--set", "n_validation=2000"), "none would be left to train on"),
        (("--set", "n_test=301"), "n_test: 301; digits has 300 test images: give 1 to 300, or nothing for all"),
        (("--dataset", "flowers"), r"(?s)No data set 'flowers'.*digits.*dataset import"),
    ],
)
def test_launch_refuses_in_words_and_leaves_nothing(sent, arguments, words):
    make_dataset()
    with pytest.raises(CommandError, match=words):
        run("launch", *arguments)
    assert not Search.objects.exists()
    assert sent == []


def test_with_wait_and_json_the_last_line_holds_the_result(sent, monkeypatch):
    make_dataset()

    def train(_seconds: float) -> None:
        train_pending(Search.objects.get())

    monkeypatch.setattr(following.time, "sleep", train)
    out, err = run("launch", "--set", "channels=4,4", "--wait", "--json")
    last = json.loads(out.splitlines()[-1])
    search = Search.objects.get()
    assert last["uuid"] == str(search.uuid)
    assert last["status"] == "finished"
    assert last["test_error"] == pytest.approx(0.03)
    assert last["n_parameters"] == search.candidates.get(kind="final").n_parameters
    assert last["wall_seconds"] >= 0
    assert "Test error 3.00 %" in err
    assert len(out.splitlines()) == 1


def test_waiting_for_a_search_that_is_stopped_ends_with_exit_code_1(sent, monkeypatch):
    make_dataset()
    monkeypatch.setattr(following.time, "sleep", lambda _seconds: services.stop(Search.objects.get(), "a test"))
    with pytest.raises(SystemExit) as ended:
        run("launch", "--wait")
    assert ended.value.code == 1


def test_list_and_show_say_how_searches_stand(sent):
    assert "No searches yet" in run("list")[0]
    search = make_search(name="First")
    finish(search)
    make_search(name="Second")
    listed = run("list")[0]
    assert listed.index("Second") < listed.index("First")
    assert "finished: test error 3.00 %" in listed
    shown = run("show", str(search.uuid))[0]
    assert "First" in shown
    assert all(event.words in shown for event in selectors.newest_events(search, 5))
    assert json.loads(run("show", str(search.uuid), "--json")[0])["uuid"] == str(search.uuid)


def test_pause_resume_and_stop_do_so_and_send_what_waits(sent):
    search = make_search()
    assert "paused" in run("pause", str(search.uuid))[0]
    assert sent == []
    assert "waiting" in run("resume", str(search.uuid))[0]
    assert sent == [search.candidates.get().pk]
    assert "stopped" in run("stop", str(search.uuid))[0]
    with pytest.raises(CommandError, match="was stopped"):
        run("pause", str(search.uuid))


def test_launch_takes_the_settings_of_the_papers_comparisons(sent):
    make_dataset()
    given = ["comparisons=scratch,wrn-16-4", "neighbour_rate=0.025", "network_morphism=no", "deterministic=off"]
    run("launch", *(word for setting in given for word in ("--set", setting)))
    config = Search.objects.get().search_config
    assert config.comparisons == ("scratch", "wrn-16-4")
    assert (config.neighbour_rate, config.network_morphism, config.deterministic) == (0.025, False, False)
    with pytest.raises(CommandError, match="'wrn-40-4' is none of snapshots, scratch"):
        run("launch", "--set", "comparisons=wrn-40-4")


def test_compare_reopens_a_finished_search_and_sends_what_it_adds(sent):
    search = make_search(name="Night run")
    with pytest.raises(CommandError, match="only a search that has finished can be compared"):
        run("compare", str(search.uuid), "scratch")
    finish(search)
    assert run("compare", str(search.uuid), "scratch", "model_0-final")[0] == "Night run: running\n"
    assert sorted(sent) == sorted(c.pk for c in pending(search))
    line = progress_line(search)
    assert line.startswith("comparisons · waiting for a worker · best")
    with pytest.raises(CommandError, match="is running"):
        run("compare", str(search.uuid), "wrn-16-4")


def test_show_and_the_result_tell_what_a_search_was_compared_with(sent):
    search = make_search(comparisons=["scratch", "model_0-final"])
    while not search.candidates.filter(kind="scratch").exists():
        train_pending(search)
    scratch, model_0 = (search.candidates.get(kind=kind) for kind in ("scratch", "reference"))
    facts = {"dataset_digest": search.dataset_digest}
    services.finish(leased(scratch, **facts), result(None, test_accuracy=0.91))
    services.end_candidate(leased(model_0, **facts), "too_big", "8 GiB are not there")
    shown = run("show", str(search.uuid))[0]
    size = f"{scratch.n_parameters:,} parameters"
    assert f"  from scratch: 9.00 % test error (6.26 to 12.78), 6 epochs, {size}, 2 s" in shown
    assert f"  model_0, final budget: too big, 1 epoch, {model_0.n_parameters:,} parameters" in shown
    row = result_of(search)
    assert [(c["name"], c["status"], c["test_error"]) for c in row["comparisons"]] == [
        ("from scratch", "done", 0.09),
        ("model_0, final budget", "too_big", None),
    ]
    assert row["test_error"] == pytest.approx(0.03)


def test_download_copies_the_zip_and_says_so_while_there_is_none(sent, tmp_path, data_folder):
    search = make_search()
    with pytest.raises(CommandError, match="does not exist yet"):
        run("download", str(search.uuid), str(tmp_path))
    finish(search)
    (data_folder / "model.zip").write_bytes(b"zip")
    Artifact.objects.update_or_create(
        candidate=search.candidates.get(kind="final"),
        format="model_zip",
        defaults={"file": "model.zip", "sha256": "5" * 64, "bytes": 3},
    )
    run("download", str(search.uuid), str(tmp_path))
    assert (tmp_path / f"{search.uuid}.zip").read_bytes() == b"zip"
    run("download", str(search.uuid), str(tmp_path / "mine.zip"))
    assert (tmp_path / "mine.zip").read_bytes() == b"zip"
    with pytest.raises(CommandError, match="No such file or directory"):
        run("download", str(search.uuid), str(tmp_path / "nowhere" / "mine.zip"))
    with pytest.raises(CommandError, match=r"report\.html: what is written is a \.zip file; give it that ending"):
        run("download", str(search.uuid), str(tmp_path / "report.html"))
    assert not (tmp_path / "report.html").exists()


def test_the_first_characters_of_a_uuid_are_enough_if_they_are_one_searchs():
    one = make_search()
    Search.objects.filter(pk=one.pk).update(uuid=uuid.UUID("aaaaaaaa-0000-4000-8000-000000000001"))
    other = make_search()
    Search.objects.filter(pk=other.pk).update(uuid=uuid.UUID("aaaaaaaa-0000-4000-8000-000000000002"))
    assert find("AAAAAAAA-0000-4000-8000-000000000002").pk == other.pk
    for text in ("aaaaaaaa", "bbbb", "aa", ""):
        with pytest.raises(CommandError):
            find(text)


def test_the_progress_line_names_step_child_epoch_and_best():
    search = make_search()
    assert progress_line(search) == "pretraining · waiting for a worker"
    with a_living_worker():
        assert progress_line(search) == "pretraining · about to train"
        train_pending(search, 0.5)
        first, second = pending(search)[:2]
        lease = leased(first)
        leased(second)
        services.beat(lease, epoch=1.4)
        line = progress_line(search)
    assert line.startswith("step 1 of 2 · child 1.1 epoch 2 of 2, child 1.2 epoch 1 of 2 · best 50.00 %")


def test_following_prints_every_decision_once_and_nothing_twice():
    search = make_search()
    out = io.StringIO()
    for _ in follow(search, Progress(out, is_terminal=False), told_to_end=lambda: False):
        finish(search)
    lines = [line.strip() for line in out.getvalue().splitlines()]
    decisions = [event.words for event in selectors.events_after(search, 0) if event.level == "decision"]
    assert decisions
    for words in decisions:
        assert lines.count(words) == 1


def test_in_a_terminal_the_progress_line_is_overwritten(monkeypatch):
    out = io.StringIO()
    progress = Progress(out, is_terminal=True)
    progress.show("epoch 1")
    progress.show("epoch 2")
    progress.say("decided")
    assert out.getvalue() == "epoch 1\r\x1b[Kepoch 2\r\x1b[Kdecided\n"


def test_elsewhere_a_progress_line_is_written_now_and_then():
    out = io.StringIO()
    progress = Progress(out, is_terminal=False)
    for epoch in range(50):
        progress.show(f"epoch {epoch}")
    assert out.getvalue() == "epoch 0\n"


def test_a_result_says_why_there_is_none():
    search = make_search()
    services.stop(search, "a test")
    assert result_of(search) == {
        "uuid": str(search.uuid), "status": "stopped", "test_error": None, "n_parameters": None,
        "wall_seconds": 0.0, "reason": search.reason,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_durations_are_read_at_a_glance(seconds, words):
    assert duration(seconds) == words
