"""Estimates as people read them: rounded to what is known. The same as in static/js/format.js."""

from searches.diagrams.words import THIN


def about(seconds: float) -> str:
    """"under 1 min", "about 7 min", "about 2 h 40 min", "about 3 days"."""
    return "under 1\u202fmin" if seconds < 45 else f"about {rounded(seconds)}"


def between(low: float, high: float) -> str:
    """"between 9 min and 16 min"; one value where both round to it."""
    first, last = rounded(low), rounded(high)
    return f"most likely {first}" if first == last else f"between {first} and {last}"


def rounded(seconds: float) -> str:
    """Whole minutes, then tens of minutes, then days; seconds below three quarters of a minute."""
    if seconds < 45:
        return f"{max(1, round(seconds))}{THIN}s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes}{THIN}min"
    tens = round(minutes / 10) * 10
    if tens < 48 * 60:
        return f"{tens // 60}{THIN}h" + (f" {tens % 60}{THIN}min" if tens % 60 else "")
    return f"{round(minutes / 60 / 24)}{THIN}days"


def size_words(n_bytes: float) -> str:
    """Memory in two figures: "820 MB", "1.2 GB"."""
    return f"{n_bytes / 1e9:.1f}{THIN}GB" if n_bytes >= 995e6 else f"{round(n_bytes / 1e7) * 10}{THIN}MB"
