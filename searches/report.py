"""A search as one HTML file to keep or to mail: tree, curves, drawings, tables, settings; no script, no network."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

from searches import comparisons
from searches.diagrams import architecture_svg, changes, columns_from, lineage_svg
from searches.diagrams.charts import Line, Stop, best_svg, curves_svg
from searches.models import Candidate, Search
from searches.nash.architecture import Architecture
from searches.selectors import State, snapshot
from searches.selectors.seeds import settings_of

CSS_FOLDER = Path(__file__).resolve().parents[1] / "static" / "css"
SHEETS = ("tokens.css", "drawings.css", "report.css")
TREE_WIDTH, NETWORK_WIDTH = 896, 376  # a network that is drawn in columns has the tree's
NOISE = 0.05
"""McNemar's p from which on a gap is within noise, as in static/js/why.js."""
LEAST_P = 0.0001
"""A p below is told as that."""
LOG_LINES = 1000
"""Lines of the log at most; decisions, warnings and errors are there whatever their number."""
ROUTINE = ("epoch", "seal")
"""Events that are told to nobody who did not ask for everything, as in static/js/log.js."""
FEW = 3
"""Children below which a mean gain says nothing, as in static/js/operators.js."""
MOST_REPORTS = 2
_reports: dict[str, str] = {}
Row = dict[str, Any]


def report_name(search: Search) -> str:
    return f"{slugify(search.name) or 'search'}-{str(search.uuid)[:8]}.html"


def report_html(search: Search) -> str:
    """The whole file, as the search is now."""
    return _made(search, snapshot(search))


def kept_report(search: Search, state: State) -> str:
    """The same of a state that was read already; the last ones are kept, since a large one takes a second to make."""
    if state.version not in _reports:
        _reports[state.version] = _made(search, json.loads(state.text))
    for version in list(_reports)[:-MOST_REPORTS]:
        _reports.pop(version, None)
    return _reports[state.version]


def _made(search: Search, state: Mapping[str, Any]) -> str:
    context = {
        "search": search,
        "state": state,
        "made": timezone.now(),
        "css": _safe(_style()),
        "tree": _safe(lineage_svg(state, width=TREE_WIDTH)),
        "best": _safe(_best(state)),
        "steps": list(_steps(state)),
        "networks": list(_networks(search)),
        "final": next((c for c in state["candidates"] if c["id"] == state["best"]), None),
        "notes": list(_notes(search)),
        "operators": [{**row, "few": row["children"] < FEW} for row in state["operators"] if row["drawn"]],
        **_log(search),
        "compared": [c for c in state["candidates"] if c["kind"] in ("snapshot", "scratch", "reference")],
        "settings": sorted(settings_of(search).items()),
    }
    return render_to_string("searches/report.html", context)


def _safe(markup: str) -> SafeString:
    """Of our own drawings and style sheets, which escape all text."""
    return mark_safe(markup)  # noqa: S308


def _style() -> str:
    sheets = "\n".join((CSS_FOLDER / name).read_text(encoding="utf-8") for name in SHEETS)
    return re.sub(r"/\*.*?\*/", "", sheets, flags=re.S).replace("<", "")


def _best(state: Mapping[str, Any]) -> str:
    n = state["dataset"]["n_validation"]
    won = [c for c in state["candidates"] if c["winner"] and c["val_accuracy"] is not None]
    stops = [Stop(c["code"], c["val_accuracy"], *comparisons.interval(c["val_accuracy"], n)) for c in won]
    return best_svg(stops, label="Validation accuracy of the best after each step, with 95 % intervals")


def _steps(state: Mapping[str, Any]) -> Iterator[Row]:
    """Pretraining and steps: their curves and the table that says why one won."""
    by_id = {c["id"]: c for c in state["candidates"]}
    for step in range(state["config"]["n_steps"] + 1):
        kind = "neighbour" if step else "pretrain"
        mine = [c for c in state["candidates"] if c["kind"] == kind and c["step"] == step]
        if not mine:
            continue
        lines = [Line(c["code"], c["index"] or 1, _accuracies(state["points"].get(str(c["id"]), []))) for c in mine]
        parent = by_id.get(mine[0]["parent"])
        epochs = mine[0]["epochs"]
        if parent is not None and parent["val_accuracy"] is not None:
            level = parent["val_accuracy"]
            lines.append(Line(f"parent {parent['code']}", 0, ((0.0, level), (float(epochs), level))))
        rows = _ranked(mine, state["dataset"]["n_validation"])
        title = f"Step {step}" if step else "Pretraining"
        yield {
            "title": title,
            "curves": _safe(curves_svg(lines, epochs=epochs, label=f"{title}: validation accuracy by epoch")),
            "rows": rows,
            "is_tested": any(row["test"] for row in rows),
        }


