"""What the list and the page of ensembles show, and the API answers: errors and gains, each with its interval."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from searches.comparisons import interval
from searches.intervals import Z95, mcnemar, paired_interval
from searches.models import Artifact, BackgroundJob, Candidate, Ensemble, EnsembleMember, Search
from searches.selectors.background import newest_job
from searches.selectors.ensembles import ensemble_files_subject, measuring_job, measuring_jobs, waits_for
from searches.selectors.exports import NAMES, ModelFile, parity_rows
from searches.selectors.looks import looks_by_search
from searches.selectors.names import told_apart

Facts = dict[str, Any]
NOISE = 0.05
"""p of McNemar's test from which on a difference is within noise, as in services/sentences.py."""
FILE_WORDS = {
    Artifact.Format.MODEL_ZIP: "everything below in one file; loads as one model",
    Artifact.Format.WEIGHTS: "the weights of all members",
    Artifact.Format.SOURCE: "all members and their mean in plain PyTorch; classifies image files",
    Artifact.Format.ONNX: "for ONNX Runtime; averages and normalises inside",
    Artifact.Format.PROGRAM: "for torch.export; averages and normalises inside",
    Artifact.Format.ARCHITECTURE: "the nodes of every member",
    Artifact.Format.CARD: "data, members, accuracy, versions",
}


def state_of(ensemble: Ensemble, job: BackgroundJob | None) -> str:
    """measured; waiting (for trainings), pending or running (its measurement); failed, cancelled."""
    if ensemble.result is not None:
        return "measured"
    if ensemble.reason:
        return "failed"
    return "waiting" if job is None else "failed" if job.status == "done" else job.status


def ensemble_lines(ensembles: QuerySet[Ensemble]) -> list[Facts]:
    """The list of them, plain JSON; as many queries for many as for one."""
    found = list(ensembles.prefetch_related("members"))
    jobs = measuring_jobs([ensemble for ensemble in found if ensemble.result is None])
    return [_line(ensemble, jobs.get(ensemble.pk)) for ensemble in found]


def _line(ensemble: Ensemble, job: BackgroundJob | None) -> Facts:
    """An ensemble in the list; errors are fractions. `job`: the newest that measures it, where it is not measured."""
    members = list(ensemble.members.all())
    result = ensemble.result
    return {
        "uuid": str(ensemble.uuid),
        "name": ensemble.name,
        "kind": ensemble.kind,
        "kind_words": ensemble.get_kind_display(),
        "dataset": ensemble.dataset.name,
        "state": state_of(ensemble, job),
        "n_members": len(members),
        "n_parameters": sum(member.n_parameters for member in members),
        "n_macs": sum(member.n_macs for member in members),
        "error": None if result is None else 1 - result["n_right"] / result["n_images"],
        "interval": None if result is None else _error_interval(result["n_right"], result["n_images"]),
        "gain_over_best": None if result is None else gain_over_best(result),
        "created": ensemble.created.isoformat(),
    }


def ensemble_dict(ensemble: Ensemble) -> Facts:
    """Everything that the page shows of it in numbers, plain JSON."""
    result = ensemble.result
    members = list(ensemble.members.select_related("candidate__search"))
    facts: Facts = {
        **_line(ensemble, None if result is not None else measuring_job(ensemble)),
        "reason": ensemble.reason,
        "members": [_member(member, result, k) for k, member in enumerate(members)],
        "looks": _looks(members),
    }
    if result is None:
        return facts
    return {
        **facts,
        "n_images": result["n_images"],
        "balanced_error": 1 - result["balanced"],
        "gain_over_mean": gain_over_mean(result),
        "order": [_point(k + 1, right, result["n_images"]) for k, right in enumerate(result["order"])],
        "subsets": result["subsets"] and [_subset(k + 1, row, result) for k, row in enumerate(result["subsets"])],
    }


def _member(member: EnsembleMember, result: Facts | None, place: int) -> Facts:
    """One member: who it is, its error, and what the ensemble is without it."""
    candidate = member.candidate
    there = candidate is not None and candidate.search.deleted is None
    facts: Facts = {
        "place": member.place,
        "name": member.name,
        "url": None,
        "n_parameters": member.n_parameters,
        "n_macs": member.n_macs,
        "digest": member.digest,
    }
    if candidate is not None and there:
        key = [candidate.search.uuid, candidate.kind, candidate.step, candidate.index]
        facts["url"] = reverse("candidate_detail", args=key)
    if result is None:
        return {**facts, "error": None, "interval": None, "adds": None}
    n, right, without = result["n_images"], result["members"][place]["n_right"], result["without"][place]
    return {
        **facts,
        "error": 1 - right / n,
        "interval": _error_interval(right, n),
        "error_without": 1 - without["n_right"] / n,
        "adds": _gain(without["differs"], n),
    }


