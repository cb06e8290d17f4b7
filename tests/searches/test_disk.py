"""What counts as a full disk, and the ballast."""

import errno

import pytest
from django.db import OperationalError

from searches import disk


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OperationalError("database or disk is full"),
        OperationalError('could not extend file "base/1/2": No space left on device'),
    ],
    ids=["disk", "quota", "SQLite", "PostgreSQL"],
)
def test_a_full_disk_is_recognised(error, tmp_path):
    assert disk.is_full(error, tmp_path)


def test_what_an_error_came_from_counts(tmp_path):
    error = RuntimeError("the checkpoint was not written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert disk.is_full(error, tmp_path)


def test_an_unspecific_error_counts_where_nothing_is_free(tmp_path, monkeypatch):
    error = OperationalError("disk I/O error")
    assert not disk.is_full(error, tmp_path)
    monkeypatch.setattr(disk, "free_bytes", lambda folder: 4096)
    assert disk.is_full(error, tmp_path)


def test_other_errors_do_not_count(tmp_path):
    assert not disk.is_full(OSError(errno.EACCES, "Permission denied"), tmp_path)
    assert not disk.is_full(OperationalError("database is locked"), tmp_path)


def test_the_ballast_is_there_once_and_goes(data_folder):
    disk.keep_ballast(data_folder)
    made = (data_folder / disk.BALLAST).stat()
    assert made.st_size == disk.BALLAST_BYTES
    disk.keep_ballast(data_folder)
    assert (data_folder / disk.BALLAST).stat().st_mtime_ns == made.st_mtime_ns
    assert [path.name for path in data_folder.iterdir()] == [disk.BALLAST]
    disk.drop_ballast(data_folder)
    disk.drop_ballast(data_folder)
    assert list(data_folder.iterdir()) == []
