"""Searches as they really ran: the rows of their trainings, with seconds since the first began (tools/record.py).

`begun(recorded, seconds)` is what their rows said after so many seconds.
"""

import json
from bisect import bisect_right
from pathlib import Path
from typing import Any

from searches.selectors.estimate import Work

FOLDER = Path(__file__).parent
BEFORE = {"pretrain": (), "neighbour": ("pretrain", "neighbour"), "final": ("pretrain", "neighbour")}


def recordings(preset: str) -> list[Path]:
    return sorted(FOLDER.glob(f"{preset}-*.json"))


def read(path: Path) -> dict[str, Any]:
    """preset, config, n_train, n_workers, and a row for each training; `started` and `ended` in seconds."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def seconds_of(recorded: dict[str, Any]) -> float:
    return float(max(row["ended"] for row in recorded["rows"]))


def begun(recorded: dict[str, Any], seconds: float) -> list[Work]:
    """Every training that had a row by then, as far as it was."""
    rows = recorded["rows"]
    return [_work(row, rows, seconds) for row in rows if _is_planned(row, rows, seconds)]


def _is_planned(row: dict[str, Any], rows: list[dict[str, Any]], seconds: float) -> bool:
    step = row["step"] if row["kind"] == "neighbour" else row["step"] + 1
    earlier = [r for r in rows if r["kind"] in BEFORE[row["kind"]] and r["step"] < step]
    return all(r["ended"] <= seconds for r in earlier)


def _work(row: dict[str, Any], rows: list[dict[str, Any]], seconds: float) -> Work:
    facts = {name: row[name] for name in ("kind", "step", "index", "n_macs", "epochs")}
    if seconds >= row["ended"]:
        step = [r for r in rows if r["kind"] == row["kind"] and r["step"] == row["step"]]
        is_decided = all(r["ended"] <= seconds for r in step)
        return Work(
            **facts, epoch=row["epochs"], seconds=row["seconds"], is_open=False, threads=row["threads"],
            is_winner=row["is_winner"] and is_decided, val_accuracy=row["val_accuracy"],
            around=row["ended"] - row["started"] - row["seconds"],
        )  # fmt: skip
    if seconds <= row["started"]:
        return Work(**facts)
    spent = max(0.0, row["seconds"] - (row["ended"] - seconds))
    return Work(**facts, epoch=_epoch_after(row, spent), seconds=spent, threads=row["threads"])


def _epoch_after(row: dict[str, Any], spent: float) -> float:
    """How many epochs were trained in so many seconds: evenly between points."""
    points = [(0.0, 0.0), *((s, e) for e, s in row.get("points", ())), (row["seconds"], float(row["epochs"]))]
    at = min(bisect_right(points, (spent, float("inf"))), len(points) - 1)
    (s0, e0), (s1, e1) = points[at - 1], points[at]
    return e0 + (e1 - e0) * (spent - s0) / (s1 - s0) if s1 > s0 else e1
