"""A search as one JSON value: what the page begins with, what the API answers, what events carry parts of."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.urls import reverse

from searches import comparisons
from searches.models import Candidate, Point, Search
from searches.nash.morphisms import morphism_from_dict
from searches.selectors.datasets import augmentation_words, is_uneven
from searches.selectors.files import model_artifact
from searches.selectors.log import log_line, newest_events
from searches.selectors.operators import operator_table
from searches.selectors.progress import (
    SIMULATE_SECONDS,
    n_training_images,
    n_validation_images,
    progress_fields,
    seconds_spent,
)
from searches.selectors.starting import shown_config, start_fields
from searches.selectors.workers import worker_dicts

KIND_ORDER = ("pretrain", "neighbour", "final", "snapshot", "scratch", "reference")
HEAVY = ("architecture", "correct")
"""Columns that no list needs."""
MANY_EPOCHS = 5000
"""From so many epochs in a search on, a page would wait seconds for every point of every child."""


def snapshot(search: Search) -> dict[str, Any]:
    """Everything the search page shows at its first look, as of event `seq`.

    The number is read first: what happens meanwhile is then both here and in the events after it, which the
    reader merges without harm.
    """
    search.refresh_from_db()
    newest = newest_events(search)
    candidates = in_order(_candidates(search))
    marks = _marks(search, candidates)
    return {
        **search_fields(search),
        **settings_fields(search),
        **progress_fields(search, simulate_seconds=SIMULATE_SECONDS),
        "seq": search.seq,
        "tags": list(search.tags.values_list("name", flat=True)),
        "has_note": bool(search.note),
        "preset": search.preset,
        "start": start_fields(search),
        "dataset": _dataset_fields(search),
        **result_fields(search, candidates),
        "operators": operator_table([search.operators]),
        "workers": worker_dicts(),
        "candidates": [candidate_dict(c) | marks.get(c.pk, {}) for c in candidates],
        "points": _points(search, candidates),
        "log": [log_line(event) for event in newest if event.seq <= search.seq],
    }


def search_fields(search: Search) -> dict[str, Any]:
    """The row's own fields that change while a search lives, and those that name it."""
    return {
        "uuid": str(search.uuid),
        "name": search.name,
        "status": search.status,
        "reason": search.reason,
        "hours_limit": search.hours_limit,
        "accuracy_goal": search.accuracy_goal,
        "created": iso(search.created),
        "started": iso(search.started),
        "ended": iso(search.ended),
        "deleted": iso(search.deleted),
    }


def settings_fields(search: Search) -> dict[str, Any]:
    """Every setting, those that are younger than the search too, and the epochs that follow from them.

    `comparison_lengths`: epochs of each training of all that a search can be compared with, asked for or not.
    """
    config = search.search_config
    return {
        "config": shown_config(config),
        "epochs_total": comparisons.total_epochs(config),
        "comparison_lengths": {name: c.lengths(config) for name, c in comparisons.CATALOGUE.items()},
    }


