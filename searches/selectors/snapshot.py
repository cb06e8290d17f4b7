"""The parts of a search as JSON values: what pages begin with, what the API answers, what events carry."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from django.urls import reverse

from searches import comparisons
from searches.models import Candidate, Point, Search
from searches.nash.morphisms import morphism_from_dict
from searches.selectors.datasets import augmentation_words, is_uneven
from searches.selectors.files import model_artifact
from searches.selectors.marks import engine_words
from searches.selectors.progress import n_training_images, n_validation_images, seconds_spent
from searches.selectors.starting import shown_config

KIND_ORDER = ("pretrain", "neighbour", "final", "snapshot", "scratch", "reference")
HEAVY = ("architecture", "correct")
"""Columns that no list needs."""


def search_fields(search: Search) -> dict[str, Any]:
    """The row's own fields that change while a search lives, and those that name it."""
    return {
        "uuid": str(search.uuid),
        "name": search.name,
        "status": search.status,
        "reason": search.reason,
        "engine_version": search.engine_version,
        "engine": engine_words(search),
        "went_on": search.went_on,
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


class Ended(Protocol):
    """Of a training what says which one is best: a row, or what is kept of one."""

    @property
    def pk(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def is_winner(self) -> bool: ...
    @property
    def test_accuracy(self) -> float | None: ...
    @property
    def ended(self) -> datetime | None: ...


def result_fields(search: Search, candidates: Sequence[Ended]) -> dict[str, Any]:
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
    return rounded(point.optimiser_step, point.epoch, point.loss, point.lr, point.val_accuracy, point.seconds)


def rounded(
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


def dataset_fields(search: Search) -> dict[str, Any]:
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
