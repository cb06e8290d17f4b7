"""docs/paper-map.md names functions and tests that exist."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "paper-map.md").read_text()
STATED = TEXT[: TEXT.index("## What the paper leaves open")]
ROWS = re.findall(r"^\| (.+?) \| `([\w.]+)` \| `((?:searches/)?test_\w+\.py)::(test_\w+)` \|$", STATED, re.MULTILINE)
"""(what the paper states, function, file of tests, test)"""


def file_of(name: str) -> Path:
    return ROOT / "tests" / (name if "/" in name else f"nash/{name}")


def resolved(name: str) -> object:
    """The object that a dotted name below searches.nash, or from searches on, means."""
    parts = name.split(".") if name.startswith("searches.") else ["searches", "nash", *name.split(".")]
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def test_every_row_of_the_first_part_is_read_as_one():
    rows = [line for line in STATED.splitlines() if line.startswith("| ") and not line.startswith("| paper |")]
    assert len(rows) == len(ROWS)


def test_the_map_has_every_equation_and_line_every_figure_and_table():
    text = " ".join(row[0] for row in ROWS)
    for number in range(1, 7):
        assert f"Eq. {number}" in text
    for mark in ("type I:", "type II:", "type III:", "type IV:", "footnote 3"):
        assert mark in text
    named: set[int] = set()
    for first, word, last in re.findall(r"lines? (\d+)(?: (to|and) (\d+))?", text):
        named |= set(range(int(first), int(last) + 1)) if word == "to" else {int(first), int(last or first)}
    assert named >= {*range(1, 6), *range(7, 18), 19, *range(22, 26)}
    open_ends = TEXT[TEXT.index("## Not built yet") :]
    for mark in ("Figure 1", "Figure 2", "Figures 5 to 7", "Table 1", "Tables 2 and 3", "Appendix A"):
        assert mark in text or mark in open_ends


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}-{row[3]}")
def test_function_and_test_of_each_row_exist(row):
    _, function, file, test = row
    assert callable(resolved(function))
    assert re.search(rf"^def {test}\(", file_of(file).read_text(), re.MULTILINE)


def test_every_choice_of_ours_has_its_reason():
    choices = TEXT[TEXT.index("## What the paper leaves open") : TEXT.index("## Not built yet")]
    rows = [line.strip("| ").split(" | ") for line in choices.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 25
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in rows)
