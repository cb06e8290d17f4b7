"""One site on SQLite that many faults happen to, and what a search comes to that nothing happens to."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.durability.crew import Crew
from tests.durability.running import CANDIDATES, LEASE_SECONDS, N_CANDIDATES, SETTINGS, Site


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[Site]:
    """`up` with two workers on SQLite, whose leases die soon."""
    running = Site(tmp_path_factory.mktemp("site") / "data", NASH_LEASE_SECONDS=LEASE_SECONDS)
    yield running
    running.end()


@pytest.fixture(scope="session")
def undisturbed(site) -> dict[str, list[Any]]:
    """Weights and curves of the search that nothing happens to."""
    uuid = site.launch(**SETTINGS)
    assert site.finished(uuid) == "finished"
    assert [attempt for _, _, attempt, *_ in site.rows(CANDIDATES, uuid)] == [1] * N_CANDIDATES
    results = site.results(uuid)
    assert len(results["weights"]) == N_CANDIDATES
    site.is_whole()
    return results


@pytest.fixture
def crew(tmp_path) -> Iterator[Crew]:
    """Workers without `up` on a database of their own."""
    made = Crew(tmp_path / "data")
    yield made
    made.end()
