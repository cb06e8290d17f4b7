"""The background jobs of ensembles: what averaging brings, and files that answer as all members together do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from searches import worker_files as files
from searches.comparisons import interval
from searches.models import Artifact, Candidate, Ensemble, EnsembleMember
from searches.nash.atomic import write_atomically
from searches.selectors import artifact_path
from searches.selectors.ensembles import ensemble_folder, part_tested_on
from searches.selectors.exports import NAMES
from searches.services.ensembles import MemberWeights, keep_ensemble_files, keep_measurement, record_looks
from searches.work import Work
from searches.worker_exports import N_STEPS, held_against_trainer, new_folder, published, versions, write_programs

if TYPE_CHECKING:
    from torch import Tensor

    from searches.nash.assessment import Floats
    from searches.nash.network import Network

Format = Artifact.Format
KEPT = (*NAMES,)
"""All files are made here, the weights of all members among them."""


# ---------------------------------------------------------------------- measuring


def measure_ensemble(work: Work) -> Mapping[str, Any]:
    """Average the outputs that the members gave on the test images, count, and keep the members' weights."""
    ensemble = _ensemble(work)
    members = list(ensemble.members.select_related("candidate__search__dataset"))
    part = part_tested_on(_still_there(members[0]).search)
    images, labels = _test_images(ensemble, part)
    total = len(members) + 1
    softmaxes, weights = [], []
    for done, member in enumerate(members):
        work.tell(done, total, f"reads what {member.name} says of the test images")
        candidate = _still_there(member)
        weights.append(_keep_weights(ensemble, member, candidate))
        softmaxes.append(_softmax(candidate, images))
    work.tell(len(members), total, "averages and counts")
    measured = {**_measured(ensemble, softmaxes, images, labels), "test_part": part}
    keep_measurement(ensemble, measured, weights, why="it is averaged in the ensemble")
    return {"said": f"{ensemble.name}: measured"}


def _ensemble(work: Work) -> Ensemble:
    """The one that the job is about. Raises ValueError where it was deleted."""
    found = Ensemble.objects.select_related("dataset").filter(pk=work.payload["ensemble"]).first()
    if found is None:
        raise ValueError("the ensemble was deleted")
    return found


def _test_images(ensemble: Ensemble, part: Sequence[int] | None) -> tuple[Tensor, Tensor]:
    """Images and labels of its test set, or of the part of it (seed, size) that its members were tested on."""
    seed, n_test = part or (0, None)
    return files.load_images(ensemble.dataset).test_part(seed, n_test)


def _still_there(member: EnsembleMember) -> Candidate:
    """Raises ValueError where the member's search was deleted before its weights were kept."""
    if member.candidate is None or member.candidate.search.deleted is not None:
        raise ValueError(f"the search of {member.name} was deleted before the ensemble was measured; bring it back")
    return member.candidate


def _keep_weights(ensemble: Ensemble, member: EnsembleMember, candidate: Candidate) -> MemberWeights:
    """The weights once more, in the ensemble's folder: by a hard link, which takes no room, or else a copy."""
    artifact = candidate.artifacts.filter(format=Format.WEIGHTS).first()
    if artifact is None:
        raise ValueError(f"the weights of {member.name} are no longer there")
    source = artifact_path(artifact)
    if hashlib.sha256(source.read_bytes()).hexdigest() != artifact.sha256:
        raise files.DamagedFile(f"{artifact.file}: its sha256 is not that of the weights of {member.name}")
    target = ensemble_folder(ensemble) / f"member-{member.place}.safetensors"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        write_atomically(target, source.read_bytes())
    return MemberWeights(member.pk, target.relative_to(settings.NASH_DATA_DIR).as_posix(), artifact.sha256)


def _softmax(candidate: Candidate, images: Tensor) -> Floats:
    """What its test brought (N, n_classes), as its training kept it; where that is lost, worked out again."""
    import numpy as np

    kept = candidate.artifacts.filter(format=Format.TEST_SOFTMAX).first()
    if kept is not None and (path := artifact_path(kept)).is_file():
        if hashlib.sha256(path.read_bytes()).hexdigest() != kept.sha256:
            raise files.DamagedFile(f"{kept.file}: its sha256 is not that of the outputs of {candidate.code}")
        outputs: Floats = np.load(path, allow_pickle=False)
        return outputs
    from searches.nash.evaluation import predict

    network, _ = files.load_network(candidate)
    worked_out: Floats = predict(network, images).double().softmax(1).numpy()
    return worked_out


