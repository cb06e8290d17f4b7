"""A deleted search: hidden at once, brought back by "undo", its rows and files removed a day later or on demand."""

import logging
import shutil
import time
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from searches import model_store
from searches.models import Artifact, Candidate, Ensemble, Event, Search
from searches.selectors import Asker, deleted_for, kept_long_enough, progress_fields, search_fields, searches_folder
from searches.selectors.ensembles import ensembles_folder, waiting_snapshots
from searches.services import sentences
from searches.services.control import By, allows, by_words, let_go, locked_for, pending_ids
from searches.services.events import append

logger = logging.getLogger(__name__)


def delete(search: Search, by: By) -> None:
    """Hide a search, whatever state it is in; running trainings learn of it at their next beat. Raises Refused.

    Its rows and files are there until they are swept: `undelete` brings it back as it was.
    """
    with transaction.atomic():
        locked = locked_for("delete", search, by)
        changed = let_go(locked, Candidate.Status.PENDING, [Candidate.Status.RUNNING])
        Search.objects.filter(pk=locked.pk).update(deleted=Now())
        locked.refresh_from_db(fields=["deleted"])
        append(
            locked,
            "search_deleted",
            f"Deleted{by_words(by)}: it can be brought back for {settings.NASH_KEEP_DELETED_HOURS:g} h, "
            "then its files are removed",
            level=Event.Level.WARNING,
            search_part={**search_fields(locked), **progress_fields(locked)},
            candidates=changed,
        )


def undelete(search: Search, by: By) -> list[int]:
    """Bring a deleted search back as it was: one that ran goes on from its checkpoints. Raises Refused.

    Returns the candidates to be sent to the queue.
    """
    with transaction.atomic():
        locked = locked_for("undelete", search, by)
        Search.objects.filter(pk=locked.pk).update(deleted=None)
        locked.refresh_from_db(fields=["deleted"])
        append(
            locked,
            "search_undeleted",
            f"Brought back{by_words(by)}",
            search_part={**search_fields(locked), **progress_fields(locked)},
        )
        return pending_ids(locked) if allows("train", locked.status) else []


def empty_deleted(by: Asker | str) -> int:
    """Remove the deleted searches of this user (of staff and the command line: all) for good; how many they were."""
    found = deleted_for(None if isinstance(by, str) else by)
    return sum(_remove(pk, uuid) for pk, uuid in found.values_list("pk", "uuid"))


def sweep_deleted() -> None:
    """Remove what was deleted NASH_KEEP_DELETED_HOURS ago; folders that no row names, untouched for as long, too."""
    for pk, uuid in kept_long_enough().values_list("pk", "uuid"):
        _remove(pk, uuid)
    for rows, parent in ((Search, searches_folder()), (Ensemble, ensembles_folder())):
        old = [folder for folder in _folders(parent) if _hours_untouched(folder) >= settings.NASH_KEEP_DELETED_HOURS]
        known = {str(uuid) for uuid in rows.objects.values_list("uuid", flat=True)} if old else set()
        for folder in old:
            if folder.name not in known:
                logger.warning("%s belongs to no %s: it is removed", folder, rows.__name__.lower())
                shutil.rmtree(folder, ignore_errors=True)


def _remove(search_id: int, uuid: UUID) -> bool:
    """Rows first, in one transaction, then the files: what is cut off between leaves a folder to the sweeper."""
    with transaction.atomic():
        search = Search.objects.select_for_update(of=("self",)).filter(pk=search_id).first()
        if search is None or search.deleted is None:  # another was faster, or it was brought back
            return False
        made = Artifact.objects.filter(candidate__search=search)
        models = [artifact.file for artifact in made if artifact.lies_with_models]
        waiting_snapshots([search]).delete()  # what has members keeps their weights itself and stays
        search.candidates.update(parent=None)  # rows that protect each other
        search.delete()
    shutil.rmtree(searches_folder() / str(uuid), ignore_errors=True)
    model_store.remove(models)
    return True


def _folders(parent: Path) -> list[Path]:
    """The folders in it that are named by a uuid."""
    named = []
    for folder in parent.glob("*-*-*-*-*"):
        try:
            UUID(folder.name)
        except ValueError:
            continue
        named.append(folder)
    return named


def _hours_untouched(folder: Path) -> float:
    try:
        newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:  # it went, or is not a folder: nothing to sweep
        return 0.0
    return (time.time() - newest) / sentences.HOUR
