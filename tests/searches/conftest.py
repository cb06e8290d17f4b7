"""Every test of the application gets an empty data folder, so that one's files never answer for another; accounts."""

from pathlib import Path

import pytest
from django.contrib.auth import get_user_model


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path: Path) -> Path:
    settings.NASH_DATA_DIR = tmp_path / "data"
    settings.NASH_DATA_DIR.mkdir(mode=0o700)
    return settings.NASH_DATA_DIR


@pytest.fixture
def alice(client, db):
    """Signed in; owns what the tests make."""
    user = get_user_model().objects.create_user("alice", password="x")
    client.force_login(user)
    return user


@pytest.fixture
def bob(db):
    """A stranger."""
    return get_user_model().objects.create_user("bob", password="x")


@pytest.fixture
def charlie():
    return get_user_model().objects.create_user("charlie")


@pytest.fixture
def staff():
    return get_user_model().objects.create_user("sam", is_staff=True)


@pytest.fixture
def one_core(monkeypatch):
    """All cores of the tests' machine are one, for the bits and for the neighbours of this test."""
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0,))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)


@pytest.fixture
def search():
    """A search that trains in moments: tests.searches.working.launch for others."""
    from tests.searches.working import launch

    return launch()


@pytest.fixture
def post():
    """Where a worker of the tests stands."""
    from searches import worker

    return worker.Post("alpha:cpu-0", device="cpu")
