"""What the rows of a search say of its trainings that have ended: the history that Algorithm 1 is asked with."""

from collections.abc import Iterable
from dataclasses import dataclass

from searches.models import Candidate, Search
from searches.nash.hillclimb import ENDED, Job, Key, Outcome


@dataclass(frozen=True)
class History:
    """The outcomes, and the rows that they were read from, to be compared under the search's lock.

    `open_jobs`: the trainings that have a row and no end yet.
    """

    outcomes: list[Outcome]
    open_jobs: list[Job]
    seen: frozenset[tuple[int, str]]
    keys: dict[int, Key]

    def key_of(self, candidate_id: int | None) -> Key | None:
        return None if candidate_id is None else self.keys[candidate_id]


def read_history(search: Search, *, without: int | None = None) -> History:
    """The trainings of a search that have ended, one of them left out where it is about to end."""
    rows: Iterable[Candidate] = list(search.candidates.defer("correct"))
    keys = {row.pk: row.key for row in rows}
    ended = [row for row in rows if row.status in ENDED and row.pk != without]
    outcomes = [row.outcome(None if row.parent_id is None else keys[row.parent_id]) for row in ended]
    unended = [row for row in rows if row.status not in ENDED and row.pk != without]
    open_jobs = [row.job(None if row.parent_id is None else keys[row.parent_id]) for row in unended]
    return History(outcomes, open_jobs, frozenset((row.pk, row.status) for row in ended), keys)


def rows_ended(search: Search, *, without: int | None = None) -> frozenset[tuple[int, str]]:
    """What `History.seen` is now."""
    ended = search.candidates.filter(status__in=ENDED).values_list("pk", "status")
    return frozenset((pk, status) for pk, status in ended if pk != without)
