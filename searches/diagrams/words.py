"""Numbers and names as the drawings write them: 78.70 %, 136 k, 6 min 03 s; narrow no-break space before units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

THIN = "\u202f"


def percent(fraction: float, digits: int = 2) -> str:
    """0.787 -> "78.70 %"."""
    return f"{100 * fraction:.{digits}f}{THIN}%"


def short(n: float) -> str:
    """A count in about three figures: 880, 9.2 k, 136 k, 94.4 M, 1.32 G. The same as in static/js/format.js."""
    for limit, scale, unit, digits in (
        (1e12, 1e12, "T", 2),
        (1e9, 1e9, "G", 2),
        (999_500, 1e6, "M", 1),
        (9_950, 1e3, "k", 0),
        (1e3, 1e3, "k", 1),
    ):
        if n >= limit:
            return f"{n / scale:.{digits}f}{THIN}{unit}"
    return f"{n:.0f}"


def duration(seconds: float) -> str:
    """44 s, 6 min 03 s, 1 h 02 min, 3 d 4 h. The same as in static/js/format.js."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    if minutes < 1:
        return f"{whole}{THIN}s"
    if minutes < 60:
        return f"{minutes}{THIN}min {rest:02d}{THIN}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}{THIN}h {minutes:02d}{THIN}min"
    return f"{hours // 24}{THIN}d {hours % 24}{THIN}h"


def counted(n: int, noun: str) -> str:
    """1 join, 2 joins, 2 searches."""
    ending = "" if n == 1 else "es" if noun.endswith("search") else "s"
    return f"{n:,} {noun}{ending}"


def side_words(height: int, width: int) -> str:
    return f"{height}×{width}"


def morphism_words(morphism: Mapping[str, Any]) -> str:
    """The words of a morphism's record; its kind alone where the record has none."""
    return str(morphism.get("words") or morphism.get("kind", ""))
