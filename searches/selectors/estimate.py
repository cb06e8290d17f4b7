"""How long a search takes from here to its end: simulated climbs, timed by the pace that was measured.

Pure functions of what is known; an estimate, nothing depends on it.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

from searches import comparisons
from searches.nash.architecture import Shape
from searches.nash.config import SearchConfig
from searches.nash.hillclimb import COMPARISON_KINDS, WIDE_RESNETS
from searches.nash.references import wide_resnet
from searches.selectors.belief import Vector
from searches.selectors.growth import EVEN, Climb, Clock, Leaning, Path, climbs, first_size, growth_settings
from searches.selectors.pace import EVALUATED, Machine, Pace, Timed, pace_of
from searches.slots import takes_all_cores

OWN_PACE_SHARE = 0.25
"""From this share of its epochs on a training is judged by its own pace alone. Before, that of others counts as far
as it is missing: a machine that is disturbed for an epoch will not be so for all that are to come."""


@dataclass(frozen=True)
class Work:
    """One training as the estimate sees it.

    `epoch`: epochs trained so far, `seconds`: wall time they took; `around`: wall time it took beside them, where
    it has ended; `threads`: None before its first claim; `is_cut_off`: it was cancelled.
    """

    kind: str
    step: int
    n_macs: float
    epochs: int
    epoch: float = 0.0
    seconds: float = 0.0
    is_open: bool = True
    is_cut_off: bool = False
    threads: int | None = None
    index: int = 0
    is_winner: bool = False
    val_accuracy: float | None = None
    around: float | None = None

    @property
    def sees_all(self) -> bool:
        """What comes after the steps is trained on the validation set, too."""
        return self.kind not in ("pretrain", "neighbour")


@dataclass(frozen=True)
class Site:
    """What the search is trained on: `n_train` images in a step, `n_validation` more after it, and by whom."""

    n_train: int
    n_validation: int
    n_workers: int
    machine: Machine
    hours_left: float | None = None
    """Of its budget; None without one."""

    def batches(self, work: Work, batch_size: int) -> float:
        """Batches of an epoch; those that are only looked at count as EVALUATED."""
        if work.sees_all:
            return max(1.0, (self.n_train + self.n_validation) / batch_size)
        return max(1.0, (self.n_train + EVALUATED * self.n_validation) / batch_size)

    def all_cores(self, work: Work, config: SearchConfig) -> bool:
        """Whether a training has, or will have, every core for itself."""
        if work.threads is not None:
            return work.threads > 1
        return self.machine.n_cores > 1 and takes_all_cores(work.kind, work.n_macs * config.batch_size)


def time_left(
    config: SearchConfig, works: Sequence[Work], site: Site, *, simulate_seconds: float = 0.05
) -> float | None:
    """Seconds until the search ends; None before anything of it was measured."""
    pace = pace_of(site.machine, timed(config, works, site), [w.around for w in works if w.around is not None])
    if not pace.n_timed:
        return None
    ways = ways_on(config, works, Clock(simulate_seconds))
    return fmean(seconds_on(config, works, site, pace, climb) for climb in ways)


def cases(
    config: SearchConfig, site: Site, pace: Pace, ways: Sequence[Climb], *, n: int = 120
) -> list[float]:
    """Seconds of a search that has not begun in `n` cases of what is not known, from the shortest to the longest."""
    rng = random.Random(0)
    drawn = [(ways[i % len(ways)], pace.draw(rng)) for i in range(n)]
    return sorted(seconds_on(config, (), site, pace, climb, case) for climb, case in drawn)


def timed(config: SearchConfig, works: Iterable[Work], site: Site) -> list[Timed]:
    """What is to be learnt from a search's own trainings; little from one that has just begun."""
    return [
        Timed(
            work.n_macs * config.batch_size,
            work.seconds / work.epoch / site.batches(work, config.batch_size),
            site.all_cores(work, config),
            noise=0.15 + 0.1 / max(work.epoch, 0.1),
        )
        for work in works
        if work.epoch > 0 and work.seconds > 0
    ]


def ways_on(config: SearchConfig, works: Sequence[Work], clock: Clock, leaning: Leaning = EVEN) -> list[Climb]:
    """Climbs from where the search is. The leader of an open step wins the likelier the more of it has ended."""
    path = _path(works)
    step = sorted((w for w in works if _in_step(w, len(path) + 1)), key=lambda w: w.index)
    return climbs(config, path, candidates=_chances(step), leaning=leaning, clock=clock)


def _path(works: Sequence[Work]) -> Path:
    winners = {w.step: w.index for w in works if w.kind == "neighbour" and w.is_winner}
    path: list[int] = []
    while (step := len(path) + 1) in winners:
        path.append(winners[step])
    return tuple(path)


