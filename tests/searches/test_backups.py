"""`manage.py backup` and `restore` on folders of their own: what is refused, and that all of it comes back."""

import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.conftest import ROOT

FILL = """
import django
django.setup()
from django.conf import settings
from django.contrib.auth.models import User
from searches import datasets, services, startup
from searches.models import Artifact, Candidate, DataSet, Search, Worker
from tests.searches.rows import TINY, SearchConfig, leased, pending
startup.migrate(print)
User.objects.create_user("alice", password="x")
digits = DataSet.objects.get(pk=datasets.ensure_digits())
launched = services.create_search(SearchConfig(**TINY), dataset=digits, name="Kept")
candidate = Candidate.objects.get()
leased(candidate, dataset_digest=digits.digest)
services.worker_beat(services.WorkerIdentity("alpha:cpu-0", "alpha", 7, "CPU", {}), candidate.pk)
folder = settings.NASH_DATA_DIR / "searches" / str(launched.uuid) / candidate.slug
folder.mkdir(parents=True)
(folder / "checkpoint-1-1.pt").write_bytes(b"state")
(folder / "weights.st").write_bytes(b"weights")
linked = settings.NASH_DATA_DIR / "ensembles" / "some" / "member-1.safetensors"  # as ensembles keep their members
linked.parent.mkdir(parents=True)
linked.hardlink_to(folder / "weights.st")
(folder / ".weights.st.tmp").write_bytes(b"half of it")
for n, format in (("weights.st", "weights"), ("gone.zip", "model_zip")):
    Artifact.objects.create(
        candidate=candidate, format=format, file=f"searches/{launched.uuid}/{candidate.slug}/{n}", sha256="", bytes=7
    )
"""
LOOK = """
import django
django.setup()
from django.contrib.auth.models import User
from searches.models import Artifact, Candidate, DataSet, Search, Worker
candidate = Candidate.objects.get()
print(User.objects.get().username, Search.objects.get().name, DataSet.objects.get().name)
print(candidate.status, candidate.attempt, candidate.failures, candidate.lease_expires, Worker.objects.count())
print(*(artifact.format for artifact in Artifact.objects.all()))
print(*Search.objects.get().events.order_by("seq").values_list("kind", flat=True))
"""

NAME_OF_ZIP = """
import django
django.setup()
from searches.models import Artifact
print(Artifact.objects.get(format="model_zip").file)
"""


