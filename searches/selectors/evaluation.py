"""How a final model errs, as its page shows it: what `nash.assessment` counted, with names and places."""

from typing import Any

from searches.comparisons import interval

N_HEATS = 7
MAX_CELLS_CLASSES = 40
"""Up to so many classes the confusion is a table of numbers; of more it is a picture."""
CHART = 220
"""Side of the calibration chart in px; the unit square is drawn in it."""


def evaluation_panel(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """None where nothing was assessed. Confusion cells carry a heat 0..7: shares of the row, by its root.

    Of many classes `confusion` is empty and `heats` are (heat, path of its cells: 1 x 1, column right, row down).
    """
    if not found:
        return None
    names = found["names"]
    rows = [_row(names[k], k, row) for k, row in enumerate(found["confusion"] or [])]
    largest = max((n for *_, n in found["calibration"]), default=1)
    return {
        "numbers": _numbers(found),
        "n_images": found["n_images"],
        "names": names,
        "n_classes": len(names),
        "confusion": rows if len(rows) <= MAX_CELLS_CLASSES else [],
        "heats": _heats(rows) if len(rows) > MAX_CELLS_CLASSES else [],
        "pairs": [(names[t], names[p], n) for t, p, n in found["pairs"]],
        "classes": sorted(
            (_class(name, n, right) for name, (n, right) in zip(names, found["classes"], strict=True) if n),
            key=lambda line: line["accuracy"],
        ),
        "mistakes": [
            {"picture": picture, "true": names[t], "predicted": names[p], "confidence": confidence}
            for (_, t, p, confidence), picture in zip(found["mistakes"], found["pictures"], strict=True)
        ],
        "ece": found["ece"],
        "calibration": [
            {
                "x": round(CHART * c, 1),
                "y": round(CHART * (1 - s), 1),
                "confidence": c,
                "share": s,
                "n": n,
                "r": round(2 + 6 * (n / largest) ** 0.5, 1),
            }
            for c, s, n in found["calibration"]
        ],
        "path": " ".join(
            f"{'L' if k else 'M'}{CHART * c:.1f} {CHART * (1 - s):.1f}"
            for k, (c, s, _) in enumerate(found["calibration"])
        ),
        "chart": CHART,
    }


def _numbers(found: dict[str, Any]) -> dict[str, Any]:
    """What the page's tables of data say: cells of the confusion that are not empty, shows, says, images; bins."""
    rows = enumerate(found["confusion"] or [])
    bins = [{"confidence": c, "share": share, "n": n} for c, share, n in found["calibration"]]
    cells = [(shows, says, n) for shows, row in rows for says, n in enumerate(row) if n]
    return {"names": found["names"], "cells": cells, "calibration": bins}


def _row(name: str, true: int, row: list[int]) -> dict[str, Any]:
    n = sum(row) or 1
    cells = [
        {"n": count, "heat": round(N_HEATS * (count / n) ** 0.5), "is_right": k == true}
        for k, count in enumerate(row)
    ]
    return {"name": name, "cells": cells}


def _heats(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    paths: dict[int, list[str]] = {}
    for y, row in enumerate(rows):
        for x, cell in enumerate(row["cells"]):
            if cell["n"]:
                paths.setdefault(max(1, cell["heat"]), []).append(f"M{x} {y}h1v1h-1z")
    return [(heat, "".join(cells)) for heat, cells in sorted(paths.items())]


def _class(name: str, n: int, right: int) -> dict[str, Any]:
    return {"name": name, "n": n, "accuracy": right / n, "interval": interval(right / n, n)}
