"""Chromium against a real site. A test fails if the console has a word to say or the policy is violated."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.site import Site

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
ACCOUNT = {"username": "ada", "password": "engine-of-1843"}
FAILED = """
from django.contrib.auth import get_user_model
from searches import services
from searches.models import DataSet
from searches.nash.presets import preset_config
digits = DataSet.objects.get(name="digits")
config = preset_config("demo", input_shape=digits.input_shape)
owner = get_user_model().objects.get(username="ada")
launched = services.create_search(config, dataset=digits, name="Lost", owner=owner)
lease = services.claim(launched.candidate_ids[0], worker="gone:cpu-0", threads=1, numeric_path="cpu-float32-1",
                       dataset_digest=digits.digest)
services.end_candidate(lease, "failed", "the weights of its parent are not there")
"""
ENSEMBLE = """
from searches.models import Ensemble, Search
from searches.services.members import add_members, ask_to_measure
search = Search.objects.get(uuid="{uuid}")
final = search.candidates.get(kind="final")
made = Ensemble.objects.create(name="Both", kind="runs", dataset=search.dataset, owner=search.owner)
add_members(made, [final.parent, final])
ask_to_measure(made, search.owner)
"""
NO_CONNECTION = re.compile(r"error: (WebSocket connection to \S+ failed|Failed to load resource): .*net::ERR_[A-Z_]+")
"""What the console rightly says while there is none."""
TINY = {"n_steps": 1, "n_neigh": 2, "epoch_pretrain": 2, "epoch_neigh": 2, "epoch_final": 2}
expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site") / "data")
    yield site
    site.end()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, site: Site) -> Any:
    """The cookies of the first account."""
    return first_account(browser, site)


def first_account(browser: Browser, site: Site) -> Any:
    """Make the first account by the one-time link; the cookies of who is signed in then."""
    context = browser.new_context(base_url=site.address)
    page = context.new_page()
    page.goto(site.link)
    page.get_by_label("Username").fill(ACCOUNT["username"])
    page.get_by_label("Password", exact=True).fill(ACCOUNT["password"])
    page.get_by_label("Password confirmation").fill(ACCOUNT["password"])
    page.get_by_role("button", name="Create the account and sign in").click()
    expect(page.get_by_role("heading", name="Searches", exact=True)).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(browser: Browser, site: Site, signed_in: Any) -> Iterator[Callable[..., Page]]:
    """open_page(path, **context options): a page of somebody signed in, whose complaints are collected."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(path: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=site.address, **{"storage_state": signed_in, **options})
        contexts.append(context)
        page = context.new_page()
        watch(page, complaints, site.address)
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def finished(browser: Browser, site: Site, signed_in: Any) -> str:
    """The uuid of a search that has ended; its child 1.1 was made by morphisms of every kind."""
    context = browser.new_context(base_url=site.address, storage_state=signed_in)
    page = context.new_page()
    uuid = launch(page, "Ended", n_NM=6)
    expect(page.locator("#state")).to_contain_text("Finished:", timeout=180_000)
    context.close()
    return uuid


@pytest.fixture(scope="session")
def failed(site: Site, signed_in: Any, finished: str) -> str:
    """The uuid of a search whose pretraining failed, by the services that a worker calls."""
    site.manage("shell", "-c", FAILED)
    ((uuid,),) = site.rows("SELECT uuid FROM searches_search WHERE name = 'Lost' AND status = 'failed'")
    return str(UUID(uuid))


@pytest.fixture(scope="session")
def ensemble(site: Site, signed_in: Any, finished: str) -> str:
    """The uuid of an ensemble of the final model and the network that it was trained from; a worker measures it."""
    site.manage("shell", "-c", ENSEMBLE.format(uuid=finished))
    ((uuid,),) = site.rows("SELECT uuid FROM searches_ensemble WHERE name = 'Both'")
    return str(UUID(uuid))


def make_files(page: Page) -> None:
    """Have all files made of the model whose page this is, unless a test before this one has."""
    if (button := page.get_by_role("button", name="Make all files")).is_visible():
        button.click()


def watch(page: Page, complaints: list[str], address: str = "") -> None:
    """Collect what the console says, errors of scripts, violations of the policy, requests that leave the site."""
    page.on("request", lambda request: None if _is_own(request.url, address) else complaints.append(request.url))
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error('policy: ' + e.violatedDirective))"
    )


def unexpected(complaints: list[str]) -> list[str]:
    """What was complained of beside a connection that was cut."""
    return [words for words in complaints if not NO_CONNECTION.fullmatch(words)]


def _is_own(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


def launch(page: Page, name: str, *, comparisons: Iterable[str] = (), **settings: Any) -> str:
    """Launch a search by the form, with the digits; returns its uuid."""
    page.goto("/searches/new/?preset=demo")
    page.get_by_label("Name").fill(name)
    for setting, value in {**TINY, **settings}.items():
        page.locator(f"[name={setting}]").fill(str(value))
    for comparison in comparisons:
        page.locator(f"[name=comparisons][value='{comparison}']").check()
    page.get_by_role("button", name="Start the search").first.click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    return page.url.rstrip("/").rpartition("/")[2]
