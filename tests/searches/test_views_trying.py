"""Try it, asked of the server: who may, what is refused, that nothing is kept; the samples; the page's policy."""

import io

import pytest
from django.urls import reverse
from PIL import Image

from searches.selectors import answers
from searches.selectors.answers import NoAnswer
from tests.searches.rows import make_search, pending
from tests.searches.trained import make_trained_search

pytestmark = pytest.mark.django_db


def picture(side: int = 20) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (200, 30, 90)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def final(alice):
    return make_trained_search(alice).candidates.select_related("search__dataset").get(kind="final")


def address(candidate, name: str = "candidate_answer") -> str:
    return reverse(name, args=[candidate.search.uuid, candidate.kind, candidate.step, candidate.index])


def ask(client, candidate, content: bytes):
    return client.post(address(candidate), content, content_type="application/octet-stream")


def test_a_picture_is_answered_by_the_weights_while_there_is_no_onnx_file_and_is_not_kept(client, final, data_folder):
    before = sorted(data_folder.rglob("*"))
    answer = ask(client, final, picture())
    assert answer.status_code == 200, answer.content
    found = answer.json()["probabilities"]
    assert len(found) == 10
    assert sum(found) == pytest.approx(1)
    assert sorted(data_folder.rglob("*")) == before


def test_what_is_no_picture_is_refused_in_words(client, final):
    answer = ask(client, final, b"GIF89a" + bytes(60))
    assert (answer.status_code, answer.json()["error"]) == (
        422, "This picture cannot be read: no PNG, JPEG or WebP image.",
    )  # fmt: skip


def test_a_file_that_is_too_large_is_not_looked_at(client, final, monkeypatch):
    monkeypatch.setattr("searches.views.trying.MAX_PICTURE_BYTES", 1000)
    monkeypatch.setattr("searches.views.trying.answer_of", lambda *_: pytest.fail("looked at"))
    assert ask(client, final, bytes(1001)).status_code == 413


def test_one_picture_at_a_time_and_who_waits_too_long_is_told(client, final, monkeypatch):
    monkeypatch.setattr(answers, "WAIT_SECONDS", 0.01)
    with answers.AT_WORK:
        answer = ask(client, final, picture())
    assert answer.status_code == 503
    assert "busy with other pictures" in answer.json()["error"]


def test_weights_that_are_gone_are_said_so(client, alice):
    candidate = pending(make_search(owner=alice))[0]
    assert ask(client, candidate, picture()).json()["error"] == "The weights of this network are no longer kept."
    with pytest.raises(NoAnswer):
        answers.answer_of(candidate, picture())
    assert answers.tried(candidate, []) is None


def test_webassembly_is_allowed_where_a_model_is_tried_and_nowhere_else(client, final):
    for url in (reverse("model_detail", args=[final.search.uuid]), address(final, "candidate_detail")):
        response = client.get(url)
        assert "script-src 'self' 'wasm-unsafe-eval'" in response["Content-Security-Policy"]
        assert 'id="try-it"' in response.content.decode()
    other = client.get(reverse("search_detail", args=[final.search.uuid]))
    assert "wasm" not in other["Content-Security-Policy"]


def test_samples_are_validation_images_of_each_class(client, final):
    from searches.worker_files import load_images

    page = client.get(reverse("model_detail", args=[final.search.uuid]))
    samples = page.context["try_it"].samples
    assert [sample.name for sample in samples] == [str(k) for k in range(10)]
    images, config = load_images(final.search.dataset), final.search.search_config
    held_back = images.split(config.seed, config.n_validation).validation.tolist()
    for label, sample in enumerate(samples):
        index = int(sample.url.rpartition("-")[2].removesuffix(".png"))
        assert index in held_back
        assert images.labels[index] == label
        answer = client.get(sample.url)
        assert "immutable" in answer["Cache-Control"]
        pixels = list(Image.open(io.BytesIO(answer.content)).get_flattened_data())
        assert pixels == images.images[index].flatten().tolist()
    assert client.get(samples[0].url.replace("-image-", "-image-99999999")).status_code == 404


def test_a_stranger_to_the_site_is_sent_to_sign_in(client, final):
    client.logout()
    assert ask(client, final, picture()).status_code == 302
