"""A model file of 1 GB from a real `up` to five readers at once, one of whom loses the connection and goes on."""

import hashlib
import http.client
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.searches.real_up import Up, processes_of

pytestmark = pytest.mark.slow
N_READERS, SIZE = 5, 2**30
READ = 2**20
CUT_AT = 300 * 2**20 + 12_345
GROWTH = 50 * 10**6
SECONDS = 300
"""Only a limit: alone on two cores all of it takes about half a minute."""
ROWS = """
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from searches import services
from searches.models import Artifact, Search
from tests.searches.rows import leased, make_search, result, run_to

user = get_user_model().objects.create_user("alice", password="x")
session = SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session.save()
search = make_search(name="Large")
Search.objects.update(dataset_digest="d" * 64)  # what the workers of rows.py have
final = run_to(search, "final")
path = settings.NASH_DATA_DIR / "searches" / "model.zip"
made = services.MadeFile(Artifact.Format.MODEL_ZIP, path, "{sha256}", path.stat().st_size)
services.finish(leased(final), result(None, test_accuracy=0.9, correct=None, files=(made,)))
print("made", f"{settings.SESSION_COOKIE_NAME}={session.session_key}", search.uuid)
"""


def sparse_file(path: Path) -> str:
    """1 GB of zeros with 4 kB of noise every 10 MB, so that no piece is like another; its sha256."""
    path.parent.mkdir(parents=True)
    digest = hashlib.sha256()
    with path.open("w+b") as file:
        file.truncate(SIZE)
        for at in range(0, SIZE, 10 * 2**20):
            os.pwrite(file.fileno(), os.urandom(4096), at)
        while piece := file.read(READ):
            digest.update(piece)
    return digest.hexdigest()


class Site:
    """The running `up`, and how its file is fetched."""

    def __init__(self, up: Up, cookie: str, uuid: str, sha256: str) -> None:
        self.up, self.sha256, self.path = up, sha256, f"/searches/{uuid}/download/"
        self.cookie = cookie
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_of(up.folder)}
        (self.web,) = [pid for pid, command in commands.items() if b"uvicorn" in command]

    def resident_bytes(self) -> int:
        lines = Path(f"/proc/{self.web}/status").read_text()
        return 1024 * int(lines.partition("VmRSS:")[2].split()[0])

    def read(self, digest, *, start: int = 0, stop: int = SIZE, etag: str = "") -> tuple[int, str, int]:
        """Status, ETag, and where it ended: at the end, or hung up at `stop`."""
        headers = {"Host": "localhost", "Cookie": self.cookie}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": etag}
        connection = http.client.HTTPConnection(urlsplit(self.up.address).netloc, timeout=60)
        connection.request("GET", self.path, headers=headers)
        answer = connection.getresponse()
        place = start
        while place < stop and (piece := answer.read(min(READ, stop - place))):
            digest.update(piece)
            place += len(piece)
        connection.close()
        return answer.status, answer.headers.get("ETag", ""), place


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "data"
    sha256 = sparse_file(folder / "searches" / "model.zip")
    up = Up(folder, "--workers", "0")
    try:
        up.find("Ready")
        made = up.manage("shell", "-c", ROWS.replace("{sha256}", sha256))
        assert "made " in made.stdout, made.stderr
        yield Site(up, *made.stdout.rpartition("made ")[2].split(), sha256)
    finally:
        up.end()


def test_a_gigabyte_goes_to_five_at_once_in_little_memory_and_a_broken_download_goes_on(site, record_property):
    site.read(hashlib.sha256(), stop=READ)  # what the first answer loads is no growth
    before, most, ended = site.resident_bytes(), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            most.append(site.resident_bytes())

    def fetch(reader: int) -> str:
        digest = hashlib.sha256()
        if reader:
            assert site.read(digest)[0] == 200
            return digest.hexdigest()
        status, etag, place = site.read(digest, stop=CUT_AT)
        assert (status, place) == (200, CUT_AT)
        assert site.read(digest, start=place, etag=etag) == (206, etag, SIZE)
        return digest.hexdigest()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(N_READERS) as pool:
            sums = list(pool.map(fetch, range(N_READERS), timeout=SECONDS))
    finally:
        ended.set()
        watcher.join()
    assert sums == [site.sha256] * N_READERS
    grown = max(most) - before
    record_property("web_growth_bytes", grown)
    print(f"web memory growth: {grown / 1e6:.1f} MB above {before / 1e6:.0f} MB")
    assert grown < GROWTH
