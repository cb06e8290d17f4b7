"""Some images of a class as one small picture, read from the arrays on disk."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

N_SAMPLES = 10


def sample_strip(folder: Path, label: int, n: int = N_SAMPLES) -> bytes:
    """The first n training images of a class side by side, a PNG of (n * width, height) pixels.

    Fewer images leave the rest transparent. Raises OSError, ValueError where the arrays cannot be read.
    """
    from PIL import Image

    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(folder / "labels.npy", mmap_mode="r", allow_pickle=False)
    _, _, height, width = images.shape
    strip = np.zeros((height, n * width, 4), dtype=np.uint8)
    for place, index in enumerate(np.flatnonzero(labels == label)[:n]):
        across = slice(place * width, (place + 1) * width)
        strip[:, across, :3] = images[index].transpose(1, 2, 0)  # (C, H, W) -> (H, W, C); grey is repeated
        strip[:, across, 3] = 255
    file = io.BytesIO()
    Image.fromarray(strip).save(file, format="PNG")
    return file.getvalue()
