"""How a final model errs, as its page shows it: a table of few classes, a picture of many."""

import numpy as np
import pytest

from searches.nash.assessment import assess
from searches.selectors.evaluation import evaluation_panel


def panel(n_classes: int):
    """Each class has two images; one of each is taken for the next class."""
    labels = np.repeat(np.arange(n_classes), 2)
    softmax = np.eye(n_classes)[labels] * 0.9
    softmax[1::2] = np.roll(softmax[1::2], 1, axis=1)
    found = assess(softmax, labels)
    names = [f"c{k}" for k in range(n_classes)]
    return evaluation_panel({**found, "names": names, "pictures": [""] * len(found["mistakes"])})


def test_ten_classes_are_a_table():
    found = panel(10)
    assert found["heats"] == []
    assert [cell["n"] for cell in found["confusion"][3]["cells"]] == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_a_hundred_classes_are_a_picture_of_the_cells_that_are_not_empty():
    found = panel(100)
    assert found["confusion"] == []
    ((heat, path),) = found["heats"]
    assert heat == 5  # half of each row, by its root
    assert path.count("z") == 200
    assert path.startswith("M0 0h1v1h-1zM1 0h1v1h-1z")


def test_dots_are_as_large_as_the_images_that_they_stand_for():
    assert [bin["r"] for bin in panel(10)["calibration"]] == [8]
    assert evaluation_panel(None) is None


@pytest.mark.parametrize("n_classes", [2, 41, 200])
def test_every_number_of_classes_has_pairs_and_lines(n_classes):
    found = panel(n_classes)
    assert len(found["classes"]) == n_classes
    assert len(found["pairs"]) == min(n_classes, 40)


def test_the_numbers_behind_the_charts_are_cells_that_are_not_empty_and_the_bins():
    numbers = panel(100)["numbers"]
    assert numbers["cells"][:3] == [(0, 0, 1), (0, 1, 1), (1, 1, 1)]
    assert sum(n for *_, n in numbers["cells"]) == 200
    assert sum(bin["n"] for bin in numbers["calibration"]) == 200
