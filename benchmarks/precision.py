"""Does bfloat16 cost accuracy? Paired trainings: same seed, so same split, initialisation, order and augmentation.

lambda_start 0.05, 10 epochs; A = 16-32-64 on the training part of all of CIFAR-10, B = 64-128-256 on 20,000 images;
one process and one pinned thread each; accuracy on the 10,000 validation images, in a float32 pass for both.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from benchmarks.intervals import t_interval
from benchmarks.networks import architecture
from benchmarks.processes import Row
from benchmarks.report import put_table
from benchmarks.studies import Results, arguments_of, engines_line, named, print_result, rows_of, run_missing
from benchmarks.trainings import normalised, some_of, trained_accuracy, training_of
from searches.nash.data import load_dataset
from searches.nash.network import Network
from searches.nash.streams import derive

PRECISIONS = ("bfloat16", "float32")
PARTS = {"A": (16, 40_000, 10), "B": (12, 20_000, 10)}
QUICK = {"A": (2, 1_000, 1), "B": (2, 500, 1)}
"""Per network: seeds, training images, epochs."""


def jobs_of(data: str, parts: dict[str, tuple[int, int, int]]) -> list[Row]:
    """Every training, the two of a pair one after the other."""
    return [
        {"network": name, "seed": seed, "precision": precision, "n_images": n, "epochs": epochs, "data": named(data)}
        for name, (n_seeds, n, epochs) in parts.items()
        for seed in range(n_seeds)
        for precision in PRECISIONS
    ]


def train(job: Row, data: str) -> Row:
    """One training of a pair."""
    dataset, seed = load_dataset(data), job["seed"]
    split = dataset.split(seed)
    indices = some_of(split.train, job["n_images"], derive(seed, "order"))
    fresh = torch.Generator().manual_seed(derive(seed, "init"))
    network = Network(architecture(job["network"], dataset.input_shape, dataset.n_classes), fresh)
    training = training_of(
        normalised(network, dataset, indices), dataset, indices=indices, epochs=job["epochs"],
        seed=derive(seed, "train"), precision=job["precision"],
    )  # fmt: skip
    return trained_accuracy(training, dataset, split.validation)


def table(rows: Sequence[Row]) -> str:
    """Mean accuracies per network, and the mean of the paired differences with its interval, in points."""
    lines = [
        "| network | images, epochs | pairs | float32 | bfloat16 | bfloat16 - float32, points | 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["network"] for row in rows):
        of_name = [row for row in rows if row["network"] == name]
        low, full = ([row["accuracy"] for row in of_name if row["precision"] == p] for p in PRECISIONS)
        pairs = [(a, b) for a, b in zip(low, full, strict=True) if a is not None and b is not None]
        sizes = f"{of_name[0]['n_images']:,}, {of_name[0]['epochs']}"
        if not pairs:
            lines.append(f"| {name} | {sizes} | 0, all diverged | | | | |")
            continue
        found = t_interval([100 * (a - b) for a, b in pairs])
        low_mean, full_mean = (100 * sum(column) / len(pairs) for column in zip(*pairs, strict=True))
        lost = len(low) - len(pairs)
        lines.append(
            f"| {name} | {sizes} | {len(pairs)}{f', {lost} diverged' if lost else ''} | {full_mean:.2f} % "
            f"| {low_mean:.2f} % | {found.mean:+.3f} | {found.low:+.3f} to {found.high:+.3f} |"
        )
    return "\n".join(lines) + "\n" + engines_line(rows)


def main() -> None:
    chosen = arguments_of(__doc__, "precision.jsonl")
    if chosen.job is not None:
        print_result(chosen.core, lambda: train(chosen.job, chosen.data))
        return
    jobs, results = jobs_of(chosen.data, QUICK if chosen.quick else PARTS), Results(chosen.results)
    run_missing("benchmarks.precision", jobs, results, chosen)
    put_table("precision", table(list(rows_of(jobs, results))), in_docs=chosen.docs and not chosen.quick)


if __name__ == "__main__":
    main()
