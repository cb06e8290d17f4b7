"""What a search can be compared with, as people read it: a title, a line of words, and what it costs in epochs.

The names are the engine's (`searches.nash.config.COMPARISONS`); `hillclimb.plan` makes the trainings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from searches.nash.config import COMPARISONS, SearchConfig


@dataclass(frozen=True)
class Comparison:
    """One entry of `SearchConfig.comparisons`."""

    name: str
    title: str
    words: str

    def lengths(self, config: SearchConfig) -> list[int]:
        """Epochs of each of its trainings, in the order in which they are planned."""
        n_trainings = config.n_steps - 1 if self.name == "snapshots" else 1
        return [config.comparison_epochs(self.name)] * n_trainings

    def epochs(self, config: SearchConfig) -> int:
        return sum(self.lengths(config))


CATALOGUE = {
    comparison.name: comparison
    for comparison in (
        Comparison(
            "snapshots", "Snapshots", "The winner of each earlier step, trained to the end as if it were the last."
        ),
        Comparison(
            "scratch", "From scratch", "The final network with fresh weights, for as long as its own were trained."
        ),
        Comparison("model_0-final", "model_0, final budget", "model_0 with fresh weights, for epoch_final epochs."),
        Comparison(
            "model_0-total", "model_0, total budget", "model_0 with fresh weights, for all the epochs of the search."
        ),
        Comparison(
            "wrn-16-4",
            "WRN-16-4",
            "A wide residual network, 2.7 M parameters, for all epochs of the search; 0.4 GMACs an image of 32×32.",
        ),
        Comparison(
            "wrn-28-10",
            "WRN-28-10",
            "A wide residual network, 36.5 M parameters, for all epochs of the search; 5.2 GMACs an image of 32×32.",
        ),
    )
}


def chosen(names: Iterable[str]) -> list[Comparison]:
    """The comparisons of these names, once each, in the engine's order; names that are none are left out."""
    wanted = set(names)
    return [CATALOGUE[name] for name in COMPARISONS if name in wanted]


def lengths(config: SearchConfig) -> list[int]:
    """Epochs of every comparison training that the settings ask for."""
    return [epochs for comparison in chosen(config.comparisons) for epochs in comparison.lengths(config)]


def total_epochs(config: SearchConfig) -> int:
    """Epochs of the whole search and of all that it is compared with: what its progress is counted against."""
    return config.epoch_budget + sum(lengths(config))


def interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share that was measured on n images. The same as in static/js/format.js."""
    z = 1.959964
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return low if share > 0 else 0.0, high if share < 1 else 1.0  # exactly: rounding would leave 1e-18
