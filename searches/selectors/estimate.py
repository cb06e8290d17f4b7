"""How long a search will still take: seconds measured so far, scaled by multiply-accumulates and images.

A pure function of what is known; an estimate, nothing depends on it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from searches import comparisons
from searches.nash.architecture import Shape
from searches.nash.config import SearchConfig
from searches.nash.hillclimb import COMPARISON_KINDS, WIDE_RESNETS
from searches.nash.references import wide_resnet

GROWTH_LIMITS = (1.0, 2.0)
OWN_PACE_EPOCHS = 0.25
"""From so many epochs on a training is judged by its own pace, no longer by its multiply-accumulates."""


@dataclass(frozen=True)
class Work:
    """One training as the estimate sees it.

    `epoch`: epochs trained so far, `seconds`: wall time they took, `threads`: None before its first claim.
    """

    kind: str
    step: int
    n_macs: int
    epochs: int
    epoch: float
    seconds: float
    is_open: bool
    threads: int | None = None

    @property
    def takes_all_cores(self) -> bool:
        """Neighbours train side by side, one thread each; the other trainings stand alone."""
        return self.kind != "neighbour"

    def cost(self, epochs: float, n_train: int, n_validation: int) -> float:
        """Multiply-accumulates (forward) of so many epochs; what comes after the steps sees all images."""
        return self.n_macs * epochs * (n_train + (n_validation if self.kind not in ("pretrain", "neighbour") else 0))


def time_left(
    config: SearchConfig, works: Sequence[Work], *, n_train: int, n_validation: int, n_workers: int
) -> float | None:
    """Seconds until the search ends with `n_workers` workers side by side; None before anything was measured.

    `n_train` images are trained on in a step, `n_validation` more in the final training and in comparisons. Steps
    to come are taken to be as much larger than the newest step as that one is larger than the one before.
    """
    n_workers = max(1, n_workers)
    n_alone = n_workers if _one_thread_each(works) else 1
    seconds_per_mac = _speeds(works, n_train, n_validation, n_workers // n_alone)
    if seconds_per_mac is None:
        return None

    def seconds(work: Work, epochs: float) -> float:
        if work.epoch >= OWN_PACE_EPOCHS:
            return work.seconds / work.epoch * epochs
        return work.cost(epochs, n_train, n_validation) * seconds_per_mac[work.takes_all_cores]

    open_now = [(w, w.epochs - w.epoch) for w in works if w.is_open]
    stages = [[pair for pair in open_now if pair[0].takes_all_cores == alone] for alone in (True, False)]
    stages += [[(w, float(w.epochs)) for w in stage] for stage in _stages_to_come(config, works)]
    return sum(
        makespan((seconds(w, epochs) for w, epochs in stage), n_alone if stage[0][0].takes_all_cores else n_workers)
        for stage in stages
        if stage
    )


def _one_thread_each(works: Sequence[Work]) -> bool:
    """Whether what may take all cores has one thread as well: on a GPU, or where there is little work in a batch."""
    return any(w.threads == 1 for w in works if w.takes_all_cores)


def makespan(seconds: Iterable[float], n_workers: int) -> float:
    """Time for these jobs on so many workers, the longest job first."""
    loads = [0.0] * n_workers
    for s in sorted(seconds, reverse=True):
        loads[loads.index(min(loads))] += s
    return max(loads)


def _speeds(works: Sequence[Work], n_train: int, n_validation: int, gain: int) -> dict[bool, float] | None:
    """Measured seconds per multiply-accumulate, with all cores (True) and with one thread (False).

    Where only one of the two was measured, all cores are taken to be `gain` times as fast.
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
        True: measured.get(True, measured.get(False, 0.0) / gain),
        False: measured.get(False, measured.get(True, 0.0) * gain),
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
    if any(w.kind == "final" for w in works):
        size = next(w.n_macs for w in works if w.kind == "final")
    else:
        stages.append([_unplanned("final", config.n_steps, size, config.epoch_final)])
    if not any(w.kind in COMPARISON_KINDS for w in works):
        stages.append([_unplanned("scratch", 0, macs, epochs) for macs, epochs in _comparisons(config, works, size)])
    return [stage for stage in stages if stage]


def _comparisons(config: SearchConfig, works: Sequence[Work], final_macs: float) -> list[tuple[float, int]]:
    """(multiply-accumulates, epochs) of each comparison that is asked for, before it is planned.

    A snapshot is taken to be as large as the mean of its step, one of a step to come as the final network.
    """
    steps = [_mean([w.n_macs for w in works if _in_step(w, i)]) or final_macs for i in range(1, config.n_steps)]
    model_0 = next((float(w.n_macs) for w in works if w.kind == "pretrain"), final_macs)
    sizes = {
        "snapshots": steps,
        "scratch": [final_macs],
        "model_0-final": [model_0],
        "model_0-total": [model_0],
        **{
            name: [reference_macs(*depth_and_width, config.input_shape, config.n_classes)]
            for name, depth_and_width in WIDE_RESNETS.items()
        },
    }
    chosen = comparisons.chosen(config.comparisons)
    return [pair for c in chosen for pair in zip(sizes[c.name], c.lengths(config), strict=True)]


@lru_cache(maxsize=64)
def reference_macs(depth: int, width: int, input_shape: Shape, n_classes: int) -> float:
    """Multiply-accumulates of a reference network for one image."""
    return float(wide_resnet(depth, width, input_shape, n_classes).n_macs)


def _in_step(work: Work, step: int) -> bool:
    return work.step == step and work.kind == ("neighbour" if step else "pretrain")


def _unplanned(kind: str, step: int, n_macs: float, epochs: int) -> Work:
    return Work(kind, step, round(n_macs), epochs, epoch=0.0, seconds=0.0, is_open=True)


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None
