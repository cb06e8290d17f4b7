"""The files of a model, as a page lists and an address names them."""

import json
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from searches.models import Artifact, BackgroundJob, Candidate
from searches.selectors.background import newest_job
from searches.selectors.files import artifact_path

FILES = "files"
"""Kind of the background job that makes them."""
Format = Artifact.Format
NAMES: dict[str, str] = {
    Format.MODEL_ZIP: "model.zip",
    Format.WEIGHTS: "model.safetensors",
    Format.SOURCE: "model.py",
    Format.ONNX: "model.onnx",
    Format.PROGRAM: "model.pt2",
    Format.ARCHITECTURE: "architecture.json",
    Format.CARD: "model_card.md",
}
"""In the order of the page."""
WORDS: dict[str, str] = {
    Format.MODEL_ZIP: "everything below in one file",
    Format.WEIGHTS: "the weights",
    Format.SOURCE: "the network in plain PyTorch; classifies image files",
    Format.ONNX: "for ONNX Runtime; any batch size, normalises inside",
    Format.PROGRAM: "for torch.export; any batch size, normalises inside",
    Format.ARCHITECTURE: "its nodes, settings and lineage",
    Format.CARD: "data, split, seed, lineage, accuracy, versions",
}
FIRST_ZIP = "weights, model.py and architecture.json in one file"
"""What the zip of a final model is before all files are made: its training wrote it."""


@dataclass(frozen=True)
class ModelFile:
    """One file to download."""

    name: str
    words: str
    sha256: str
    bytes: int
    url: str


def files_subject(candidate: Candidate) -> str:
    return f"files:{candidate.pk}"


def model_files(candidate: Candidate) -> list[ModelFile]:
    """What of a candidate can be downloaded, in the page's order; `candidate.search` is read for the addresses."""
    kept = {artifact.format: artifact for artifact in candidate.artifacts.all()}
    place = [candidate.search.uuid, candidate.kind, candidate.step, candidate.index]
    words = WORDS if Format.ONNX in kept else {**WORDS, Format.MODEL_ZIP: FIRST_ZIP}
    return [
        ModelFile(name, words[key], kept[key].sha256, kept[key].bytes, reverse("candidate_file", args=[*place, name]))
        for key, name in NAMES.items()
        if key in kept
    ]


def files_panel(candidate: Candidate) -> dict[str, Any]:
    """The panel "Files": what there is, what is missing, the job that makes or made it, and what it found."""
    files = model_files(candidate)
    job = newest_job(files_subject(candidate))
    names = {file.name for file in files}
    made = BackgroundJob.objects.filter(subject=files_subject(candidate), status="done").order_by("-pk").first()
    return {
        "files": files,
        "files_job": job if job and job.status != "done" else None,
        "can_be_made": NAMES[Format.WEIGHTS] in names and len(files) < len(NAMES),
        "parity": parity_rows(made.result) if made else None,
        "evaluation": _assessment(candidate) or (made.result.get("evaluation") if made else None),
    }


def _assessment(candidate: Candidate) -> dict[str, Any] | None:
    """How it errs, as the worker counted that ended its training; None where it did not, or the file is lost."""
    kept = next((artifact for artifact in candidate.artifacts.all() if artifact.format == Format.ASSESSMENT), None)
    if kept is None:
        return None
    try:
        found: dict[str, Any] = json.loads(artifact_path(kept).read_bytes())
        return found
    except (OSError, ValueError):
        return None


def parity_rows(result: dict[str, Any]) -> dict[str, Any] | None:
    """Errors of each form in the order of the test, whether they agree, and on which images."""
    parity = result.get("parity")
    return {**parity, "rows": list(parity["errors"].items())} if parity else None
