"""Searches as they really ran: the rows of their trainings, with seconds since the first began.

`begun(recorded, seconds)` is what their rows said after so many seconds.
"""

import json
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
    share = max(0.0, 1 - (row["ended"] - seconds) / row["seconds"])
    return Work(**facts, epoch=share * row["epochs"], seconds=share * row["seconds"], threads=row["threads"])
