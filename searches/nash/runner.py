"""A whole search in one process: the loop over plan(), telling what happens as plain dictionaries."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from time import perf_counter
from typing import Any

import torch

from searches.nash.beginnings import statistics_of as statistics_of
from searches.nash.config import SearchConfig
from searches.nash.curves import Diverged, Point
from searches.nash.data import ImageSet
from searches.nash.devices import OutOfMemory, choose_device
from searches.nash.execution import TRAINED_ON_ALL
from searches.nash.execution import SealBroken as SealBroken
from searches.nash.execution import Trained as Trained
from searches.nash.execution import execute as execute
from searches.nash.export import file_sha256
from searches.nash.hillclimb import (
    COMPARISON_KINDS,
    Job,
    Key,
    Outcome,
    begins_at_start,
    code_of,
    has_failed,
    plan,
    winner,
)
from searches.nash.inheritance import Statistics
from searches.nash.network import Network
from searches.nash.start import Start

Event = dict[str, Any]


class SearchFailed(RuntimeError):
    """No candidate of some step survived, so there is no final model; the message says which."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found: the final network and how it came to be. `test_accuracy` of a float32 pass, 0..1.

    `comparisons`: by code what the search is compared with, those that did not end well left out.
    """

    network: Network
    test_accuracy: float
    history: tuple[Outcome, ...]
    final: Trained
    config: SearchConfig
    wall_seconds: float
    comparisons: dict[str, Trained] = field(default_factory=dict)

    @property
    def n_parameters(self) -> int:
        return self.network.architecture.n_parameters


def run_search(
    config: SearchConfig,
    dataset: ImageSet,
    on_event: Callable[[Event], None] | None = None,
    *,
    device: torch.device | str = "auto",
    on_batch: Callable[[], None] | None = None,
    start: Network | None = None,
) -> SearchResult:
    """Run Algorithm 1 to its end, and what it is compared with; shape and classes are taken from the data set.

    `start`: a trained network in place of a fresh model_0, such as Network.load(zip) gives; it is not changed.
    `on_event` gets each event as plain JSON values. Raises SearchFailed, InvalidConfig, what on_batch raises, and
    ValueError where n_validation or n_test does not suit the data set.
    """
    started = perf_counter()
    first = None if start is None else copy.deepcopy(start).float()
    begins = {} if first is None else {"start": Start(first.architecture, file_sha256(first))}
    config = config.replace(input_shape=dataset.input_shape, n_classes=dataset.n_classes, **begins)
    dataset.test_part(config.seed, config.n_test)  # a size that cannot be is said now, not after hours
    search = _Search(config, dataset, choose_device(str(device)), on_event or _untold, on_batch, first)
    search.tell("search_created", dataset=dataset.name, epochs=config.epoch_budget, config=config.to_dict())
    while planned := plan(config, search.history):
        for _, group in groupby(planned, key=lambda job: (job.kind, job.step)):
            search.run_step(list(group))
    return search.result(perf_counter() - started)


def _untold(event: Event) -> None:
    """Where an event goes that nobody asked for."""


@dataclass
class _Search:
    """The state of a running search: what has ended, and the networks that may still be needed."""

    config: SearchConfig
    dataset: ImageSet
    device: torch.device
    on_event: Callable[[Event], None]
    on_batch: Callable[[], None] | None
    start: Network | None = None
    history: list[Outcome] = field(default_factory=list)
    networks: dict[Key, Network] = field(default_factory=dict)
    statistics: Statistics | None = None
    final: Trained | None = None
    comparisons: dict[str, Trained] = field(default_factory=dict)

    def tell(self, event: str, **values: Any) -> None:
        self.on_event({"event": event, **values})

    def run_step(self, jobs: list[Job]) -> None:
        """Train jobs that are of one kind and step, and so have one parent or none."""
        self.open_step(jobs)
        for job in jobs:
            self.train(job)
        self.close_step(jobs[0])

    def open_step(self, jobs: list[Job]) -> None:
        """Keep the networks that are still needed, and work out the parent's statistics for its children."""
        key = jobs[0].parent
        wanted = {key}
        if "snapshots" in self.config.comparisons:  # each step's winner will be trained to its end
            wanted |= {outcome.job.parent for outcome in self.history}
        self.networks = {k: network for k, network in self.networks.items() if k in wanted}
        self.statistics = None
        if key and self.config.network_morphism and any(job.morphisms for job in jobs):
            self.statistics = statistics_of(
                self.networks[key], self.config, self.dataset, device=self.device, on_batch=self.on_batch
            )
        self.tell(
            "step_planned",
            kind=jobs[0].kind,
            step=jobs[0].step,
            parent=code_of(key) if key else None,
            candidates=[
                {
                    "code": job.code,
                    "morphisms": [m.words() for m in job.morphisms],
                    "notes": list(job.notes),
                    "n_parameters": job.architecture.n_parameters,
                    "n_macs": job.architecture.n_macs,
                }
                for job in jobs
            ],
        )

    def train(self, job: Job) -> None:
        """One training, again at half the batch if memory is short; its outcome joins the history."""
        started = perf_counter()
        names = {"kind": job.kind, "step": job.step, "index": job.index, "code": job.code}
        self.tell("candidate_started", **names, epochs=job.epochs)
        status, reason, trained = self._try(job, names)
        val_accuracy = trained.val_accuracy if trained else None
        val_balanced = trained.val_balanced if trained else None
        self.history.append(Outcome(job, status, val_accuracy, val_balanced))
        if trained:
            self.networks[job.key] = trained.network
            if job.kind == "final":
                self.final = trained
            elif job.kind in COMPARISON_KINDS:
                self.comparisons[job.code] = trained
        self.tell(
            "candidate_ended",
            **names,
            status=status,
            reason=reason,
            val_accuracy=val_accuracy,
            val_balanced=val_balanced,
            test_accuracy=trained.test_accuracy if trained else None,
            n_parameters=job.architecture.n_parameters,
            n_macs=job.architecture.n_macs,
            seal=trained.seal.to_dict() if trained and trained.seal else None,
            seconds=round(perf_counter() - started, 3),
            images_per_second=round(trained.images_per_second, 1) if trained else None,
            numeric_path=trained.numeric_path if trained else None,
        )

    def _try(self, job: Job, names: dict[str, Any]) -> tuple[str, str, Trained | None]:
        """Status, reason in words, and what was trained."""
        for accumulate in (1, 2):
            try:
                return "done", "", self._execute(job, names, accumulate)
            except OutOfMemory as error:
                self.tell("warning", **names, words=f"out of memory with a batch in {accumulate} parts: {error}")
            except Diverged as error:
                return "diverged", str(error), None
            except SealBroken as error:
                return "failed", str(error), None
        return "too_big", "out of memory even with half a batch at a time", None

    def _execute(self, job: Job, names: dict[str, Any], accumulate: int) -> Trained:
        def on_point(point: Point) -> None:
            if point.ends_epoch:
                self.tell("epoch", **names, **asdict(point))

        return execute(
            job,
            self.config,
            self.dataset,
            self._parent_of(job),
            statistics=self.statistics,
            device=self.device,
            accumulate=accumulate,
            on_seal=lambda seal: self.tell("seal", **names, **seal.to_dict()),
            on_point=on_point,
            on_batch=self.on_batch,
        )

    def _parent_of(self, job: Job) -> Network | None:
        if job.parent is None:
            return self.start if begins_at_start(self.config, job.key) else None
        return self.networks[job.parent]

    def close_step(self, job: Job) -> None:
        """Tell whom the step of this job chose."""
        best = None if job.kind in TRAINED_ON_ALL else winner(self.history, job.step, self.config.selection)
        if best is not None:
            self.tell("step_decided", step=job.step, code=best.job.code, val_accuracy=best.val_accuracy)

    def result(self, wall_seconds: float) -> SearchResult:
        """What was found. Raises SearchFailed."""
        if has_failed(self.config, self.history) or self.final is None or self.final.test_accuracy is None:
            last = self.history[-1]
            raise SearchFailed(f"no candidate survived: {last.job.code} ended as {last.status}")
        return SearchResult(
            self.final.network,
            self.final.test_accuracy,
            tuple(self.history),
            self.final,
            self.config,
            wall_seconds,
            self.comparisons,
        )
