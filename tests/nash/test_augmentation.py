"""Crop and flip in batches against the plain way, image by image."""

import pytest
import torch
from torch.nn import functional

from searches.nash import augmentation
from searches.nash.augmentation import Augmentation, MappedPixels, Pixels, augment, draw_augmentation, pixels_of

from .images import random_images


def plainly(images, draws):
    """Pad, crop and flip one image after another."""
    _, _, h, w = images.shape
    padded = functional.pad(images, [draws.padding] * 4)
    crops = [
        image[:, top : top + h, left : left + w]
        for image, top, left in zip(padded, draws.top.tolist(), draws.left.tolist(), strict=True)
    ]
    return torch.stack([c.flip(-1) if f else c for c, f in zip(crops, draws.flipped.tolist(), strict=True)])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("flip", [False, True])
def test_a_batch_is_cropped_and_flipped_as_its_images_are_one_by_one(channels, flip):
    images = random_images(40, channels, size=10)
    draws = draw_augmentation(40, Augmentation(3, flip), generator())
    assert torch.equal(Pixels(images).crop(torch.arange(40), draws), plainly(images, draws))


def test_images_need_not_be_square():
    images = random_images(10, 3, size=12)[:, :, :7]
    draws = draw_augmentation(10, Augmentation(2, True), generator())
    assert torch.equal(Pixels(images).crop(torch.arange(10), draws), plainly(images, draws))


def test_float_images_are_cropped_too():
    images = torch.randn(10, 3, 8, 8, generator=generator())
    draws = draw_augmentation(10, Augmentation(2, True), generator())
    assert torch.equal(Pixels(images).crop(torch.arange(10), draws), plainly(images, draws))


def test_without_augmentation_the_images_come_as_they_are_in_the_order_asked_for():
    images, order = random_images(20), torch.tensor([7, 3, 3, 19])
    draws = draw_augmentation(4, Augmentation(), generator())
    assert torch.equal(Pixels(images).crop(order, draws), images[order])


def test_batches_come_in_channels_last_order():
    batch = Pixels(random_images(20)).crop(torch.arange(4), draw_augmentation(4, Augmentation(1), generator()))
    assert batch.float().is_contiguous(memory_format=torch.channels_last)


def test_every_crop_and_both_sides_are_drawn():
    draws = draw_augmentation(2000, Augmentation(2, True), generator())
    assert torch.stack((draws.top, draws.left)).unique(dim=1).shape[1] == 25
    assert 0.45 < draws.flipped.float().mean() < 0.55


def test_a_set_that_may_not_be_flipped_is_cropped_by_the_same_draws():
    with_flip = draw_augmentation(50, Augmentation(2, True), generator())
    without = draw_augmentation(50, Augmentation(2, False), generator())
    assert not without.flipped.any()
    assert torch.equal(with_flip.top, without.top)
    assert torch.equal(with_flip.left, without.left)


@pytest.mark.parametrize("chosen", [None, torch.tensor([5, 0, 9, 30, 31, 2])])
def test_images_too_many_for_memory_give_the_same_batches(monkeypatch, chosen):
    images, cpu = random_images(40), torch.device("cpu")
    resident = pixels_of(images, cpu, chosen)
    monkeypatch.setattr(augmentation, "RESIDENT_CPU_BYTES", 0)
    mapped = pixels_of(images, cpu, chosen)
    assert isinstance(mapped, MappedPixels)
    assert isinstance(resident, Pixels)
    order, draws = torch.tensor([4, 1, 5]), draw_augmentation(3, Augmentation(2, True), generator())
    assert torch.equal(mapped.crop_rows(order, draws), resident.crop_rows(order, draws))


def test_augment_leaves_its_batch_alone_and_follows_its_generator():
    batch = random_images(16)
    before = batch.clone()
    first = augment(batch, generator(1), Augmentation(2, True))
    assert torch.equal(batch, before)
    assert torch.equal(first, augment(batch, generator(1), Augmentation(2, True)))
    assert not torch.equal(first, augment(batch, generator(2), Augmentation(2, True)))
    assert (first.shape, first.dtype) == (batch.shape, batch.dtype)
