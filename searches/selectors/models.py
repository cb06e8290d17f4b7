"""Which network of a search is its best, and what a downloaded model says of itself."""

from collections.abc import Mapping
from itertools import pairwise
from operator import itemgetter
from typing import Any

from searches.comparisons import interval
from searches.models import Candidate, Search
from searches.selectors.marks import engine_words
from searches.selectors.starting import shown_config, start_fields

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
        **({} if candidate.val_accuracy is None else {"val_accuracy": candidate.val_accuracy}),
        **({"engine": engine_words(candidate.search)} if candidate.search.went_on else {}),
        "lineage": _lineage(candidate),
        "settings": shown_config(candidate.search.search_config),
    }


def card_info(candidate: Candidate, versions: Mapping[str, str]) -> dict[str, Any]:
    """What the model card says beside that: data, split, accuracies with 95 % intervals, and what made it."""
    search, dataset = candidate.search, candidate.search.dataset
    config = search.search_config
    n_validation = dataset.n_train // 5 if config.n_validation is None else config.n_validation
    n_training = dataset.n_train - n_validation if config.n_training is None else config.n_training
    n_seen = n_training if candidate.test_accuracy is None else n_training + n_validation
    return {
        **model_info(candidate, test_accuracy=candidate.test_accuracy),
        "dataset_digest": search.dataset_digest,
        "split": f"Split with seed {config.seed}: {n_validation:,} of {dataset.n_train:,} training images for "
        f"validation, {search.n_test:,} of {dataset.n_test:,} for the test; this network was trained on {n_seen:,} "
        f"images, for {candidate.epochs:,} epochs.",
        "validation_measured": _measured(candidate.val_accuracy, n_validation),
        "test_measured": _measured(candidate.test_accuracy, search.n_test),
        "versions": {"engine": engine_words(search), **versions},
    }


def _measured(accuracy: float | None, n_images: int) -> dict[str, Any] | None:
    if accuracy is None:
        return None
    return {"accuracy": accuracy, "n_images": n_images, "interval": interval(accuracy, n_images)}


def winning_line(candidate: Candidate) -> list[Candidate]:
    """From model_0 to this network, each the parent of the next: two queries, however long it is."""
    parents = dict(Candidate.objects.filter(search=candidate.search_id).values_list("pk", "parent_id"))
    ids, link = [], candidate.parent_id
    while link is not None:
        ids.append(link)
        link = parents[link]
    found = Candidate.objects.defer("correct").in_bulk(ids)
    line = [candidate, *(found[pk] for pk in ids)]
    for child, parent in pairwise(line):
        parent.search = candidate.search
        child.parent = parent
    return line[::-1]


def _lineage(candidate: Candidate) -> list[str]:
    """From model_0 to the final training: what each was made by, and how good it was."""
    start = start_fields(candidate.search)
    lines = [f"started from {start['words']}, weights sha256 {start['sha256']}"] if start else []
    for link in winning_line(candidate):
        made_by = "; ".join(m.words() for m in link.morphism_list())
        accuracy = "" if link.val_accuracy is None else f", {100 * link.val_accuracy:.2f} % validation accuracy"
        lines.append(f"{link.code}{f': {made_by}' if made_by else ''}{accuracy}")
    return lines
