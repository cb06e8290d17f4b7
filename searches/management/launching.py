"""What the commands share about searches: launching one, finding one, and saying how one ended."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from searches import datasets, model_store, selectors, services, tasks
from searches.comparisons import interval
from searches.diagrams.words import counted
from searches.models import Candidate, DataSet, Search
from searches.nash.config import InvalidConfig
from searches.nash.hillclimb import COMPARISON_KINDS
from searches.nash.model_zip import DamagedModel
from searches.nash.presets import PRESETS, parse_setting, preset_config

UNDER_WAY = {Search.Status.WAITING, Search.Status.RUNNING}
SHORTEST_PREFIX = 4
COST_SECONDS = 2.0
"""For the simulations of what a search will cost."""


def launch(
    *,
    preset: str,
    dataset: str | None,
    settings: Sequence[str] = (),
    name: str = "",
    hours: float | None = None,
    accuracy: float | None = None,
    begin: str | None = None,
    snapshot_ensemble: bool = False,
) -> Search:
    """Create a search as the form does and send it to the queue. `settings` are written name=value.

    `begin`: what it starts from, as origin_of takes it. Its budget is in hours, and in per cent of validation
    accuracy. Raises CommandError for an unknown data set and for settings that cannot be.
    """
    images = _dataset(dataset or PRESETS[preset].dataset or "")
    with _in_words():
        chosen = dict(parse_setting(text) for text in settings)
        shape = {"input_shape": images.input_shape, "n_classes": images.n_classes}
        origin = origin_of(begin) if begin else None
        start = {"start": origin.start} if origin else {}
        config = preset_config(preset, **{**shape, **chosen, **start})
        launched = services.create_search(
            config,
            dataset=images,
            name=name or f"{PRESETS[preset].title}, seed {config.seed}",
            preset=preset,
            hours_limit=hours,
            accuracy_goal=_fraction(accuracy),
            origin=origin,
            snapshot_ensemble=snapshot_ensemble,
        )
    return _sent(launched)


def origin_of(text: str) -> services.Origin:
    """What a search is to start from: a zip or its folder, else `uuid:code`, or a uuid for its best network.

    Raises CommandError.
    """
    path = Path(text)
    try:
        if path.exists():
            return services.origin_of_file(path, path.name)
        uuid, _, code = text.partition(":")
        search = find(uuid)
        candidate = find_candidate(search, code) if code else selectors.best_so_far(search)
        if candidate is None:
            raise CommandError(f"{search.name} is {search.status}: it has no trained network yet.")
        return services.origin_of_candidate(candidate)
    except (DamagedModel, OSError) as error:
        raise CommandError(f"{path.name} cannot be started from: {error}") from error
    except services.Refused as error:
        raise CommandError(str(error)) from error
    except CommandError as error:
        raise CommandError(f"There is no file {text}, and no such network here: {error}") from error


def clone(
    search: Search,
    *,
    settings: Sequence[str] = (),
    name: str = "",
    hours: float | None = None,
    accuracy: float | None = None,
) -> Search:
    """Launch a search with the settings of this one, some of them changed, on its data set, for its owner.

    It starts from the same network. Its budget is taken over unless another is given. Raises CommandError for
    settings that cannot be.
    """
    with _in_words():
        config = search.search_config.replace(**dict(parse_setting(text) for text in settings))
        launched = services.create_search(
            config,
            dataset=search.dataset,
            name=name or f"{search.name}, copy",
            owner=search.owner,
            preset=search.preset,
            hours_limit=search.hours_limit if hours is None else hours,
            accuracy_goal=search.accuracy_goal if accuracy is None else _fraction(accuracy),
            origin=services.origin_of_search(search),
        )
    return _sent(launched)


@contextmanager
def _in_words() -> Iterator[None]:
    """Settings that cannot be, as a CommandError."""
    try:
        yield
    except InvalidConfig as error:
        reasons = "\n".join(f"  {field}: {message}" for field, message in error.errors.items())
        raise CommandError(f"These settings cannot be:\n{reasons}") from error
    except services.Refused as error:
        raise CommandError(str(error)) from error
    except (DamagedModel, OSError) as error:
        raise CommandError(f"The network to start from cannot be kept: {error}") from error


def _fraction(per_cent: float | None) -> float | None:
    return None if per_cent is None else per_cent / 100


def _sent(launched: services.Launched) -> Search:
    tasks.enqueue(launched.candidate_ids)
    return Search.objects.get(pk=launched.search_id)


def _dataset(name: str) -> DataSet:
    if name == datasets.DIGITS:
        datasets.ensure_digits()
    if found := DataSet.objects.filter(name=name).first():
        return found
    known = ", ".join(DataSet.objects.values_list("name", flat=True)) or "none"
    raise CommandError(
        f"No data set {name!r} has been imported (there are: {known}). "
        "`manage.py dataset import NAME PATH` imports a folder or archive of images."
    )


def cost_line(search: Search) -> str:
    """'Expected: about 12 min (between 9 min and 16 min), peak memory about 0.9 GB. From 14 trainings ...'."""
    found = selectors.forecast(
        search.search_config, search.dataset, hours_limit=search.hours_limit, simulate_seconds=COST_SECONDS
    )
    time = f"{found.time_words} ({found.range_words})"
    return f"Expected: {time}, peak memory of a worker {found.memory_words}. {found.source}"


def find(text: str, *, deleted: bool = False) -> Search:
    """The search of this uuid, or of the one uuid that begins so, among the deleted ones or the others.

    Raises CommandError.
    """
    wanted = text.strip().lower()
    if len(wanted) < SHORTEST_PREFIX:
        raise CommandError(f"{text!r}: give at least the first {SHORTEST_PREFIX} characters of the uuid")
    searches = selectors.deleted_for(None) if deleted else Search.objects.filter(deleted=None)
    found = [pk for pk, uuid in searches.values_list("pk", "uuid") if str(uuid).startswith(wanted)]
    if len(found) != 1:
        which, where = ("deleted searches", "search list --deleted") if deleted else ("searches", "search list")
        raise CommandError(f"{len(found) or 'No'} {which} have a uuid that begins with {text!r}; see `{where}`")
    return Search.objects.get(pk=found[0])


def find_candidate(search: Search, code: str) -> Candidate:
    """The training of this code. Raises CommandError."""
    for candidate in search.candidates.select_related("parent").defer("correct"):
        candidate.search = search
        if code in (candidate.code, candidate.slug):
            return candidate
    raise CommandError(f"{search.name} has no training {code!r}; write it as its page does, such as 2.1 or final.")


def result_of(search: Search) -> dict[str, Any]:
    """uuid, status, test_error (a fraction), n_parameters, wall_seconds, and the reason where there is one.

    test_error and n_parameters are None until the final training has ended, wall_seconds count until then.
    `comparisons`, where there are any: of each its name, status, epochs, n_parameters, seconds and test_error.
    """
    search.refresh_from_db()
    final = search.candidates.filter(kind="final", status="done").order_by("-step").first()
    test_accuracy = final.test_accuracy if final else None
    return {
        "uuid": str(search.uuid),
        "status": search.status,
        "test_error": None if test_accuracy is None else round(1.0 - test_accuracy, 6),
        "n_parameters": final.n_parameters if final else None,
        "wall_seconds": round(selectors.seconds_spent(search, until=final.ended if final else None), 1),
        **({"reason": search.reason} if search.reason else {}),
        **({"comparisons": compared} if (compared := [_comparison(c) for c in _compared(search)]) else {}),
    }


def _compared(search: Search) -> list[Candidate]:
    rows = search.candidates.filter(kind__in=COMPARISON_KINDS).defer("architecture", "correct")
    return selectors.in_order(rows)


def _comparison(candidate: Candidate) -> dict[str, Any]:
    accuracy = candidate.test_accuracy
    return {
        "name": candidate.code,
        "status": candidate.status,
        "epochs": candidate.epochs,
        "n_parameters": candidate.n_parameters,
        "seconds": candidate.seconds,
        "test_error": None if accuracy is None else round(1.0 - accuracy, 6),
    }


def state_lines(search: Search) -> list[str]:
    """Name and state; where there is more to say, its engine versions, and why every worker refuses it."""
    lines = [f"{search.name}  ({search.uuid})  {search.status}"]
    if search.went_on:
        lines.append(f"Engine version {selectors.engine_words(search)}.")
    if unfit := selectors.why_refused(search):
        lines.append(f"Every worker refuses it. {unfit.words}")
    return lines


def result_lines(search: Search) -> list[str]:
    """How the search ended, in words."""
    result = result_of(search)
    if search.deleted is not None:
        return [f"The search was deleted; `search undo {str(search.uuid)[:8]}` brings it back."]
    if search.status != Search.Status.FINISHED:
        return [f"The search is {search.status}{f': {search.reason}' if search.reason else ''}."]
    error = "not measured" if result["test_error"] is None else f"{100 * result['test_error']:.2f} %"
    seconds = duration(result["wall_seconds"])
    lines = [f"Test error {error}, {result['n_parameters']:,} parameters, {seconds}."]
    artifact = selectors.model_artifact(search)
    if artifact is not None:
        lines.append(f"The model: {model_store.place_of(artifact.file)}")
    return lines + [_comparison_line(candidate, search.n_test) for candidate in _compared(search)]


def _comparison_line(candidate: Candidate, n_test: int) -> str:
    """'from scratch: 9.00 % test error (6.26 to 12.78), 38 epochs, 25,010 parameters, 12 s'."""
    cost = f"{counted(candidate.epochs, 'epoch')}, {candidate.n_parameters:,} parameters"
    if candidate.test_accuracy is None:
        return f"  {candidate.code}: {candidate.status.replace('_', ' ')}, {cost}"
    low, high = interval(1 - candidate.test_accuracy, n_test)
    error = f"{100 * (1 - candidate.test_accuracy):.2f} % test error ({100 * low:.2f} to {100 * high:.2f})"
    return f"  {candidate.code}: {error}, {cost}, {duration(candidate.seconds or 0.0)}"


def duration(seconds: float) -> str:
    """12 s, 3 min 05 s, 2 h 10 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
