"""What a model says of one picture, and what its page needs to ask it."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from django.urls import reverse

from searches.model_store import open_model
from searches.models import Artifact, Candidate, DataSet, Ensemble, EnsembleFile
from searches.selectors.files import artifact_path

MAX_PICTURE_BYTES = 20 * 2**20
MAX_SECONDS = 120.0
WAIT_SECONDS = 20.0
PIECE = 1 << 20
AT_WORK = threading.BoundedSemaphore(1)
"""One picture at a time in a web process; the others wait their turn."""


class NoAnswer(Exception):
    """A picture that was not classified; the message is one plain sentence."""


class Busy(NoAnswer):
    """Others wait for an answer already."""


@dataclass(frozen=True)
class Sample:
    """An image of a data set to be tried with: its address, and the class that the data set gives it."""

    url: str
    name: str


@dataclass(frozen=True)
class Tried:
    """What the panel "Try it" is given (templates/searches/_try_it.html), of a network or of an ensemble.

    onnx: address of model.onnx, "" while there is none; server: where a picture can be sent instead;
    shape: (C, H, W); samples_note: where the samples come from, one sentence.
    """

    onnx: str
    onnx_bytes: int
    server: str
    classes: Sequence[str]
    shape: tuple[int, int, int]
    samples: Sequence[Sample] = ()
    samples_note: str = ""

    def settings(self) -> dict[str, Any]:
        """What the page's script reads."""
        return {
            "onnx": self.onnx,
            "onnxBytes": self.onnx_bytes,
            "server": self.server,
            "classes": list(self.classes),
            "shape": list(self.shape),
            "maxBytes": MAX_PICTURE_BYTES,
        }


def tried(candidate: Candidate, samples: Sequence[Sample]) -> Tried | None:
    """The panel of one network; None where its weights are not kept. `candidate.search` is read."""
    kept = {artifact.format: artifact for artifact in candidate.artifacts.all()}
    if not kept.keys() & {Artifact.Format.ONNX, Artifact.Format.WEIGHTS}:
        return None
    search, place = candidate.search, [candidate.search.uuid, candidate.kind, candidate.step, candidate.index]
    onnx = kept.get(Artifact.Format.ONNX)
    note = "Validation images."
    if candidate.test_accuracy is not None:
        note = "Validation images; this network was trained on them, too."
    return Tried(
        onnx=reverse("candidate_file", args=[*place, "model.onnx"]) if onnx else "",
        onnx_bytes=onnx.bytes if onnx else 0,
        server=reverse("candidate_answer", args=place),
        classes=class_names(search.dataset),
        shape=search.dataset.input_shape,
        samples=samples,
        samples_note=note,
    )


def tried_ensemble(ensemble: Ensemble, samples: Sequence[Sample]) -> Tried | None:
    """The panel of an ensemble; None until its files are made."""
    onnx = ensemble.files.filter(format=Artifact.Format.ONNX).first()
    if onnx is None:
        return None
    return Tried(
        onnx=reverse("ensemble_file", args=[ensemble.uuid, "model.onnx"]),
        onnx_bytes=onnx.bytes,
        server=reverse("ensemble_answer", args=[ensemble.uuid]),
        classes=class_names(ensemble.dataset),
        shape=ensemble.dataset.input_shape,
        samples=samples,
        samples_note="Training images; the members were trained on them.",
    )


def class_names(dataset: DataSet) -> list[str]:
    return list(dataset.meta.get("classes") or [f"class {k}" for k in range(dataset.n_classes)])


def answer_of(candidate: Candidate, picture: bytes) -> list[float]:
    """Probabilities of all classes by model.onnx, or by the weights while there is none. Raises NoAnswer.

    `candidate.search` is read. Nothing is kept.
    """
    kept = {artifact.format: artifact for artifact in candidate.artifacts.all()}
    request: dict[str, Any] = {"shape": candidate.search.dataset.input_shape}
    try:
        if onnx := kept.get(Artifact.Format.ONNX):
            return ask(request, onnx, open_model(onnx.file), picture)
        if weights := kept.get(Artifact.Format.WEIGHTS):
            file = artifact_path(weights).open("rb")
            return ask({**request, "architecture": candidate.architecture}, weights, file, picture)
    except OSError as error:
        raise NoAnswer("The model's file cannot be read on the server.") from error
    raise NoAnswer("The weights of this network are no longer kept.")


def answer_of_ensemble(ensemble: Ensemble, picture: bytes) -> list[float]:
    """Probabilities of all classes by its model.onnx. Raises NoAnswer. Nothing is kept."""
    onnx = ensemble.files.filter(format=Artifact.Format.ONNX).first()
    if onnx is None:
        raise NoAnswer("The files of this ensemble are not made yet.")
    try:
        return ask({"shape": ensemble.dataset.input_shape}, onnx, open_model(onnx.file), picture)
    except OSError as error:
        raise NoAnswer("The model's file cannot be read on the server.") from error


def ask(request: dict[str, Any], artifact: Artifact | EnsembleFile, model: IO[bytes], picture: bytes) -> list[float]:
    """Probabilities by a process of its own (nash/answering.py). Raises NoAnswer, Busy, OSError."""
    with closing(model):
        if not AT_WORK.acquire(timeout=WAIT_SECONDS):
            raise Busy("The server is busy with other pictures; try again in a moment.")
        try:
            return _asked({**request, "model_bytes": artifact.bytes}, model, picture)
        finally:
            AT_WORK.release()


def _asked(request: dict[str, Any], model: IO[bytes], picture: bytes) -> list[float]:
    process = subprocess.Popen(
        [sys.executable, "-m", "searches.nash.answering"],
        cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    end = threading.Timer(MAX_SECONDS, process.kill)
    end.start()
    try:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            while piece := model.read(PIECE):
                process.stdin.write(piece)
        except BrokenPipeError:
            pass  # it has died, and says below of what
        out, _ = process.communicate(picture)
    finally:
        end.cancel()
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise NoAnswer("This picture could not be classified on the server; another one may do.")
    found = json.loads(out)
    if "error" in found:
        raise NoAnswer(found["error"])
    return list(found["probabilities"])
