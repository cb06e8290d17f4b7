"""Zero padding, random crop and flip of a whole batch at once, on the device that holds the images.

Pixels are copied in units: the three or four bytes of a colour pixel travel as one int32, so that a crop is one
selection of rows and one of columns. Advanced indexing of channels is about eight times slower.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PACKABLE = (3, 4)
"""Numbers of uint8 channels that travel as one int32."""
RESIDENT_CPU_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training image without making its label untrue.

    `padding`: zero pixels on each side before a crop of the image's own size; `flip`: left-right with p = 0.5.
    Source: method section 4.
    """

    padding: int = 0
    flip: bool = False


@dataclass(frozen=True)
class Draws:
    """What was drawn for n images: top-left corner of the crop in the padded image, and whether it is flipped."""

    top: Tensor  # (n,) int64, 0..2 * padding
    left: Tensor  # (n,) int64
    flipped: Tensor  # (n,) bool
    padding: int

    def to(self, device: torch.device) -> Draws:
        """The same on another device."""
        top, left, flipped = (t.to(device, non_blocking=True) for t in (self.top, self.left, self.flipped))
        return Draws(top, left, flipped, self.padding)

    def part(self, chosen: slice) -> Draws:
        """The draws of some of the images, without a copy."""
        return Draws(self.top[chosen], self.left[chosen], self.flipped[chosen], self.padding)


def draw_augmentation(n: int, augmentation: Augmentation, generator: torch.Generator) -> Draws:
    """Draw for n images from a CPU generator, the same whatever the device; a flip that is off is drawn too."""
    size = 2 * augmentation.padding + 1
    top = torch.randint(size, (n,), generator=generator)
    left = torch.randint(size, (n,), generator=generator)
    flipped = torch.randint(2, (n,), generator=generator) == 1
    return Draws(top, left, flipped & augmentation.flip, augmentation.padding)


class Pixels:
    """Images (N, C, H, W) of any dtype in the device's memory, laid out for cropping.

    Every image row is a row of pixel units with a zero unit behind it, which stands for what lies left and right
    of the image; one more row, of zeros alone, stands for what lies above and below.
    """

    def __init__(self, images: Tensor, device: torch.device | None = None, *, indices: Tensor | None = None) -> None:
        n = len(images) if indices is None else len(indices)
        _, self.channels, self.height, self.width = images.shape
        self.dtype = images.dtype
        self.packed = self.dtype == torch.uint8 and self.channels in PACKABLE
        depth = 4 if self.packed else self.channels
        rows = torch.zeros(n * self.height + 1, self.width + 1, depth, dtype=self.dtype)
        body = rows[:-1].view(n, self.height, self.width + 1, depth)[:, :, : self.width, : self.channels]
        for start in range(0, n, 1024):  # in parts, so that a memory-mapped set is never all in memory twice
            chosen = slice(start, start + 1024)
            part = images[chosen] if indices is None else images[indices[chosen]]
            body[chosen] = part.permute(0, 2, 3, 1)  # (n, C, H, W) -> (n, H, W, C)
        if self.packed:
            rows = rows.view(torch.int32)
        self.rows = _moved(rows, device)  # (n * H + 1, W + 1, units)
        self.index_device = self.rows.device

    def crop(self, indices: Tensor, draws: Draws) -> Tensor:
        """Augmented images (B, C, H, W), in channels_last order, of the images at `indices` (B,)."""
        return self.crop_rows(indices, draws)[..., : self.channels].permute(0, 3, 1, 2)

    def crop_rows(self, indices: Tensor, draws: Draws) -> Tensor:
        """The same pixel by pixel as it lies in memory, (B, H, W, C), or (B, H, W, 4) where pixels are packed."""
        batch, h, w = len(indices), self.height, self.width
        y = torch.arange(h, device=self.rows.device) + (draws.top - draws.padding).view(-1, 1)  # (B, H)
        y = torch.where((y >= 0) & (y < h), y + (indices * h).view(-1, 1), len(self.rows) - 1)
        x = torch.arange(w, device=self.rows.device)
        x = torch.where(draws.flipped.view(-1, 1), w - 1 - x, x) + (draws.left - draws.padding).view(-1, 1)
        x = torch.where((x >= 0) & (x < w), x, w)  # (B, W)
        block = self.rows.index_select(0, y.view(-1))  # (B * H, W + 1, units)
        if self.packed:
            # Without the unit's own dimension a gather along the columns takes the fast path.
            columns = block.view(batch, h, w + 1).gather(2, x.view(batch, 1, w).expand(batch, h, w))
            return columns.view(torch.uint8).view(batch, h, w, 4)
        block = block.view(batch, h, w + 1, -1)
        return block.gather(2, x.view(batch, 1, w, 1).expand(batch, h, w, block.shape[-1]))


class MappedPixels:
    """Images that are too many for memory: each batch is read from where they lie, then cropped on the device."""

    index_device = torch.device("cpu")

    def __init__(self, images: Tensor, device: torch.device, indices: Tensor | None) -> None:
        self.images, self.device, self.indices = images, device, indices

    def crop_rows(self, indices: Tensor, draws: Draws) -> Tensor:
        """As Pixels.crop_rows; `indices` (B,) on the CPU."""
        chosen = indices if self.indices is None else self.indices[indices]
        batch = Pixels(self.images, self.device, indices=chosen)
        return batch.crop_rows(torch.arange(len(indices), device=self.device), draws)


def pixels_of(images: Tensor, device: torch.device, indices: Tensor | None = None) -> Pixels | MappedPixels:
    """The images (of `indices`, all by default) in the device's memory if they fit well, else read as needed."""
    n = len(images) if indices is None else len(indices)
    if n * _bytes_of_one(images) <= resident_bytes(device):
        return Pixels(images, device, indices=indices)
    return MappedPixels(images, device, indices)


def _bytes_of_one(images: Tensor) -> int:
    _, channels, height, width = images.shape
    depth = 4 if images.dtype == torch.uint8 and channels in PACKABLE else channels
    return height * (width + 1) * depth * images.element_size()


def resident_bytes(device: torch.device) -> int:
    """How much of a device's memory images may take: half of what a CUDA device has free, 2 GiB of a CPU's."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return RESIDENT_CPU_BYTES


def _moved(rows: Tensor, device: torch.device | None) -> Tensor:
    if device is None or device.type == "cpu":
        return rows
    return rows.pin_memory().to(device, non_blocking=True)


def augment(batch: Tensor, generator: torch.Generator, augmentation: Augmentation) -> Tensor:
    """An augmented copy of a batch (N, C, H, W), drawn from a CPU generator; dtype and device stay."""
    draws = draw_augmentation(len(batch), augmentation, generator).to(batch.device)
    everything = torch.arange(len(batch), device=batch.device)
    return Pixels(batch.cpu(), batch.device).crop(everything, draws)
