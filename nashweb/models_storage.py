"""What NASH_MODELS says about where finished models lie, as an entry of Django's STORAGES."""

from typing import Any
from urllib.parse import urlsplit

S3_MEMORY_BYTES = 1 << 20
"""Of a model that is being downloaded; the rest waits on disk."""


def models_storage(where: str) -> dict[str, Any]:
    """Where: nothing is the data folder, s3://bucket/prefix needs django-storages, anything else is a folder.

    Raises ValueError for s3:// without a bucket.
    """
    if not where:
        return {"BACKEND": "searches.model_store.DataFolderStorage"}
    if not where.startswith("s3:"):
        options: dict[str, Any] = {"location": where, "file_permissions_mode": 0o600}
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    address = urlsplit(where)
    if not address.netloc:
        raise ValueError(f"NASH_MODELS={where!r}: write s3://bucket or s3://bucket/prefix")
    options = {
        "bucket_name": address.netloc,
        "location": address.path.strip("/"),
        "max_memory_size": S3_MEMORY_BYTES,
        "default_acl": None,
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
