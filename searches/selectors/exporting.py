"""The list as rows of plain values: what a page of it shows, for CSV and JSON."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

from searches.selectors.listing import Line

Row = dict[str, Any]

CELLS: dict[str, Callable[[Line], Row]] = {
    "state": lambda line: {"state": line.state, "words": line.words.replace("\u202f", " ")},
    "progress": lambda line: {"epochs_done": line.epochs_done, "epochs_total": line.epochs_total},
    "best": lambda line: {"best_by_step": list(line.accuracies)},
    "accuracy": lambda line: {"val_accuracy": line.best},
    "test_error": lambda line: {"test_error": None if line.test_error is None else round(line.test_error, 6)},
    "parameters": lambda line: {"n_parameters": line.n_parameters},
    "disk": lambda line: {"disk_bytes": line.search.disk_bytes},
    "owner": lambda line: {"owner": line.search.owner.get_username() if line.search.owner else None},
    "preset": lambda line: {"preset": line.search.preset},
    "seed": lambda line: {"seed": line.search.config["seed"]},
    "time": lambda line: {"wall_seconds": None if line.seconds is None else round(line.seconds, 1)},
    "began": lambda line: {
        "launched": line.search.created.isoformat(),
        "began": line.search.started.isoformat() if line.search.started else None,
    },
}
"""What each column of the list (selectors/wanted.py) is in numbers; accuracies and errors are fractions."""


def export_rows(lines: Sequence[Line], columns: Sequence[str]) -> list[Row]:
    """uuid, name, data set and tags, then the columns as they are shown."""
    return [
        {
            "uuid": str(line.search.uuid),
            "name": line.search.name,
            "dataset": line.search.dataset.name,
            "tags": list(line.tags),
            **{name: value for column in columns for name, value in CELLS[column](line).items()},
        }
        for line in lines
    ]


def csv_text(rows: Sequence[Row]) -> str:
    """These rows as CSV with a line of heads; of no rows the heads alone that every list has."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(rows[0] if rows else ["uuid", "name", "dataset", "tags"])
    writer.writerows([as_text(value) for value in row.values()] for row in rows)
    return out.getvalue()


def as_text(value: Any) -> str:
    """A value in a cell of CSV. No text is left to be read as a formula by a spreadsheet."""
    if isinstance(value, list):
        return " ".join(str(part).replace(" ", "-") for part in value)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    return "" if value is None else str(value)
