"""How long a search will still take: seconds measured so far, scaled by multiply-accumulates and images.

A pure function of what is known; an estimate, nothing depends on it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from searches.nash.config import SearchConfig

GROWTH_LIMITS = (1.0, 2.0)


@dataclass(frozen=True)
class Work:
    """One training as the estimate sees it. `epoch`: epochs trained so far, `seconds`: wall time they took."""

    kind: str
    step: int
    n_macs: int
    epochs: int
    epoch: float
    seconds: float
    is_open: bool

    @property
    def takes_all_cores(self) -> bool:
        """Neighbours train side by side, one thread each; pretraining and the final training stand alone."""
        return self.kind != "neighbour"

    def cost(self, epochs: float, n_train: int, n_validation: int) -> float:
        """Multiply-accumulates (forward) of so many epochs; the final training sees the validation set too."""
        return self.n_macs * epochs * (n_train + (n_validation if self.kind == "final" else 0))


def time_left(
    config: SearchConfig, works: Sequence[Work], *, n_train: int, n_validation: int, n_workers: int
) -> float | None:
    """Seconds until the search ends with `n_workers` workers side by side; None before anything was measured.

    `n_train` images are trained on in a step, `n_validation` more in the final training. Steps to come are
    taken to be as much larger than the newest step as that one is larger than the one before.
    """
    n_workers = max(1, n_workers)
    seconds_per_mac = _speeds(works, n_train, n_validation, n_workers)
    if seconds_per_mac is None:
        return None

    def seconds(work: Work, epochs: float) -> float:
        return work.cost(epochs, n_train, n_validation) * seconds_per_mac[work.takes_all_cores]

    remaining = [(w, seconds(w, w.epochs - w.epoch)) for w in works if w.is_open]
    alone = sum(s for w, s in remaining if w.takes_all_cores)
    side_by_side = makespan((s for w, s in remaining if not w.takes_all_cores), n_workers)
    to_come = 0.0
    for stage in _stages_to_come(config, works):
        times = [seconds(w, w.epochs) for w in stage]
        to_come += makespan(times, 1 if stage[0].takes_all_cores else n_workers)
    return alone + side_by_side + to_come


def makespan(seconds: Iterable[float], n_workers: int) -> float:
    """Time for these jobs on so many workers, the longest job first."""
    loads = [0.0] * n_workers
    for s in sorted(seconds, reverse=True):
        loads[loads.index(min(loads))] += s
    return max(loads)


def _speeds(works: Sequence[Work], n_train: int, n_validation: int, n_workers: int) -> dict[bool, float] | None:
    """Measured seconds per multiply-accumulate, with all cores (True) and with one thread (False).

    Where only one of the two was measured, all cores together are taken to do what as many workers do.
    """
    measured: dict[bool, float] = {}
    for all_cores in (True, False):
        known = [w for w in works if w.takes_all_cores == all_cores and w.epoch > 0 and w.seconds > 0]
        cost = sum(w.cost(w.epoch, n_train, n_validation) for w in known)
        if cost > 0:
            measured[all_cores] = sum(w.seconds for w in known) / cost
    if not measured:
        return None
    return {
        True: measured.get(True, measured.get(False, 0.0) / n_workers),
        False: measured.get(False, measured.get(True, 0.0) * n_workers),
    }


def _stages_to_come(config: SearchConfig, works: Sequence[Work]) -> list[list[Work]]:
    """The trainings that have no row yet, stage by stage: whole steps, then the final training."""
    macs = {step: _mean([w.n_macs for w in works if _in_step(w, step)]) for step in range(config.n_steps + 1)}
    newest = max((step for step, mean in macs.items() if mean), default=0)
    size = macs[newest] or 0.0
    growth = min(max(size / (macs[newest - 1] or size), GROWTH_LIMITS[0]), GROWTH_LIMITS[1]) if newest else 1.0
    stages = []
    for step in range(newest + 1, config.n_steps + 1):
        size = min(size * growth, config.max_macs)
        stages.append([_unplanned("neighbour", step, size, config.epoch_neigh)] * config.n_neigh)
    if not any(w.kind == "final" for w in works):
        stages.append([_unplanned("final", config.n_steps, size, config.epoch_final)])
    return stages


def _in_step(work: Work, step: int) -> bool:
    return work.step == step and work.kind == ("neighbour" if step else "pretrain")


def _unplanned(kind: str, step: int, n_macs: float, epochs: int) -> Work:
    return Work(kind, step, round(n_macs), epochs, epoch=0.0, seconds=0.0, is_open=True)


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None
