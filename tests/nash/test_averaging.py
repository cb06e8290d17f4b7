"""The mean of softmax outputs, and what it gets right: against sums by hand and against plain loops."""

import numpy as np
import pytest

from searches.nash import averaging
from searches.nash.averaging import gains, mean_softmax

LABELS = np.array([0, 0, 1, 1])
FIRST = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.6, 0.4]])  # right: 1 0 1 0
SECOND = np.array([[0.3, 0.7], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]])  # right: 0 1 1 1
THIRD = np.array([[0.45, 0.55], [0.6, 0.4], [0.7, 0.3], [0.9, 0.1]])  # right: 0 1 0 0


def test_the_mean_is_uniform_and_of_the_outputs_not_of_the_votes():
    assert np.allclose(mean_softmax([FIRST, SECOND])[0], [0.6, 0.4])
    assert mean_softmax([FIRST.astype(np.float32), SECOND]).dtype == np.float64
    with pytest.raises(ValueError, match=r"\(4, 2\), \(3, 2\): not of the same images"):
        mean_softmax([FIRST, SECOND[:3]])


def test_counts_are_those_that_one_counts_by_hand():
    found = gains([FIRST, SECOND, THIRD], LABELS)
    # mean of the three: rows (0.55 0.45), (0.633 ...), (0.4 0.6), (0.567 0.433): right 1 1 1 0
    assert (found["n_images"], found["n_right"]) == (4, 3)
    assert found["balanced"] == pytest.approx((2 / 2 + 1 / 2) / 2)
    assert [member["n_right"] for member in found["members"]] == [2, 3, 1]
    assert [member["differs"] for member in found["members"]] == [[1, 0], [1, 1], [2, 0]]
    # without the first: rows (0.375 ...) wrong, right, right, (0.55 0.45) wrong
    assert found["without"][0] == {"n_right": 2, "differs": [1, 0]}
    assert found["without"][2] == {"n_right": 4, "differs": [0, 1]}  # the first two together are right on all
    assert found["order"] == [2, 4, 3]
    difference = np.array([1 - 1 / 3, 1 - 2 / 3, 1 - 2 / 3, 0 - 1 / 3])
    assert found["over_mean"]["mean"] == pytest.approx(difference.mean())
    assert found["over_mean"]["deviation"] == pytest.approx(difference.std(ddof=1))


def test_subsets_are_all_subsets_of_a_size(monkeypatch):
    rng = np.random.default_rng(3)
    softmaxes = [rng.dirichlet(np.ones(5), 60) for _ in range(4)]
    labels = rng.integers(0, 5, 60)
    found = gains(softmaxes, labels)
    pairs = [
        int((((softmaxes[a] + softmaxes[b]) / 2).argmax(1) == labels).sum())
        for a in range(4) for b in range(a + 1, 4)
    ]  # fmt: skip
    assert found["subsets"][1] == [pytest.approx(np.mean(pairs)), min(pairs), max(pairs)]
    assert found["subsets"][3][0] == found["order"][3] == found["n_right"]
    monkeypatch.setattr(averaging, "MOST_FOR_SUBSETS", 3)
    assert gains(softmaxes, labels)["subsets"] is None
