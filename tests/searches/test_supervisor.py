"""The supervisor on real, tiny processes: what dies comes back, what is told to end ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from searches import supervisor
from searches.supervisor import ProcessPlan, Supervisor, TooManyDeaths

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = "import time; print('began', flush=True); time.sleep(60)"


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def made():
    """Supervisors that a test makes; ended after it."""
    supervisors: list[Supervisor] = []
    yield supervisors
    for each in supervisors:
        each.stop(2)


@pytest.fixture
def keep(tmp_path, made):
    """keep(code, ...) -> (supervisor of one Python process, lines said, names that died).

    `counted_elsewhere` says of the n-th death whether somebody else counts it.
    """

    def make(code: str, clock=time.monotonic, counted_elsewhere=lambda n: False, **environment: str):
        plan = ProcessPlan("worker", [sys.executable, "-c", code], environment, tmp_path / "worker.log")
        said: list[str] = []
        died: list[str] = []

        def on_death(name: str) -> bool:
            died.append(name)
            return counted_elsewhere(len(died))

        made.append(Supervisor([plan], say=said.append, on_death=on_death, clock=clock))
        return made[-1], said, died

    return make


def wait_until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def poll_until_death(kept: Supervisor, died: list[str], n: int) -> None:
    def has_died() -> bool:
        kept.poll()
        return len(died) >= n

    wait_until(has_died)


def test_a_killed_process_is_reported_and_starts_again_after_a_second(keep):
    clock = Clock()
    kept, said, died = keep(SLEEPER, clock)
    kept.poll()
    first = kept.pids["worker"]
    os.kill(first, signal.SIGKILL)
    poll_until_death(kept, died, 1)
    assert died == ["worker"]
    assert said[-1] == "worker ended (killed by SIGKILL); it starts again in 1 s."
    clock.now += 0.9
    kept.poll()
    assert kept.pids == {}
    clock.now += 0.2
    kept.poll()
    assert kept.pids["worker"] != first


def test_the_wait_doubles_and_the_fifth_death_within_a_minute_ends_it_with_the_reason(keep):
    clock = Clock()
    kept, said, died = keep("raise SystemExit('no such module: torch')", clock)
    for n, wait in enumerate((1, 2, 4, 8), start=1):
        poll_until_death(kept, died, n)
        assert said[-1].endswith(f"again in {wait} s.")
        assert said[-2] == "  worker | no such module: torch"
        clock.now += wait
    with pytest.raises(TooManyDeaths, match=r"(?s)5 times within 60 s .*exit code 1.*worker\.log.*no such module"):
        poll_until_death(kept, died, 5)
    assert len(died) == 5


def test_deaths_that_a_training_counts_make_the_next_start_wait_but_only_others_end_it(keep):
    clock = Clock()
    kept, said, died = keep("raise SystemExit(3)", clock, counted_elsewhere=lambda n: n <= 6)
    for n, wait in enumerate((1, 2, 4, 8, 16, 30, 30), start=1):
        poll_until_death(kept, died, n)
        assert said[-1].endswith(f"again in {wait} s.")
        clock.now += wait
    for n in range(8, 11):
        poll_until_death(kept, died, n)
        clock.now += float(said[-1].split()[-2])
    with pytest.raises(TooManyDeaths, match="worker ended 5 times within 60 s"):  # the seventh to the eleventh
        poll_until_death(kept, died, 11)


def test_deaths_far_apart_are_forgotten(keep):
    clock = Clock()
    kept, said, died = keep("raise SystemExit(3)", clock)
    for n in range(1, 8):
        poll_until_death(kept, died, n)
        assert said[-1] == "worker ended (exit code 3); it starts again in 1 s."
        clock.now += 61


def test_only_the_words_of_the_last_life_are_shown(keep, tmp_path):
    (tmp_path / "worker.log").write_text("an older run\n")
    clock = Clock()
    kept, said, died = keep("print('this run')", clock)
    poll_until_death(kept, died, 1)
    assert "  worker | this run" in said
    assert not any("an older run" in line for line in said)
    assert (tmp_path / "worker.log").read_text() == "an older run\nthis run\n"


def test_stop_ends_all_and_kills_what_does_not_listen(keep, tmp_path):
    deaf = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n{SLEEPER}"
    kept, said, died = keep(deaf)
    kept.poll()
    pid = kept.pids["worker"]
    wait_until(lambda: "deaf" in (tmp_path / "worker.log").read_text())
    kept.stop(0.3)
    assert not is_alive(pid)
    assert died == ["worker"]
    assert said == ["worker does not end within 0 s: killed."]
    assert kept.pids == {}


def test_a_process_leaves_nothing_of_its_own_behind(keep, tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    kept, _, died = keep(code)
    kept.poll()
    wait_until(lambda: (tmp_path / "worker.log").read_text().endswith("\n"))
    grandchild = int((tmp_path / "worker.log").read_text())
    os.kill(kept.pids["worker"], signal.SIGKILL)
    poll_until_death(kept, died, 1)
    wait_until(lambda: not is_alive(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_processes_leave_with_a_supervisor_that_was_killed(tmp_path):
    code = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from searches.supervisor import ProcessPlan, Supervisor
        plan = ProcessPlan("w", [sys.executable, "-c", {SLEEPER!r}], {{}}, Path({str(tmp_path / "w.log")!r}))
        kept = Supervisor([plan], say=print)
        kept.poll()
        print(kept.pids["w"], flush=True)
        time.sleep(60)
    """)
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_alive(child))


def test_a_long_log_is_cut_and_its_beginning_kept_once(keep, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "LOG_BYTES", 1000)
    code = "import time\nprint('x' * 1500, flush=True)\ntime.sleep(0.5)\nprint('after', flush=True)\ntime.sleep(60)"
    kept, _, _ = keep(code)

    def was_cut() -> bool:
        kept.poll()
        return (tmp_path / "worker.log.1").exists()

    wait_until(was_cut)
    assert (tmp_path / "worker.log.1").read_text() == "x" * 1500 + "\n"
    wait_until(lambda: (tmp_path / "worker.log").read_text() == "after\n")
