"""Algorithm 1 as a pure function: plan(config, history) -> the trainings that can begin now.

History is what has ended, failures included, in any order. The in-process loop and the durable web runner call
the same function, so that resume, extend, replay and crash recovery need no code of their own.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from searches.nash.architecture import Architecture
from searches.nash.config import COMPARISONS, SearchConfig
from searches.nash.draws import Draw, draw
from searches.nash.morphisms import Morphism, morphism_from_dict
from searches.nash.references import wide_resnet
from searches.nash.streams import derive

Key = tuple[str, int, int]
PRETRAIN: Key = ("pretrain", 0, 0)
ENDED = ("done", "too_big", "diverged", "failed", "cancelled")
COMPARISON_KINDS = ("snapshot", "scratch", "reference")
"""Kinds of training that come after the final one and change nothing of the search."""
REFERENCES = {1: "model_0, final budget", 2: "model_0, total budget", 3: "WRN-16-4", 4: "WRN-28-10"}
"""What a person reads for each reference network, by its index."""
REFERENCE_INDEX = {"model_0-final": 1, "model_0-total": 2, "wrn-16-4": 3, "wrn-28-10": 4}
WIDE_RESNETS = {"wrn-16-4": (16, 4), "wrn-28-10": (28, 10)}
"""Depth and width."""


@dataclass(frozen=True)
class Job:
    """One training: what Algorithm 1 wants trained, from which parent, for how long.

    `index` is the paper's j, 1..n_neigh, or a reference's number in REFERENCES, else 0. `parent` is the key of the
    training whose weights are inherited, None where there is none. `notes` record draws that the bounds turned.
    """

    kind: str
    step: int
    index: int
    parent: Key | None
    morphisms: tuple[Morphism, ...]
    architecture: Architecture
    epochs: int
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.kind, self.step, self.index

    @property
    def code(self) -> str:
        """The short name a person reads: model_0, 2.1 (step.j), final, snapshot 2, WRN-16-4."""
        return code_of(self.key)

    @property
    def is_parent(self) -> bool:
        """Whether this is the parent's own slot: the neighbour that no morphism was applied to."""
        return self.kind == "neighbour" and not self.morphisms

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "step": self.step,
            "index": self.index,
            "parent": list(self.parent) if self.parent else None,
            "morphisms": [m.to_dict() for m in self.morphisms],
            "architecture": self.architecture.to_dict(),
            "epochs": self.epochs,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Job:
        """The reverse of to_dict. Raises InvalidArchitecture, InvalidMorphism or KeyError."""
        return cls(
            d["kind"],
            d["step"],
            d["index"],
            tuple(d["parent"]) if d["parent"] else None,
            tuple(morphism_from_dict(m) for m in d["morphisms"]),
            Architecture.from_dict(d["architecture"]),
            d["epochs"],
            tuple(d["notes"]),
        )


@dataclass(frozen=True)
class Outcome:
    """A training that has ended; accuracies as fractions, of those that are done and had a validation set.

    `val_balanced`: the mean over the classes, which some searches are decided by.
    """

    job: Job
    status: str
    val_accuracy: float | None = None
    val_balanced: float | None = None

    def __post_init__(self) -> None:
        if self.status not in ENDED:
            raise ValueError(f"Outcome.status={self.status!r}: one of {', '.join(ENDED)}")


    def measured_by(self, selection: str) -> float | None:
        """The measure on the validation set that the search is decided by."""
        return self.val_balanced if selection == "balanced" else self.val_accuracy


History = Iterable[Outcome]


def code_of(key: Key) -> str:
    """model_0, 2.1 (step.j), final, snapshot 2, from scratch, WRN-16-4."""
    kind, step, index = key
    if kind == "neighbour":
        return f"{step}.{index}"
    if kind == "reference":
        return REFERENCES[index]
    return {"pretrain": "model_0", "final": "final", "scratch": "from scratch"}.get(kind, f"{kind} {step}")


