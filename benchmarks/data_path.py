"""What the data path costs: a training's step against the same step on one random batch that lies ready.

Network A, whose step is the shortest, so that crop, flip, normalisation and gathering of labels weigh most.
"""

from __future__ import annotations

from benchmarks.measures import Measure, Measures
from benchmarks.settings import Settings
from benchmarks.windows import measure, medians

NETWORK = "A"


def measures_of(settings: Settings) -> Measures:
    """data_path_cost: the share of a training's step that is not the bare step, 0..1."""
    rates = medians(
        measure(
            {
                "ours": lambda: [settings.ours("ours", NETWORK)],
                "bare": lambda: [settings.ours("bare step", NETWORK)],
            },
            **settings.turns(NETWORK),
        )
    )
    return {
        "data_path_cost": Measure(1 - rates["ours"] / rates["bare"], "share"),
        f"bare_step_images_per_second_{NETWORK}": Measure(rates["bare"], "images/s"),
    }
