"""The paper's tables over the searches of this site: Table 1 (mean and sample standard deviation of repetitions),
the quoted rows of Tables 2 and 3, and Appendix A (short training against long training).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import correlation, fmean, stdev
from typing import Any

from django.db.models import QuerySet, Sum

from searches.comparisons import interval
from searches.intervals import correlation_interval
from searches.models import Candidate, DataSet, Ensemble, EnsembleMember, Search
from searches.nash.hillclimb import code_of
from searches.selectors.progress import is_superseded
from searches.selectors.seeds import Group, Settings, differing, groups_of, settings_of

Facts = dict[str, Any]
Kind = Candidate.Kind
IN_STEPS = (Kind.PRETRAIN, Kind.NEIGHBOUR)
QUOTED = Path(__file__).parent.parent / "paper_tables.json"
SHOWN_APART = ("n_steps", "n_neigh", "neighbour_rate", "network_morphism")
"""Settings that a row says in words of its own; others only where rows differ in them."""
TOLD = 4
LEAST_PAIRS = 3
FINAL = "final model"
Trained = dict[int, list[tuple[str, Facts]]]


def tables(searches: QuerySet[Search], dataset: DataSet, ensembles: QuerySet[Ensemble]) -> Facts:
    """Plain JSON of the finished searches of one data set; errors are fractions, hours those of training.

    `groups`: of each group of repetitions its `name`, `settings`, `searches` and `rows`, the first of which is the
    search's own final model, the others its comparisons by title: runs, hours, parameters, error, deviation (None for
    one run), errors. `averaged`: the ensembles measured on it. `quoted`: the paper's rows for this data set.
    `appendix_a`: see `correlations`.
    """
    of_set = searches.filter(dataset=dataset, status=Search.Status.FINISHED)
    finished = list(of_set.select_related("dataset").order_by("created", "pk"))
    settings = {search.pk: settings_of(search) for search in finished}
    trained = _trained(finished)
    seconds = _seconds_of_search(finished)
    apart = [name for name in differing(settings.values()) if name not in ("seed", "comparisons", *SHOWN_APART)]
    groups = groups_of(finished, settings)
    return {
        "dataset": dataset.name,
        "groups": [_group(group, settings[group.members[0].pk], apart, trained, seconds) for group in groups],
        "averaged": _averaged(ensembles.filter(dataset=dataset, result__isnull=False)),
        "quoted": quoted_for(dataset),
        "appendix_a": correlations(finished),
        "n_searches": len(finished),
    }


def with_finished(searches: QuerySet[Search]) -> list[DataSet]:
    """The data sets on which a search has finished, those with most of them first."""
    counts: dict[int, int] = defaultdict(int)
    for pk in searches.filter(status=Search.Status.FINISHED).values_list("dataset", flat=True):
        counts[pk] += 1
    found = DataSet.objects.in_bulk(list(counts))
    return sorted(found.values(), key=lambda dataset: (-counts[dataset.pk], dataset.name))


def quoted_for(dataset: DataSet) -> list[Facts]:
    """The paper's rows of the data set that this one is by name and number of classes: table, name, resources,
    parameters, error and deviation (fractions), runs; None where the paper gives none.
    """
    name = dataset.name.lower().replace("-", "").replace("_", "")
    if name.startswith("cifar100") and dataset.n_classes == 100:
        return _quoted("table_3")
    if name.startswith("cifar10") and dataset.n_classes == 10:
        return [*_quoted("table_1"), *_quoted("table_2")]
    return []


def correlations(finished: Sequence[Search]) -> list[Facts]:
    """Appendix A: of networks that were trained both ways, their accuracy on the validation images after the short
    training against that on the test images after the long one.

    One entry with SGDR, one at a constant rate, where there are at least three networks: name, n, r, r_squared,
    interval of r (None for fewer than four), paper (its r squared), pairs of search, step, val_accuracy and
    test_accuracy. A pair is the winner of a step and its training to the end, the final model's or a snapshot's.
    """
    rate = {search.pk: search.search_config.neighbour_rate for search in finished}
    names = {search.pk: search.name for search in finished}
    short: dict[tuple[int, int], float] = {}
    long: dict[tuple[int, int], float] = {}
    columns = ("search_id", "kind", "step", "val_accuracy", "test_accuracy", "is_winner")
    rows = Candidate.objects.filter(search__in=rate, kind__in=(*IN_STEPS, Kind.FINAL, Kind.SNAPSHOT))
    for pk, kind, step, val_accuracy, test_accuracy, is_winner in rows.values_list(*columns):
        if kind in IN_STEPS and is_winner and val_accuracy is not None:
            short[pk, step] = val_accuracy
        elif kind not in IN_STEPS and test_accuracy is not None:
            long[pk, step] = test_accuracy
    paper = _paper()["appendix_a"]
    found = []
    for name, has_rate, quoted in (
        ("with SGDR", False, paper["r_squared_sgdr"]),
        ("at a constant rate", True, paper["r_squared_constant_rate"]),
    ):
        keys = sorted(key for key in short.keys() & long.keys() if (rate[key[0]] is not None) == has_rate)
        if len(keys) < LEAST_PAIRS:
            continue
        x, y = [short[key] for key in keys], [long[key] for key in keys]
        r = _correlation(x, y)
        found.append({
            "name": name,
            "n": len(keys),
            "r": r,
            "r_squared": None if r is None else r * r,
            "interval": None if r is None else correlation_interval(r, len(keys)),
            "paper": quoted,
            "pairs": [
                {"search": names[pk], "step": step, "val_accuracy": short[pk, step], "test_accuracy": long[pk, step]}
                for pk, step in keys
            ],
        })  # fmt: skip
    return found


def _correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Pearson's r; None where all values of one side are equal."""
    if min(len(set(x)), len(set(y))) < 2:  # statistics finds a correlation in what rounding leaves of them
        return None
    return correlation(x, y)


