"""The beginning of a search: its row, its first candidate and event 1, in one transaction."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from searches import comparisons
from searches.diagrams.words import counted
from searches.models import Candidate, DataSet, Search, StartNetwork
from searches.nash.config import COMPARISONS, InvalidConfig, SearchConfig
from searches.nash.hillclimb import Job, plan
from searches.selectors import search_fields
from searches.selectors.ensembles import SNAPSHOTS
from searches.selectors.starting import other_names
from searches.services import sentences
from searches.services.events import append
from searches.services.members import wait_for_snapshots
from searches.services.starting import Origin, forget_start, keep_start


@dataclass(frozen=True)
class Launched:
    """What was made; `candidate_ids` are to be sent to the queue after commit."""

    search_id: int
    uuid: UUID
    candidate_ids: list[int]


def create_search(
    config: SearchConfig,
    *,
    dataset: DataSet,
    name: str,
    owner: AbstractBaseUser | None = None,
    preset: str = "",
    hours_limit: float | None = None,
    accuracy_goal: float | None = None,
    origin: Origin | None = None,
    snapshot_ensemble: bool = False,
) -> Launched:
    """Write a search that waits for a worker. Its budget: hours, and a validation accuracy as a fraction.

    `origin`: the network of config.start, whose weights are kept with the search. `snapshot_ensemble`: its snapshots
    are trained at the end, and an ensemble is made of them and the final model.
    Raises InvalidConfig where the settings speak of other images than the data set has, or the budget is none;
    DamagedModel and OSError where the origin's weights cannot be kept.
    """
    if snapshot_ensemble:
        config = with_snapshots(config)
    _check_images(config, dataset)
    _check_budget(dataset, hours_limit, accuracy_goal)
    if config.start != (origin and origin.start):
        raise InvalidConfig({"start": "the network that is given is not the one that the settings name"})
    jobs = plan(config, [])
    compared = sum(comparisons.lengths(config))
    uuid = uuid4()
    with _kept(uuid, origin) as start_columns, transaction.atomic():
        search = Search.objects.create(
            uuid=uuid,
            disk_bytes=start_columns["bytes"] if start_columns else 0,
            name=name,
            owner=owner,  # type: ignore[misc]  # the project's user model is a setting
            dataset=dataset,
            dataset_digest=dataset.digest,
            preset=preset,
            config=config.to_dict(),
            hours_limit=hours_limit,
            accuracy_goal=accuracy_goal,
        )
        if start_columns:
            StartNetwork.objects.create(search=search, **start_columns)
        candidates = create_candidates(search, jobs)
        if snapshot_ensemble:
            wait_for_snapshots(search, owner)
        append(
            search,
            "search_created",
            f"Search created on {dataset.name}: {counted(config.n_steps, 'step')} of {config.n_neigh}, "
            f"{counted(config.epoch_budget, 'epoch')}"
            + (f" and {compared:,} of comparisons" if compared else "")
            + ("; an ensemble of its snapshots at the end" if snapshot_ensemble else "")
            + sentences.budget(hours_limit, accuracy_goal, config.selection)
            + _started_from(origin, dataset),
            search_part=search_fields(search),
            candidates=candidates,
        )
    return Launched(search.pk, search.uuid, [c.pk for c in candidates])


@contextmanager
def _kept(uuid: UUID, origin: Origin | None) -> Iterator[dict[str, Any] | None]:
    """The columns of the start's row, its file written; the file goes where the search does not come to be."""
    if origin is None:
        yield None
        return
    try:
        yield keep_start(uuid, origin)
    except BaseException:
        forget_start(uuid)
        raise


def _started_from(origin: Origin | None, dataset: DataSet) -> str:
    if origin is None:
        return ""
    remark = other_names(origin.classes, dataset)
    return f", started from {origin.words}" + (f". {remark.removesuffix('.')}" if remark else "")


