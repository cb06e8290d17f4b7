"""One site on SQLite that many faults happen to, and what a search comes to that nothing happens to."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.durability.crew import Crew
from tests.durability.running import CANDIDATES, LEASE_SECONDS, N_CANDIDATES, SETTINGS, Site
from tests.durability.servers import Postgres

SERVER = pytest.StashKey[Postgres]()


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
    rows = site.rows(CANDIDATES, uuid)
    assert [attempt for _, _, attempt, *_ in rows] == [1] * N_CANDIDATES
    assert len({worker for *_, worker, _ in rows}) == site.workers
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


@pytest.fixture(scope="session")
def postgres(request) -> Iterator[Postgres]:
    """A PostgreSQL server that tests may restart; its log is shown where one of them fails."""
    server = Postgres()
    request.session.stash[SERVER] = server
    yield server
    server.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and (server := item.session.stash.get(SERVER, None)):
        report.sections.append(("The test's own PostgreSQL", server.story()))
    return report
