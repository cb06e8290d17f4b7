"""What past searches taught: how fast trainings are here, how much memory they take, which candidates win."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import Q

from searches.models import Candidate, DataSet, Event, Search
from searches.nash.architecture import Architecture
from searches.nash.config import SearchConfig
from searches.selectors.estimate import Site, Work
from searches.selectors.footprint import Weighed, load_of
from searches.selectors.growth import Leaning, quarter, size_of
from searches.selectors.machine import machine_of
from searches.selectors.pace import Timed
from searches.selectors.progress import n_training_images, n_validation_images

NEWEST_TIMED, NEWEST_WEIGHED, NEWEST_DECIDED = 200, 16, 1000
OTHER_SEARCH_NOISE = 0.3
"""How far trainings of another search may be off for the next one, as a share: other layers, another load."""
TIMED_COLUMNS = (
    "search_id", "kind", "step", "n_macs", "epochs", "seconds", "threads", "started", "ended",
)  # fmt: skip


@dataclass(frozen=True)
class Lessons:
    """`timed`, `around` and `weighed` of trainings on one kind of device; `n_searches` they are of.

    `n_alike`: how many of the timed ones saw images of the size that is asked about.
    """

    timed: list[Timed]
    around: list[float]
    weighed: list[Weighed]
    leaning: Leaning
    n_searches: int

    @property
    def n_alike(self) -> int:
        return sum(not t.images for t in self.timed)


def lessons(device: str, precision: str, dataset: DataSet) -> Lessons:
    """Of trainings on a "cpu" or "cuda" whose numbers are computed as `precision` asks for: on images of the size of
    this data set first, the newest of them first. Read again once anything has happened in any search."""
    newest_event = Event.objects.order_by("-pk").values_list("pk", "at").first()
    return _lessons_by(device, precision, dataset, newest_event)


@lru_cache(maxsize=8)
def _lessons_by(device: str, precision: str, dataset: DataSet, newest_event: tuple[int, datetime] | None) -> Lessons:
    done = Candidate.objects.filter(status=Candidate.Status.DONE, numeric_path__startswith=device)
    if precision != "auto":
        done = done.filter(numeric_path__contains=f"-{precision}-")
    timed = done.exclude(seconds=None).annotate(is_alike=Q(**_size_of_images(dataset)))
    rows = list(timed.order_by("-is_alike", "-ended", "-pk").values(*TIMED_COLUMNS, "is_alike")[:NEWEST_TIMED])
    searches = Search.objects.select_related("dataset").in_bulk({row["search_id"] for row in rows})
    configs = {pk: search.search_config for pk, search in searches.items()}
    return Lessons(
        timed=[_timed(row, searches[row["search_id"]], configs[row["search_id"]], device) for row in rows],
        around=[max(0.0, (row["ended"] - row["started"]).total_seconds() - row["seconds"]) for row in rows],
        weighed=_weighed(done),
        leaning=_leaning(),
        n_searches=len(searches),
    )


def _timed(row: dict[str, Any], search: Search, config: SearchConfig, device: str) -> Timed:
    n_validation = n_validation_images(config, search.dataset.n_train)
    n_train = n_training_images(config, search.dataset.n_train)
    site = Site(n_train, n_validation, 1, machine_of(device))
    work = Work(row["kind"], row["step"], row["n_macs"], row["epochs"], threads=row["threads"])
    n_batches = site.batches(work, config.batch_size) * row["epochs"]
    return Timed(
        row["n_macs"] * config.batch_size,
        row["seconds"] / n_batches,
        site.all_cores(work, config),
        noise=OTHER_SEARCH_NOISE,
        images="" if row["is_alike"] else "x".join(map(str, search.dataset.input_shape)),
    )


def _size_of_images(dataset: DataSet) -> dict[str, int]:
    """What makes a training's images those of this data set, in cost."""
    sizes = {"input_channels": dataset.input_channels, "height": dataset.height, "width": dataset.width}
    return {f"search__dataset__{name}": size for name, size in sizes.items()}


def _weighed(done: Any) -> list[Weighed]:
    newest = done.exclude(peak_memory_bytes=None).select_related("search__dataset").defer("correct")
    found = []
    for row in newest.order_by("-ended", "-pk")[:NEWEST_WEIGHED]:
        dataset, size = row.search.dataset, size_of(Architecture.from_dict(row.architecture))
        batch_size = int(row.search.config.get("batch_size", SearchConfig().batch_size)) // row.accumulate
        found.append(Weighed(load_of(size, batch_size, pixels_of(dataset)), row.peak_memory_bytes))
    return found


def pixels_of(dataset: Any) -> float:
    """Values of all images of a data set."""
    return float((dataset.n_train + dataset.n_test) * dataset.input_channels * dataset.height * dataset.width)


def _leaning() -> Leaning:
    columns = ("search_id", "step", "n_macs", "is_winner")
    neighbours = Candidate.objects.filter(kind=Candidate.Kind.NEIGHBOUR).order_by("-pk").values_list(*columns)
    return leaning_of(neighbours[:NEWEST_DECIDED])


def leaning_of(neighbours: Iterable[tuple[int, int, int, bool]]) -> Leaning:
    """How often the winner of a step was of each quarter of its sizes, one more of each for what is unknown.

    Of each neighbour its search, step, multiply-accumulates and whether it won.
    """
    steps: dict[tuple[int, int], list[tuple[int, bool]]] = defaultdict(list)
    for search, step, n_macs, is_winner in neighbours:
        steps[search, step].append((n_macs, is_winner))
    wins = [1.0, 1.0, 1.0, 1.0]
    for candidates in steps.values():
        ranks = [rank for rank, (_, won) in enumerate(sorted(candidates)) if won]
        for rank in ranks:
            wins[quarter(rank, len(candidates))] += 1.0
    return wins[0], wins[1], wins[2], wins[3]
