"""Background jobs about data sets: the import of an upload, the download of a well-known set, counting copies."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError

from searches import datasets, services
from searches.models import BackgroundJob, DataSet, Upload
from searches.nash.imagefolder import BadArchive
from searches.services import LeaseLost
from searches.work import Work


def import_upload(work: Work) -> Mapping[str, Any]:
    """Import what was uploaded; the archive goes once it is imported, refused or cancelled. Raises ValueError.

    It stays where disk or database failed, which another try may find in order.
    """
    facts = work.payload
    upload = Upload.objects.filter(uuid=facts["upload"]).first()
    if upload is None:
        raise ValueError("The uploaded archive is no longer here; upload it again.")
    try:
        pk = datasets.import_dataset(
            facts["name"],
            services.upload_path(upload),
            size=facts.get("size"),
            flips=facts.get("flips", True),
            crops=facts.get("crops", True),
            test_per_cent=facts.get("test_per_cent"),
            report=lambda done, total: work.tell(done, total, f"Images of {upload.file_name} are decoded"),
            beat=work.beat,
            owner_id=upload.owner_id,
            waits=True,
        )
    except LeaseLost:
        work.job.refresh_from_db(fields=["status"])
        if work.job.status == BackgroundJob.Status.CANCELLED:
            services.discard_upload(upload)
        raise
    except (BadArchive, datasets.BadName) as error:
        services.discard_upload(upload)
        raise ValueError(str(error)) from error
    except (OSError, DatabaseError):
        raise
    except Exception:
        services.discard_upload(upload)
        raise
    services.discard_upload(upload)
    return _result(pk)


def download(work: Work) -> Mapping[str, Any]:
    """Fetch a set by name; what came is gone once it is cancelled, and kept for another try. Raises ValueError."""
    key = work.payload["key"]
    try:
        pk = datasets.download_dataset(
            key, report=work.tell, beat=work.beat, owner_id=work.job.owner_id, waits=True
        )
        return _result(pk)
    except LeaseLost:
        work.job.refresh_from_db(fields=["status"])
        if work.job.status == BackgroundJob.Status.CANCELLED:
            shutil.rmtree(datasets.downloads_folder(key), ignore_errors=True)
        raise
    except BadArchive as error:
        raise ValueError(str(error)) from error


def count_twins(work: Work) -> Mapping[str, Any]:
    """Count the copies and leaks of a set that was imported before they were counted. Raises ValueError."""
    row = DataSet.objects.filter(pk=work.payload["dataset"]).first()
    if row is None:
        raise ValueError("The data set is no longer here.")
    words = f"Images of {row.name} are compared"
    twins = datasets.count_twins(row, lambda done, total: work.tell(done, total, words))
    return {"dataset": row.name, "twins": twins, "said": f"Copies in {row.name} are counted"}


def _result(pk: int) -> Mapping[str, Any]:
    row = DataSet.objects.get(pk=pk)
    return {"dataset": row.name, "said": f"{row.name} imported: {row.n_train:,} + {row.n_test:,} images"}