def _group(group: Group, own: Settings, apart: list[str], trained: Trained, seconds: Mapping[int, float]) -> Facts:
    members = group.members
    mine = [(search.pk, title, row) for search in members for title, row in trained[search.pk]]
    titles = sorted({title for _, title, _ in mine}, key=lambda title: (title != FINAL, title))
    rows = []
    for title in titles:
        runs = [(pk, row) for pk, told, row in mine if told == title]
        spent = [seconds[pk] if title == FINAL else row["seconds"] or 0.0 for pk, row in runs]
        errors = [1.0 - row["test_accuracy"] for _, row in runs]
        rows.append({
            "title": title,
            "runs": len(runs),
            "hours": fmean(spent) / 3600,
            "parameters": fmean(row["n_parameters"] for _, row in runs),
            "error": fmean(errors),
            "deviation": stdev(errors) if len(errors) > 1 else None,
            "errors": errors,
        })  # fmt: skip
    told = [{"name": search.name, "uuid": str(search.uuid), "seed": search.search_config.seed} for search in members]
    return {"name": _name(own, apart), "settings": own, "searches": told, "rows": rows}


def _averaged(ensembles: QuerySet[Ensemble]) -> list[Facts]:
    """Of each: name, uuid, kind in words, n_members, hours of all trainings behind its members (None where one of
    them is gone), parameters, error and its 95 % interval; the least error first.
    """
    measured = list(ensembles)
    columns = ("ensemble_id", "n_parameters", "candidate__search_id", "candidate__kind", "candidate__seconds")
    members: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for pk, *member in EnsembleMember.objects.filter(ensemble__in=measured).values_list(*columns):
        members[pk].append(tuple(member))
    seconds = _seconds_of_search({pk for rows in members.values() for _, pk, *_ in rows if pk is not None})
    rows = [_ensemble(ensemble, members[ensemble.pk], seconds) for ensemble in measured]
    return sorted(rows, key=lambda row: float(row["error"]))


