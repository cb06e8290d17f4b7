"""After a restore: nobody trains what the backup says is trained, models lie where they are to lie by now, and files
that the backup lacks are named by no row."""

from django.db import transaction

from searches import model_store
from searches.models import Artifact, Candidate, EnsembleFile, StartNetwork, Worker
from searches.selectors import artifact_path
from searches.services.events import lock_search
from searches.services.leases import give_back
from searches.services.starting import start_path


def settle_restored() -> list[str]:
    """Let every training that ran wait for a worker again, which counts as nothing; forget the workers of then.

    Models are published from the data folder, where the backup puts them. Returns the files that rows named and that
    are not there: those rows are removed. Raises OSError where models cannot be published.
    """
    running = Candidate.objects.filter(status=Candidate.Status.RUNNING)
    for candidate_id, search_id in running.values_list("pk", "search_id"):
        with transaction.atomic():
            give_back(lock_search(search_id), running, candidate_id, why="the site was restored from a backup")
    Worker.objects.all().delete()
    rows: list[Artifact | EnsembleFile] = [*Artifact.objects.all(), *EnsembleFile.objects.all()]
    for row in rows:
        if row.lies_with_models and artifact_path(row).is_file():
            model_store.publish(artifact_path(row))
    starts = [row for row in StartNetwork.objects.all() if not start_path(row).is_file()]
    StartNetwork.objects.filter(pk__in=[row.pk for row in starts]).delete()
    return [*_forget_missing(Artifact), *_forget_missing(EnsembleFile), *(row.file for row in starts)]


def _forget_missing(rows: type[Artifact] | type[EnsembleFile]) -> list[str]:
    missing = [artifact for artifact in rows.objects.all() if not _is_there(artifact)]
    rows.objects.filter(pk__in=[artifact.pk for artifact in missing]).delete()
    return [artifact.file for artifact in missing]


def _is_there(artifact: Artifact | EnsembleFile) -> bool:
    if artifact.lies_with_models:
        return model_store.is_there(artifact.file)
    return artifact_path(artifact).is_file()
