"""Which network of a search is its best, and what a downloaded model says of itself."""

from operator import itemgetter
from typing import Any

from searches.models import Candidate, Search

IN_STEPS = (Candidate.Kind.PRETRAIN, Candidate.Kind.NEIGHBOUR)


def best_so_far(search: Search) -> Candidate | None:
    """The network to have of a search that goes no further: its newest final model.

    Without one the winner of the last step that was decided, unless a child of the step after it is better.
    """
    done = search.candidates.filter(status=Candidate.Status.DONE).defer("correct").select_related("parent")
    if final := done.filter(kind=Candidate.Kind.FINAL).order_by("-step").first():
        return final
    winner = done.filter(kind__in=IN_STEPS, is_winner=True).order_by("-step").first()
    if winner is None:
        return None
    later = done.filter(kind=Candidate.Kind.NEIGHBOUR, step__gt=winner.step).order_by("index")
    selection = search.search_config.selection
    measured = ((c.measured_by(selection), c) for c in (winner, *later))
    return max(((-1.0 if value is None else value, c) for value, c in measured), key=itemgetter(0))[1]


def model_info(candidate: Candidate, *, test_accuracy: float | None) -> dict[str, Any]:
    """What the downloaded model says of itself, in plain JSON."""
    dataset = candidate.search.dataset
    return {
        "name": candidate.search.name,
        "dataset": dataset.name,
        "classes": list(dataset.meta.get("classes", ())),
        "test_accuracy": test_accuracy,
        "lineage": _lineage(candidate),
        "settings": candidate.search.config,
    }


def _lineage(candidate: Candidate) -> list[str]:
    """From model_0 to the final training: what each was made by, and how good it was."""
    lines = []
    link: Candidate | None = candidate
    while link is not None:
        made_by = "; ".join(m.words() for m in link.morphism_list())
        accuracy = "" if link.val_accuracy is None else f", {100 * link.val_accuracy:.2f} % validation accuracy"
        lines.append(f"{link.code}{f': {made_by}' if made_by else ''}{accuracy}")
        link = link.parent
    return lines[::-1]
