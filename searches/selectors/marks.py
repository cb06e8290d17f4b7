"""What a search says of the engine versions that it was made with."""

from searches.models import Search


def engine_words(search: Search) -> str:
    """Its version, "3"; of one that went on "2, from step 3 on 3", or "3, from 2.4 on another numeric path"."""
    marks = search.went_on
    parts = [str(marks[0]["before"] if marks else search.engine_version)]
    for mark in marks:
        what = "another numeric path" if mark["after"] == mark["before"] else mark["after"]
        parts.append(f"from {mark['where']} on {what}")
    return ", ".join(parts)
