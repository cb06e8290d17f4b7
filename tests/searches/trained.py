"""A finished search on the digits whose networks were drawn at random: weights on disk, true numbers."""

import hashlib
import io

import numpy as np
import torch

from searches import datasets, selectors, services, worker_jobs
from searches.models import Artifact, BackgroundJob, Candidate, DataSet, Search
from searches.nash.architecture import Architecture
from searches.nash.config import SearchConfig
from searches.nash.export import save_weights
from searches.nash.network import Network
from searches.worker_files import load_images
from tests.nash.networks import randomised
from tests.searches.rows import TINY, claim, pending, result


def make_trained_search(owner=None, *, name: str = "Trained", seed: int = 0, **settings) -> Search:
    """A search of one step on the digits, finished, its final network with mix, concat and a widened block."""
    dataset = DataSet.objects.get(pk=datasets.ensure_digits())
    config = SearchConfig(**{**TINY, "n_steps": 1, "n_neigh": 2, "n_NM": 3, "seed": seed, **settings})
    launched = services.create_search(config, dataset=dataset, name=name, owner=owner)
    return end_all(Search.objects.get(pk=launched.search_id))


def end_all(search: Search) -> Search:
    """End all that waits, and what follows from it."""
    while waiting := pending(search):
        for candidate in waiting:
            end(candidate)
    search.refresh_from_db()
    return search


def end(candidate: Candidate) -> None:
    """The training of this one is done: its network is drawn at random."""
    dataset, seed = candidate.search.dataset, candidate.search.config["seed"]
    lease = claim(candidate, dataset_digest=dataset.digest)
    assert lease is not None
    drawn = seed if candidate.kind != "snapshot" else seed + 100 * candidate.step
    network = randomised(Network(Architecture.from_dict(candidate.architecture), _generator(drawn)), drawn).eval()
    images = load_images(dataset)
    is_tested = candidate.kind in ("final", "snapshot")
    n_test = candidate.search.search_config.n_test
    pixels, labels = images.test_part(seed, n_test) if is_tested else (images.images, images.labels)
    with torch.inference_mode():
        softmax = network(network.normalise(pixels)).softmax(1)
    accuracy = float((softmax.argmax(1) == labels).float().mean())
    folder = selectors.candidate_folder(candidate)
    folder.mkdir(parents=True, exist_ok=True)
    made = [_made(Artifact.Format.WEIGHTS, save_weights(network, folder / "weights-1.safetensors"))]
    if is_tested:
        buffer = io.BytesIO()
        np.save(buffer, softmax.numpy(), allow_pickle=False)
        (folder / "test-softmax-1.npy").write_bytes(buffer.getvalue())
        made.append(_made(Artifact.Format.TEST_SOFTMAX, folder / "test-softmax-1.npy"))
    measured = {"test_accuracy": accuracy, "correct": None} if is_tested else {}
    services.finish(lease, result(None if is_tested else accuracy, files=tuple(made), **measured))


def _made(kind, path) -> services.MadeFile:
    content = path.read_bytes()
    return services.MadeFile(kind, path, hashlib.sha256(content).hexdigest(), len(content))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def work_on(subject):
    """Do the open job about this, as a worker does."""
    job = BackgroundJob.objects.get(subject=subject, status="pending")
    worker_jobs.do(services.claim_job(job.pk, worker="alpha"))
    job.refresh_from_db()
    return job


def measured(ensemble):
    """The ensemble once a worker has measured it."""
    job = work_on(f"ensemble:{ensemble.pk}")
    assert job.status == "done", job.reason
    ensemble.refresh_from_db()
    return ensemble


def looks(search):
    """What the log says of each look at the test set."""
    return list(search.events.filter(kind="test_look").values_list("words", flat=True))
