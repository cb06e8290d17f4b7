"""A candidate's files as a worker reads and writes them: parent's weights and statistics, checkpoints, the result.

Files are written whole or not at all, before the rows that name them. Names carry the attempt, so that a late
holder of a lost lease overwrites nothing.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from searches import model_store, selectors, services
from searches.models import Artifact, Candidate, DataSet, Search
from searches.nash.atomic import write_atomically
from searches.nash.config import SearchConfig
from searches.nash.hillclimb import ENDED, begins_at_start

if TYPE_CHECKING:
    from torch import Tensor

    from searches.nash.assessment import Floats
    from searches.nash.checkpoints import State
    from searches.nash.data import ImageSet
    from searches.nash.inheritance import Statistics
    from searches.nash.network import Network
    from searches.nash.runner import Trained

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2
STATISTICS = "statistics.safetensors"


class DamagedFile(Exception):
    """A file whose row says that it holds something else."""


def load_images(dataset: DataSet) -> ImageSet:
    """The images of a data set, mapped into memory; the last one stays open in this process."""
    return _images(Path(settings.NASH_DATA_DIR) / "datasets" / dataset.name, dataset.digest)


@lru_cache(maxsize=1)
def _images(folder: Path, digest: str) -> ImageSet:
    from searches.nash.data import read_imageset

    return read_imageset(folder)


def load_parent(candidate: Candidate) -> Network | None:
    """The network that a candidate starts from; None for what begins afresh. Raises DamagedFile, OSError."""
    if candidate.parent:
        return load_network(candidate.parent)[0]
    config = candidate.search.search_config
    return load_start(candidate.search, config) if begins_at_start(config, candidate.key) else None


def load_start(search: Search, config: SearchConfig) -> Network:
    """The network that a search was started from. Raises DamagedFile, OSError, StartNetwork.DoesNotExist."""
    from searches.nash.export import network_of

    assert config.start is not None
    row = search.start_network
    content = services.start_path(row).read_bytes()
    if hashlib.sha256(content).hexdigest() != config.start.sha256:
        raise DamagedFile(f"{row.file}: its sha256 is not that of the network that the search was started from")
    return network_of(config.start.architecture, content)


def load_network(candidate: Candidate) -> tuple[Network, bytes]:
    """A trained network, and its weights as they lie on disk. Raises DamagedFile, OSError, Artifact.DoesNotExist."""
    from searches.nash.architecture import Architecture
    from searches.nash.export import network_of

    artifact = candidate.artifacts.get(format=Artifact.Format.WEIGHTS)
    content = selectors.artifact_path(artifact).read_bytes()
    if hashlib.sha256(content).hexdigest() != artifact.sha256:
        raise DamagedFile(f"{artifact.file}: its sha256 is not that of the weights of {candidate.code}")
    return network_of(Architecture.from_dict(candidate.architecture), content), content


def load_statistics(
    candidate: Candidate, parent: Network, images: ImageSet, device: str, *, on_batch: Callable[[], None]
) -> Statistics:
    """BatchNorm statistics of the parent's blocks: computed by the first child that needs them, then read.

    Two workers that start together may both compute them: each writes the same bits (`statistics_of`), whole, in
    place of the other's.
    """
    from safetensors.torch import load_file, save

    from searches.nash.runner import statistics_of

    assert candidate.parent is not None
    candidate.parent.search = candidate.search
    path = selectors.candidate_folder(candidate.parent) / STATISTICS
    if not path.exists():
        computed = statistics_of(parent, candidate.search.search_config, images, device=device, on_batch=on_batch)
        tensors = {
            f"{block}.{name}": tensor.contiguous()
            for block, pair in computed.items()
            for name, tensor in zip(("mean", "variance"), pair, strict=True)
        }
        write_atomically(path, save(tensors))
    stored = load_file(path)
    blocks = dict.fromkeys(name.rpartition(".")[0] for name in stored)
    return {block: (stored[f"{block}.mean"], stored[f"{block}.variance"]) for block in blocks}


def write_checkpoint(candidate: Candidate, attempt: int, state: State) -> str:
    """Put a training's state on disk; returns the file's name below the data folder."""
    from searches.nash import checkpoints

    folder = selectors.candidate_folder(candidate)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"checkpoint-{attempt}-{state['epoch']}.pt"
    checkpoints.write_checkpoint(path, state)
    return path.relative_to(settings.NASH_DATA_DIR).as_posix()


def newest_checkpoint(candidate: Candidate) -> tuple[str, State] | None:
    """The newest checkpoint that is whole: its name below the data folder, and the state; None without one."""
    from searches.nash.checkpoints import DamagedCheckpoint, read_checkpoint

    for path in selectors.checkpoint_paths(selectors.candidate_folder(candidate)):
        try:
            return path.relative_to(settings.NASH_DATA_DIR).as_posix(), read_checkpoint(path)
        except DamagedCheckpoint as error:
            logger.warning("%s; the one before it is used", error)
    return None


def prune_checkpoints(candidate: Candidate) -> None:
    """Keep the newest ones only."""
    for path in selectors.checkpoint_paths(selectors.candidate_folder(candidate))[CHECKPOINTS_KEPT:]:
        path.unlink(missing_ok=True)


def tidy(candidate: Candidate) -> None:
    """Once a candidate has ended: remove what no row names, checkpoints and files of attempts that died."""
    candidate.refresh_from_db(fields=["status"])
    if candidate.status not in ENDED:
        return
    named = {Path(file).name for file in candidate.artifacts.values_list("file", flat=True)}
    for path in selectors.candidate_folder(candidate).glob("*"):
        if path.is_dir():  # the files of a model, which a background job may be about to make
            continue
        if path.name not in named and STATISTICS not in path.name:  # a child may be about to write them
            path.unlink(missing_ok=True)
    Candidate.objects.filter(pk=candidate.pk, status__in=ENDED).exclude(checkpoint="").update(checkpoint="")


def tidy_left_behind() -> None:
    """Do what workers left undone that were killed, or told to stop, between the end of a candidate and `tidy`."""
    for candidate in Candidate.objects.filter(status__in=ENDED).exclude(checkpoint="").select_related("search"):
        tidy(candidate)
        services.note_disk_use(candidate.search_id)


def tidy_lost(candidate: Candidate) -> None:
    """Once a lease was lost: remove what this worker wrote after another had tidied, or removed the search."""
    if Candidate.objects.filter(pk=candidate.pk).exists():
        tidy(candidate)
    else:
        shutil.rmtree(selectors.candidate_folder(candidate).parent, ignore_errors=True)


def prune_losers(candidate: Candidate) -> None:
    """Once a candidate has ended: give up the weights of those that lost the steps decided by then, rows first.

    What a worker leaves that is killed in between goes when the next candidate of the search ends.
    """
    for loser in services.drop_losers(candidate.search_id):
        if not loser.artifacts.exists():
            shutil.rmtree(selectors.candidate_folder(loser), ignore_errors=True)


def write_result(candidate: Candidate, attempt: int, trained: Trained, images: ImageSet) -> list[services.MadeFile]:
    """Weights; of what was tested the softmax outputs; of a final training also how they err, and the model zip."""
    from searches.nash.export import export_model, save_weights

    folder = selectors.candidate_folder(candidate)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    weights = save_weights(trained.network, folder / f"weights-{attempt}.safetensors")
    made = [made_file(Artifact.Format.WEIGHTS, weights)]
    if trained.test_softmax is not None:
        softmax = folder / f"test-softmax-{attempt}.npy"
        write_atomically(softmax, _npy(trained.test_softmax))
        made.append(made_file(Artifact.Format.TEST_SOFTMAX, softmax))
        if candidate.kind == Candidate.Kind.FINAL:
            path = folder / f"assessment-{attempt}.json"
            made.append(_write_assessment(candidate, path, trained.test_softmax, images))
    if candidate.kind == Candidate.Kind.FINAL:
        info = selectors.model_info(candidate, test_accuracy=trained.test_accuracy)
        zip_file = export_model(trained.network, folder / f"model-{attempt}.zip", info=info)
        made.append(made_file(Artifact.Format.MODEL_ZIP, zip_file))
        model_store.publish(zip_file)
    return made


def _write_assessment(candidate: Candidate, path: Path, outputs: Floats, images: ImageSet) -> services.MadeFile:
    """How a final model errs, counted from the outputs of its only test."""
    config = candidate.search.search_config
    tested, labels = images.test_part(config.seed, config.n_test)
    found = assessed(outputs, tested, labels, candidate.search.dataset)
    return made_file(Artifact.Format.ASSESSMENT, write_atomically(path, json.dumps(found).encode()))


def assessed(outputs: Floats, images: Tensor, labels: Tensor, dataset: DataSet) -> dict[str, Any]:
    """How softmax outputs (N, n_classes) on the images err, with the names of the classes and the worst images."""
    from searches.nash.assessment import assess

    found = assess(outputs, labels.numpy())
    names = dataset.meta.get("classes") or [f"class {k}" for k in range(outputs.shape[1])]
    found["names"] = list(names)
    found["pictures"] = [_png(images[place]) for place, *_ in found["mistakes"]]
    return found


def _png(image: Tensor) -> str:
    """An image uint8 (C, H, W) as the address of a PNG that holds itself."""
    from PIL import Image

    pixels = image.permute(1, 2, 0).squeeze(-1).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _npy(array: Any) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def made_file(kind: Artifact.Format, path: Path) -> services.MadeFile:
    """A file on disk as its row will name it."""
    with path.open("rb") as file:
        return services.MadeFile(kind, path, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
