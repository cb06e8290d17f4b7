"""`manage.py search list`: the list as its page shows it, with the same filters, order and columns."""

import argparse
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandParser

from searches.diagrams.words import THIN, percent, short
from searches.management.launching import as_json, duration
from searches.models import Search
from searches.selectors import deleted_for
from searches.selectors.exporting import csv_text, export_rows
from searches.selectors.listing import Line, all_of
from searches.selectors.wanted import COLUMNS, STATES, Wanted, wanted

SORTED_BY = ("name", *(column.name for column in COLUMNS.values() if column.can_sort))
FILTERS = {
    "dataset": "those on this data set",
    "tag": "those with this tag",
    "owner": "those of this account; ~ for those of nobody",
    "text": "those with each of these words in name, note or a tag",
}


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--state", choices=STATES, default="", help="those in this state")
    for name, words in FILTERS.items():
        parser.add_argument(f"--{name}", default="", help=words)
    parser.add_argument("--sort", choices=SORTED_BY, default="began", help="by this column, as a click on its head")
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    parser.add_argument("--columns", type=_columns, default=(), help=f"some of {','.join(COLUMNS)}")
    parser.add_argument("--deleted", action="store_true", help="those that can still be brought back")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="what is shown, as CSV")
    form.add_argument("--json", action="store_true", help="what is shown, as JSON")


def _columns(text: str) -> tuple[str, ...]:
    """Raises ArgumentTypeError for a name that is no column's."""
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in COLUMNS]:
        raise argparse.ArgumentTypeError(f"no column {', '.join(unknown)}; there are {', '.join(COLUMNS)}")
    return names


def list_text(options: dict[str, Any]) -> str:
    """What is printed."""
    want = _wanted(options)
    found = deleted_for(None) if options["deleted"] else Search.objects.filter(deleted=None)
    lines = all_of(found, want)
    rows = export_rows(lines, want.columns)
    if options["json"]:
        return as_json(rows)
    if options["csv"]:
        return csv_text(rows).rstrip("\r\n")
    if lines:
        return _table(lines, want.columns)
    if want.is_filtered:
        return "No search is like that. Take away a filter."
    launch = "No searches yet. `manage.py search launch --preset demo` launches one."
    return "No deleted searches." if options["deleted"] else launch


def _wanted(options: dict[str, Any]) -> Wanted:
    by = options["sort"]
    falls = (by in COLUMNS and COLUMNS[by].falls) != options["reverse"]
    texts = {name: options[name] for name in ("state", "dataset", "owner", "tag")}
    return wanted({**texts, "q": options["text"], "sort": f"{'-' * falls}{by}"}, options["columns"])


CELLS: dict[str, Callable[[Line], str]] = {
    "state": lambda line: f"{line.state}: {line.words}" if line.words else line.state,
    "progress": lambda line: f"{line.epochs_done:.0f} of {line.epochs_total} epochs",
    "best": lambda line: " ".join(f"{100 * accuracy:.1f}" for accuracy in line.accuracies),
    "accuracy": lambda line: "" if line.best is None else percent(line.best),
    "test_error": lambda line: "" if line.test_error is None else percent(line.test_error),
    "parameters": lambda line: "" if line.n_parameters is None else short(line.n_parameters),
    "disk": lambda line: f"{line.search.disk_bytes / 1e6:.1f} MB",
    "owner": lambda line: line.search.owner.get_username() if line.search.owner else "",
    "preset": lambda line: line.search.preset,
    "seed": lambda line: str(line.search.config["seed"]),
    "time": lambda line: "" if line.seconds is None else duration(line.seconds),
    "began": lambda line: f"{line.search.created:%Y-%m-%d %H:%M}",
}
"""What each column is in words; the first eight characters of a uuid are enough to name a search."""


def _table(lines: list[Line], columns: tuple[str, ...]) -> str:
    """Columns that are as wide as their widest cell; numbers to the right."""
    heads = ["uuid", "Name", "Data set", "Tags", *(COLUMNS[name].title for name in columns)]
    to_right = [False, False, False, False, *(COLUMNS[name].is_number for name in columns)]
    rows = [
        [str(line.search.uuid)[:8], line.search.name, line.search.dataset.name, ", ".join(line.tags)]
        + [CELLS[name](line).replace(THIN, " ") for name in columns]
        for line in lines
    ]
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    places = list(zip(to_right, widths, strict=True))
    printed = [
        "  ".join(cell.rjust(n) if right else cell.ljust(n) for cell, (right, n) in zip(row, places, strict=True))
        for row in (heads, *rows)
    ]
    return "\n".join(line.rstrip() for line in printed)
