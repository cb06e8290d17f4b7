"""Processes end, and an import is alone with its data set."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from searches.nash.imagefolder import BadArchive, convert, pool
from tests.archives import (
    image_folder,
    refusal,
    write_zip,
)

FILES = image_folder(n_train=3, n_test=1, size=(8, 8))


def test_a_decoder_that_breaks_down_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(pool.sys, "executable", "/bin/true")
    path = write_zip(tmp_path / "set.zip", FILES)
    assert "makes the decoder break down" in refusal(path, n_processes=1)


def test_an_import_under_way_keeps_a_second_one_out(tmp_path):
    path = write_zip(tmp_path / "set.zip", FILES)
    refused = []

    def report(done: int, total: int) -> None:
        with pytest.raises(BadArchive, match="set is being imported by another process") as caught:
            convert(path, tmp_path / "data" / "set", name="set")
        refused.append(caught)

    convert(path, tmp_path / "data" / "set", name="set", report=report)
    assert refused
    assert (tmp_path / "data" / "set" / "meta.json").exists()


def test_decoding_processes_end_with_a_parent_that_is_killed(tmp_path):
    path = write_zip(tmp_path / "set.zip", image_folder(n_train=200, size=(8, 8)))
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom searches.nash.imagefolder import convert\n"
        "def report(done, total):\n"
        "    children = Path(f'/proc/self/task/{os.getpid()}/children').read_text()\n"
        "    print(children, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "convert(Path(sys.argv[1]), Path(sys.argv[2]), name='set', report=report, n_processes=2)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "data" / "set"], capture_output=True, text=True
    )
    children = answer.stdout.split()
    assert (len(children), answer.stderr) == (2, "")
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
