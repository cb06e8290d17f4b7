"""What the data path costs: a training's step against the same step on one random batch that lies ready.

Of A, whose step is the shortest, crop, flip, normalisation and gathering of labels weigh most: its cost is the one
that has a goal, and the name without a network.
"""

from __future__ import annotations

from benchmarks.measures import Measure, Measures
from benchmarks.settings import Settings
from benchmarks.windows import measure, medians


def measures_of(settings: Settings) -> Measures:
    """data_path_cost of each network: the share of a training's step that is not the bare step, 0..1."""
    measures: Measures = {}
    for network in settings.networks:
        measures |= measures_of_network(network, settings)
    return measures


def measures_of_network(network: str, settings: Settings) -> Measures:
    rates = medians(
        measure(
            {
                "ours": lambda: [settings.ours("ours", network)],
                "bare": lambda: [settings.ours("bare step", network)],
            },
            **settings.turns(network),
        )
    )
    return {
        "data_path_cost" if network == "A" else f"data_path_cost_{network}": Measure(
            1 - rates["ours"] / rates["bare"], "share"
        ),
        f"bare_step_images_per_second_{network}": Measure(rates["bare"], "images/s"),
    }
