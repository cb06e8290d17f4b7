"""Every epoch of every training of a search as numbers, one training in memory at a time: CSV or event files."""

import csv
import io
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.text import slugify

from searches.models import Candidate, Point, Search
from searches.selectors.snapshot import in_order
from searches.tfevents import first_record, scalars_record

NEEDED = ("search_id", "kind", "step", "index", "parent_id", "epochs", "started", "created")
"""With search_id, which Django looks at in each row of a search's candidates: deferred, that is a query a row."""
POINT = ("optimiser_step", "epoch", "loss", "lr", "val_accuracy", "seconds")
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Epoch:
    """The end of one epoch of one training.

    `global_epoch`: epochs that its weights have seen in this search, those of the trainings before it included.
    `train_loss`: mean over the epoch; `val_accuracy`: a fraction, None where none was measured; `seconds`: of this
    training so far.
    """

    epoch: int
    global_epoch: int
    optimiser_step: int
    learning_rate: float
    train_loss: float | None
    val_accuracy: float | None
    seconds: float | None


COLUMNS = ("training", "kind", "step", "child", *Epoch.__dataclass_fields__)


def epochs_of(search: Search) -> Iterator[tuple[Candidate, list[Epoch]]]:
    """Each training that has begun, in the order of the search, with its epochs by now."""
    candidates = in_order(search.candidates.only(*NEEDED))
    seen: dict[int, int] = {}
    for candidate in candidates:
        candidate.search = search
        before = seen.get(candidate.parent_id or 0, 0)
        seen[candidate.pk] = before + candidate.epochs
        if epochs := _epochs(candidate, before):
            yield candidate, epochs


def _epochs(candidate: Candidate, before: int) -> list[Epoch]:
    found: list[Epoch] = []
    weighed = steps = last = 0.0
    points = Point.objects.filter(candidate=candidate).order_by("optimiser_step").values_list(*POINT)
    for optimiser_step, at, loss, lr, accuracy, seconds in points:
        if loss is not None:  # the mean since the point before
            weighed += loss * (optimiser_step - last)
            steps += optimiser_step - last
        last = optimiser_step
        is_end = math.isclose(at, round(at), abs_tol=1e-6)
        if is_end and (at > 0 or accuracy is not None):
            mean = weighed / steps if steps else None
            epoch = round(at)
            found.append(Epoch(epoch, before + epoch, optimiser_step, lr, mean, accuracy, seconds))
            weighed = steps = 0.0
    return found


def scalar_pages(search: Search) -> Iterator[str]:
    """The table as CSV, training by training."""
    yield "\ufeff" + _csv([COLUMNS])
    for candidate, epochs in epochs_of(search):
        who = (candidate.code, candidate.kind, candidate.step, candidate.index)
        yield _csv((*who, *(_cell(getattr(epoch, name)) for name in COLUMNS[4:])) for epoch in epochs)


def _csv(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cell(value: float | int | None) -> str:
    return "" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)


def tensorboard_pages(search: Search) -> Iterator[bytes]:
    """A zip of event files in pieces: a folder for each training, which TensorBoard calls a run.

    The step is the global epoch, so that a child's curve begins where its parent's ended.
    """
    target = _Pieces()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for candidate, epochs in epochs_of(search):
            folder = slugify(candidate.code.replace(".", "-"))
            began = (candidate.started or candidate.created).timestamp()
            name = f"{run_folder(search)}/{folder}/events.out.tfevents.{int(began)}.nash"
            archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), _event_file(began, epochs), zipfile.ZIP_DEFLATED)
            yield target.taken()
    yield target.taken()


def run_folder(search: Search) -> str:
    return f"{slugify(search.name) or 'search'}-{str(search.uuid)[:8]}"


def _event_file(began: float, epochs: list[Epoch]) -> bytes:
    return first_record(began) + b"".join(
        scalars_record(began + (epoch.seconds or 0.0), epoch.global_epoch, _values(epoch)) for epoch in epochs
    )


def _values(epoch: Epoch) -> dict[str, float]:
    values = {
        "train/loss": epoch.train_loss,
        "train/learning_rate": epoch.learning_rate,
        "validation/accuracy": epoch.val_accuracy,
        "seconds": epoch.seconds,
    }
    return {tag: value for tag, value in values.items() if value is not None}


class _Pieces(io.RawIOBase):
    """A file that is written from front to back, and whose bytes are taken away meanwhile."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._pieces.append(bytes(content))
        return len(content)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
