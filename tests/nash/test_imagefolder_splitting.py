"""Splits are stratified, seeded and exact."""

import numpy as np
import pytest

from searches.nash.imagefolder import stratified_split


@pytest.mark.parametrize("fraction", [0.0, 0.2, 1 / 6, 0.9])
def test_a_split_is_stratified_seeded_and_exact(fraction):
    labels = np.repeat([0, 1, 2], [50, 30, 7])
    rest, taken = stratified_split(labels, fraction, seed=3)
    assert len(taken) == round(fraction * 87)
    assert sorted([*rest, *taken]) == list(range(87))
    shares = np.bincount(labels[taken], minlength=3)
    assert (np.abs(shares - fraction * np.array([50, 30, 7])) < 1).all()
    np.testing.assert_array_equal(taken, stratified_split(labels, fraction, seed=3)[1])
    if fraction > 0:
        assert taken.tolist() != stratified_split(labels, fraction, seed=4)[1].tolist()


def test_a_split_leaves_every_class_an_image_and_takes_one_of_each():
    rest, taken = stratified_split([0] * 90 + [1] * 2 + [2], 0.1, seed=0)
    labels = np.array([0] * 90 + [1] * 2 + [2])
    assert np.bincount(labels[rest], minlength=3).tolist() == [82, 1, 1]
    assert np.bincount(labels[taken], minlength=3).tolist() == [8, 1, 0]
