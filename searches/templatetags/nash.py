"""Numbers, times and icons in templates: {{ accuracy|percent }}, {% icon "pause" %}, {% moment search.created %}."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template
from django.forms import BooleanField, BoundField, MultipleChoiceField
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime

from searches import figures
from searches.diagrams import DRAWING_VERSION, words
from searches.markdown import render
from searches.nash.config import SearchConfig

register = template.Library()
DASH = "–"


@register.filter
def percent(fraction: float | None, digits: int = 2) -> str:
    """0.787 -> 78.70 %; a dash where nothing was measured."""
    return DASH if fraction is None else words.percent(fraction, digits)


@register.filter
def count(n: float | None) -> str:
    """135531 -> 135,531."""
    return DASH if n is None else f"{n:,.0f}"


@register.filter
def short(n: float | None) -> str:
    """135531 -> 136 k."""
    return DASH if n is None else words.short(n)


@register.filter
def duration(seconds: float | None) -> str:
    """363 -> 6 min 03 s."""
    return DASH if seconds is None else words.duration(seconds)


@register.filter
def hours(n: float | None) -> str:
    """Hours as a duration: 0.1008 -> 6 min 03 s."""
    return DASH if n is None else words.duration(3600 * n)


@register.filter
def gained(n: int) -> str:
    """26528 -> +26,528; with a true minus."""
    return f"{'−' if n < 0 else '+'}{abs(n):,}"


@register.filter
def points(difference: float | None, digits: int = 2) -> str:
    """-0.004 -> −0.40 points of per cent; with a true minus, as in static/js/format.js."""
    if difference is None:
        return DASH
    return f"{'−' if difference < 0 else '+'}{100 * abs(difference):.{digits}f}"


@register.filter
def p_value(p: float) -> str:
    """p to two digits: 0.34, 0.0021, below 0.0001."""
    return "below 0.0001" if p < 0.0001 else f"{float(f'{p:.2g}'):g}"


@register.filter
def scientific(value: float | None) -> str:
    """2.9e-06 -> 2.9 × 10⁻⁶; 0 -> 0."""
    if value is None:
        return "not measured"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if mantissa == "1.0" else f"{mantissa} × 10{power}"


@register.filter
def markdown(text: str) -> SafeString:
    """A note as HTML: sanitised, so that it can be put into the page."""
    return mark_safe(render(text))  # noqa: S308  # nh3 has cleaned it


@register.filter("bytes")
def in_bytes(n: float | None) -> str:
    """850_000 -> 850 kB, 412_000_000 -> 412 MB, 7_900_000_000 -> 7.9 GB; the same as in static/js/format.js."""
    if n is None:
        return DASH
    scale, unit = (1e9, "GB") if n >= 1e9 else (1e6, "MB") if n >= 1e6 else (1e3, "kB")
    return f"{n / scale:,.{1 if n / scale < 10 and n else 0}f}{words.THIN}{unit}"


@register.filter
def shape(shape: tuple[int, int, int] | list[int]) -> str:
    """(3, 32, 32) -> 32×32, colour."""
    channels, height, width = shape
    return f"{width}×{height}, {'grey' if channels == 1 else 'colour'}"


@register.filter
def plural(n: int, noun: str) -> str:
    """{{ 3|plural:"epoch" }} -> 3 epochs."""
    return words.counted(n, noun)


@register.filter
def stair(accuracies: Sequence[float]) -> figures.Stair | None:
    """The best of each step as a small stair; None for fewer than two."""
    return figures.stair(accuracies)


@register.filter
def setting(field: BoundField) -> dict[str, Any]:
    """What the engine says of a setting: its unit and the paper's value; and how it is drawn."""
    metadata = SearchConfig.__dataclass_fields__[field.name].metadata
    return {
        "unit": metadata["unit"],
        "paper": metadata["paper"],
        "is_switch": isinstance(field.field, BooleanField),
        "is_several": isinstance(field.field, MultipleChoiceField),
    }


@register.simple_tag
def filled(done: float, total: float, width: float) -> float:
    """How wide the filled part of a bar is."""
    return round(figures.share(done, total) * width, 1)


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of static/icons.svg, hidden from screen readers: its words stand beside it."""
    return format_html(
        '<svg class="icon {}" viewBox="0 0 14 14" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        extra,
        static("icons.svg"),
        name,
    )


@register.simple_tag
def drawing_version() -> str:
    """Stands in the address of every drawing that a browser may keep."""
    return DRAWING_VERSION


@register.simple_tag
def moment(value: datetime | None) -> str | SafeString:
    """A time: the server's own here, the reader's as soon as static/js/times.js has run."""
    if value is None:
        return DASH
    local = localtime(value)
    return format_html(
        '<time datetime="{}" data-moment>{}</time>', value.isoformat(), local.strftime("%-d %b %Y %H:%M")
    )


@register.simple_tag(takes_context=True)
def is_current(context: dict[str, Any], *names: str) -> SafeString | str:
    """aria-current="page" where the page on show is one of these addresses' names."""
    match = getattr(context.get("request"), "resolver_match", None)
    return SafeString(' aria-current="page"') if match and match.url_name in names else ""
