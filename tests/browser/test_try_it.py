"""Try it, on the pages of a final model and of an ensemble: the browser's own answer is that of the file."""

import io
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from searches.nash.answering import model_input, softmax
from tests.browser.conftest import make_files


def pictures() -> dict[str, bytes]:
    """Of the model's own size; and a photograph, turned by its EXIF; and one with transparency."""
    rng = np.random.default_rng(0)
    noise = lambda *shape: Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))  # noqa: E731
    exif = Image.Exif()
    exif[0x0112] = 6
    made = {
        "same.png": (noise(8, 8), {}),
        "photo.jpg": (noise(40, 60, 3).resize((900, 600)), {"format": "JPEG", "exif": exif}),
        "clear.webp": (noise(90, 50, 4), {"format": "WEBP", "lossless": True}),
    }
    files = {name: io.BytesIO() for name in made}
    for name, (picture, options) in made.items():
        picture.save(files[name], **{"format": "PNG", **options})
    return {name: file.getvalue() for name, file in files.items()}


def made_model(page) -> tuple[Any, list[str]]:
    """An ONNX session on the page's model.onnx, and the answers asked of the server from now on."""
    import onnxruntime

    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/answer/") else None)
    make_files(page)
    link = page.get_by_role("link", name="model.onnx", exact=True)
    expect(link).to_be_visible(timeout=180_000)
    content = page.request.get(link.get_attribute("href")).body()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]), sent


def answer_of(session, picture: bytes) -> list[float]:
    """The five greatest class probabilities of a picture."""
    logits = session.run(None, {"images": model_input(picture, (1, 8, 8))})[0][0]
    return sorted(softmax(logits.tolist()), reverse=True)[:5]


def shown_on(page) -> np.ndarray:
    """The five class probabilities that the page shows first."""
    lines = page.locator("#try-it-classes li").all()[:5]
    return np.array([float(line.get_attribute("data-value")) for line in lines])


def test_a_picture_is_classified_in_the_browser_as_model_onnx_does_it(open_page, finished):
    page = open_page(f"/searches/{finished}/model/")
    session, sent = made_model(page)
    for name, picture in pictures().items():
        page.locator("#try-it-file").set_input_files({"name": name, "mimeType": "", "buffer": picture})
        expect(page.get_by_role("img", name=name)).to_be_visible(timeout=60_000)
        expect(page.locator("#try-it-where")).to_contain_text("Computed in your browser")
        most = 0.02 if name == "clear.webp" else 1e-4  # half transparent pixels are rounded twice in a browser
        assert np.abs(shown_on(page) - answer_of(session, picture)).max() < most, name
    page.locator("#try-it-file").set_input_files({"name": "a.gif", "mimeType": "", "buffer": b"GIF89a" + bytes(60)})
    expect(page.get_by_role("alert")).to_contain_text("A GIF can hold many pictures")
    assert sent == []
    page.add_init_script("delete window.WebAssembly")  # a browser without it, or where it is forbidden
    page.reload()
    page.get_by_role("button", name="Try an image of 3").click()
    expect(page.locator("#try-it-where")).to_contain_text("Computed on the server", timeout=60_000)
    assert len(sent) == 1


def test_an_ensemble_answers_a_sample_and_a_picture_in_the_browser_by_its_own_model_onnx(open_page, ensemble):
    page = open_page(f"/ensembles/{ensemble}/")
    expect(page.get_by_text("Test error together")).to_be_visible(timeout=90_000)
    session, sent = made_model(page)
    sample = page.get_by_role("button", name="Try an image of 3")
    image = page.request.get(sample.get_attribute("data-sample")).body()
    photo = pictures()["photo.jpg"]
    for name, picture in (("An image of 3", image), ("photo.jpg", photo)):
        if name == "photo.jpg":
            page.locator("#try-it-file").set_input_files({"name": name, "mimeType": "", "buffer": picture})
        else:
            sample.click()
        expect(page.get_by_role("img", name=name)).to_be_visible(timeout=60_000)
        expect(page.locator("#try-it-where")).to_contain_text("Computed in your browser")
        assert np.abs(shown_on(page) - answer_of(session, picture)).max() < 1e-4, name
    assert sent == []


def test_a_network_of_the_steps_is_tried_in_the_browser_as_soon_as_its_files_are_made(open_page, finished):
    page = open_page(f"/searches/{finished}/model/")
    page.get_by_role("link", name="Its training").click()
    page.get_by_role("link", name="Its parent").click()
    expect(page.locator("#try-it")).to_contain_text("The server does the work")
    page.locator("#files").get_by_role("button", name="Make all files").click()
    expect(page.locator("#try-it")).to_contain_text("Your browser does the work", timeout=180_000)
    page.get_by_role("button", name="Try an image of 3").click()
    expect(page.locator("#try-it-where")).to_contain_text("Computed in your browser", timeout=60_000)
