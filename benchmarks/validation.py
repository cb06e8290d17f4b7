"""The validation pass (BatchNorm folded, bfloat16, inference mode) against a plain float32 training-mode forward.

The plain side has its batches ready, normalised, and records no gradients; ours starts from uint8 images and folds
anew in each pass. Agreement: the share of the 10,000 test images to which both give the same class.
"""

from __future__ import annotations

import argparse
import json

from benchmarks.measures import Measure, Measures
from benchmarks.networks import architecture
from benchmarks.processes import results_of
from benchmarks.settings import Settings
from benchmarks.studies import print_result
from benchmarks.windows import measure, medians

NETWORK = "B"
TRAINED_STEPS = 100
"""Enough for the network to be sure of something; a fresh one's classes are rounding."""


def measures_of(settings: Settings, *, trained_steps: int = TRAINED_STEPS) -> Measures:
    rates = medians(
        measure(
            {
                "plain": lambda: [settings.plain("plain forward", NETWORK)],
                "ours": lambda: [settings.ours("our validation", NETWORK)],
            },
            **settings.turns(NETWORK),
        )
    )
    job = {"steps": trained_steps, "data": settings.data}
    (agreed,) = results_of("benchmarks.validation", [job], at_once=1)
    return {
        f"eval_ratio_{NETWORK}": Measure(rates["ours"] / rates["plain"], "x"),
        f"eval_argmax_agreement_{NETWORK}": Measure(agreed["agreement"], "share"),
        f"eval_images_per_second_{NETWORK}": Measure(rates["ours"], "images/s"),
        f"plain_forward_images_per_second_{NETWORK}": Measure(rates["plain"], "images/s"),
    }


def agreement(data: str, steps: int) -> dict[str, float]:
    from benchmarks import ours
    from searches.nash.data import load_dataset

    dataset = load_dataset(data)
    network = architecture(NETWORK, dataset.input_shape, dataset.n_classes)
    return {"agreement": ours.agreement(network, dataset, steps)}


def main() -> None:
    """The process that trains and compares; started by measures_of."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", type=json.loads, required=True)
    parser.add_argument("--core", type=int, required=True)
    chosen = parser.parse_args()
    print_result(chosen.core, lambda: agreement(chosen.job["data"], chosen.job["steps"]))


if __name__ == "__main__":
    main()
