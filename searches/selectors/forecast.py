"""What a search would cost before it is launched: time and peak memory, with ranges, and how they are known."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from searches.diagrams.words import counted, short
from searches.models import DataSet
from searches.nash.config import SearchConfig
from searches.selectors.estimate import Site, cases
from searches.selectors.footprint import footprint_of, load_of
from searches.selectors.forecast_words import about, between, size_words
from searches.selectors.growth import Climb, Clock, climbs, first_size, growth_settings
from searches.selectors.machine import machine_of
from searches.selectors.pace import pace_of
from searches.selectors.past import Lessons, lessons, pixels_of
from searches.selectors.progress import crew, n_training_images, n_validation_images

SIMULATE_SECONDS = 0.06
"""So that an answer takes less than 0.2 s; whoever wants to know it better asks again."""
RANGE = (0.1, 0.9)
"""Of ten searches eight are expected within."""


@dataclass(frozen=True)
class Range:
    """The middle of what is expected, and what eight of ten cases are within."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, cases: Sequence[float]) -> "Range":
        ordered = sorted(cases)
        at = [ordered[round(share * (len(ordered) - 1))] for share in RANGE]
        return cls(median(ordered), *at)


@dataclass(frozen=True)
class Forecast:
    """`seconds` from the first training on and `peak_bytes` of a worker; the sentences say how sure they are.

    `n_timed`: trainings that the time was learnt from. `is_whole`: False while simulations had too little time;
    the same question goes on with them.
    """

    seconds: Range
    peak_bytes: Range
    n_parameters: Range
    n_timed: int
    is_whole: bool
    source: str

    @property
    def time_words(self) -> str:
        """'about 12 min'."""
        return about(self.seconds.middle)

    @property
    def range_words(self) -> str:
        """'between 9 min and 16 min'."""
        return between(self.seconds.low, self.seconds.high)

    @property
    def memory_words(self) -> str:
        """'about 0.9 GB, up to 1.2 GB'."""
        middle, high = size_words(self.peak_bytes.middle), size_words(self.peak_bytes.high)
        return f"about {middle}" if middle == high else f"about {middle}, up to {high}"

    @property
    def growth_words(self) -> str:
        """How large networks grow."""
        low, high = short(self.n_parameters.low), short(self.n_parameters.high)
        sizes = low if low == high else f"{low} to {high}"
        return f"Networks grow to {sizes} parameters in eight of ten simulated searches."


def forecast(
    config: SearchConfig,
    dataset: DataSet,
    *,
    hours_limit: float | None = None,
    simulate_seconds: float = SIMULATE_SECONDS,
) -> Forecast:
    """Of a search with these settings on the workers that answer, or on this machine's where none does."""
    n_workers, device = crew()
    learnt = lessons(device, config.precision, dataset)
    n_validation = n_validation_images(config, dataset.n_train)
    site = Site(
        n_train=max(1, n_training_images(config, dataset.n_train)),
        n_validation=n_validation,
        n_workers=n_workers or machine_of(device).n_cores,
        machine=machine_of(device, config.precision),
        hours_left=hours_limit,
    )
    ways = climbs(config, leaning=learnt.leaning, clock=Clock(simulate_seconds))
    pace = pace_of(site.machine, learnt.timed, learnt.around)
    return Forecast(
        seconds=Range.of(cases(config, site, pace, ways)),
        peak_bytes=Range.of(_peaks(config, dataset, device, learnt, ways)),
        n_parameters=Range.of([way.winner.n_parameters for way in ways]),
        n_timed=len(learnt.timed),
        is_whole=all(way.is_whole for way in ways),
        source=_source(learnt, site, n_workers),
    )


def _peaks(
    config: SearchConfig, dataset: DataSet, device: str, learnt: Lessons, ways: Sequence[Climb], n: int = 60
) -> list[float]:
    """Bytes of the heaviest training in `n` cases of what is not known."""
    footprint, pixels, rng = footprint_of(device, learnt.weighed), pixels_of(dataset), random.Random(0)
    peaks = []
    for i in range(n):
        sizes = [first_size(growth_settings(config)), *(size for step in ways[i % len(ways)].steps for size in step)]
        drawn = footprint.belief.draw(rng)
        peaks.append(max(footprint.peak_bytes(load_of(s, config.batch_size, pixels), drawn) for s in sizes))
    return peaks


def _source(learnt: Lessons, site: Site, n_workers: int) -> str:
    """Where the time comes from, in a sentence or two."""
    crew_words = counted(n_workers, "worker") if n_workers else "no worker that answers, as if all cores worked"
    if not learnt.timed:
        return f"No measurement yet: guessed from this machine's {site.machine.words} ({crew_words})."
    searches = "1 search" if learnt.n_searches == 1 else f"{learnt.n_searches} searches"
    known = f"{counted(len(learnt.timed), 'training')} of {searches}"
    unlike = "" if learnt.n_alike else ", none of them on images of this size: the first search on them says more"
    return f"From {known} measured here{unlike}, on {site.machine.words} ({crew_words})."
