"""What a search can be started from in place of a fresh model_0: a network of this site, a zip, another's start.

Its weights become a file of the new search, searches/<uuid>/start/weights.safetensors: written before the rows, gone
with the search's folder when that is removed, and there whatever becomes of the network that it was.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings

from searches.models import Artifact, Candidate, Search, StartNetwork
from searches.nash.architecture import Architecture
from searches.nash.atomic import write_atomically
from searches.nash.model_file import read_model_file
from searches.nash.model_zip import DamagedModel
from searches.nash.start import Start
from searches.selectors import artifact_path, searches_folder
from searches.services.control import Refused

FOLDER, FILE = "start", "weights.safetensors"
PIECE = 2**20


@dataclass(frozen=True)
class Origin:
    """A network to start from that was checked and is not kept yet: `copy` writes its weights into a file."""

    start: Start
    classes: tuple[str, ...]
    words: str
    candidate: Candidate | None
    copy: Callable[[IO[bytes]], Any]


def origin_of_candidate(candidate: Candidate) -> Origin:
    """A trained network of this site. Raises Refused where its weights were not kept."""
    weights = candidate.artifacts.filter(format=Artifact.Format.WEIGHTS).first()
    if weights is None or not artifact_path(weights).is_file():
        kept = "it is not trained yet" if candidate.status != Candidate.Status.DONE else "its weights were given up"
        raise Refused(f"{candidate.code} of “{candidate.search.name}” cannot be started from: {kept}.")
    classes = tuple(map(str, candidate.search.dataset.meta.get("classes", ())))
    start = Start(Architecture.from_dict(candidate.architecture), weights.sha256)
    words = f"{candidate.code} of “{candidate.search.name}”"
    return Origin(start, classes, words, candidate, lambda file: _copy(artifact_path(weights), file))


def origin_of_file(path: Path, name: str) -> Origin:
    """A downloaded zip or its folder, looked through to the last number. Raises DamagedModel, OSError."""
    file = read_model_file(path)
    if file.dtype != "F32":
        raise DamagedModel(f"its weights are {file.dtype}, not float32; give the zip as it was downloaded")
    told = file.info.get("name")
    words = f"{name} (“{str(told)[:100]}”)" if told else name
    return Origin(Start(file.architecture, file.verify()), file.classes, words[:300], None, file.copy_weights)


def origin_of_search(search: Search) -> Origin | None:
    """What this search was started from, for one like it; None of a fresh model_0. Raises Refused."""
    start = search.search_config.start
    row = StartNetwork.objects.filter(search=search).select_related("candidate__search__dataset").first()
    if start is None:
        return None
    if row is None or not (path := start_path(row)).is_file():
        raise Refused(f"The network that “{search.name}” was started from is no longer there.")
    return Origin(start, tuple(row.classes), row.words, row.candidate, lambda file: _copy(path, file))


def start_path(row: StartNetwork) -> Path:
    return Path(settings.NASH_DATA_DIR) / row.file


def keep_start(uuid: UUID, origin: Origin) -> dict[str, Any]:
    """Write the weights into the folder of the search to be, whole; returns the columns of its row.

    Raises DamagedModel where they are not what they were when they were looked at, OSError.
    """
    path = searches_folder() / str(uuid) / FOLDER / FILE
    path.parent.mkdir(mode=0o700, parents=True)
    write_atomically(path, origin.copy)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != origin.start.sha256:
        raise DamagedModel(f"the weights of {origin.words} are not what they were: their sha256 has changed")
    name = path.relative_to(settings.NASH_DATA_DIR).as_posix()
    return {
        "candidate": origin.candidate,
        "words": origin.words[:300],
        "classes": list(origin.classes),
        "file": name,
        "sha256": digest,
        "bytes": path.stat().st_size,
    }


def forget_start(uuid: UUID) -> None:
    """Remove what was kept for a search that did not come to be."""
    shutil.rmtree(searches_folder() / str(uuid), ignore_errors=True)


def _copy(path: Path, target: IO[bytes]) -> None:
    with path.open("rb") as file:
        shutil.copyfileobj(file, target, PIECE)