def _accuracies(points: list[list[float | int | None]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(p[1]), float(p[4])) for p in points if p[1] is not None and p[4] is not None)


def _ranked(mine: list[Row], n: int) -> list[Row]:
    """The best first, with intervals, and gaps to the winner with a paired test on the same validation images."""
    winner = next((c for c in mine if c["winner"]), None)

    def order(c: Row) -> tuple[bool, float, int]:
        return not c["winner"], -(c["val_accuracy"] or 0.0), c["index"]

    rows = []
    for rank, c in enumerate(sorted(mine, key=order), start=1):
        value = c["val_accuracy"]
        low, high = comparisons.interval(value, n) if value is not None else (None, None)
        beside = winner is not None and c is not winner and value is not None
        rows.append({
            **c, "rank": rank if value is not None else None, "low": low, "high": high,
            "behind": value - winner["val_accuracy"] if beside and winner else None,
            "test": _tested(c.get("gap"), winner["id"]) if beside and winner else None,
        })  # fmt: skip
    return rows


def _tested(gap: Row | None, winner: int) -> Row | None:
    """McNemar's test of a gap, where it was measured against this winner."""
    if not gap or gap["to"] != winner:
        return None
    p = gap["p"]
    return {**gap, "noise": p >= NOISE, "p_words": "below 0.0001" if p < LEAST_P else f"{p:.2g}"}


def _notes(search: Search) -> Iterator[Row]:
    """What people wrote and the tags they gave: to the search, then to its trainings."""
    written = search.candidates.filter(~Q(note="") | Q(tags__isnull=False)).distinct().order_by("step", "index")
    noted: list[tuple[str, Search | Candidate]] = [("", search)]
    noted += [(c.code, c) for c in written.defer("architecture", "correct").prefetch_related("tags")]
    for code, of in noted:
        tags = [tag.name for tag in of.tags.all()]
        if of.note or tags:
            yield {"code": code, "note": of.note, "tags": tags}


def _log(search: Search) -> Row:
    """The event log in words, oldest first, and how many lines were left out for the file's size."""
    told = search.events.exclude(words="").exclude(level="info", kind__in=ROUTINE)
    newest = set(told.order_by("-seq").values_list("seq", flat=True)[:LOG_LINES])
    n = told.count()
    wanted = told.filter(Q(seq__gte=min(newest, default=0)) | ~Q(level="info")).order_by("seq")
    began = search.started or search.created
    log = [
        {"seq": e.seq, "level": e.level, "words": e.words, "clock": _clock((e.at - began).total_seconds())}
        for e in wanted.defer("payload")
    ]
    return {"log": log, "log_left_out": n - len(log)}


def _clock(seconds: float) -> str:
    """Seconds since the start: 05:26, 1:05:26."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _networks(search: Search) -> Iterator[Row]:
    """The winning line with what each step changed."""
    exact = search.search_config.network_morphism
    winners = search.candidates.filter(is_winner=True, kind__in=(Candidate.Kind.PRETRAIN, Candidate.Kind.NEIGHBOUR))
    for candidate in winners.select_related("search", "parent").defer("correct").order_by("step"):
        architecture = Architecture.from_dict(candidate.architecture)
        against = Architecture.from_dict(candidate.parent.architecture) if candidate.parent else None
        wide = (columns_from(architecture) or TREE_WIDTH + 1) <= TREE_WIDTH
        width = TREE_WIDTH if wide else NETWORK_WIDTH
        yield {
            "candidate": candidate,
            "wide": wide,
            "drawing": _safe(architecture_svg(architecture, against, width=width)),
            "changes": changes(against, candidate.morphism_list(), exact=exact) if against else [],
        }
