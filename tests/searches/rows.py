"""Rows for tests: a data set, a search, and workers that train nothing but end with given accuracies."""

from typing import Any

from searches import services
from searches.models import Candidate, DataSet, Search
from searches.nash.config import SearchConfig

TINY: dict[str, Any] = {
    "input_shape": (1, 8, 8),
    "n_classes": 10,
    "channels": (4, 4),
    "n_steps": 2,
    "n_neigh": 3,
    "n_NM": 1,
    "epoch_pretrain": 1,
    "epoch_neigh": 2,
    "epoch_final": 1,
    "max_channels": 16,
}
ACCURACIES = {"model_0": 0.5, "1.1": 0.6, "1.2": 0.7, "1.3": 0.65, "2.1": 0.75, "2.2": 0.72, "2.3": 0.71}
TEST_ACCURACIES = {"final": 0.9, "snapshot": 0.8, "scratch": 0.85, "reference": 0.7}


def make_dataset(name: str = "digits", **columns: Any) -> DataSet:
    defaults = {
        "digest": "d" * 64, "input_channels": 1, "height": 8, "width": 8, "n_classes": 10,
        "n_train": 1497, "n_test": 300, "flips": False,
    }  # fmt: skip
    return DataSet.objects.get_or_create(name=name, defaults={**defaults, **columns})[0]


def make_search(
    *,
    owner: Any = None,
    name: str = "Tiny",
    hours_limit: float | None = None,
    accuracy_goal: float | None = None,
    snapshot_ensemble: bool = False,
    **settings: Any,
) -> Search:
    """A search that waits for its pretraining; settings are those of TINY unless given."""
    config = SearchConfig(**{**TINY, **settings})
    budget: dict[str, Any] = {"hours_limit": hours_limit, "accuracy_goal": accuracy_goal}
    budget["snapshot_ensemble"] = snapshot_ensemble
    launched = services.create_search(config, dataset=make_dataset(), name=name, owner=owner, **budget)
    return Search.objects.get(pk=launched.search_id)


def pending(search: Search) -> list[Candidate]:
    return list(search.candidates.filter(status="pending").order_by("step", "index"))


def claim(candidate: Candidate | int, **changes: Any) -> services.Lease | None:
    """Claim as a worker of the right kind, or of the kind that `changes` say."""
    facts = {"worker": "alpha:cpu-0", "threads": 1, "numeric_path": "cpu-float32-1", "dataset_digest": "d" * 64}
    return services.claim(getattr(candidate, "pk", candidate), **{**facts, **changes})


def leased(candidate: Candidate | int, **changes: Any) -> services.Lease:
    lease = claim(candidate, **changes)
    assert lease is not None
    return lease


def result(val_accuracy: float | None = 0.5, **changes: Any) -> services.Result:
    facts: dict[str, Any] = {
        "val_accuracy": val_accuracy, "test_accuracy": None, "correct": b"\x01", "seconds": 2.0,
        "images_per_second": 1000.0, "flops_per_second": 1e9, "peak_memory_bytes": 10_000_000,
    }  # fmt: skip
    return services.Result(**{**facts, **changes})


def train(candidate: Candidate) -> list[int]:
    """Claim and finish, with the accuracy that ACCURACIES gives it."""
    lease = leased(candidate)
    if candidate.kind not in ("pretrain", "neighbour"):
        return services.finish(lease, result(None, test_accuracy=TEST_ACCURACIES[candidate.kind], correct=None))
    return services.finish(lease, result(ACCURACIES.get(candidate.code, 0.4)))


def run_to(search: Search, code: str) -> Candidate:
    """Train what waits, in order, until the candidate of this code waits; returns it."""
    while True:
        for candidate in pending(search):
            if candidate.code == code:
                return candidate
            train(candidate)


def run_to_end(search: Search) -> Search:
    while waiting := pending(search):
        for candidate in waiting:
            train(candidate)
    search.refresh_from_db()
    return search


def kinds(search: Search) -> list[str]:
    return list(search.events.order_by("seq").values_list("kind", flat=True))


def expire(candidate: Candidate | int) -> None:
    """Make its lease one that ended in the year 2000, as a worker's that was killed long ago."""
    Candidate.objects.filter(pk=getattr(candidate, "pk", candidate)).update(lease_expires="2000-01-01T00:00:00Z")


def statuses(search: Search, step: int) -> dict[str, str]:
    """What became of each child of a step, by its code."""
    rows = search.candidates.filter(kind="neighbour", step=step)
    return {c.code: c.status for c in rows.order_by("index")}


def finals(search: Search) -> list[tuple[int, str]]:
    """Step and parent's index of every final training."""
    return list(search.candidates.filter(kind="final").order_by("step").values_list("step", "parent__index"))
