"""What a page lets people download, written to a file or a folder by `manage.py search`."""

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError
from django.utils.text import slugify

from searches import model_store, selectors, services
from searches.diagrams import architecture_svg, lineage_svg
from searches.models import Artifact, BackgroundJob, Candidate, EnsembleFile, Search
from searches.nash.architecture import Architecture
from searches.report import report_html, report_name
from searches.selectors import best_so_far, newest_job, snapshot
from searches.selectors.exports import NAMES, files_subject
from searches.selectors.scalars import run_folder, scalar_pages, tensorboard_pages
from searches.services.keeping import GOES_NO_FURTHER

BY = "the command line"
LOOK_SECONDS = 0.5
TREE_WIDTH, NETWORK_WIDTH = 896, 376


def save_model(search: Search, target: Path) -> str:
    """The zip of the final model, or of the best network so far. Raises CommandError."""
    if search.status in GOES_NO_FURTHER:
        services.keep_best_model(search)
    artifact = selectors.model_artifact(search)
    if artifact is None:
        missing = "it has no model" if search.status in GOES_NO_FURTHER else "its final model does not exist yet"
        raise CommandError(f"{search.name} is {search.status}: {missing}.")
    return copied(artifact, file_at(target, f"{search.uuid}.zip"))


def save_files(
    search: Search, candidate: Candidate | None, folder: Path, *, told_to_end: Callable[[], bool]
) -> list[str]:
    """Every file of a network (default: the best), made first where they were not. Raises CommandError."""
    chosen = best_so_far(search) if candidate is None else candidate
    if chosen is None:
        raise CommandError(f"{search.name} has no model yet: nothing of it is trained.")
    chosen.search = search
    kept = _kept(chosen)
    if set(kept) != set(NAMES):
        _make_files(chosen, told_to_end)
        kept = _kept(chosen)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{folder} cannot be made: {error.strerror or error}") from error
    return [copied(kept[key], folder / name) for key, name in NAMES.items() if key in kept]


def save_report(search: Search, target: Path) -> str:
    """The search as one HTML file. Raises CommandError."""
    return written(report_html(search), file_at(target, report_name(search)))


def save_scalars(search: Search, target: Path, *, tensorboard: bool) -> str:
    """Every epoch of every training, as CSV or as a zip of event files for TensorBoard. Raises CommandError."""
    name = f"{run_folder(search)}-{'tensorboard.zip' if tensorboard else 'scalars.csv'}"
    path = file_at(target, name)
    try:
        with path.open("wb") as file:
            for page in tensorboard_pages(search) if tensorboard else map(str.encode, scalar_pages(search)):
                file.write(page)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from error
    return f"{path} ({path.stat().st_size:,} bytes)"


def save_drawing(search: Search, candidate: Candidate | None, target: Path) -> str:
    """The lineage tree, or the network of one training against its parent's, as SVG. Raises CommandError."""
    if candidate is None:
        drawing = lineage_svg(snapshot(search), width=TREE_WIDTH, standalone=True)
    else:
        against = Architecture.from_dict(candidate.parent.architecture) if candidate.parent else None
        architecture = Architecture.from_dict(candidate.architecture)
        drawing = architecture_svg(architecture, against, width=NETWORK_WIDTH, standalone=True)
    which = "lineage" if candidate is None else slugify(candidate.code.replace(".", "-"))
    name = f"{slugify(search.name) or 'search'}-{which}-{str(search.uuid)[:8]}.svg"
    return written(drawing, file_at(target, name))


def file_at(target: Path, name: str) -> Path:
    """Where a file goes: into a folder under its name, or where it is told. Raises CommandError for another kind."""
    if target.is_dir():
        return target / name
    kind = Path(name).suffix
    if target.suffix.lower() not in ("", kind):
        raise CommandError(f"{target}: what is written is a {kind} file; give it that ending, or name a folder.")
    return target


def written(text: str, target: Path) -> str:
    """Write a text; what is said of it. Raises CommandError."""
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror or error}") from error
    return f"{target} ({target.stat().st_size:,} bytes)"


def _kept(candidate: Candidate) -> dict[str, Artifact]:
    return {artifact.format: artifact for artifact in candidate.artifacts.filter(format__in=NAMES)}


def _make_files(candidate: Candidate, told_to_end: Callable[[], bool]) -> None:
    """Ask a worker for them and wait. Raises CommandError where they were not made."""
    try:
        job = services.ask_for_files(candidate, BY)
    except services.Refused as error:
        raise CommandError(str(error)) from error
    while job.status in (BackgroundJob.Status.PENDING, BackgroundJob.Status.RUNNING):
        if not selectors.workers_alive().exists():
            raise CommandError(
                f"{job.title}: no worker answers. They are made as soon as `manage.py up` runs; ask again then."
            )
        if told_to_end():
            raise CommandError(f"{job.title}: no longer waited for; a worker goes on with it.")
        time.sleep(LOOK_SECONDS)
        job = newest_job(files_subject(candidate)) or job
    if job.status != BackgroundJob.Status.DONE:
        raise CommandError(f"{job.title}: {job.status}{f', {job.reason}' if job.reason else ''}")


def copied(artifact: Artifact | EnsembleFile, target: Path) -> str:
    """Copy a file; what is said of it. Raises CommandError."""
    try:
        with closing(_opened(artifact)) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    except OSError as error:
        place = model_store.place_of(artifact.file)
        raise CommandError(f"{place} cannot be copied to {target}: {error.strerror or error}") from error
    return f"{target} ({artifact.bytes:,} bytes, sha256 {artifact.sha256})"


def _opened(artifact: Artifact | EnsembleFile) -> IO[Any]:
    if isinstance(artifact, EnsembleFile) or artifact.lies_with_models:
        return model_store.open_model(artifact.file)
    return selectors.artifact_path(artifact).open("rb")
