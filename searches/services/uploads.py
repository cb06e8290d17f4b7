"""Archives that come in pieces over a network that may break: a row says what is to come, its file how much is here.

A piece is taken where the file ends and nowhere else, so that one that comes twice, or late, changes nothing.
"""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db.models.functions import Now

from searches.models import BackgroundJob, DataSet, Upload
from searches.selectors.access import Asker
from searches.selectors.background import OPEN
from searches.services.background import ask_for, end_job
from searches.services.control import Refused

IMPORT = "dataset_import"
PIECE_BYTES = 4 * 2**20
READ_BYTES = 2**16
KEPT_DAYS = 7
MAX_NAME_BYTES = 200
"""Of a file's name in UTF-8; file systems take 255."""
GIB = 2**30


class Readable(Protocol):
    """What a piece is read from."""

    def read(self, size: int, /) -> bytes: ...


class WrongOffset(ValueError):
    """The piece does not begin where the file ends; `offset` is there."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the next piece begins at byte {offset:,}")
        self.offset = offset


def upload_path(upload: Upload) -> Path:
    """Where its bytes lie: in a folder of its own, under the name that messages call it by."""
    name = re.sub(r"[^\w.-]+", "_", upload.file_name).encode()[-MAX_NAME_BYTES:].decode(errors="ignore").lstrip(".")
    return Path(settings.NASH_DATA_DIR) / "uploads" / str(upload.uuid) / (name or "archive")


def offset_of(upload: Upload) -> int:
    """How many of its bytes are here; none where they cannot be looked at."""
    try:
        return upload_path(upload).stat().st_size
    except OSError:
        return 0


def begin_upload(owner: Asker, *, file_name: str, n_bytes: int, payload: Mapping[str, Any]) -> Upload:
    """A new upload, or the one of this file that was begun and not ended. Raises Refused, in words."""
    _check_size(file_name, n_bytes)
    _sweep()
    known: dict[str, Any] = {"owner_id": owner.pk, "file_name": file_name[-255:], "bytes": n_bytes}
    found: Upload | None = Upload.objects.filter(**known).order_by("-pk").first()
    if found is not None and not _is_being_imported(found):
        found.payload = dict(payload)
        found.save(update_fields=["payload"])
        return found
    upload = Upload(**known, payload=dict(payload))
    try:  # before the row: one without a file would stand on the page for a week
        upload_path(upload).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        upload_path(upload).touch(mode=0o600)
    except OSError as error:
        shutil.rmtree(upload_path(upload).parent, ignore_errors=True)
        raise _cannot_be_kept(upload, error) from error
    upload.save()
    return upload


def _cannot_be_kept(upload: Upload, error: OSError) -> Refused:
    return Refused(f"{upload.file_name} cannot be kept: {error.strerror}.")


def _check_size(file_name: str, n_bytes: int) -> None:
    limit = settings.NASH_MAX_UPLOAD_BYTES
    if not 0 < n_bytes <= limit:
        raise Refused(
            f"{file_name} has {n_bytes / GIB:,.2f} GB; up to {limit / GIB:,.1f} GB can be uploaded. Larger ones are "
            "imported on the server: manage.py dataset import."
            if n_bytes > 0
            else f"{file_name} is empty."
        )
    free = shutil.disk_usage(settings.NASH_DATA_DIR).free
    if n_bytes > free - settings.NASH_MIN_FREE_BYTES:
        raise Refused(f"{file_name} has {n_bytes / GIB:,.2f} GB and the server's disk has {free / GIB:,.2f} GB free.")


def take_piece(upload: Upload, offset: int, stream: Readable) -> int:
    """Append what the stream holds; the new offset. Raises WrongOffset, Refused beyond the announced bytes."""
    try:
        descriptor = os.open(upload_path(upload), os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        raise _cannot_be_kept(upload, error) from error
    with os.fdopen(descriptor, "wb", closefd=True) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        here = os.fstat(file.fileno()).st_size
        if offset != here:
            raise WrongOffset(here)
        try:
            return _append(upload, file.fileno(), here, stream)
        except OSError as error:
            os.ftruncate(file.fileno(), here)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Refused(f"The server's disk is full; {here:,} bytes of {upload.file_name} are kept.") from error
            raise


def _append(upload: Upload, descriptor: int, here: int, stream: Readable) -> int:
    end = here
    while data := stream.read(READ_BYTES):
        if end + len(data) > upload.bytes:
            os.ftruncate(descriptor, here)
            raise Refused(f"More came than the {upload.bytes:,} bytes that were announced for {upload.file_name}.")
        os.pwrite(descriptor, data, end)
        end += len(data)
    os.fsync(descriptor)
    return end


def ask_for_import(upload: Upload) -> BackgroundJob:
    """The background job that imports what is here, whole."""
    return ask_for(
        IMPORT,
        subject=f"{IMPORT}:{upload.uuid}",
        title=f"Import of {upload.file_name} as {upload.payload['name']}",
        payload={**upload.payload, "upload": str(upload.uuid)},
        owner=upload.owner,
    )


def ask_for_download(key: str, title: str, owner: Asker) -> BackgroundJob:
    """The background job that fetches a well-known set."""
    subject = f"dataset_download:{key}"
    title = f"Download of {title}"
    return ask_for("dataset_download", subject=subject, title=title, payload={"key": key}, owner=owner)


def ask_for_count(dataset: DataSet, owner: Asker) -> BackgroundJob:
    """The background job that counts the copies in a set that was imported before they were counted."""
    return ask_for(
        "dataset_count",
        subject=f"dataset_count:{dataset.pk}",
        title=f"Count of copies in {dataset.name}",
        payload={"dataset": dataset.pk},
        owner=owner,
    )


def cancel_job(job: BackgroundJob, by: Asker | str) -> None:
    """End what waits or runs; who works on it notices at its next beat, and tidies up. Raises Refused.

    The archive of an import that nobody works on goes at once.
    """
    if end_job(job, by):
        for upload in Upload.objects.filter(uuid=job.payload.get("upload")):
            discard_upload(upload)


def discard_upload(upload: Upload) -> None:
    """Remove row and bytes."""
    Upload.objects.filter(pk=upload.pk).delete()
    shutil.rmtree(upload_path(upload).parent, ignore_errors=True)


def _is_being_imported(upload: Upload) -> bool:
    return BackgroundJob.objects.filter(subject=f"{IMPORT}:{upload.uuid}", status__in=OPEN).exists()


def _sweep() -> None:
    """Remove what was begun a week ago and is not being imported."""
    for upload in Upload.objects.filter(created__lt=Now() - timedelta(days=KEPT_DAYS)):
        if not _is_being_imported(upload):
            discard_upload(upload)