def _measured(
    ensemble: Ensemble, softmaxes: Sequence[Floats], images: Tensor, labels: Tensor
) -> dict[str, Any]:
    from searches.nash.averaging import gains, mean_softmax

    return {
        **gains(softmaxes, labels.numpy()),
        "evaluation": files.assessed(mean_softmax(softmaxes), images, labels, ensemble.dataset),
    }


# ---------------------------------------------------------------------- its files


def make_ensemble_files(work: Work) -> Mapping[str, Any]:
    """Write every file of a measured ensemble and hold their answers against the trainer's, then write the rows."""
    ensemble = _ensemble(work)
    kept = ensemble.files.values_list("file", flat=True)
    with new_folder(ensemble_folder(ensemble), kept, work) as folder:
        work.tell(0, N_STEPS, "reads the networks")
        networks = [_load_member(member) for member in ensemble.members.all()]
        _write_forms(networks, folder, ensemble, work)
        parity = _prove(networks, folder, ensemble, work)
        made = published(map(Format, KEPT), folder, work)
        keep_ensemble_files(ensemble, made)
    total = sum(file.bytes for file in made)
    return {"parity": parity, "said": f"The files of {ensemble.name} can be downloaded, {total / 1e6:,.1f} MB"}


def _load_member(member: EnsembleMember) -> Network:
    """From the ensemble's own copy of its weights. Raises DamagedFile, OSError."""
    from searches.nash.architecture import Architecture
    from searches.nash.export import network_of

    content = (Path(settings.NASH_DATA_DIR) / member.file).read_bytes()
    if hashlib.sha256(content).hexdigest() != member.sha256:
        raise files.DamagedFile(f"{member.file}: its sha256 is not that of the weights of {member.name}")
    return network_of(Architecture.from_dict(member.architecture), content)


def _write_forms(networks: Sequence[Network], folder: Path, ensemble: Ensemble, work: Work) -> None:
    from searches.nash.ensemble_source import ensemble_card, ensemble_texts
    from searches.nash.export import weights_of_members
    from searches.nash.export_source import class_names

    architectures = [network.architecture for network in networks]
    info = _info(ensemble)
    for name, content in ensemble_texts(architectures, info).items():
        (folder / name).write_bytes(content)
    (folder / NAMES[Format.WEIGHTS]).write_bytes(weights_of_members(networks))
    card = ensemble_card(architectures, {**info, **_card_info(ensemble)})
    (folder / NAMES[Format.CARD]).write_text(card, encoding="utf-8")
    about = {"name": ensemble.name, "dataset": ensemble.dataset.name, "origin": "NASH"}
    write_programs(networks, folder, class_names(architectures[0], info), about, work)


def _info(ensemble: Ensemble) -> dict[str, Any]:
    result = ensemble.result or {}
    return {
        "name": ensemble.name,
        "dataset": ensemble.dataset.name,
        "classes": list(ensemble.dataset.meta.get("classes", ())),
        "test_accuracy": result["n_right"] / result["n_images"],
        "members": [member.name for member in ensemble.members.all()],
    }


def _card_info(ensemble: Ensemble) -> dict[str, Any]:
    result = ensemble.result or {}
    accuracy, n = result["n_right"] / result["n_images"], result["n_images"]
    measured = {"accuracy": accuracy, "n_images": n, "interval": interval(accuracy, n)}
    return {"dataset_digest": ensemble.dataset.digest, "test_measured": measured, "versions": versions()}


def _prove(networks: Sequence[Network], folder: Path, ensemble: Ensemble, work: Work) -> dict[str, Any]:
    """Parity of the forms on the test images, one more look at them. Raises ValueError."""
    images, labels = _test_images(ensemble, (ensemble.result or {}).get("test_part"))
    record_looks(ensemble, "files are held against the trainer, of the ensemble")
    found = held_against_trainer(networks, folder, images, labels, work, "test")
    return {**found, "where": "test"}
