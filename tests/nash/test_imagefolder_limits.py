"""Memory stays small, processes end, and an import is alone with its data set."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searches.nash.imagefolder import BadArchive, convert, pool
from tests.archives import (
    encoded,
    image_folder,
    refusal,
    write_zip,
    zip_of_empty_entries,
)

FILES = image_folder(n_train=3, n_test=1, size=(8, 8))


@pytest.mark.parametrize("declared", [1_000_000 % 65536, 3])
def test_a_million_entries_are_refused_in_little_memory(tmp_path, declared):
    path = zip_of_empty_entries(tmp_path / "set.zip", 1_000_000, declared)
    assert refused_in_a_process_of_its_own(path) == (
        "set.zip has more than the 300,000 entries allowed.",
        True,
    )


def test_a_hundred_megapixel_png_is_refused_in_little_memory(tmp_path):
    flat = encoded(np.zeros((10_000, 10_000), np.uint8), compress_level=1)
    path = write_zip(tmp_path / "set.zip", FILES | {"train/cat/flat.png": flat})
    assert refused_in_a_process_of_its_own(path) == (
        "'train/cat/flat.png' has more than 32 million pixels; make it smaller first.",
        True,
    )


def test_the_largest_image_allowed_is_decoded_in_little_memory(tmp_path):
    flat = Image.new("RGBA", (5600, 5700), (1, 2, 3, 128))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = FILES | {"train/cat/flat.png": encoded(flat, compress_level=1, exif=exif), "train/dog/x.png": b"broken"}
    path = write_zip(tmp_path / "set.zip", files)
    sentence, is_small = refused_in_a_process_of_its_own(path)
    assert "1 of 8 images read are broken, such as 'train/dog/x.png'" in sentence
    assert is_small


def refused_in_a_process_of_its_own(path: Path) -> tuple[str, bool]:
    """The sentence, and whether the process stayed below 500 MB."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom searches.nash.imagefolder import convert, BadArchive\n"
        "try: convert(Path(sys.argv[1]), Path(sys.argv[2]), name='set')\n"
        "except BadArchive as error: print(error)\n"
        # Not ru_maxrss: that counts what the tests' own process held when it forked.
        "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))"
    )
    data = path.parent / "data"
    answer = subprocess.run(
        [sys.executable, "-c", code, path, data / "set"], capture_output=True, text=True, check=True, timeout=30
    )
    assert list(data.iterdir()) == []
    sentence, n_kilobytes = answer.stdout.splitlines()
    return sentence, int(n_kilobytes) < 500_000


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
