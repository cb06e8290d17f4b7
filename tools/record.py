"""Write a search that has finished as tests of the estimates read it: python tools/record.py UUID [--steps] > FILE

Of the site of NASH_DATA_DIR (or DATABASE_URL), which it only reads. A row for each training of the search: what it
cost, when it began and ended in seconds since the first began, and its epochs by seconds of training. Comparisons are
left out, and a search that was paused or changed while it ran is refused: its wall time says nothing. With --steps
the final training is left out, too: where the machine was disturbed during it.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nashweb.settings")

import django

django.setup()

from searches.management.launching import find  # noqa: E402
from searches.models import Candidate, Search  # noqa: E402
from searches.nash.hillclimb import COMPARISON_KINDS  # noqa: E402
from searches.selectors.progress import GOES_ON  # noqa: E402

FACTS = ("kind", "step", "index", "n_macs", "n_parameters", "epochs", "threads", "is_winner", "val_accuracy")


def recording(search: Search, *, steps_alone: bool) -> dict[str, Any]:
    """Raises SystemExit for a search that is no whole run."""
    rows = list(search.candidates.exclude(kind__in=COMPARISON_KINDS).order_by("started"))
    finals = [row for row in rows if row.kind == Candidate.Kind.FINAL]
    if len(finals) != 1 or finals[0].ended is None or any(row.status != Candidate.Status.DONE for row in rows):
        raise SystemExit(f"{search.name} has trainings that are not done, or several final ones: it is no whole run.")
    end = finals[0].ended
    if search.events.filter(kind__in=GOES_ON, at__lte=end).exists():
        raise SystemExit(f"{search.name} was paused or changed while it ran: its wall time says nothing.")
    if steps_alone:
        rows.remove(finals[0])
    return {
        "preset": search.preset,
        "config": {**search.search_config.to_dict(), "comparisons": []},
        "n_train": search.dataset.n_train,
        "n_workers": max(_at_once(row, rows) for row in rows),
        "rows": [_row(row, rows[0]) for row in rows],
    }


def _at_once(row: Candidate, rows: list[Candidate]) -> int:
    """How many were trained when this one began; a finished row names no worker any more."""
    return sum(other.started <= row.started < other.ended for other in rows)


def _row(row: Candidate, first: Candidate) -> dict[str, Any]:
    points = row.points.exclude(seconds=None).values_list("epoch", "seconds")
    return {
        **{name: getattr(row, name) for name in FACTS},
        "seconds": round(row.seconds or 0.0, 3),
        "started": _since(first, row.started),
        "ended": _since(first, row.ended),
        "peak_memory_bytes": row.peak_memory_bytes,
        "numeric_path": row.numeric_path,
        "points": [[round(epoch, 3), round(seconds, 3)] for epoch, seconds in points],
    }


def _since(first: Candidate, moment: Any) -> float:
    return round((moment - first.started).total_seconds(), 3)


def as_text(recorded: dict[str, Any]) -> str:
    """JSON with a line for each training."""
    head = json.dumps({k: v for k, v in recorded.items() if k != "rows"})
    rows = ",\n".join(json.dumps(row) for row in recorded["rows"])
    return f'{head[:-1]}, "rows": [\n{rows}\n]}}\n'


if __name__ == "__main__":
    uuids, options = sys.argv[1:2], sys.argv[2:]
    if not uuids or options not in ([], ["--steps"]):
        raise SystemExit(__doc__)
    sys.stdout.write(as_text(recording(find(uuids[0]), steps_alone=bool(options))))