class Place:
    """A data folder and a database, and commands on them."""

    def __init__(self, folder: Path, url: str = "", models: Path | str = "") -> None:
        self.folder = folder
        self.url = url
        self.models = str(models)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "NASH_DATA_DIR": str(self.folder), "DATABASE_URL": self.url, "REDIS_URL": "", "NASH_MODELS": self.models
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment, "DJANGO_SETTINGS_MODULE": "nashweb.settings", "NASH_SECRET_KEY": ""},
            capture_output=True,
            text=True,
        )

    def manage(self, *arguments: str) -> str:
        done = self.run("manage.py", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        done = self.run("manage.py", *arguments)
        assert done.returncode == 1, done.stdout
        return done.stderr

    def python(self, code: str) -> list[str]:
        done = self.run("-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def files(self) -> dict[str, bytes]:
        tops = ("searches", "ensembles", "datasets")
        paths = [p for top in tops for p in (self.folder / top).rglob("*") if p.is_file()]
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in paths}


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Place:
    place = Place(tmp_path_factory.mktemp("kept") / "data")
    place.python(FILL)
    return place


@pytest.fixture(scope="module")
def archive(kept, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "nash.tar"
    assert f"{path}: " in kept.manage("backup", str(path))
    return path


def comes_back(place: Place, kept: Place, words: str) -> None:
    """The same rows and files; what ran waits again and counts as nothing; what has no file has no row."""
    looked = place.python(LOOK)
    assert looked[0] == "alice Kept digits"
    assert looked[1] == "pending 1 0 None 0"
    assert looked[2] == "weights"
    assert looked[3] == "search_created candidate_started candidate_released"
    assert "gone.zip had gone while the backup was made" in words
    there = {name: content for name, content in kept.files().items() if ".tmp" not in name}
    assert place.files() == there
    assert len(there) > 2
    assert there["ensembles/some/member-1.safetensors"] == b"weights"
    assert (place.folder / "secret-key").read_text() == (kept.folder / "secret-key").read_text()


def test_what_was_kept_comes_back(kept, archive, tmp_path):
    assert oct(archive.stat().st_mode & 0o777) == "0o600"
    place = Place(tmp_path / "data")
    words = place.manage("restore", str(archive))
    comes_back(place, kept, words)
    assert [p.name for p in place.folder.iterdir() if p.name.startswith(".restore")] == []


def test_a_folder_that_holds_something_is_refused_and_left_as_it_is(kept, archive):
    before = sorted(kept.folder.iterdir())
    words = kept.refused("restore", str(archive))
    assert "holds something already (datasets, ensembles, nash.sqlite3" in words
    assert "NASH_DATA_DIR=/another/folder" in words
    assert sorted(kept.folder.iterdir()) == before


def test_an_archive_that_exists_is_not_overwritten(kept, archive):
    assert "exists already" in kept.refused("backup", str(archive))


def test_models_in_a_folder_of_their_own_come_back_wherever_models_lie_by_then(tmp_path):
    kept = Place(tmp_path / "kept", models=tmp_path / "kept models")
    kept.python(FILL)
    name = kept.python(NAME_OF_ZIP)[0]
    (there := Path(kept.models) / name).parent.mkdir(parents=True)
    there.write_bytes(b"PK model")
    (Path(kept.models) / "of another site").write_bytes(b"x")
    kept.manage("backup", str(tmp_path / "nash.tar"))
    for n, models in enumerate(("", tmp_path / "models")):
        place = Place(tmp_path / f"data {n}", models=models)
        assert "had gone" not in place.manage("restore", str(tmp_path / "nash.tar"))
        assert place.python(LOOK)[2] == "weights model_zip"
        where = Path(models or place.folder)
        assert [p.relative_to(where) for p in where.rglob("*.zip")] == [Path(name)]
        assert (where / name).read_bytes() == b"PK model"
        assert (name in place.files()) == (not models)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content[: len(content) // 2], "Nothing was changed"),
        (lambda content: b"no archive", "cannot be read"),
    ],
)
def test_a_damaged_archive_is_refused_and_changes_nothing(archive, tmp_path, change, words):
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(change(archive.read_bytes()))
    place = Place(tmp_path / "data")
    assert words in place.refused("restore", str(damaged))
    assert not (place.folder / "nash.sqlite3").exists()
    place.manage("restore", str(archive))  # the folder is still empty


def test_an_archive_without_its_list_was_cut_short(archive, tmp_path):
    short = tmp_path / "short.tar"
    with tarfile.open(archive) as source, tarfile.open(short, "w") as target:
        for member in source.getmembers()[:-1]:
            target.addfile(member, source.extractfile(member))
    assert "was cut short" in Place(tmp_path / "data").refused("restore", str(short))


@pytest.mark.parametrize("name", ["etc/x", "searches/../../x", "/searches/x", "searches/link"])
def test_what_is_no_backup_of_this_program_is_refused(tmp_path, name):
    strange = tmp_path / "strange.tar"
    (tmp_path / "x").write_text("x")
    (tmp_path / "link").symlink_to("/etc/passwd")
    with tarfile.open(strange, "w") as target:
        entry = target.gettarinfo(tmp_path / name.rpartition("/")[2])
        entry.name = name
        target.addfile(entry, BytesIO(b"x"))
    words = Place(tmp_path / "data").refused("restore", str(strange))
    assert f"is no backup of this program: it holds {name!r}" in words


@pytest.fixture
def new_database(postgres_url) -> Iterator[Callable[[], str]]:
    """Makes an empty database on the server and gives its address; all are dropped in the end."""
    made: list[str] = []

    def make() -> str:
        made.append(f"nash_backups_{os.getpid()}_{len(made)}")
        server.execute(f"DROP DATABASE IF EXISTS {made[-1]}")
        server.execute(f"CREATE DATABASE {made[-1]}")
        return urlsplit(postgres_url)._replace(path=f"/{made[-1]}").geturl()

    with psycopg.connect(postgres_url, autocommit=True) as server:
        yield make
        for name in made:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_backup_of_another_kind_of_database_is_refused(archive, tmp_path, new_database):
    place = Place(tmp_path / "data", new_database())
    assert "is of a sqlite database, DATABASE_URL names a postgresql one" in place.refused("restore", str(archive))


@pytest.mark.postgres
def test_what_was_kept_on_postgresql_comes_back(tmp_path, new_database):
    kept = Place(tmp_path / "kept", new_database())
    kept.python(FILL)
    archive = tmp_path / "nash.tar"
    kept.manage("backup", str(archive))
    assert "holds something already" in Place(tmp_path / "third", kept.url).refused("restore", str(archive))
    place = Place(tmp_path / "data", new_database())
    comes_back(place, kept, place.manage("restore", str(archive)))


def test_the_copy_of_the_database_is_whole(archive, tmp_path):
    with tarfile.open(archive) as source:
        (tmp_path / "database.sqlite3").write_bytes(source.extractfile("database.sqlite3").read())
    with sqlite3.connect(tmp_path / "database.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