def _chances(step: Sequence[Work]) -> list[float]:
    done = [w.val_accuracy for w in step if not w.is_open and w.val_accuracy is not None]
    best = max(done, default=None)
    chances = [
        1.0 if w.is_open else float(len(done)) if best is not None and w.val_accuracy == best else 0.0 for w in step
    ]
    return chances if any(chances) else []  # a step that was cut off undecided is as if it were to come


def seconds_on(
    config: SearchConfig, works: Sequence[Work], site: Site, pace: Pace, climb: Climb, drawn: Vector | None = None
) -> float:
    """Seconds to the end along one climb: what is open, steps to come, final training, comparisons.

    Hours that run out end the steps: the best network by then gets the final training.
    """

    def seconds(work: Work) -> float:
        own = min(1.0, work.epoch / (OWN_PACE_SHARE * work.epochs)) if work.seconds > 0 else 0.0
        one = pace.batch_seconds(work.n_macs * config.batch_size, site.all_cores(work, config), drawn)
        epoch_seconds = site.batches(work, config.batch_size) * one
        if own:
            epoch_seconds = epoch_seconds ** (1.0 - own) * (work.seconds / work.epoch) ** own
        around = 0.0 if work.epoch else pace.around
        return around + (work.epochs - work.epoch) * epoch_seconds

    def together(stage: Sequence[Work]) -> float:
        """Those that take every core one after another, the others side by side."""
        alone = [seconds(w) for w in stage if site.all_cores(w, config)]
        return sum(alone) + makespan((seconds(w) for w in stage if not site.all_cores(w, config)), site.n_workers)

    open_now = [w for w in works if w.is_open]
    steps = [[w for w in open_now if not w.sees_all], *_steps_to_come(config, works, climb)]
    final_macs = climb.winner.n_macs
    total = 0.0
    limit = None if site.hours_left is None else max(0.0, 3600 * site.hours_left)
    for stage in steps:
        total += together(stage) if stage else 0.0
        if limit is not None and total > limit:
            total, final_macs = limit, max((w.n_macs for w in stage), default=final_macs)
            break
    after = [w for w in open_now if w.sees_all] or _after_the_steps(config, works, final_macs)
    finals, compared = [[w for w in after if (w.kind == "final") is is_final] for is_final in (True, False)]
    return total + sum(together(stage) for stage in (finals, compared) if stage)


def makespan(seconds: Iterable[float], n_workers: int) -> float:
    """Time for these jobs on so many workers, the longest job first."""
    loads = [0.0] * max(1, n_workers)
    for s in sorted(seconds, reverse=True):
        loads[loads.index(min(loads))] += s
    return max(loads)


def _steps_to_come(config: SearchConfig, works: Sequence[Work], climb: Climb) -> list[list[Work]]:
    """Trainings that have no row yet: pretraining of a search that has not begun, then whole steps."""
    stages = []
    if not any(w.kind == "pretrain" for w in works):
        stages.append([Work("pretrain", 0, first_size(growth_settings(config)).n_macs, config.epoch_pretrain)])
    if any(w.sees_all for w in works):
        return stages
    first = config.n_steps - len(climb.steps) + 1
    for step, sizes in enumerate(climb.steps, first):
        drawn = [Work("neighbour", step, size.n_macs, config.epoch_neigh) for size in sizes]
        like_them = Work("neighbour", step, fmean(s.n_macs for s in sizes), config.epoch_neigh)
        stages.append(drawn + [like_them] * (config.n_neigh - len(drawn)))
    return stages


def _after_the_steps(config: SearchConfig, works: Sequence[Work], final_macs: float) -> list[Work]:
    planned = []
    finals = [w.n_macs for w in works if w.kind == "final"]
    if not finals:
        planned.append(Work("final", config.n_steps, final_macs, config.epoch_final))
    if not any(w.kind in COMPARISON_KINDS for w in works):
        size = finals[0] if finals else final_macs
        planned += [Work("scratch", 0, macs, epochs) for macs, epochs in _comparisons(config, works, size)]
    return planned


def _comparisons(config: SearchConfig, works: Sequence[Work], final_macs: float) -> list[tuple[float, int]]:
    """(multiply-accumulates, epochs) of each comparison that is asked for, before it is planned.

    A snapshot is taken to be as large as the mean of its step, one of a step to come as the final network.
    """
    steps = [_mean([w.n_macs for w in works if _in_step(w, i)]) or final_macs for i in range(1, config.n_steps)]
    model_0 = first_size(growth_settings(config)).n_macs
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
    return work.step == step and work.kind == "neighbour"


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