def gain_over_best(result: Facts) -> Facts:
    """By how much the ensemble errs less than its best member, on the same images."""
    best = max(result["members"], key=lambda member: member["n_right"])
    return {**_gain(best["differs"], result["n_images"]), "place": result["members"].index(best) + 1}


def gain_over_mean(result: Facts) -> Facts:
    """By how much it errs less than its members do on average: the mean over the images and its normal interval."""
    gain, deviation = result["over_mean"]["mean"], result["over_mean"]["deviation"]
    half = Z95 * deviation / math.sqrt(result["n_images"])
    mean_right = sum(member["n_right"] for member in result["members"]) / len(result["members"])
    return {"gain": gain, "interval": (gain - half, gain + half), "error": 1 - mean_right / result["n_images"]}


def _gain(differs: Sequence[int], n: int) -> Facts:
    """From images that all get right and the other does not, and the reverse: gain, paired interval, McNemar's p."""
    only_all, only_other = differs
    return {
        "gain": (only_all - only_other) / n,
        "interval": paired_interval(only_all, only_other, n),
        "p": mcnemar(only_all, only_other),
        "is_noise": mcnemar(only_all, only_other) >= NOISE,
        "only_all": only_all,
        "only_other": only_other,
    }


def _error_interval(n_right: int, n: int) -> tuple[float, float]:
    return interval(1 - n_right / n, n)


def _point(size: int, n_right: int, n: int) -> Facts:
    return {"size": size, "error": 1 - n_right / n, "interval": _error_interval(n_right, n)}


def _subset(size: int, row: Sequence[float], result: Facts) -> Facts:
    mean, least, most = (1 - right / result["n_images"] for right in row)
    return {"size": size, "mean": mean, "worst": least, "best": most}


def _looks(members: Iterable[EnsembleMember]) -> list[Facts]:
    """How often the test set was looked at by now, by each search that a member is of and that is still there."""
    searches: dict[int, Search] = {}
    for member in members:
        if member.candidate is not None:
            searches[member.candidate.search_id] = member.candidate.search
    names = told_apart([*searches.values()])
    looks = looks_by_search(searches)
    return [{"search": name, "n": looks[pk]} for name, pk in zip(names, searches, strict=True)]


# ---------------------------------------------------------------------- the page beside the numbers


def ensemble_files(ensemble: Ensemble) -> list[ModelFile]:
    """What of it can be downloaded, in the page's order."""
    kept = {file.format: file for file in ensemble.files.all()}
    return [
        ModelFile(
            name,
            FILE_WORDS[Artifact.Format(key)],
            kept[key].sha256,
            kept[key].bytes,
            reverse("ensemble_file", args=[ensemble.uuid, name]),
        )
        for key, name in NAMES.items()
        if key in kept
    ]


def ensemble_panel(ensemble: Ensemble) -> Facts:
    """Jobs under way, files, their parity, and what it waits for where it has no members."""
    subject = ensemble_files_subject(ensemble)
    files_job = newest_job(subject)
    made = BackgroundJob.objects.filter(subject=subject, status="done").order_by("-pk").first()
    files = ensemble_files(ensemble)
    return {
        "job": None if ensemble.result is not None else measuring_job(ensemble),
        "waits_for": "" if ensemble.members.exists() or ensemble.reason else waits_for(ensemble),
        "files": files,
        "files_job": files_job if files_job and files_job.status != "done" else None,
        "can_be_made": ensemble.result is not None and len(files) < len(NAMES),
        "parity": parity_rows(made.result) if made else None,
        "evaluation": (ensemble.result or {}).get("evaluation"),
    }


def choosable(visible: QuerySet[Search], most: int) -> list[Facts]:
    """Final models to choose members from, those of the newest `most` searches, by data set."""
    finals = Candidate.objects.filter(kind=Candidate.Kind.FINAL, status=Candidate.Status.DONE, search__in=visible)
    rows = finals.exclude(test_accuracy=None).select_related("search__dataset").defer("architecture", "correct")
    newest = [c for c in rows.order_by("-search__created")[:most] if c.step == c.search.config["n_steps"]]
    names = told_apart([final.search for final in newest])
    return [
        {
            "uuid": str(final.search.uuid),
            "name": name,
            "dataset": final.search.dataset.name,
            "error": 1 - (final.test_accuracy or 0.0),
            "n_parameters": final.n_parameters,
        }
        for final, name in sorted(zip(newest, names, strict=True), key=lambda pair: pair[0].search.dataset.name)
    ]
