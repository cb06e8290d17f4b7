"""Ensembles: of a search's snapshots, of the final models of several searches; made, measured, deleted."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models.functions import Now

from searches import model_store
from searches.models import BackgroundJob, Candidate, Ensemble, EnsembleFile, EnsembleMember, Search
from searches.selectors.background import OPEN
from searches.selectors.ensembles import (
    FILES,
    LEAST,
    MOST,
    SNAPSHOTS,
    ensemble_files_subject,
    ensemble_folder,
    ensemble_of_exactly,
    final_model,
    may_change_ensemble,
    measure_subject,
    part_tested_on,
    snapshot_members,
    waiting_snapshots,
)
from searches.selectors.exports import NAMES
from searches.services.background import ask_for
from searches.services.comparing import compare
from searches.services.control import By, Refused
from searches.services.events import lock_search
from searches.services.exporting import record_look
from searches.services.members import NAME_LENGTH, add_members, ask_to_measure, wait_for_snapshots
from searches.services.results import MadeFile


@dataclass(frozen=True)
class MemberWeights:
    """A member's weights as they lie in the ensemble's own folder; `file` below the data folder."""

    member_id: int
    file: str
    sha256: str


# ---------------------------------------------------------------------- making one


def ensemble_snapshots(search: Search, by: By) -> tuple[Ensemble, list[int]]:
    """Average the snapshots of a search; those that are not trained yet are trained first. Raises Refused.

    Returns the ensemble, and the candidates to be sent to the queue.
    """
    search = Search.objects.select_related("dataset").get(pk=search.pk)
    _refuse_without_snapshots(search)
    if SNAPSHOTS not in search.search_config.comparisons:
        ids = compare(search, [SNAPSHOTS], by)
        return _waiting(search, by), ids
    if search.status != Search.Status.FINISHED:
        return _waiting(search, by), []
    found = snapshot_members(search)
    if len(found) < LEAST:
        raise Refused(
            f"Of “{search.name}” {len(found)} network came out, an ensemble is of at least two. The table of "
            "comparisons says how each snapshot ended; “Retry failed” trains them again."
        )
    name = f"Snapshots of {search.name}"
    return _create(found, name, by, kind=Ensemble.Kind.SNAPSHOTS, search=search), []


def _refuse_without_snapshots(search: Search) -> None:
    if search.deleted is not None:
        raise Refused(f"“{search.name}” was deleted: bring it back first, then its snapshots can be averaged.")
    if search.config["n_steps"] < LEAST:
        raise Refused(f"“{search.name}” has one step: its only snapshot is the final model, an ensemble of one.")
    if waiting := waiting_snapshots([search]).first():
        raise Refused(f"“{waiting.name}” is under way: it is measured as soon as the snapshots are trained.")


def _waiting(search: Search, by: By) -> Ensemble:
    with transaction.atomic():
        locked = lock_search(search.pk)
        return waiting_snapshots([locked]).first() or wait_for_snapshots(locked, _account(by))


def ensemble_runs(searches: Sequence[Search], by: By, name: str = "") -> Ensemble:
    """Average the final models of these searches, in this order. Raises Refused."""
    if len({search.pk for search in searches}) < len(searches):
        raise Refused("A search is named twice: its final model cannot count double.")
    if len(searches) < LEAST:
        chosen = f"“{searches[0].name}” alone was chosen: an" if searches else "No search was chosen: an"
        raise Refused(f"{chosen} ensemble is of at least two final models.")
    if len(searches) > MOST:
        raise Refused(f"{len(searches)} searches were chosen: an ensemble is of at most {MOST}.")
    members = [_final_of(search) for search in searches]
    _refuse_other_images([member.search for member in members])
    dataset = members[0].search.dataset
    wanted = " ".join(name.split()) or f"{len(members)} final models on {dataset.name}"
    if len(wanted) > NAME_LENGTH:
        raise Refused(f"The name has {len(wanted)} characters: at most {NAME_LENGTH}.")
    return _create(members, wanted, by, kind=Ensemble.Kind.RUNS, search=None)


def _final_of(search: Search) -> Candidate:
    if search.deleted is not None:
        raise Refused(f"“{search.name}” was deleted: bring it back first, or leave it out.")
    final = final_model(search)
    if final is None:
        state = "is" if search.status in ("waiting", "running", "paused", "stopped") else "has"
        raise Refused(f"“{search.name}” has no final model: it {state} {search.status}. Leave it out or wait.")
    return final


def _refuse_other_images(searches: Sequence[Search]) -> None:
    """Raises Refused unless all learned the same classes from the same images."""
    first = searches[0]
    for other in searches[1:]:
        a, b = first.dataset, other.dataset
        if a.input_shape != b.input_shape:
            shapes = [f"{'×'.join(str(v) for v in s.dataset.input_shape)} (“{s.name}”)" for s in (first, other)]
            raise Refused(f"Their images have different shapes: {' and '.join(shapes)}. None goes into both.")
        if _classes(first) != _classes(other):
            raise Refused(
                f"“{first.name}” and “{other.name}” know different classes ({a.name} and {b.name}): their outputs "
                "cannot be averaged."
            )
        if first.dataset_digest != other.dataset_digest:
            raise Refused(
                f"“{first.name}” and “{other.name}” learned from different images ({a.name} and {b.name}): there is "
                "no test set that both have never seen."
            )
    if len({part_tested_on(search) for search in searches}) > 1:
        sizes = ", ".join(f"{search.n_test:,} of “{search.name}”" for search in searches)
        raise Refused(f"They were tested on different images (n_test, drawn by the seed): {sizes}.")


def _classes(search: Search) -> Any:
    dataset = search.dataset
    return list(dataset.meta.get("classes", ())) or dataset.n_classes


def _create(
    members: Sequence[Candidate], name: str, by: By, *, kind: Ensemble.Kind, search: Search | None
) -> Ensemble:
    if there := ensemble_of_exactly(members):
        raise Refused(f"“{there.name}” is of exactly these networks already.")
    owner = _account(by)
    with transaction.atomic():
        made = Ensemble.objects.create(
            name=name[:NAME_LENGTH],
            kind=kind,
            owner=owner,  # type: ignore[misc]  # the project's user model is a setting
            dataset=members[0].search.dataset,
            search=search,
        )
        add_members(made, members)
        ask_to_measure(made, owner)
    return made


def _account(by: By) -> AbstractBaseUser | None:
    return None if isinstance(by, str) else by


# ---------------------------------------------------------------------- what workers write


def keep_measurement(
    ensemble: Ensemble, measured: dict[str, Any], weights: Sequence[MemberWeights], *, why: str
) -> None:
    """Write what was measured, and say in the log of each member's search that the test set was looked at.

    Both in one transaction, so that each look is counted once, however often a worker died over it.
    """
    with transaction.atomic():
        locked = Ensemble.objects.select_for_update(of=("self",)).get(pk=ensemble.pk)
        if locked.result is not None:
            return
        record_looks(locked, why)
        for kept in weights:
            EnsembleMember.objects.filter(pk=kept.member_id).update(file=kept.file, sha256=kept.sha256)
        Ensemble.objects.filter(pk=locked.pk).update(result=measured)


def record_looks(ensemble: Ensemble, why: str) -> None:
    """One more look at the test set of each search that a member is of; call it in a transaction."""
    members = ensemble.members.exclude(candidate=None).select_related("candidate__search").order_by("-place")
    by_search = {m.candidate.search_id: m.candidate for m in members if m.candidate is not None}
    for _, candidate in sorted(by_search.items()):  # locked in one order everywhere
        record_look(candidate, f"{why} “{ensemble.name}”")


def keep_ensemble_files(ensemble: Ensemble, made: Sequence[MadeFile]) -> None:
    """Write the rows of files that lie where models lie; those that they replace are removed after."""
    with transaction.atomic():
        locked = Ensemble.objects.select_for_update(of=("self",)).get(pk=ensemble.pk)
        before = set(locked.files.values_list("file", flat=True))
        for file in made:
            columns = {"file": file.name, "sha256": file.sha256, "bytes": file.bytes}
            EnsembleFile.objects.update_or_create(ensemble=locked, format=file.format, defaults=columns)
        after = set(locked.files.values_list("file", flat=True))
    model_store.remove(before - after)


# ---------------------------------------------------------------------- what people do with one


def ask_for_ensemble_files(ensemble: Ensemble, by: By) -> BackgroundJob:
    """Have the files of a measured ensemble made. Raises Refused before it is measured, and once all are there.

    They cost a look at the test set: only who may change the ensemble has them made.
    """
    if ensemble.result is None:
        raise Refused(f"“{ensemble.name}” cannot be downloaded: it is not measured yet.")
    if set(ensemble.files.values_list("format", flat=True)) >= set(NAMES):
        raise Refused(f"The files of “{ensemble.name}” are there already; making them again would show nothing new.")
    _refuse_strangers(ensemble, by, "have the test set looked at again")
    title = f"Files of “{ensemble.name}”"[:NAME_LENGTH]
    payload = {"ensemble": ensemble.pk}
    return ask_for(
        FILES, subject=ensemble_files_subject(ensemble), title=title, payload=payload, owner=_account(by)
    )


def delete_ensemble(ensemble: Ensemble, by: By) -> None:
    """Remove it for good, its files and its copies of the members' weights. Searches stay. Raises Refused."""
    _refuse_strangers(ensemble, by, "delete it")
    with transaction.atomic():
        subjects = (measure_subject(ensemble), ensemble_files_subject(ensemble))
        BackgroundJob.objects.filter(subject__in=subjects, status__in=OPEN).update(
            status=BackgroundJob.Status.CANCELLED, reason="the ensemble was deleted", lease_expires=None, ended=Now()
        )
        files = list(ensemble.files.values_list("file", flat=True))
        ensemble.delete()
    model_store.remove(files)
    shutil.rmtree(ensemble_folder(ensemble), ignore_errors=True)


def _refuse_strangers(ensemble: Ensemble, by: By, doing: str) -> None:
    if not isinstance(by, str) and not may_change_ensemble(by, ensemble):
        owner = ensemble.owner.get_username() if ensemble.owner else "nobody"
        raise Refused(f"“{ensemble.name}” belongs to {owner}: only its owner and staff can {doing}.")
