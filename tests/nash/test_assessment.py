"""How a network errs, on numbers that can be worked out by hand."""

import numpy as np
import pytest

from searches.nash.assessment import assess, calibration

SOFTMAX = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.05, 0.05, 0.9]])
LABELS = np.array([0, 1, 1, 0])


def test_confusion_has_the_true_class_in_rows():
    found = assess(SOFTMAX, LABELS)
    assert found["confusion"] == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert found["classes"] == [[2, 1], [2, 1], [0, 0]]
    assert sorted(found["pairs"]) == [[0, 2, 1], [1, 0, 1]]
    assert (found["n_right"], found["n_images"]) == (2, 4)


def test_the_most_confident_mistake_comes_first():
    assert assess(SOFTMAX, LABELS)["mistakes"] == [[3, 0, 2, 0.9], [2, 1, 0, 0.6]]


def test_the_expected_calibration_error_is_the_weighted_gap():
    found = calibration(SOFTMAX, LABELS)
    gap = 0.5 * abs(0.9 - 0.5) + 0.25 * abs(0.7 - 1) + 0.25 * abs(0.6 - 0)
    assert found["ece"] == pytest.approx(gap)
    assert sum(n for *_, n in found["calibration"]) == 4


def test_of_many_classes_only_the_most_confused_pairs_are_kept():
    labels = np.arange(300)
    found = assess(np.roll(np.eye(300), 1, axis=1), labels)
    assert found["confusion"] is None
    assert len(found["pairs"]) == 40
