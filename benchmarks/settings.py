"""What a run of the benchmarks is told, and the processes that follow from it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.images import NoImages, cifar10
from benchmarks.networks import NAMES
from benchmarks.processes import trainer_environment
from benchmarks.windows import Measured
from searches.nash.devices import process_environment
from searches.slots import usable_cores

SECONDS = {"A": 3.0, "B": 4.0, "C": 6.0}
"""Windows per network; of C a step of the plain recipe takes a second or two."""


@dataclass(frozen=True)
class Settings:
    """`data`: what load_dataset takes; `cores`: two, or one where there is no second; `repeats`: windows a median."""

    data: str
    cores: tuple[int, ...]
    networks: tuple[str, ...] = NAMES
    repeats: int = 5
    seconds: float | None = None
    warm_up: float = 2.0

    def seconds_of(self, network: str) -> float:
        return SECONDS[network] if self.seconds is None else self.seconds

    def turns(self, network: str) -> dict[str, Any]:
        """How take_turns is called for a network."""
        return {"seconds": self.seconds_of(network), "warm_up": self.warm_up, "repeats": self.repeats}

    def plain(self, kind: str, network: str, **options: Any) -> Measured:
        """An ordinary user's process: torch's default environment, all of our cores."""
        ours = {*process_environment(), "OMP_NUM_THREADS"}
        environment = {name: value for name, value in os.environ.items() if name not in ours}
        return Measured(kind, self.cores, environment, network=network, data=self.data, **options)

    def ours(self, kind: str, network: str, cores: Sequence[int] | None = None, **options: Any) -> Measured:
        """A process as `up` starts its workers, on all of our cores or on some."""
        chosen = tuple(cores or self.cores)
        environment = trainer_environment(len(self.cores) // len(chosen), len(chosen))
        return Measured(kind, chosen, environment, network=network, data=self.data, **options)

    def two(self, kind: str, network: str) -> list[Measured]:
        """Two children side by side, one process and one pinned thread each."""
        return [self.ours(kind, network, [core]) for core in self.cores]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="a smoke run: the numbers mean nothing")
    parser.add_argument("--network", nargs="+", choices=NAMES, default=list(NAMES), help="A, B, C (all)")
    parser.add_argument("--repeats", type=int, default=5, help="windows of a median (5)")
    parser.add_argument("--seconds", type=float, help="length of a window (A 3, B 4, C 6)")
    parser.add_argument("--data", default="", help="another data set than CIFAR-10: digits, or a path")


def settings_of(chosen: argparse.Namespace) -> Settings:
    """Settings as the command line gives them; leaves with words where there is nothing to measure on."""
    cores = usable_cores()[:2]
    try:
        data = chosen.data or cifar10()
    except NoImages as error:
        sys.exit(f"Skipped: {error}")
    if len(cores) < 2:
        sys.exit("Skipped: the goals are for two cores, this process may use one")
    networks = tuple(chosen.network)
    if chosen.quick:
        return Settings(data, cores, networks, repeats=1, seconds=chosen.seconds or 0.2, warm_up=0.1)
    return Settings(data, cores, networks, chosen.repeats, chosen.seconds)