def with_snapshots(config: SearchConfig) -> SearchConfig:
    """These settings with the snapshots among what is trained at the end. Raises InvalidConfig for one step."""
    if config.n_steps < 2:
        words = "n_steps is 1: the only snapshot would be the final model, an ensemble of one; give n_steps 2 or more"
        raise InvalidConfig({"snapshot_ensemble": words})
    names = {*config.comparisons, SNAPSHOTS}
    return config.replace(comparisons=tuple(name for name in COMPARISONS if name in names))


def _check_images(config: SearchConfig, dataset: DataSet) -> None:
    errors: dict[str, str] = {}
    if config.input_shape != dataset.input_shape:
        errors["input_shape"] = f"{config.input_shape}; the images of {dataset.name} are {dataset.input_shape}"
    if config.n_classes != dataset.n_classes:
        errors["n_classes"] = f"{config.n_classes}; {dataset.name} has {dataset.n_classes}"
    errors |= errors_of_split(config, dataset)
    if errors:
        raise InvalidConfig(errors)


def errors_of_split(config: SearchConfig, dataset: DataSet) -> dict[str, str]:
    """What is wrong with the sizes of the split for this data set, by setting."""
    errors = _errors_of_training_split(config, dataset.n_train)
    if config.n_test is not None and config.n_test > dataset.n_test:
        errors["n_test"] = (
            f"{config.n_test:,}; {dataset.name} has {dataset.n_test:,} test images: give 1 to {dataset.n_test:,}, or "
            "nothing for all"
        )
    return errors


def _errors_of_training_split(config: SearchConfig, n_images: int) -> dict[str, str]:
    held_back = n_images // 5 if config.n_validation is None else config.n_validation
    if held_back >= n_images:
        return {
            "n_validation": f"{held_back:,} of {n_images:,} training images: none would be left to train on. "
            f"Give less, for example {n_images // 5:,}"
        }
    if held_back < 1:
        return {"n_validation": f"a fifth of {n_images:,} training images is none; give at least 1"}
    if config.n_training is not None and config.n_training > n_images - held_back:
        return {
            "n_training": f"{config.n_training:,}; {n_images:,} training images less {held_back:,} held back are "
            f"{n_images - held_back:,}: give 1 to {n_images - held_back:,}, or nothing for all"
        }
    return {}


def _check_budget(dataset: DataSet, hours_limit: float | None, accuracy_goal: float | None) -> None:
    errors: dict[str, str] = {}
    if hours_limit is not None and not 0 < hours_limit < math.inf:
        errors["hours_limit"] = f"{hours_limit:g} h; give more than none, for example 12"
    if accuracy_goal is not None and not 1 / dataset.n_classes < accuracy_goal <= 1:
        errors["accuracy_goal"] = (
            f"{100 * accuracy_goal:g} %; give more than guessing among {dataset.n_classes} classes gives, "
            f"{100 / dataset.n_classes:.3g} %, and at most 100 %, for example 92.5"
        )
    if errors:
        raise InvalidConfig(errors)


def create_candidates(search: Search, jobs: list[Job]) -> list[Candidate]:
    """Rows for the jobs that have none yet, in the search's locked transaction."""
    rows = {(c.kind, c.step, c.index): c for c in search.candidates.all()}
    made = []
    for job in jobs:
        if job.key not in rows:
            parent = rows[job.parent] if job.parent else None
            made.append(Candidate.objects.create(search=search, parent=parent, **columns_of(job)))
    return made


def columns_of(job: Job) -> dict[str, Any]:
    """The columns that a training is planned with."""
    architecture = job.architecture
    return {
        "kind": job.kind,
        "step": job.step,
        "index": job.index,
        "morphisms": [m.to_dict() for m in job.morphisms],
        "notes": list(job.notes),
        "architecture": architecture.to_dict(),
        "digest": architecture.digest,
        "n_parameters": architecture.n_parameters,
        "n_macs": architecture.n_macs,
        "epochs": job.epochs,
    }
