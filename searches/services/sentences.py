"""What the log says, in the paper's words."""

from collections.abc import Sequence

from searches.models import Candidate
from searches.nash.hillclimb import COMPARISON_KINDS

NOISE = 0.05
"""p of McNemar's test from which on a lead is within noise."""
MINUTE, HOUR = 60, 3600
MANTISSAS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
ENDS = {
    Candidate.Status.TOO_BIG: "is too big for this device",
    Candidate.Status.DIVERGED: "diverged",
    Candidate.Status.FAILED: "failed",
    Candidate.Status.CANCELLED: "was cancelled",
}


def subject(candidate: Candidate) -> str:
    """Child 2.1, The parent trained again, model_0, The final training, Comparison “from scratch”."""
    if candidate.kind == Candidate.Kind.PRETRAIN:
        return "model_0"
    if candidate.kind == Candidate.Kind.FINAL:
        return "The final training"
    if candidate.kind in COMPARISON_KINDS:
        return f"Comparison “{candidate.code}”"
    if candidate.kind == Candidate.Kind.NEIGHBOUR and not candidate.morphisms:
        return f"The parent, trained again as {candidate.code},"
    return f"Child {candidate.code}"


def began(candidate: Candidate) -> str:
    words = "; ".join(m.words() for m in candidate.morphism_list())
    if candidate.attempt > 1:
        return f"{subject(candidate)} is taken up again, attempt {candidate.attempt}, by {candidate.worker}"
    return f"{subject(candidate)} began" + (f": {words}" if words else "")


def planned(candidates: Sequence[Candidate]) -> str:
    """What comes next: a step, the final training, the comparisons; `candidates` are the rows just made for it."""
    first = candidates[0]
    if first.kind == Candidate.Kind.FINAL:
        return f"The final training is planned: {first.epochs} epochs on training and validation set"
    if first.kind in COMPARISON_KINDS:
        names = ", ".join(f"“{c.code}”" for c in candidates)
        return f"Comparisons planned: {names}; {sum(c.epochs for c in candidates):,} epochs"
    return f"Step {first.step} planned: {len(candidates)} neighbours, {first.epochs} epochs each"


def ended(candidate: Candidate, *, looks: int = 0) -> str:
    """Child 2.1 ended: 78.70 %, 32 s; or how else it ended, and why.

    `looks`: how often the test set was looked at by now; each look is said.
    """
    if candidate.status != Candidate.Status.DONE:
        return f"{subject(candidate)} {ENDS[Candidate.Status(candidate.status)]}: {candidate.reason}"
    parts = [duration(candidate.seconds or 0.0)]
    if candidate.test_accuracy is not None:
        n_test = candidate.search.n_test
        look = f"look {looks} at the test set, {n_test:,} images"
        parts.insert(0, f"{per_cent(1 - candidate.test_accuracy)} test error ({look})")
    elif candidate.val_accuracy is not None:
        parts.insert(0, per_cent(candidate.val_accuracy))
    return f"{subject(candidate)} ended: {', '.join(parts)}"


def ended_epoch(candidate: Candidate, loss: float | None, val_accuracy: float | None) -> str:
    found = [f"loss {loss:.3f}"] if loss is not None else []
    found += [f"validation accuracy {per_cent(val_accuracy)}"] if val_accuracy is not None else []
    words = f"{subject(candidate)} ended epoch {candidate.epoch:g} of {candidate.epochs}"
    return words + (f": {', '.join(found)}" if found else "")


def sealed(candidate: Candidate, delta32: float | None, delta64: float | None) -> str:
    deltas = (("float32", delta32), ("float64", delta64))
    measured = [f"{scientific(delta)} in {kind}" for kind, delta in deltas if delta is not None]
    return f"Seal of {candidate.code}: largest |Δ logit| {' and '.join(measured)}, evaluation mode"


def decided(step: int, winner: Candidate, runner_up: Candidate | None, selection: str = "accuracy") -> str:
    words = f"Step {step} decided: {winner.code} wins"
    best = winner.measured_by(selection)
    second = runner_up.measured_by(selection) if runner_up is not None else None
    if best is not None:
        words += f" with {per_cent(best)}" + (" balanced accuracy" if selection == "balanced" else "")
        if runner_up is not None and second is not None:
            lead = 100 * (best - second)
            words += f", {lead:.2f} points before {runner_up.code}" if lead else f", level with {runner_up.code}"
            words += _doubt(runner_up)
    return words


def _doubt(runner_up: Candidate) -> str:
    """", within noise" where both networks' answers to the same images leave open which is better."""
    if runner_up.gap is None:
        return ""
    return ", within noise" if runner_up.gap["p"] >= NOISE else ", clear"


def goal(accuracy: float, selection: str) -> str:
    """92.50 % validation accuracy; "balanced" where that decides."""
    return f"{per_cent(accuracy)} {'balanced ' if selection == 'balanced' else ''}validation accuracy"


def budget(hours_limit: float | None, accuracy_goal: float | None, selection: str = "accuracy") -> str:
    """", at most 12 h, until 92.50 % validation accuracy", as it follows what a search costs; "" without one."""
    hours = "" if hours_limit is None else f", at most {hours_limit:g} h"
    return hours + ("" if accuracy_goal is None else f", until {goal(accuracy_goal, selection)}")


def per_cent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def duration(seconds: float) -> str:
    """32 s, 6 min 03 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"


def scientific(value: float) -> str:
    """1.9 × 10⁻⁶"""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(MANTISSAS)}"
