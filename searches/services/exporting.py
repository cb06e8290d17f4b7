"""The files of a model: asked for once, made by a background job, kept as rows; looks at the test set are counted."""

from collections.abc import Sequence

from django.db import transaction

from searches import model_store
from searches.models import Artifact, BackgroundJob, Candidate, Search
from searches.selectors.exports import FILES, NAMES, files_subject
from searches.selectors.looks import LOOK, looks_at_test_set
from searches.services import sentences
from searches.services.background import ask_for
from searches.services.control import By, Refused, refuse_strangers
from searches.services.events import append, lock_search
from searches.services.results import MadeFile, keep_row


def ask_for_files(candidate: Candidate, by: By) -> BackgroundJob:
    """Have all files of a trained network made. Raises Refused where its weights were not kept, or all are there.

    Those of a network that was tested cost a look at the test set: only who may change the search has them made.
    """
    kept_formats = set(candidate.artifacts.values_list("format", flat=True))
    if Artifact.Format.WEIGHTS not in kept_formats:
        kept = "it is not trained yet" if candidate.status != Candidate.Status.DONE else "its weights were given up"
        raise Refused(f"{candidate.code} cannot be downloaded: {kept}.")
    if kept_formats >= set(NAMES):
        raise Refused(f"The files of {candidate.code} are there already; making them again would show nothing new.")
    if candidate.test_accuracy is not None:
        refuse_strangers(candidate.search, by, "have the test set looked at again")
    return ask_for(
        FILES,
        subject=files_subject(candidate),
        title=f"Files of {candidate.code}",
        candidate=candidate,
        owner=None if isinstance(by, str) else by,
    )


def keep_files(candidate: Candidate, made: Sequence[MadeFile]) -> None:
    """Write the rows of files that lie where models lie; those that they replace are removed after."""
    with transaction.atomic():
        lock_search(candidate.search_id)
        formats = [file.format for file in made]
        before = set(candidate.artifacts.filter(format__in=formats).values_list("file", flat=True))
        for file in made:
            keep_row(candidate, file)
        after = set(candidate.artifacts.values_list("file", flat=True))
    model_store.remove(before - after)


def record_look(candidate: Candidate, why: str) -> int:
    """Say in the log that the test set is looked at (again), and the how-manieth look of this search it is."""
    with transaction.atomic():
        search: Search = lock_search(candidate.search_id)
        number = looks_at_test_set(search) + 1
        append(
            search,
            LOOK,
            f"Look {number} at the test set: {sentences.subject(candidate)}, {why}",
        )
        return number