def _ensemble(ensemble: Ensemble, members: list[tuple[Any, ...]], seconds: Mapping[int, float]) -> Facts:
    result: Facts = ensemble.result or {}
    n, error = result["n_images"], 1 - result["n_right"] / result["n_images"]
    searches = {pk for _, pk, *_ in members}
    snapshots = sum(spent or 0.0 for _, _, kind, spent in members if kind == Kind.SNAPSHOT)
    spent = None if None in searches else sum(seconds.get(pk, 0.0) for pk in searches) + snapshots
    return {
        "name": ensemble.name,
        "uuid": str(ensemble.uuid),
        "kind_words": ensemble.get_kind_display(),
        "n_members": len(members),
        "hours": None if spent is None else spent / 3600,
        "parameters": sum(n_parameters for n_parameters, *_ in members),
        "error": error,
        "interval": interval(error, n),
    }


def _name(own: Settings, apart: list[str]) -> str:
    """In the words of Table 1, then what else sets it apart."""
    words = [f"n_steps = {own['n_steps']}, n_neigh = {own['n_neigh']}"]
    if own["n_neigh"] == "1":
        words.append("random networks")
    if own["neighbour_rate"] != "none":
        words.append(f"no SGDR (rate {own['neighbour_rate']})")
    if own["network_morphism"] == "no":
        words.append("no network morphism")
    words += [f"{name} {own[name]}" for name in apart[:TOLD]]
    return ", ".join(words) + (" …" if len(apart) > TOLD else "")


def _quoted(table: str) -> list[Facts]:
    """One of the paper's tables; its columns have names in the file."""
    found = _paper()[table]
    rows = (dict(zip(found["columns"], row, strict=True)) for row in found["rows"])
    number = table.removeprefix("table_")
    return [
        {
            "table": f"Table {number}",
            "name": row.get("setting") or row["model"],
            "resources": row.get("resources"),
            "hours": row.get("runtime_hours"),
            "parameters": 1e6 * row["parameters_millions"],
            "error": row["test_error_percent"] / 100,
            "deviation": None if row.get("standard_deviation") is None else row["standard_deviation"] / 100,
            "runs": row.get("runs"),
        }
        for row in rows
    ]


@cache
def _paper() -> Facts:
    """What Elsken, Metzen and Hutter (arXiv 1711.04528) report."""
    paper: Facts = json.loads(QUOTED.read_text())
    return paper


def _trained(searches: Iterable[Search]) -> Trained:
    """What was trained to its end and tested, by search: titles and rows, the final model first."""
    n_steps = {search.pk: int(search.config["n_steps"]) for search in searches}
    columns = ("search_id", "kind", "step", "index", "n_parameters", "seconds", "test_accuracy")
    kinds = (Kind.FINAL, Kind.SCRATCH, Kind.REFERENCE)
    rows = Candidate.objects.filter(search__in=n_steps, kind__in=kinds, test_accuracy__isnull=False)
    found: Trained = defaultdict(list)
    for row in rows.order_by("step", "index").values(*columns):
        if not is_superseded(row["kind"], row["step"], n_steps[row["search_id"]]):
            key = (row["kind"], row["step"], row["index"])
            found[row["search_id"]].append((FINAL if row["kind"] == Kind.FINAL else code_of(key), row))
    return found


def _seconds_of_search(searches: Iterable[Search | int]) -> dict[int, float]:
    """Seconds of training of each search without its comparisons."""
    kinds = (*IN_STEPS, Kind.FINAL)
    rows = Candidate.objects.filter(search__in=list(searches), kind__in=kinds)
    sums = rows.order_by().values("search").annotate(sum=Sum("seconds"))
    return {row["search"]: float(row["sum"] or 0.0) for row in sums}
