"""Image files to uint8 arrays of one square size, whatever their mode, rotation and size."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from searches.nash.imagefolder.source import MAX_FILE_BYTES, BadArchive, BrokenFile, Entry, Reader, shown

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MIN_SIDE, MAX_SIDE = 8, 64  # px
MAX_PIXELS = 32_000_000  # of one file: a larger photograph is decoded into more memory than it is worth
WHITE = (255, 255, 255, 255)


@dataclass
class Decoded:
    """What became of some entries.

    images: uint8 (n, 3, side, side) of the readable ones, in order; is_good: one bool per entry;
    broken: (name, reason) of the others; counts: images "resized", "rotated", "transparent", "deep" (16 bit);
    sizes: the smallest and largest (width, height) seen among the resized; is_grey: no pixel has a colour.
    """

    images: npt.NDArray[np.uint8]
    is_good: list[bool] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    is_grey: bool = True


def decode(reader: Reader, entries: Sequence[Entry], side: int) -> Decoded:
    """The entries' images at side x side pixels; what is broken or smaller than 8 px is named, not decoded.

    Raises BadArchive for an image of more than MAX_PIXELS or what Reader.read refuses.
    """
    from PIL import Image

    rows = np.empty((len(entries), side, side, 3), dtype=np.uint8)
    decoded = Decoded(images=rows)
    n_good = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for entry in entries:
            try:
                rows[n_good] = _decode_one(reader.read(entry), entry.name, side, decoded)
            except BrokenFile as error:
                decoded.broken.append((entry.name, str(error)))
                decoded.is_good.append(False)
            else:
                n_good += 1
                decoded.is_good.append(True)
    rows = rows[:n_good]
    decoded.sizes = extremes(decoded.sizes)
    decoded.is_grey = all(bool((row[..., :1] == row[..., 1:]).all()) for row in rows)
    decoded.images = np.ascontiguousarray(rows.transpose(0, 3, 1, 2))  # (n, H, W, 3) -> (n, 3, H, W)
    return decoded


def read_image(path: Path, side: int, *, is_grey: bool) -> npt.NDArray[np.uint8]:
    """One file as an import would take it: uint8 (3, side, side), or (1, side, side) if `is_grey`.

    Raises BrokenFile with the reason, OSError.
    """
    from PIL import Image

    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise BrokenFile(f"larger than {MAX_FILE_BYTES // 2**20} MB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            pixels = _decode_one(data, path.name, side, Decoded(np.empty(0, np.uint8)))
        except BadArchive as error:
            raise BrokenFile(f"more than {MAX_PIXELS // 10**6} million pixels") from error
    if is_grey:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))  # (H, W, C) -> (C, H, W)


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """(width, height) of an image file by its header. Raises BrokenFile, BadArchive."""
    return _opened(data, name).size


def picture(data: bytes, name: str) -> Image:
    """A whole image file, upright, in mode L or RGB, transparency laid on white. Raises BrokenFile, BadArchive."""
    image, noted = _opened(data, name), Decoded(images=np.empty((0, 0), dtype=np.uint8))
    try:
        image.load()
        image = _plain(_upright(image, noted), noted)
        return image if image.mode in ("L", "RGB") else _as_rgb(image, noted)
    except Exception as error:  # as below
        raise BrokenFile("damaged or cut short") from error


def extremes(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The smallest and the largest of the sizes by area; [] of none."""
    return [min(sizes, key=_area), max(sizes, key=_area)] if sizes else []


def _area(size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    return size[0] * size[1], size


def _opened(data: bytes, name: str) -> Image:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        raise BrokenFile("no PNG, JPEG or WebP image") from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)
    return image


def _too_large(name: str) -> BadArchive:
    return BadArchive(f"{shown(name)} has more than {MAX_PIXELS // 10**6} million pixels; make it smaller first.")


def _decode_one(data: bytes, name: str, side: int, decoded: Decoded) -> npt.NDArray[np.uint8]:
    """uint8 (side, side, 3); counts in decoded what had to be done. Raises BrokenFile, BadArchive."""
    image = _opened(data, name)
    if min(image.size) < MIN_SIDE:
        raise BrokenFile(f"{image.width} x {image.height} px, smaller than {MIN_SIDE} px")
    try:
        if image.format == "JPEG" and min(image.size) > 4 * side:
            image.draft(None, (4 * side, 4 * side))  # decodes at a half, quarter or eighth: most of the time saved
        size = image.size
        image.load()
        image = _plain(_upright(image, decoded), decoded)
        if image.size != (side, side):  # before the alpha channel is dealt with: large images take less memory so
            decoded.counts["resized"] += 1
            decoded.sizes.append(size)
            image = _to_square(image, side)
        if image.mode != "RGB":
            image = _as_rgb(image, decoded)
        return np.asarray(image)
    except Exception as error:  # as above: OSError, SyntaxError, struct.error, ValueError, MemoryError ...
        raise BrokenFile("damaged or cut short") from error


def _upright(image: Image, decoded: Decoded) -> Image:
    """Turned as its EXIF or XMP orientation says."""
    from PIL import ImageOps

    if not {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"} & image.info.keys():
        return image
    orientation = image.getexif().get(0x0112, 1)
    if orientation not in range(2, 9):
        return image
    decoded.counts["rotated"] += 1
    return ImageOps.exif_transpose(image)


def _plain(image: Image, decoded: Decoded) -> Image:
    """In mode L, RGB or RGBA: 16 bits scaled to 8, palette and CMYK converted."""
    from PIL import Image as Pillow

    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode[0] == "I":  # I;16 and I, grey of 16 bit
        decoded.counts["deep"] += 1
        values = np.asarray(image).clip(0, 65535).astype(np.uint32)
        return Pillow.fromarray(((values + 128) // 257).astype(np.uint8))
    wanted = "RGBA" if image.has_transparency_data else "RGB" if image.mode != "L" else "L"
    return image if image.mode == wanted else image.convert(wanted)


def _as_rgb(image: Image, decoded: Decoded) -> Image:
    """Of mode L or RGBA, in mode RGB: transparency laid on white."""
    from PIL import Image as Pillow

    if image.mode == "L":
        return image.convert("RGB")
    if image.getchannel("A").getextrema() != (255, 255):
        decoded.counts["transparent"] += 1
    return Pillow.alpha_composite(Pillow.new("RGBA", image.size, WHITE), image).convert("RGB")


def _to_square(image: Image, side: int) -> Image:
    """The shorter side scaled to `side`, and the centre cut out."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    return ImageOps.fit(image, (side, side), method=Pillow.Resampling.LANCZOS)
