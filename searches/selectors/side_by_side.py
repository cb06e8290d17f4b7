"""Two to six searches held against each other: what differs, how each climbed, what it cost, what it found."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from searches.comparisons import interval
from searches.models import Candidate, Search
from searches.selectors.progress import is_superseded, n_training_images, n_validation_images
from searches.selectors.seeds import differing, groups_of, settings_of

LEAST, MOST = 2, 6
IN_STEPS = (Candidate.Kind.PRETRAIN, Candidate.Kind.NEIGHBOUR)
COLUMNS = (
    "search_id", "kind", "step", "index", "status", "epoch", "epochs", "seconds", "n_parameters", "n_macs",
    "is_winner", "val_accuracy", "test_accuracy",
)  # fmt: skip
Facts = dict[str, Any]


def side_by_side(searches: Sequence[Search]) -> Facts:
    """Plain JSON: `searches` in the order given, `groups` (same data set and settings but for the seed) in order of
    their first search, `settings` that differ, `datasets` by name. Accuracies and errors are fractions.
    """
    candidates = _candidates(searches)
    settings = {search.pk: settings_of(search) for search in searches}
    groups = groups_of(searches, settings)
    place = {search.uuid: number for number, group in enumerate(groups) for search in group.members}
    return {
        "searches": [_search(s, candidates[s.pk], place[s.uuid]) for s in searches],
        "groups": [
            {"name": group.name, "number": number, "members": [str(search.uuid) for search in group.members]}
            for number, group in enumerate(groups, start=1)
        ],
        "settings": [
            {"name": name, "values": [settings[search.pk][name] for search in searches]}
            for name in differing(settings.values())
        ],
        "datasets": sorted({search.dataset.name for search in searches}),
    }


def in_this_order(searches: QuerySet[Search], uuids: Sequence[Any]) -> list[Search]:
    """Those of these uuids, in the order of the uuids."""
    found = {search.uuid: search for search in searches.filter(uuid__in=uuids).select_related("dataset", "owner")}
    return [found[uuid] for uuid in uuids if uuid in found]


def _candidates(searches: Iterable[Search]) -> dict[int, list[Candidate]]:
    """Trainings of Algorithm 1 by search, in its order; none that the search does without by now."""
    n_steps = {search.pk: int(search.config["n_steps"]) for search in searches}
    rows = Candidate.objects.filter(search__in=n_steps, kind__in=(*IN_STEPS, Candidate.Kind.FINAL))
    by_search: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in rows.only(*COLUMNS).order_by("step", "index"):
        if not is_superseded(candidate.kind, candidate.step, n_steps[candidate.search_id]):
            by_search[candidate.search_id].append(candidate)
    return by_search


def _search(search: Search, candidates: list[Candidate], group: int) -> Facts:
    config, dataset = search.search_config, search.dataset
    n_validation = n_validation_images(config, dataset.n_train)
    n_train = n_training_images(config, dataset.n_train)
    steps = _steps(candidates, n_train)
    final = next((c for c in candidates if c.kind == Candidate.Kind.FINAL and c.test_accuracy is not None), None)
    best = steps[-1] if steps else None
    model = final or next((c for c in reversed(candidates) if c.is_winner), None)
    return {
        "uuid": str(search.uuid),
        "name": search.name,
        "url": reverse("search_detail", args=[search.uuid]),
        "group": group,
        "number": group + 1,
        "seed": config.seed,
        "dataset": dataset.name,
        "status": search.status,
        "steps": steps,
        "trainings": [_training(c) for c in candidates if c.kind in IN_STEPS and c.val_accuracy is not None],
        "val_accuracy": best["val_accuracy"] if best else None,
        "val_interval": interval(best["val_accuracy"], n_validation) if best else None,
        "n_validation": n_validation,
        "test_error": None if final is None else 1.0 - (final.test_accuracy or 0.0),
        "test_interval": None if final is None else interval(1.0 - (final.test_accuracy or 0.0), search.n_test),
        "n_test": search.n_test,
        "n_parameters": model.n_parameters if model else None,
        "n_macs": model.n_macs if model else None,
        "epochs": round(sum(_epochs(c) for c in candidates), 2),
        "compute": sum(_compute(c, n_train if c.kind in IN_STEPS else n_train + n_validation) for c in candidates),
        "seconds": round(sum(c.seconds or 0.0 for c in candidates), 1),
    }


def _steps(candidates: Sequence[Candidate], n_train: int) -> list[Facts]:
    """The winner of each step, with what all trainings cost until then."""
    steps, compute, seconds = [], 0.0, 0.0
    in_steps = [c for c in candidates if c.kind in IN_STEPS]
    for step in sorted({c.step for c in in_steps}):
        of_step = [c for c in in_steps if c.step == step]
        compute += sum(_compute(c, n_train) for c in of_step)
        seconds += sum(c.seconds or 0.0 for c in of_step)
        winner = next((c for c in of_step if c.is_winner and c.val_accuracy is not None), None)
        if winner is None:
            break
        costs = {"compute": compute, "seconds": round(seconds, 1)}
        steps.append({**_training(winner), **costs})
    return steps


def _training(candidate: Candidate) -> Facts:
    return {
        "step": candidate.step,
        "code": "model_0" if candidate.kind == Candidate.Kind.PRETRAIN else f"{candidate.step}.{candidate.index}",
        "val_accuracy": candidate.val_accuracy,
        "n_parameters": candidate.n_parameters,
        "winner": candidate.is_winner,
    }


def _epochs(candidate: Candidate) -> float:
    """What it was really trained for."""
    return float(candidate.epochs) if candidate.status == Candidate.Status.DONE else candidate.epoch


def _compute(candidate: Candidate, n_images: int) -> float:
    """Multiply-accumulates of the forward passes: MACs x images x epochs; going back costs about twice that."""
    return candidate.n_macs * n_images * _epochs(candidate)
