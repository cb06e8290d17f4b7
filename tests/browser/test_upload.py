"""An archive goes up although the network breaks and the page is loaded anew in the middle."""

import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import watch


@pytest.fixture
def archive(tmp_path):
    """10 MB of noise: three pieces, two classes."""
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for i in range(800):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, format="PNG")
            part, label = "test" if i % 4 == 0 else "train", ("left", "right")[i // 4 % 2]
            zipped.writestr(f"{part}/{label}/{i}.png", file.getvalue())
    return path


@pytest.fixture
def page(browser, site, signed_in):
    """Of somebody signed in; the console may say that the network was gone, and nothing else."""
    context = browser.new_context(base_url=site.address, storage_state=signed_in)
    page, complaints = context.new_page(), []
    watch(page, complaints)
    page.goto("/datasets/")
    yield page
    context.close()
    assert [words for words in complaints if "ERR_INTERNET_DISCONNECTED" not in words] == []


def test_an_upload_goes_on_after_a_broken_network_and_a_reload_and_is_imported(page, archive):
    sent = []

    def one_piece_alone(route):
        sent.append(int(route.request.headers["upload-offset"]))
        route.continue_() if len(sent) == 1 else route.abort("internetdisconnected")

    page.route("**/datasets/uploads/*/", one_piece_alone)
    page.get_by_label("Archive").set_input_files(archive)
    expect(page.get_by_label("Name", exact=True)).to_have_value("noise")
    page.get_by_label("May be flipped").uncheck()
    page.get_by_role("button", name="Upload and import").click()
    expect(page.locator("#upload-words")).to_contain_text("Not connected. 4.2 MB are safe")
    page.unroute("**/datasets/uploads/*/")
    page.reload()
    expect(page.get_by_text(re.compile(r"noise\.zip as noise: 4\d % is here"))).to_be_visible()
    page.get_by_label("Archive").set_input_files(archive)
    expect(page.get_by_label("May be flipped")).not_to_be_checked()
    page.get_by_role("button", name="Upload and import").click()
    row = page.get_by_role("row", name="noise")
    expect(row).to_contain_text("600", timeout=20_000)
    assert row.get_by_role("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    row.get_by_role("link", name="noise").click()
    expect(page.get_by_text("not to be flipped")).to_be_visible()


def test_an_upload_that_is_halted_goes_on_where_it_was(page, archive):
    offsets = []
    page.on("request", lambda r: offsets.append(int(r.headers["upload-offset"])) if r.method == "PATCH" else None)
    page.route("**/datasets/uploads/*/", lambda route: route.continue_() if len(offsets) == 1 else None)
    page.get_by_label("Archive").set_input_files(archive)
    page.get_by_label("Name", exact=True).fill("halted")
    page.get_by_role("button", name="Upload and import").click()
    expect(page.locator("#upload-words")).to_contain_text("4.2 MB of")
    page.get_by_role("button", name="Halt").click()
    expect(page.locator("#upload-words")).to_have_text("Halted. Start again and it goes on from here.")
    page.unroute("**/datasets/uploads/*/")
    page.get_by_role("button", name="Upload and import").click()
    expect(page.get_by_role("row", name="halted")).to_contain_text("600", timeout=20_000)
    assert offsets == [0, 2**22, 2**22, 2**23]
