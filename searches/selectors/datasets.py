"""What pages say of data sets: how images are changed as they are trained on, whether classes are of one size."""

from collections.abc import Iterable

from django.db.models import Count, Q, QuerySet

from searches.models import BackgroundJob, DataSet, Upload
from searches.nash.config import SearchConfig
from searches.selectors.access import Asker
from searches.selectors.background import OPEN, may_change_job

UNEVEN = 1.5
"""The largest class has so many times the images of the smallest where balanced accuracy is shown unasked."""


def augmentation_words(config: SearchConfig, dataset: DataSet) -> str:
    """"crop from 4 px of padding, flip"; what is empty in the settings is as the data set says."""
    suits = max(dataset.height, dataset.width) // 8 if dataset.crops else 0
    padding = suits if config.padding is None else config.padding
    flips = dataset.flips if config.flip is None else config.flip
    found = [f"crop from {padding} px of padding"] if padding else []
    return ", ".join([*found, *(["flip"] if flips else [])]) or "no augmentation"


def is_uneven(dataset: DataSet) -> bool:
    """Whether its classes differ so much in size that accuracy alone misleads."""
    counts = dataset.meta.get("counts", {}).get("train", [])
    return bool(counts) and max(counts) > UNEVEN * max(min(counts), 1)


def dataset_lines() -> QuerySet[DataSet]:
    """All data sets by name, each with `n_searches`, those that are deleted left out."""
    return DataSet.objects.annotate(n_searches=Count("searches", filter=Q(searches__deleted=None))).order_by("name")


def may_delete_dataset(user: Asker, dataset: DataSet) -> bool:
    """Whether this user may delete it: who uploaded it and staff may."""
    if not (user.is_authenticated and user.is_active):
        return False
    return dataset.owner_id == user.pk or bool(getattr(user, "is_staff", False))


def dataset_jobs() -> QuerySet[BackgroundJob]:
    """Imports and downloads that are under way, and the last five that failed or were cancelled, newest first."""
    ours = BackgroundJob.objects.filter(kind__startswith="dataset_")
    failed = ours.filter(status__in=("failed", "cancelled")).order_by("-pk").values("pk")[:5]
    return ours.filter(Q(status__in=OPEN) | Q(pk__in=list(failed.values_list("pk", flat=True)))).order_by("-pk")


def may_change_each(user: Asker, jobs: Iterable[BackgroundJob]) -> list[tuple[BackgroundJob, bool]]:
    """The jobs, each with whether this user may do what its state offers.

    An import that has ended is not tried again once its archive is gone, as it is wherever that was at fault.
    """
    found = list(jobs)
    ended = [job for job in found if job.kind == "dataset_import" and job.status not in OPEN]
    wanted = [job.payload["upload"] for job in ended]
    there = set(map(str, Upload.objects.filter(uuid__in=wanted).values_list("uuid", flat=True))) if wanted else set()
    hopeless = {job.pk for job in ended if job.payload["upload"] not in there}
    return [(job, job.pk not in hopeless and may_change_job(user, job)) for job in found]


def unfinished_uploads(user: Asker) -> list[Upload]:
    """What this user has begun to upload and is not being imported."""
    subjects = BackgroundJob.objects.filter(kind="dataset_import", status__in=OPEN).values_list("subject", flat=True)
    importing = {subject.rpartition(":")[2] for subject in subjects}
    return [u for u in Upload.objects.filter(owner=user.pk) if str(u.uuid) not in importing]


def class_lines(dataset: DataSet) -> list[tuple[int, str, int, int]]:
    """Of each class its number, name, and images of the training and of the test part."""
    counts = dataset.meta.get("counts", {"train": [], "test": []})
    names = dataset.meta.get("classes", [])
    return [(i, *line) for i, line in enumerate(zip(names, counts["train"], counts["test"], strict=False))]
