"""Measures by name, with unit and goal: the names and goals that docs/results.md and build/bench.json use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

GOALS = {
    "train_ratio_A": 3.6,
    "train_ratio_B": 3.9,
    "train_ratio_C": 4.5,
    "train_ratio_two_A": 4.5,
    "train_ratio_two_B": 4.4,
    "train_ratio_two_C": 5.6,
    "data_path_cost": 0.06,
    "bf16_peak_share_two_C": 0.45,
    "eval_ratio_B": 6.0,
    "search_overhead": 0.03,
    "two_workers_speedup": 1.7,
    "queue_overhead_seconds_per_child": 0.5,
    "import_ratio": 1.7,
    "export_seconds": 30.0,
    "epoch_to_pixel_p95_ms": 300.0,
    "push_p99_ms_200": 250.0,
    "push_lost": 0.0,
    "push_web_growth_mb": 20.0,
    "page_2000_interactive_ms": 2000.0,
    "tree_2000_frame_p95_ms": 17.0,
    "request_p95_ms": 200.0,
    "page_requests_after_load": 0.0,
    "largest_frame_bytes": 8000.0,
}
"""Set on a machine with AMX, 2 cores; measures without a goal are there to be read beside these."""
SMALLER_IS_BETTER = (
    "data_path_cost", "search_overhead", "queue_overhead_seconds_per_child", "epoch_to_pixel_p95_ms",
    "export_seconds", "push_p99_ms_200", "push_lost", "push_web_growth_mb", "page_2000_interactive_ms",
    "request_p95_ms", "tree_2000_frame_p95_ms", "page_requests_after_load", "largest_frame_bytes",
)  # fmt: skip

OF_PAGES = (
    "epoch_to_pixel", "epochs_drawn", "push_", "page_", "tree_", "idle_frame", "request_", "file_begins",
    "largest_frame",
)  # fmt: skip
"""What the names of `make bench-web` begin with: both commands keep what they measured in one file."""


@dataclass(frozen=True)
class Measure:
    """A median or a ratio of medians; `unit`: "x" (a ratio), "share" (0..1), images/s, FLOP/s, s."""

    value: float
    unit: str


Measures = dict[str, Measure]


def divided(measures: Mapping[str, Measure]) -> tuple[Measures, Measures]:
    """Those of `make bench`, and those of `make bench-web`."""
    pages = {name: measure for name, measure in measures.items() if name.startswith(OF_PAGES)}
    return {name: measure for name, measure in measures.items() if name not in pages}, pages


WHOLE = ("images/s", "ms", "bytes", "frames", "sockets", "requests", "addresses")
"""Units that are shown without a fraction."""


def goal_words(name: str, value: float) -> str:
    """The goal and whether it is reached, in words; nothing for a measure without one."""
    if name not in GOALS:
        return ""
    smaller = name in SMALLER_IS_BETTER
    reached = value <= GOALS[name] if smaller else value >= GOALS[name]
    return f"{'≤' if smaller else '≥'} {GOALS[name]:g}, {'reached' if reached else 'missed'}"


def shown(measure: Measure) -> str:
    value, unit = measure.value, measure.unit
    if unit == "FLOP/s":
        return f"{value / 1e9:,.0f} GFLOP/s"
    return f"{value:,.0f} {unit}" if unit in WHOLE else f"{value:.3f} {unit}"


def printed(measures: Mapping[str, Measure]) -> str:
    """A table in Markdown, those with a goal first in the goals' order."""
    names = [name for name in GOALS if name in measures] + [name for name in measures if name not in GOALS]
    lines = ["| measure | value | goal |", "|---|---|---|"]
    lines += [f"| {name} | {shown(measures[name])} | {goal_words(name, measures[name].value)} |" for name in names]
    return "\n".join(lines) + "\n"


def write_json(measures: Mapping[str, Measure], path: Path) -> None:
    """{name: {value, unit, goal}}; the goal of a measure that has none is null."""
    found = {n: {"value": m.value, "unit": m.unit, "goal": GOALS.get(n)} for n, m in measures.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def read_json(path: Path) -> Measures:
    """What write_json has written; nothing where it has not."""
    found = json.loads(path.read_text()) if path.exists() else {}
    return {name: Measure(m["value"], m["unit"]) for name, m in found.items()}
