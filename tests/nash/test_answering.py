"""One picture answered: turned into the network's input as model.py does it; nothing hostile is decoded."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from searches.nash.answering import model_input, serve, softmax
from searches.nash.architecture import Architecture
from searches.nash.export import weights_of
from searches.nash.export_source import model_source
from searches.nash.network import Network

RNG = np.random.default_rng(0)
GREY = Architecture.initial((1, 8, 8), 5, channels=(4, 4, 4))
COLOUR = Architecture.initial((3, 16, 16), 5, channels=(4, 4, 4))


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, len(mode)), dtype=np.uint8).squeeze(), mode)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


PICTURES = {
    "same.png": (noise(16, 16), {}),
    "wide.png": (noise(90, 31), {}),
    "tall.jpg": (noise(31, 90), {"quality": 90, "exif": turned()}),
    "grey.png": (noise(40, 40, "L"), {}),
    "clear.png": (noise(40, 30, "RGBA"), {}),
    "palette.png": (noise(40, 30).quantize(16), {}),
    "small.webp": (noise(9, 12), {"lossless": True}),
}


def saved(name: str) -> bytes:
    picture, options = PICTURES[name]
    file = io.BytesIO()
    picture.save(file, {"jpg": "JPEG"}.get(name.partition(".")[2], name.partition(".")[2].upper()), **options)
    return file.getvalue()


def reader(architecture):
    """read() of the model.py of an architecture."""
    channels = architecture.input_shape[0]
    module: dict = {"__name__": "model", "__file__": "model.py"}
    exec(model_source(architecture, {}, mean=(0.5,) * channels, std=(0.2,) * channels), module)
    return module["read"]


@pytest.mark.parametrize("architecture", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_becomes_what_model_py_makes_of_it(architecture, name, tmp_path):
    (tmp_path / name).write_bytes(saved(name))
    images = model_input(saved(name), architecture.input_shape)
    assert images.shape == (1, *architecture.input_shape)
    assert images.dtype == np.float32
    assert np.array_equal(images, reader(architecture)(tmp_path / name).numpy())


def asked(request: dict, model: bytes, picture: bytes) -> dict:
    out = io.StringIO()
    line = json.dumps({**request, "model_bytes": len(model)}).encode() + b"\n"
    serve(io.BytesIO(line + model + picture), out)
    return json.loads(out.getvalue())


def test_the_answer_is_the_network_s_own_softmax():
    from safetensors.torch import save

    network = Network(COLOUR, torch.Generator().manual_seed(3)).eval()
    request = {"shape": COLOUR.input_shape, "architecture": COLOUR.to_dict()}
    found = asked(request, save(weights_of(network)), saved("wide.png"))["probabilities"]
    images = torch.from_numpy(model_input(saved("wide.png"), COLOUR.input_shape))
    with torch.inference_mode():
        expected = network(network.normalise(images)).softmax(1)[0]
    assert found == pytest.approx(expected.tolist(), abs=1e-6)
    assert sum(found) == pytest.approx(1, abs=1e-12)


def test_softmax_of_large_logits_does_not_overflow():
    assert softmax([1000.0, 1000.0, -1000.0]) == [0.5, 0.5, 0.0]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


HUGE = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG, JPEG or WebP image"),
        (b"GIF89a" + bytes(40), "no PNG, JPEG or WebP image"),
        (b"", "no PNG, JPEG or WebP image"),
        (saved("wide.png")[:900], "damaged or cut short"),
        (HUGE + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b""), "more than 32 million pixels"),
    ],
    ids=["svg", "gif", "nothing", "cut", "huge"],
)
def test_what_is_no_picture_is_refused_in_words(picture, words):
    assert words in asked({"shape": (3, 16, 16)}, b"", picture)["error"]
