"""A search goes a move further, in the transaction that holds its lock: winner, next step, the end."""

from collections.abc import Sequence

from django.db.models.functions import Now

from searches.diagrams.words import counted
from searches.models import Candidate, Event, Search
from searches.nash.hillclimb import COMPARISON_KINDS, Job, Outcome
from searches.selectors import progress_fields, search_fields, settings_fields
from searches.selectors.snapshot import in_order, result_fields
from searches.services import sentences
from searches.services.control import let_go, pending_ids
from searches.services.events import append, candidate_of
from searches.services.following import Next
from searches.services.gaps import measure_gaps, sum_operators
from searches.services.launch import create_candidates
from searches.services.members import settle_snapshots


def crown(search: Search, outcome: Outcome | None) -> bool:
    """Mark model_best of a step that is decided; whether it was not marked yet."""
    if outcome is None:
        return False
    kind, step, index = outcome.job.key
    rows = search.candidates.filter(kind=kind, step=step, index=index, is_winner=False)
    return bool(rows.update(is_winner=True))


def move_on(search: Search, following: Next, *, is_crowned: bool) -> list[int]:
    """Write what follows, once the step's winner is crowned (or was before). Returns what is to be sent."""
    if following.config is not None:
        _cut_short(search, following)
    if is_crowned and following.decided:
        _say_decided(search, following.decided)
    if following.jobs:
        return _open(search, following.jobs)
    if following.failed:
        what = "pretraining" if following.decided == 0 else f"step {following.decided}"
        what = "the final training" if following.decided is None else what
        _close(search, Search.Status.FAILED, f"no candidate of {what} survived; its table says why each ended")
    else:
        _close(search, Search.Status.FINISHED, "")
    return []


def _cut_short(search: Search, following: Next) -> None:
    """No further training of a step begins: what is open is cancelled, the settings keep the steps that there are."""
    config, why = following.config, following.why
    assert config is not None  # its caller looked
    steps = (
        counted(config.n_steps, "step") + " it is, the best so far" if following.winner else "without a step, model_0"
    )
    open_states = [Candidate.Status.PENDING, Candidate.Status.RUNNING]
    changed = let_go(search, Candidate.Status.CANCELLED, open_states, reason=f"no longer wanted: {why}")
    Search.objects.filter(pk=search.pk).update(config=config.to_dict(), status=Search.Status.RUNNING, reason="")
    search.refresh_from_db(fields=["config", "status", "reason"])
    left = f"; {counted(len(changed), 'training')} of the open step cancelled" if changed else ""
    append(
        search,
        "search_cut_short",
        f"{why}: {steps} gets its final training{left}",
        level=Event.Level.DECISION,
        search_part={**search_fields(search), **settings_fields(search), **progress_fields(search)},
        candidates=changed,
    )


def _say_decided(search: Search, step: int) -> None:
    gaps = measure_gaps(search, step)  # of a step that is cut short; else the last training to end saw to it
    done = search.candidates.filter(kind=Candidate.Kind.NEIGHBOUR, step=step, status=Candidate.Status.DONE)
    selection = search.search_config.selection
    ranked = sorted(
        done.defer("architecture", "correct"),
        key=lambda c: (c.is_winner, c.measured_by(selection) or 0.0),
        reverse=True,
    )
    append(
        search,
        "step_decided",
        sentences.decided(step, ranked[0], ranked[1] if len(ranked) > 1 else None, selection),
        level=Event.Level.DECISION,
        search_part={"best": ranked[0].pk, **sum_operators(search)},
        candidates=[{"id": ranked[0].pk, "winner": True}, *gaps],
    )


def _open(search: Search, jobs: Sequence[Job]) -> list[int]:
    """Rows for what comes next, those that are not there yet; what waits for a worker then."""
    made = create_candidates(search, list(jobs))
    if not made:
        return []
    made = in_order(made)
    kind = "comparisons_planned" if made[0].kind in COMPARISON_KINDS else "step_planned"
    append(search, kind, sentences.planned(made), candidates=[candidate_of(search, c.pk) for c in made])
    return pending_ids(search)


def _close(search: Search, status: Search.Status, reason: str) -> None:
    Search.objects.filter(pk=search.pk).update(status=status, reason=reason, ended=Now())
    search.refresh_from_db(fields=["status", "reason", "ended"])
    candidates = list(search.candidates.defer("architecture", "correct"))
    result = result_fields(search, candidates)
    test = result["test_accuracy"]
    words = f"Search failed: {reason}"
    if status == Search.Status.FINISHED:
        words = "Search finished" + (f": {sentences.per_cent(1 - test)} test error" if test is not None else "")
    append(
        search,
        "search_ended",
        words,
        level=Event.Level.DECISION if status == Search.Status.FINISHED else Event.Level.ERROR,
        search_part={**search_fields(search), **progress_fields(search), **result},
    )
    if status == Search.Status.FINISHED:
        settle_snapshots(search)
