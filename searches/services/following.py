"""What follows: Algorithm 1 asked with the history that is in the rows; fewer steps where the budget is over."""

from collections.abc import Sequence
from dataclasses import dataclass

from searches.models import Candidate, Search
from searches.nash.config import SearchConfig
from searches.nash.hillclimb import Job, Outcome, has_failed, plan, winner
from searches.selectors import seconds_spent
from searches.services import sentences
from searches.services.history import read_history


@dataclass(frozen=True)
class Next:
    """What follows from a history, and the rows that it was read from.

    `decided`: the step that is closed by it, `winner` its model_best. Where the search is cut short, `config` has
    the steps that it keeps and `why` says on whose word.
    """

    history: frozenset[tuple[int, str]]
    jobs: list[Job]
    decided: int | None
    winner: Outcome | None
    failed: bool
    config: SearchConfig | None = None
    why: str = ""


def after(
    search_id: int, candidate_id: int, status: str, val_accuracy: float | None, val_balanced: float | None = None
) -> Next:
    """What follows once this candidate ends so."""
    search = Search.objects.get(pk=search_id)
    known = read_history(search, without=candidate_id)
    ending = search.candidates.defer("correct").get(pk=candidate_id)
    job = ending.job(known.key_of(ending.parent_id))
    history = [*known.outcomes, Outcome(job, status, val_accuracy, val_balanced)]
    config = search.search_config
    jobs = plan(config, history)
    in_step = ending.kind in (Candidate.Kind.PRETRAIN, Candidate.Kind.NEIGHBOUR)
    is_open = any((job.kind, job.step) == (ending.kind, ending.step) for job in jobs)
    decided = ending.step if in_step and not is_open else None
    best = winner(history, ending.step, config.selection) if decided is not None else None
    why = over_budget(search, best) if any(job.kind == Candidate.Kind.NEIGHBOUR for job in jobs) else ""
    if why and (cut := _cut(config, history, known.open_jobs, known.seen, why)):
        return cut
    return Next(known.seen, jobs, decided, best, failed=not jobs and has_failed(config, history))


def cut_short(search: Search, why: str, *, with_model_0: bool = False) -> Next | None:
    """What follows if no further training of a step is to begin; None where there is nothing to cut.

    That is while model_0 is pretrained, and once the steps are all decided; and, unless `with_model_0`, before a
    first neighbour is done.
    """
    known = read_history(search)
    if not any(job.kind == Candidate.Kind.NEIGHBOUR for job in known.open_jobs):
        return None
    return _cut(search.search_config, known.outcomes, known.open_jobs, known.seen, why, with_model_0=with_model_0)


def over_budget(search: Search, best: Outcome | None = None) -> str:
    """On which word of its budget the search is to be cut short, else "".

    Its hours count at any time. Its accuracy, balanced where that decides the steps, counts where a step is decided,
    by `best`: so that what is found does not depend on how many workers there are.
    """
    if search.hours_limit is not None and seconds_spent(search) >= search.hours_limit * sentences.HOUR:
        return f"Its budget of {search.hours_limit:g} h is spent"
    selection = search.search_config.selection
    accuracy = best.measured_by(selection) if best else None
    if search.accuracy_goal is not None and accuracy is not None and accuracy >= search.accuracy_goal:
        return f"{sentences.goal(search.accuracy_goal, selection)} are reached"
    return ""


def _cut(
    config: SearchConfig,
    history: Sequence[Outcome],
    open_jobs: Sequence[Job],
    seen: frozenset[tuple[int, str]],
    why: str,
    *,
    with_model_0: bool = False,
) -> Next | None:
    """The last step with a neighbour that is done becomes the last of all; what is open is cancelled.

    Without such a step, and `with_model_0`, the first one is cut off undecided: plan() then goes on with model_0.
    """
    done = [o.job.step for o in history if o.job.kind == Candidate.Kind.NEIGHBOUR and o.status == "done"]
    if not done and not with_model_0:
        return None
    short = config.replace(n_steps=max(done, default=1))
    ended = [*history, *(Outcome(job, "cancelled") for job in open_jobs)]
    return Next(
        seen,
        plan(short, ended),
        short.n_steps,
        winner(ended, short.n_steps, short.selection),
        failed=False,
        config=short,
        why=why,
    )