def result_fields(search: Search, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Which candidate is best by now, the test accuracy once it was measured, and where to fetch the model.

    `seconds_to_final`: wall time until the final training had ended, whatever was compared after it.
    """
    n_steps = search.config["n_steps"]
    winners = [c for c in candidates if c.is_winner]
    finals = [c for c in candidates if c.kind == Candidate.Kind.FINAL and c.status == Candidate.Status.DONE]
    final = next((c for c in finals if c.step == n_steps), None)  # others are of before it was extended
    best = final or max(winners, key=lambda c: c.step, default=None)
    artifact = model_artifact(search)
    return {
        "best": best.pk if best else None,
        "test_accuracy": final.test_accuracy if final else None,
        "seconds_to_final": round(seconds_spent(search, until=final.ended), 1) if final else None,
        "download": reverse("search_download", args=[search.uuid]) if artifact else None,
        "download_of": artifact.candidate_id if artifact else None,
        "disk_bytes": search.disk_bytes,
    }


def in_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """As Algorithm 1 comes by them: model_0, the steps one after another, the final training."""
    return sorted(candidates, key=lambda c: (KIND_ORDER.index(c.kind), c.step, c.index))


def candidate_dicts(search: Search) -> list[dict[str, Any]]:
    return [candidate_dict(c) for c in in_order(_candidates(search))]


def _candidates(search: Search) -> list[Candidate]:
    """Each once, as the parent of others too: parents are trainings of the same search."""
    found = {c.pk: c for c in search.candidates.defer(*HEAVY)}
    for candidate in found.values():
        candidate.search = search
        if candidate.parent_id is not None:
            candidate.parent = found[candidate.parent_id]
    return list(found.values())


def candidate_dict(candidate: Candidate) -> dict[str, Any]:
    """One candidate as pages, frames and the API show it; reads its search's uuid and its parent's digest."""
    return {
        "id": candidate.pk,
        "kind": candidate.kind,
        "step": candidate.step,
        "index": candidate.index,
        "code": candidate.code,
        "parent": candidate.parent_id,
        "digest": candidate.digest,
        "parent_digest": candidate.parent.digest if candidate.parent else None,
        "n_parameters": candidate.n_parameters,
        "n_macs": candidate.n_macs,
        "morphisms": [{**m, "words": morphism_from_dict(m).words()} for m in candidate.morphisms],
        "notes": candidate.notes,
        "epochs": candidate.epochs,
        "url": reverse(
            "candidate_detail", args=[candidate.search.uuid, candidate.kind, candidate.step, candidate.index]
        ),
        **candidate_state(candidate),
    }


def candidate_state(candidate: Candidate) -> dict[str, Any]:
    """The part of a candidate that changes while it is trained."""
    return {
        "id": candidate.pk,
        "status": candidate.status,
        "reason": candidate.reason,
        "attempt": candidate.attempt,
        "failures": candidate.failures,
        "accumulate": candidate.accumulate,
        "worker": candidate.worker,
        "threads": candidate.threads,
        "numeric_path": candidate.numeric_path,
        "epoch": round(candidate.epoch, 4),
        "val_accuracy": candidate.val_accuracy,
        "val_balanced": candidate.val_balanced,
        "test_balanced": candidate.test_balanced,
        "test_accuracy": candidate.test_accuracy,
        "gap": candidate.gap,
        "seal": candidate.seal,
        "winner": candidate.is_winner,
        "seconds": candidate.seconds,
        "images_per_second": candidate.images_per_second,
        "flops_per_second": candidate.flops_per_second,
        "peak_memory_bytes": candidate.peak_memory_bytes,
    }


PointRow = list[float | int | None]


def point_row(point: Point) -> PointRow:
    """[optimiser_step, epoch, loss, lr, validation accuracy, seconds], rounded to what a curve can show."""
    return _rounded(point.optimiser_step, point.epoch, point.loss, point.lr, point.val_accuracy, point.seconds)


def _marks(search: Search, candidates: Iterable[Candidate]) -> dict[int, dict[str, Any]]:
    """Tags and whether there is a note, of the candidates that people wrote something about."""
    marks: dict[int, dict[str, Any]] = defaultdict(dict)
    tagged = Candidate.tags.through.objects.filter(candidate__search=search).order_by("tag__name")
    for pk, name in tagged.values_list("candidate_id", "tag__name"):
        marks[pk].setdefault("tags", []).append(name)
    for candidate in candidates:
        if candidate.note:
            marks[candidate.pk]["has_note"] = True
    return marks


def _rounded(
    step: int, epoch: float, loss: float | None, lr: float, accuracy: float | None, seconds: float | None
) -> PointRow:
    return [
        step,
        round(epoch, 4),
        None if loss is None else round(loss, 5),
        float(f"{lr:.6g}"),
        None if accuracy is None else round(accuracy, 6),
        None if seconds is None else round(seconds, 2),
    ]


def _points(search: Search, candidates: Sequence[Candidate]) -> dict[str, list[PointRow]]:
    """Every point by candidate; of a search that has very many, of children of earlier steps their epochs' ends."""
    rows: dict[str, list[PointRow]] = defaultdict(list)
    points = Point.objects.filter(candidate__search=search).order_by("candidate_id", "optimiser_step")
    if sum(c.epochs for c in candidates) > MANY_EPOCHS:
        newest = max(c.step for c in candidates)
        whole = ~Q(candidate__kind=Candidate.Kind.NEIGHBOUR) | Q(candidate__step__gte=newest - 1)
        points = points.filter(whole | Q(val_accuracy__isnull=False))
    columns = ("candidate_id", "optimiser_step", "epoch", "loss", "lr", "val_accuracy", "seconds")
    for candidate, *values in points.values_list(*columns):
        rows[str(candidate)].append(_rounded(*values))
    return dict(rows)


def _dataset_fields(search: Search) -> dict[str, Any]:
    dataset, config = search.dataset, search.search_config
    return {
        "name": dataset.name,
        "n_train": n_training_images(config, dataset.n_train),
        "n_validation": n_validation_images(config, dataset.n_train),
        "n_test": search.n_test,
        "n_classes": dataset.n_classes,
        "input_shape": list(dataset.input_shape),
        "flips": dataset.flips,
        "augmentation": augmentation_words(config, dataset),
        "is_uneven": is_uneven(dataset),
    }


def iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
