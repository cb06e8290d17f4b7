"""What a search was started from in place of a fresh model_0, and what one can be started from."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef
from django.urls import reverse

from searches.models import Artifact, Candidate, DataSet, Search, StartNetwork
from searches.nash.config import SearchConfig
from searches.selectors.access import Asker, visible_to
from searches.selectors.names import told_apart

CLASSES_SHOWN = 5
MOST_CHOICES = 200


def start_fields(search: Search) -> dict[str, Any] | None:
    """The network that a search was started from: its words, the address of its page if it is there still, its file's
    sha256 and bytes, and how its classes are named otherwise; None of a fresh model_0."""
    row = StartNetwork.objects.filter(search=search).select_related("candidate__search").first()
    if row is None:
        return None
    return {
        "words": row.words,
        "url": candidate_url(row.candidate) if row.candidate and row.candidate.search.deleted is None else None,
        "sha256": row.sha256,
        "bytes": row.bytes,
        "remark": other_names(row.classes, search.dataset),
    }


def candidate_url(candidate: Candidate) -> str:
    return reverse("candidate_detail", args=[candidate.search.uuid, candidate.kind, candidate.step, candidate.index])


def shown_config(config: SearchConfig) -> dict[str, Any]:
    """Every setting as pages and files show it: the network that a search starts from in one line."""
    values = config.to_dict()
    return {**values, "start": config.start.words} if config.start else values


def other_names(classes: Sequence[str], dataset: DataSet) -> str:
    """How the classes of a network are named otherwise than the data set's, in words; "" where they are not."""
    needed = [str(name) for name in dataset.meta.get("classes", ())]
    if not classes or not needed or list(classes) == needed:
        return ""
    here = f"{_some(classes)}; those of {dataset.name} are {_some(needed)}"
    if sorted(classes) == sorted(needed):
        return f"Its classes stand in another order: {here}."
    return f"Its classes are named otherwise: {here}."


def _some(names: Sequence[str]) -> str:
    more = len(names) - CLASSES_SHOWN
    return ", ".join(names[:CLASSES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def finished_models(asker: Asker) -> list[Candidate]:
    """Final models that a search can be started from, the newest first."""
    weights = Artifact.objects.filter(candidate=OuterRef("pk"), format=Artifact.Format.WEIGHTS)
    finals = Candidate.objects.filter(Exists(weights), search__in=visible_to(asker), kind="final", status="done")
    found = finals.select_related("search__dataset").defer("architecture", "correct", "search__config")
    return list(found.order_by("-ended", "-pk")[:MOST_CHOICES])


def model_value(candidate: Candidate) -> str:
    """How a form names a trained network."""
    return f"{candidate.search.uuid}:{candidate.slug}"


def model_names(candidates: Sequence[Candidate]) -> list[str]:
    """How a list names trained networks: “Small, seed 0”, final, on cifar10: 91.20 %, 4,503,210 parameters."""
    searches = told_apart([candidate.search for candidate in candidates])
    return [_model_name(*pair) for pair in zip(candidates, searches, strict=True)]


def _model_name(candidate: Candidate, search: str) -> str:
    accuracy = candidate.val_accuracy if candidate.test_accuracy is None else candidate.test_accuracy
    measured = "" if accuracy is None else f"{100 * accuracy:.2f} %, "
    on = candidate.search.dataset.name
    return f"{search}, {candidate.code}, on {on}: {measured}{candidate.n_parameters:,} parameters"
