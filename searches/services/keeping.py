"""The best model of a search that goes no further is made ready to be downloaded, as a final one is."""

import hashlib
import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from searches import model_store
from searches.models import Artifact, Candidate, Event, Search
from searches.nash.architecture import Architecture
from searches.nash.model_zip import DamagedModel, pack_model
from searches.selectors import artifact_path, best_so_far, candidate_folder, model_info
from searches.selectors.snapshot import result_fields
from searches.services import sentences
from searches.services.disk_use import note_disk_use
from searches.services.events import append, lock_search

logger = logging.getLogger(__name__)
GOES_NO_FURTHER = (Search.Status.STOPPED, Search.Status.FAILED)
"""Of these the best network so far can be downloaded."""
TRIED_SECONDS = 600
"""So long after a search has ended it is looked whether its model is there: its process may have died before."""


def keep_missing_models() -> None:
    """Make ready what a process that died between the end of a search and its zip left undone. Safe to repeat."""
    since = timezone.now() - timedelta(seconds=TRIED_SECONDS)
    ended = Search.objects.filter(status__in=GOES_NO_FURTHER, deleted=None, ended__gte=since)
    weights = Artifact.objects.filter(candidate__search=OuterRef("pk"), format=Artifact.Format.WEIGHTS)
    zips = Artifact.objects.filter(candidate__search=OuterRef("pk"), format=Artifact.Format.MODEL_ZIP)
    for search in ended.filter(Exists(weights), ~Exists(zips)):
        keep_best_model(search)


def keep_best_model(search: Search) -> None:
    """Put the zip of the best network so far on disk, then write its row, unless it is there or there is no network.

    No torch is loaded: the zip holds the weights as they lie there. What goes wrong is logged and can be tried again.
    """
    best = best_so_far(search)
    if best is None or best.artifacts.filter(format=Artifact.Format.MODEL_ZIP).exists():
        return
    best.search = search
    try:
        made = _pack(best)
    except (OSError, DamagedModel, Artifact.DoesNotExist) as error:
        logger.warning("the model of %s, %s, cannot be made ready: %s", search.name, best.code, error)
        return
    with transaction.atomic():
        locked = lock_search(search.pk)
        Artifact.objects.update_or_create(candidate=best, format=Artifact.Format.MODEL_ZIP, defaults=made)
        append(
            locked,
            "model_kept",
            f"{sentences.subject(best)} can be downloaded, the best so far",
            level=Event.Level.INFO,
            search_part=result_fields(locked, list(locked.candidates.defer("architecture", "correct"))),
        )
    if not model_store.is_there(str(made["file"])):
        _pack(best)  # its worker tidied up before the row was there; now that it is, the file stays
    note_disk_use(search.pk)


def _pack(candidate: Candidate) -> dict[str, str | int]:
    """Columns of the zip's row, once it is written. Raises OSError, DamagedModel, Artifact.DoesNotExist."""
    weights = candidate.artifacts.get(format=Artifact.Format.WEIGHTS)
    content = artifact_path(weights).read_bytes()
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        raise DamagedModel(f"{weights.file}: its sha256 is not that of its row")
    path = pack_model(
        Architecture.from_dict(candidate.architecture),
        content,
        candidate_folder(candidate) / f"model-{candidate.attempt}.zip",
        info=model_info(candidate, test_accuracy=candidate.test_accuracy),
    )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = path.relative_to(settings.NASH_DATA_DIR).as_posix()
    columns: dict[str, str | int] = {"file": name, "sha256": digest, "bytes": path.stat().st_size}
    model_store.publish(path)
    return columns
