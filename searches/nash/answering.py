"""What an exported network says of one image file: a process of its own, so that nothing hostile reaches its parent.

    python -m searches.nash.answering < request > answer

Request: one line of JSON (see `answer`), the model's bytes, the image file's bytes to the end. Answer: JSON.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from searches.nash.imagefolder.decode import picture
from searches.nash.imagefolder.source import BadArchive, BrokenFile

MAX_SECONDS = 60
MAX_MEMORY = 8 * 2**30
"""Of address space: what libraries reserve counts, too."""
Floats = npt.NDArray[np.float32]


def model_input(file: bytes, shape: tuple[int, int, int]) -> Floats:
    """An image file as float32 (1, C, H, W), 0..1, as model.py's read(). Raises BrokenFile, BadArchive."""
    from PIL import Image, ImageOps

    channels, height, width = shape
    image = picture(file, "The picture").convert("L" if channels == 1 else "RGB")
    image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.float32).reshape(height, width, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]) / np.float32(255)


def answer(request: Mapping[str, Any], model: bytes, file: bytes) -> dict[str, Any]:
    """`probabilities` of all classes, or `error`, one sentence.

    `request` holds `shape` (C, H, W), and `architecture` where the model is safetensors rather than ONNX.
    """
    try:
        images = model_input(file, tuple(request["shape"]))
    except BrokenFile as error:
        return {"error": f"This picture cannot be read: {error}."}
    except BadArchive as error:
        return {"error": str(error)}
    described = request.get("architecture")
    logits = _by_torch(described, model, images) if described else _by_onnx(model, images)
    return {"probabilities": softmax([float(value) for value in logits])}


def softmax(logits: list[float]) -> list[float]:
    """Probabilities in float64."""
    largest = max(logits)
    shares = [math.exp(value - largest) for value in logits]
    total = math.fsum(shares)
    return [share / total for share in shares]


def _by_onnx(model: bytes, images: Floats) -> Floats:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: images})
    return np.asarray(logits[0], dtype=np.float32)


def _by_torch(described: Mapping[str, Any], weights: bytes, images: Floats) -> Floats:
    import torch

    from searches.nash.architecture import Architecture
    from searches.nash.export import network_of

    torch.set_num_threads(1)
    network = network_of(Architecture.from_dict(dict(described)), weights).float().eval()
    with torch.inference_mode():
        logits: Floats = network(network.normalise(torch.from_numpy(images)))[0].numpy()
    return logits


def serve(request: IO[bytes], out: IO[str]) -> None:
    """Answer one request."""
    asked = json.loads(request.readline())
    model = request.read(asked["model_bytes"])
    json.dump(answer(asked, model, request.read()), out)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    serve(sys.stdin.buffer, sys.stdout)
