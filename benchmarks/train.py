"""Training throughput against the plain recipe: one child on two threads, two children side by side on one each.

python -m benchmarks.train --network A --ours-only
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median

from benchmarks.measures import Measure, Measures, printed
from benchmarks.networks import architecture
from benchmarks.quiet import warn_if_busy
from benchmarks.settings import Settings, add_arguments, settings_of
from benchmarks.windows import Group, measure, medians
from searches.nash.execution import OPERATIONS_PER_MAC

WORKERS = (0, 2)
"""num_workers of the plain recipe's DataLoader: the faster one is what counts."""
CHOOSING_REPEATS = 2


def rates_of(network: str, settings: Settings, *, with_plain: bool = True) -> dict[str, list[float]]:
    """Images/s of "plain" (the faster of its forms), "ours" and "two", each window in turn."""
    groups: dict[str, Callable[[], Group]] = {
        "ours": lambda: [settings.ours("ours", network)],
        "two": lambda: settings.two("ours", network),
    }
    if with_plain:
        workers = faster_workers(network, settings)
        groups = {"plain": lambda: [settings.plain("plain", network, num_workers=workers)], **groups}
    return measure(groups, **settings.turns(network))


def faster_workers(network: str, settings: Settings) -> int:
    """num_workers with which the plain recipe is faster here."""
    groups: dict[str, Callable[[], Group]] = {
        str(n): (lambda n=n: [settings.plain("plain", network, num_workers=n)])  # type: ignore[misc]
        for n in WORKERS
    }
    turns = {**settings.turns(network), "repeats": min(CHOOSING_REPEATS, settings.repeats)}
    found = medians(measure(groups, **turns))
    return int(max(found, key=lambda n: found[n]))


def measures_of(network: str, rates: dict[str, list[float]]) -> Measures:
    """Ratios and images/s under their names."""
    found = {name: median(values) for name, values in rates.items()}
    names = {"plain": "plain_images_per_second", "ours": "images_per_second", "two": "images_per_second_two"}
    measures = {f"{names[kind]}_{network}": Measure(rate, "images/s") for kind, rate in found.items()}
    measures[f"two_over_one_{network}"] = Measure(found["two"] / found["ours"], "x")
    if "plain" in found:
        measures[f"train_ratio_{network}"] = Measure(found["ours"] / found["plain"], "x")
        measures[f"train_ratio_two_{network}"] = Measure(found["two"] / found["plain"], "x")
    return measures


def flops_per_second(network: str, images_per_second: float) -> float:
    """Achieved by training CIFAR-10 at that rate: a multiply and an add, forward and for both gradients."""
    return OPERATIONS_PER_MAC * architecture(network).n_macs * images_per_second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--ours-only", action="store_true", help="leave the plain recipe out")
    chosen = parser.parse_args()
    settings = settings_of(chosen)
    warn_if_busy()
    for network in settings.networks:
        rates = rates_of(network, settings, with_plain=not chosen.ours_only)
        for name, values in rates.items():
            print(f"{network} {name:6}", " ".join(f"{value:8,.0f}" for value in values), "images/s", flush=True)
        print(printed(measures_of(network, rates)), flush=True)


if __name__ == "__main__":
    main()
