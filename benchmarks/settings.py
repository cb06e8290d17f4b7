"""What a run of the benchmarks is told, and the processes that follow from it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.images import cifar10_or_leave
from benchmarks.networks import NAMES
from benchmarks.processes import trainer_environment
from benchmarks.windows import Measured
from searches.nash.devices import process_environment
from searches.slots import usable_cores

SECONDS = {"A": 2.0, "B": 3.0, "C": 5.0}
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
    warm_up_steps: int = 3

    def seconds_of(self, network: str) -> float:
        return SECONDS[network] if self.seconds is None else self.seconds

    def turns(self, network: str) -> dict[str, Any]:
        """How take_turns is called for a network."""
        warm_up = (self.warm_up, self.warm_up_steps)
        return {"seconds": self.seconds_of(network), "warm_up": warm_up, "repeats": self.repeats}

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
    parser.add_argument("--network", nargs="+", choices=NAMES, help="A, B, C (all; --quick: A)")
    parser.add_argument("--repeats", type=int, default=5, help="windows of a median (5)")
    parser.add_argument("--seconds", type=float, help="length of a window (A 2, B 3, C 5)")
    parser.add_argument("--data", default="", help="another data set than CIFAR-10: digits, or a path")


def settings_of(chosen: argparse.Namespace) -> Settings:
    """Settings as the command line gives them; leaves with words where there is nothing to measure on."""
    cores, data = usable_cores()[:2], chosen.data or cifar10_or_leave()
    if len(cores) < 2:
        print("Skipped: the goals are for two cores, this process may use one", file=sys.stderr)
        sys.exit(0)
    if chosen.quick:
        networks = tuple(chosen.network or "A")
        return Settings(data, cores, networks, 1, chosen.seconds or 0.1, warm_up=0.0, warm_up_steps=1)
    return Settings(data, cores, tuple(chosen.network or NAMES), chosen.repeats, chosen.seconds)
