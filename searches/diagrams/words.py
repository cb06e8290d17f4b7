"""Numbers and names as the drawings write them: 78.70 %, 136 k, 6 min 03 s; narrow no-break space before units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

THIN = "\u202f"


def percent(fraction: float, digits: int = 2) -> str:
    """0.787 -> "78.70 %"."""
    return f"{100 * fraction:.{digits}f}{THIN}%"


def short(n: float) -> str:
    """A count in three figures or fewer: 880, 9.2 k, 136 k, 94.4 M, 1.32 G."""
    for limit, unit, digits in ((1e9, "G", 2), (1e6, "M", 1), (1e4, "k", 0), (1e3, "k", 1)):
        if n >= limit or (limit > 1e4 and round(n / limit, digits) >= 1):
            scale = {"G": 1e9, "M": 1e6, "k": 1e3}[unit]
            return f"{n / scale:.{digits}f}{THIN}{unit}"
    return f"{n:.0f}"


def duration(seconds: float) -> str:
    """44 s, 6 min 03 s, 1 h 02 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{THIN}h {minutes:02d}{THIN}min"
    return f"{minutes}{THIN}min {rest:02d}{THIN}s" if minutes else f"{rest}{THIN}s"


def counted(n: int, noun: str) -> str:
    """1 join, 2 joins."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def side_words(height: int, width: int) -> str:
    return f"{height}×{width}"


def morphism_words(morphism: Mapping[str, Any]) -> str:
    """The words of a morphism's record; its kind alone where the record has none."""
    return str(morphism.get("words") or morphism.get("kind", ""))
