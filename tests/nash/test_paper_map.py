"""docs/paper-map.md names functions and tests that exist."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| (.+?) \| `([\w.]+)` \| `(test_\w+\.py)::(test_\w+)` \|$",
    (ROOT / "docs" / "paper-map.md").read_text(),
    re.MULTILINE,
)


def resolved(name: str) -> object:
    """The object that a dotted name below searches.nash means."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found = import_module("searches.nash." + ".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def test_the_map_has_all_equations_and_the_algorithm():
    text = " ".join(row[0] for row in ROWS)
    for mark in ("Eq. 1", "Eq. 2 and 3", "Eq. 4", "Eq. 5", "Eq. 6", "Algorithm 1, line 19"):
        assert mark in text
    assert len(ROWS) >= 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[3])
def test_function_and_test_of_each_row_exist(row):
    _, function, file, test = row
    assert callable(resolved(function))
    assert re.search(rf"^def {test}\(", (ROOT / "tests" / "nash" / file).read_text(), re.MULTILINE)
