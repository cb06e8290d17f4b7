"""The background job that makes the files of a model, and proves that all of them answer alike."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searches import model_store, selectors
from searches import worker_files as files
from searches.models import Artifact, Candidate
from searches.selectors.exports import NAMES
from searches.selectors.models import card_info
from searches.services import MadeFile
from searches.services.exporting import keep_files, record_look
from searches.work import Work

if TYPE_CHECKING:
    from torch import Tensor

    from searches.nash.data import ImageSet
    from searches.nash.network import Network

Format = Artifact.Format
MADE_HERE = (Format.SOURCE, Format.ARCHITECTURE, Format.ONNX, Format.PROGRAM, Format.CARD, Format.MODEL_ZIP)
N_STEPS = 8
"""Three kinds of file, the zip, and four forms whose errors are counted."""


def make_files(work: Work) -> Mapping[str, Any]:
    """Write every file of a candidate, hold their answers against the trainer's, then write the rows."""
    candidate = work.job.candidate
    assert candidate is not None
    kept = candidate.artifacts.values_list("file", flat=True)
    with new_folder(selectors.candidate_folder(candidate), kept, work) as folder:
        work.tell(0, N_STEPS, "reads the network")
        network, weights = files.load_network(candidate)
        write_forms([network], folder, candidate, weights, work)
        images, labels, on_test = _images_to_prove_on(candidate)
        result = _prove([network], folder, candidate, images, labels, work, on_test=on_test)
        made = published(MADE_HERE, folder, work)
        (folder / NAMES[Format.WEIGHTS]).unlink()
        keep_files(candidate, made)
    total = sum(file.bytes for file in made)
    return {**result, "said": f"The files of {candidate.code} can be downloaded, {total / 1e6:,.1f} MB"}


@contextmanager
def new_folder(parent: Path, kept: Iterable[str], work: Work) -> Iterator[Path]:
    """A folder of this attempt below `parent`, removed where it fails; what attempts left that died is removed, too.

    Folders of the `kept` files stay.
    """
    named = {Path(file).parent.name for file in kept}
    for folder in parent.glob("files-*"):
        if folder.name not in named:
            shutil.rmtree(folder, ignore_errors=True)
    made = parent / f"files-{work.job.pk}-{work.job.attempt}"
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield made
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def published(formats: Iterable[Format], folder: Path, work: Work) -> list[MadeFile]:
    """The files of these formats, where finished models are kept by now."""
    work.tell(N_STEPS, N_STEPS, "puts them where they are kept")
    made = [files.made_file(key, folder / NAMES[key]) for key in formats]
    for file in made:
        model_store.publish(file.path)
    return made


def write_forms(
    networks: Sequence[Network], folder: Path, candidate: Candidate, weights: bytes, work: Work
) -> None:
    """All files of one network, and the zip of them, into the folder."""
    from searches.nash.export_source import class_names
    from searches.nash.model_card import model_card
    from searches.nash.model_zip import texts_of

    architecture = networks[0].architecture
    info = selectors.model_info(candidate, test_accuracy=candidate.test_accuracy)
    for name, content in texts_of(architecture, weights, info, programs=True).items():
        (folder / name).write_bytes(content)
    (folder / NAMES[Format.WEIGHTS]).write_bytes(weights)
    card = model_card(architecture, card_info(candidate, versions()))
    (folder / NAMES[Format.CARD]).write_text(card, encoding="utf-8")
    about = {"name": candidate.search.name, "dataset": candidate.search.dataset.name, "origin": "NASH"}
    write_programs(networks, folder, class_names(architecture, info), about, work)


def write_programs(
    networks: Sequence[Network], folder: Path, classes: Sequence[str], about: Mapping[str, str], work: Work
) -> None:
    """model.onnx and model.pt2 beside the other files, which lie in the folder already, and the zip of them all."""
    from searches.nash.model_zip import pack_files
    from searches.nash.programs import exported_program, save_onnx, save_program

    work.tell(1, N_STEPS, "writes model.onnx")
    program = exported_program(networks)
    save_onnx(program, folder / NAMES[Format.ONNX], classes=classes, about=about)
    work.tell(2, N_STEPS, "writes model.pt2")
    save_program(program, folder / NAMES[Format.PROGRAM])
    work.tell(3, N_STEPS, "packs them")
    order = ("README.txt", *(name for key, name in NAMES.items() if key != Format.MODEL_ZIP))
    pack_files([folder / name for name in order], folder / NAMES[Format.MODEL_ZIP])
    (folder / "README.txt").unlink()


def versions() -> dict[str, str]:
    """Of Python and of what the files were written by."""
    packages = ("torch", "safetensors", "onnx", "onnxscript", "onnxruntime")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}


def _images_to_prove_on(candidate: Candidate) -> tuple[Tensor, Tensor, bool]:
    """The test images of what was tested already, else the validation images of its search; labels; which."""
    dataset: ImageSet = files.load_images(candidate.search.dataset)
    config = candidate.search.search_config
    if candidate.test_accuracy is not None:
        return *dataset.test_part(config.seed, config.n_test), True
    chosen = dataset.split(config.seed, config.n_validation, config.n_training).validation
    return dataset.images[chosen], dataset.labels[chosen], False


def _prove(
    networks: Sequence[Network],
    folder: Path,
    candidate: Candidate,
    images: Tensor,
    labels: Tensor,
    work: Work,
    *,
    on_test: bool,
) -> dict[str, Any]:
    """Parity of the forms; of what was tested, and is not assessed yet, also how it errs. Raises ValueError."""
    import numpy as np

    where = "test" if on_test else "validation"
    look = record_look(candidate, "its files are held against the trainer") if on_test else None
    found = held_against_trainer(networks, folder, images, labels, work, where)
    result: dict[str, Any] = {"parity": {**found, "where": where, "look": look}}
    kept = {artifact.format: artifact for artifact in candidate.artifacts.all()}
    softmax = kept.get(Format.TEST_SOFTMAX)
    if on_test and softmax and Format.ASSESSMENT not in kept:
        outputs = np.load(selectors.artifact_path(softmax), allow_pickle=False)
        result["evaluation"] = files.assessed(outputs, images, labels, candidate.search.dataset)
    return result


def held_against_trainer(
    networks: Sequence[Network], folder: Path, images: Tensor, labels: Tensor, work: Work, where: str
) -> dict[str, Any]:
    """Errors of every form in the folder beside the trainer's own. Raises ValueError where they do not agree."""
    from searches.nash.parity import LOADERS, parity

    order = ["trainer", *LOADERS]

    def on_batch(form: str, done: int) -> None:
        work.tell(4 + order.index(form), N_STEPS, f"counts errors of {form} on the {where} images, {done:,} done")

    found = parity(networks, folder, images, labels, on_batch=on_batch)
    if not found["holds"]:
        errors = ", ".join(f"{name} {100 * error:.2f} %" for name, error in found["errors"].items())
        raise ValueError(f"the files do not answer alike on the {where} images: {errors}; none was kept")
    return found