def plan(config: SearchConfig, history: History) -> list[Job]:
    """Every training of the open step that is not in the history; empty when the search has finished or failed.

    A search whose final training is done has config.comparisons left, all at once; what becomes of them changes
    nothing else, and a setting that adds some to a finished search plans those alone.
    Pure: the same config and history give the same jobs, whatever the order in which the trainings ended.
    Source: Algorithm 1; n_neigh = 1 is the random-networks baseline, whose one neighbour is a morphed child.
    """
    ended = {outcome.job.key: outcome for outcome in history}
    if PRETRAIN not in ended:
        return [_pretraining(config)]
    best = winner(ended.values(), 0, config.selection)
    for step in range(1, config.n_steps + 1):
        if best is None:
            return []
        keys = [("neighbour", step, j) for j in range(1, config.n_neigh + 1)]
        missing = [key for key in keys if key not in ended]
        if missing:
            return [_neighbour(config, best.job, key) for key in missing]
        decided = winner(ended.values(), step, config.selection)
        if decided is None and any(ended[key].status == "cancelled" for key in keys):
            continue  # cut off before a candidate was done: the best is what it was
        best = decided
    final = ("final", config.n_steps, 0)
    if best is None:
        return []
    if final not in ended:
        return [Job(*final, best.job.key, (), best.job.architecture, config.epoch_final)]
    if ended[final].status != "done":
        return []
    asked = (_comparison(name, config, ended) for name in COMPARISONS if name in config.comparisons)
    return [job for jobs in asked for job in jobs if job.key not in ended]


def begins_at_start(config: SearchConfig, key: Key) -> bool:
    """Whether a training begins with the weights of config.start: model_0's own, and model_0's as a reference."""
    kind, _, index = key
    is_model_0 = kind == "pretrain" or (kind == "reference" and REFERENCES[index].startswith("model_0"))
    return config.start is not None and is_model_0


def _comparison(name: str, config: SearchConfig, ended: Mapping[Key, Outcome]) -> list[Job]:
    """The trainings of one of COMPARISONS.

    Their streams are derived as everybody's are: a snapshot and the network from scratch see the images in the
    order that a final training of the same step sees; what begins afresh begins as model_0 did where it is model_0.
    The snapshot of the last step is the final model, which is there already.
    Source: section 4; that reference networks get the search's own budgets is ours.
    """
    epochs = config.comparison_epochs(name)
    if name == "snapshots":
        best = {step: winner(ended.values(), step, config.selection) for step in range(1, config.n_steps)}
        return [Job("snapshot", i, 0, o.job.key, (), o.job.architecture, epochs) for i, o in best.items() if o]
    if name == "scratch":
        final = ended["final", config.n_steps, 0].job
        return [Job("scratch", config.n_steps, 0, None, (), final.architecture, epochs)]
    return [Job("reference", 0, REFERENCE_INDEX[name], None, (), _reference(name, config), epochs)]


def _reference(name: str, config: SearchConfig) -> Architecture:
    if name in WIDE_RESNETS:
        return wide_resnet(*WIDE_RESNETS[name], config.input_shape, config.n_classes)
    return config.initial_architecture()


def winner(history: History, step: int, selection: str = "accuracy") -> Outcome | None:
    """model_best after a step (0: after pretraining), among those that are done; None if none is.

    `selection`: the config's, which measure on the validation set decides.

    Raises nothing for an open step: the leader so far is returned.
    Source: Algorithm 1 line 19; ties keep the parent, else the lower j (ours).
    """
    kind = "neighbour" if step else "pretrain"
    survivors = [
        o for o in history if o.job.kind == kind and o.job.step == step and o.status == "done"
    ]
    return max(survivors, key=lambda outcome: _rank(outcome, selection), default=None)


def _rank(outcome: Outcome, selection: str) -> tuple[float, bool, int]:
    measured = outcome.measured_by(selection)
    return -1.0 if measured is None else measured, outcome.job.is_parent, -outcome.job.index


def has_failed(config: SearchConfig, history: History) -> bool:
    """Whether no training is left to do and no final model came out: no candidate of some step survived.

    The final training alone decides; what the search is compared with may fail or not.
    """
    ended = list(history)
    final = [o for o in ended if o.job.key == ("final", config.n_steps, 0)]
    return not plan(config, ended) and not any(o.status == "done" for o in final)


def _pretraining(config: SearchConfig) -> Job:
    return Job(*PRETRAIN, None, (), config.initial_architecture(), config.epoch_pretrain)


def _neighbour(config: SearchConfig, best: Job, key: Key) -> Job:
    """Child j of a step, or the parent itself in the last slot. Source: Algorithm 1 lines 8 to 17."""
    kind, step, j = key
    if j == config.n_neigh and config.n_neigh > 1:
        return Job(kind, step, j, best.key, (), best.architecture, config.epoch_neigh)
    drawn = draw_child(config, best.architecture, step, j)
    child = best.architecture.morphed(drawn.morphisms)
    return Job(kind, step, j, best.key, drawn.morphisms, child, config.epoch_neigh, drawn.notes)


def draw_child(config: SearchConfig, parent: Architecture, step: int, j: int) -> Draw:
    """The morphisms of child j of a step, from its own stream. Source: Algorithm 1 line 9."""
    rng = random.Random(derive(config.seed, "morphism", step, j))
    return draw(parent, config.n_NM, rng, config.bounds)
