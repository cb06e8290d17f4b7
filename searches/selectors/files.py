"""Where a candidate's files lie below the data folder."""

import re
from pathlib import Path

from django.conf import settings

from searches.models import Artifact, Candidate, EnsembleFile, Search
from searches.nash.hillclimb import COMPARISON_KINDS

CHECKPOINT_NAME = re.compile(r"checkpoint-(\d+)-(\d+)\.pt")


def searches_folder() -> Path:
    """Where each search has a folder of its own, named by its uuid."""
    return Path(settings.NASH_DATA_DIR) / "searches"


def candidate_folder(candidate: Candidate) -> Path:
    """searches/<uuid>/<kind>-<step>-<index> in the data folder; `candidate.search` is read for the uuid."""
    return searches_folder() / str(candidate.search.uuid) / candidate.slug


def artifact_path(artifact: Artifact | EnsembleFile) -> Path:
    return Path(settings.NASH_DATA_DIR) / artifact.file


def model_artifact(search: Search) -> Artifact | None:
    """The zip to download: of the final model, else of the best network of which there is one, else None."""
    zips = Artifact.objects.filter(candidate__search=search, format=Artifact.Format.MODEL_ZIP)
    found = zips.exclude(candidate__kind__in=COMPARISON_KINDS).select_related("candidate")
    return max(found, key=lambda a: (a.candidate.step, a.candidate.kind == Candidate.Kind.FINAL), default=None)


def checkpoint_paths(folder: Path) -> list[Path]:
    """The candidate's checkpoints, newest first: by epoch, then by the attempt that wrote it."""
    found = ((CHECKPOINT_NAME.fullmatch(path.name), path) for path in folder.glob("checkpoint-*.pt"))
    named = [(int(name[2]), int(name[1]), path) for name, path in found if name]
    return [path for _, _, path in sorted(named, reverse=True)]
