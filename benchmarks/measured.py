"""A process that works and measures on demand: python -m benchmarks.measured '{"kind": "ours", ...}'."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.processes import settle
from benchmarks.windows import Ended, Windows


def work_of(options: dict[str, Any]) -> Callable[[Callable[[int], None]], None]:
    """The work of a kind, for ever until what it calls after each step raises. Raises KeyError for another kind."""
    import torch

    from benchmarks import ours, plain
    from benchmarks.networks import architecture
    from searches.nash.data import load_dataset

    kind = options["kind"]
    if kind == "matmul":
        return lambda done: ours.multiply(getattr(torch, options["dtype"]), options["side"], done)
    dataset = load_dataset(options["data"])
    network = architecture(options["network"], dataset.input_shape, dataset.n_classes)
    kinds: dict[str, Callable[[Callable[[int], None]], None]] = {
        "plain": lambda done: plain.train(network, dataset, options["num_workers"], done),
        "plain forward": lambda done: plain.forward(network, dataset, done),
        "ours": lambda done: ours.train(network, dataset, done),
        "bare step": lambda done: ours.train_fixed_batch(network, dataset, done),
        "our validation": lambda done: ours.evaluate(network, dataset, done),
    }
    return kinds[kind]


def main() -> None:
    options = json.loads(sys.argv[1])
    settle(options["cores"])
    work = work_of(options)
    try:
        work(Windows(sys.stdin, sys.stdout))
    except Ended:
        pass


if __name__ == "__main__":
    main()
