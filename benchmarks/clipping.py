"""What does clip_gradient_norm do to children? Validation accuracy after one warm restart, for five limits.

The parent is preset small's model_0, 2 epochs on the training part; it and four children by one morphism each are
trained for one epoch, a full cosine cycle from lambda_start 0.05, on 12,800 images; two seeds; one process and one
pinned thread a training; accuracy on the 10,000 validation images, in a float32 pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.images import BUILD
from benchmarks.processes import Row
from benchmarks.report import put_table
from benchmarks.studies import (
    Results,
    arguments_of,
    engine_digest,
    engines_line,
    named,
    print_result,
    rows_of,
    run_missing,
)
from benchmarks.trainings import augmentation_for, normalised, some_of, trained_accuracy, training_of
from searches.nash.architecture import Architecture
from searches.nash.augmentation import augment
from searches.nash.config import SearchConfig
from searches.nash.data import ImageSet, load_dataset
from searches.nash.export import load_weights, save_weights
from searches.nash.inheritance import inherit
from searches.nash.morphisms import Deepen, Morphism, SkipAdd, SkipConcat, Widen
from searches.nash.network import Network
from searches.nash.presets import preset_config
from searches.nash.streams import derive

LIMITS = (None, 0.5, 1.0, 2.0, 5.0)
CHILDREN: dict[str, tuple[Morphism, ...]] = {
    "parent": (),
    "concat c2 → c3": (SkipConcat("c2", "c3"),),
    "widen c2": (Widen("c2", 2),),
    "deepen c2": (Deepen("c2", 3),),
    "add c1 → c3": (SkipAdd("c1", "c3"),),
}
FULL = {"n_seeds": 2, "n_images": 12_800, "epochs_parent": 2}
QUICK = {"n_seeds": 1, "n_images": 640, "epochs_parent": 1}


def parents_of(data: str, size: dict[str, int]) -> list[Row]:
    """The trainings that come first: one parent a seed."""
    common = {"epochs": size["epochs_parent"], "n_images": size["n_images"], "data": named(data)}
    # The engine is part of what a parent is: its weights lie in a file of that name.
    return [{"parent_of_seed": seed, **common, "made_by": engine_digest()} for seed in range(size["n_seeds"])]


def children_of(parents: Sequence[Row]) -> list[Row]:
    """Every child of every parent under every limit."""
    return [
        {"child": child, "limit": limit, "seed": parent["parent_of_seed"], "parent": parent}
        for parent in parents
        for child in CHILDREN
        for limit in LIMITS
    ]


def train(job: Row, data: str) -> Row:
    dataset = load_dataset(data)
    return train_child(job, dataset) if "child" in job else train_parent(job, dataset)


def train_parent(job: Row, dataset: ImageSet) -> Row:
    """model_0 of preset small, kept in build/ for its children; a quick one sees no more images than they do."""
    seed = job["parent_of_seed"]
    split = dataset.split(seed)
    indices = split.train if job["n_images"] == FULL["n_images"] else some_of(split.train, job["n_images"], seed)
    fresh = torch.Generator().manual_seed(derive(seed, "init"))
    network = normalised(Network(_model_0(dataset), fresh), dataset, split.train)
    training = training_of(network, dataset, indices=indices, epochs=job["epochs"], seed=derive(seed, "train"))
    measured = trained_accuracy(training, dataset, split.validation)
    path = _weights_path(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(network, path)
    return measured


def train_child(job: Row, dataset: ImageSet) -> Row:
    """One epoch of a child under a limit; the children of a parent see the same images in the same order."""
    seed, parent = job["seed"], load_weights(_weights_path(job["parent"]), _model_0(dataset))
    split = dataset.split(seed)
    indices = some_of(split.train, job["parent"]["n_images"], derive(seed, "order"))
    child = inherit(
        parent,
        CHILDREN[job["child"]],
        _calibration(parent, dataset, split.train, seed),
        torch.Generator().manual_seed(derive(seed, "inherit", 1, 1)),
    )
    training = training_of(
        child, dataset, indices=indices, epochs=1, seed=derive(seed, "train", 1, 1), clip_gradient_norm=job["limit"]
    )
    return trained_accuracy(training, dataset, split.validation)


def _calibration(parent: Network, dataset: ImageSet, train: torch.Tensor, seed: int) -> torch.Tensor:
    """Augmented, normalised training images (N, C, H, W), as many as a search takes."""
    config = SearchConfig()
    stream = derive(seed, "augment")
    images = dataset.images[some_of(train, config.calibration_images, stream)]
    augmented = augment(images, torch.Generator().manual_seed(stream), augmentation_for(dataset))
    return parent.normalise(augmented.contiguous())


def _model_0(dataset: ImageSet) -> Architecture:
    config = preset_config("small", input_shape=dataset.input_shape, n_classes=dataset.n_classes)
    return config.initial_architecture()


def _weights_path(parent: Row) -> Path:
    name = "-".join(str(parent[key]) for key in ("data", "parent_of_seed", "epochs", "n_images", "made_by"))
    return BUILD / "clipping" / f"{name}.safetensors"


def table(rows: Sequence[Row]) -> str:
    """Mean validation accuracy over the seeds, a row a child, a column a limit; lowest of the seeds in brackets."""
    heads = ["no limit" if limit is None else f"{limit:g}" for limit in LIMITS]
    lines = [f"| child | {' | '.join(heads)} |", "|---" * (len(LIMITS) + 1) + "|"]
    for child in CHILDREN:
        of_child = [row for row in rows if row["child"] == child]
        cells = [_cell([row["accuracy"] for row in of_child if row["limit"] == limit]) for limit in LIMITS]
        lines.append(f"| {child} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" + engines_line(rows)


def _cell(accuracies: Sequence[float | None]) -> str:
    known = [a for a in accuracies if a is not None]
    diverged = f"{len(accuracies) - len(known)} of {len(accuracies)} diverged" if len(known) < len(accuracies) else ""
    if not known:
        return diverged
    shown = f"{100 * sum(known) / len(known):.2f} % ({100 * min(known):.2f})"
    return f"{shown}, {diverged}" if diverged else shown


def main() -> None:
    chosen = arguments_of(__doc__, "clipping.jsonl")
    if chosen.job is not None:
        print_result(chosen.core, lambda: train(chosen.job, chosen.data))
        return
    parents, results = parents_of(chosen.data, QUICK if chosen.quick else FULL), Results(chosen.results)
    run_missing("benchmarks.clipping", parents, results, chosen)
    jobs = children_of(parents)
    run_missing("benchmarks.clipping", jobs, results, chosen)
    put_table("clipping", table(list(rows_of(jobs, results))), in_docs=chosen.docs and not chosen.quick)


if __name__ == "__main__":
    main()
