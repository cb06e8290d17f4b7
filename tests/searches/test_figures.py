"""Small figures: geometry that says what the numbers say."""

import itertools
import re

from searches.figures import budget_bars, share, stair
from searches.nash.presets import preset_config


def levels(line: str) -> list[float]:
    """The heights that a stair passes, from left to right."""
    return [float(y) for y in re.findall(r"V([\d.]+)", line)]


def test_a_stair_that_falls_is_drawn_falling():
    drawn = stair([0.70, 0.80, 0.75])
    assert drawn is not None
    first, second, third = levels(drawn.line)
    assert second < third < first  # y grows downwards: 0.80 stands highest, 0.75 between
    assert (drawn.end_x, drawn.end_y) == (drawn.width - 5, third)


def test_noise_does_not_look_like_a_climb():
    calm, climb = stair([0.700, 0.7005]), stair([0.70, 0.80])
    assert calm
    assert climb
    rise = [a - b for a, b in (levels(calm.line), levels(climb.line))]
    assert rise[0] < rise[1] / 5


def test_one_accuracy_is_no_stair():
    assert stair([0.7]) is None
    assert stair([]) is None


def test_bars_fill_the_width_in_the_proportion_of_their_epochs():
    bars = budget_bars(preset_config("small"), width=240)
    assert len(bars) == 5
    assert bars[-1].x + bars[-1].width == 240
    assert all(left.x + left.width < right.x for left, right in itertools.pairwise(bars))


def test_a_bar_is_never_more_than_full():
    assert share(12, 10) == 1.0
    assert share(0, 0) == 0.0
