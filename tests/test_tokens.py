"""The palette (static/css/tokens.css): text is read and graphics are seen on every ground that they stand on."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[1] / "static" / "css" / "tokens.css").read_text()
THEMES = ("light", "dark")
COLOURS = {
    name: dict(zip(THEMES, pair, strict=True))
    for name, *pair in re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS)
}
GROUNDS = ("bg", "surface", "surface-2")
SERIES = [f"s{n}" for n in range(1, 9)]
TEXT = {
    **dict.fromkeys(("ink", "ink-2", "ink-3"), GROUNDS),
    "accent": (*GROUNDS, "accent-soft"),
    "accent-hover": GROUNDS,
    "accent-ink": ("accent", "accent-hover"),
    "good": (*GROUNDS, "good-soft"),
    "warn": (*GROUNDS, "warn-soft"),
    "bad": (*GROUNDS, "bad-soft"),
    **{f"acc-{n}-ink": (f"acc-{n}",) for n in range(1, 8)},
    **dict.fromkeys(SERIES, ("surface", "lr-fill")),  # a curve's name stands at its end
}
"""Each colour that words are written in, and what they are written on."""
GRAPHICS = {
    **dict.fromkeys(SERIES, GROUNDS),
    "lr-line": ("surface", "lr-fill"),
    "part-new-line": ("surface", "surface-2", "part-new"),
    "part-wide-line": ("surface", "surface-2", "part-wide"),
    "focus": GROUNDS,
}


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    shares = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (GRAPHICS, 3.0)], ids=["text", "graphics"])
def test_every_colour_stands_out_from_what_it_stands_on(theme, pairs, least):
    found = {
        (name, ground): round(contrast(COLOURS[name][theme], COLOURS[ground][theme]), 2)
        for name, grounds in pairs.items()
        for ground in grounds
    }
    assert {pair: ratio for pair, ratio in found.items() if ratio < least} == {}
