"""This machine's matrix product peak, and the share of it that trainings reach.

A CPU without bfloat16 of its own emulates it, tens of times slower than float32: that is no peak, and is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.measures import Measure, Measures
from benchmarks.settings import Settings
from benchmarks.train import flops_per_second
from benchmarks.windows import Measured, measure, medians
from searches.nash.devices import cpu_bfloat16

SIDES = (2048, 4096)
QUICK_SIDES = (256,)
OPERATIONS_PER_MAC = 2
SECONDS = 1.0


def peaks_of(settings: Settings, sides: Sequence[int] = SIDES) -> dict[str, float]:
    """FLOP/s of square matrix products on all of our cores: per dtype that is fast here the best side's median."""
    found = {}
    for dtype in ("bfloat16", "float32") if cpu_bfloat16() else ("float32",):
        groups = {str(side): (lambda side=side, dtype=dtype: [_multiplying(settings, dtype, side)]) for side in sides}
        turns = {**settings.turns("A"), "seconds": min(SECONDS, settings.seconds_of("A"))}
        found[dtype] = OPERATIONS_PER_MAC * max(medians(measure(groups, **turns)).values())
    return found


def _multiplying(settings: Settings, dtype: str, side: int) -> Measured:
    return settings.ours("matmul", "A", dtype=dtype, side=side)


def measures_of(peaks: Mapping[str, float], rates: Mapping[str, Mapping[str, list[float]]]) -> Measures:
    """Peaks, and what one child on all cores and two side by side achieve of the bfloat16 one, where there is one."""
    measures = {f"matmul_peak_{dtype}": Measure(value, "FLOP/s") for dtype, value in peaks.items()}
    if "bfloat16" not in peaks:
        print("This CPU computes no bfloat16: its peak, and shares of it, are left out.", file=sys.stderr)
        return measures
    for network, of_network in rates.items():
        for kind, name in (("ours", "bf16_peak_share"), ("two", "bf16_peak_share_two")):
            achieved = flops_per_second(network, median(of_network[kind]))
            measures[f"{name}_{network}"] = Measure(achieved / peaks["bfloat16"], "share")
    return measures
