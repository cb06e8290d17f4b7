"""Files from the network: checked by their checksum, taken up where the connection broke."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from posixpath import basename

from searches.nash.imagefolder.source import BadArchive

CHUNK_BYTES = 2**18
TIMEOUT_SECONDS = 30.0
MAX_BYTES = 16 * 2**30
PAUSES = (0.5, 2.0, 5.0)
"""Seconds before each further try; a try that brought bytes begins them anew."""
BROKEN = (urllib.error.URLError, http.client.HTTPException, OSError)


def fetch(url: str, target: Path, md5: str, report: Callable[[int, int], None] | None = None) -> None:
    """Bring the file at `url` to `target`, unless it is there; `report(bytes, all bytes)` as it comes.

    What came before the connection broke is kept beside it and gone on from, in this call and in the next.
    Raises BadArchive in words: no network, an answer that is none, another checksum.
    """
    if target.exists():
        return
    part = target.with_name(f"{target.name}.part")
    tries = 0
    while True:
        before = _size(part)
        try:
            _go_on(url, part, report)
            break
        except urllib.error.HTTPError as error:
            raise BadArchive(f"{url} cannot be fetched: the server answers {error.code} {error.reason}.") from error
        except BROKEN as error:
            tries = 0 if _size(part) > before else tries
            if tries == len(PAUSES):
                reason = getattr(error, "reason", None) or error
                raise BadArchive(
                    f"{url} cannot be fetched: {reason}. {_size(part):,} bytes are kept; try again and the rest"
                    " follows."
                ) from error
            time.sleep(PAUSES[tries])
            tries += 1
    _check(part, md5, url)
    part.rename(target)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _go_on(url: str, part: Path, report: Callable[[int, int], None] | None) -> None:
    """Append what is missing. Raises an error of BROKEN where the connection ends too early."""
    start = _size(part)
    headers = {"User-Agent": "nash", **({"Range": f"bytes={start}-"} if start else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # of ORIGINALS alone
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:  # all of it is there
            return
        raise
    with answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            start = 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else 0
        if total > MAX_BYTES:
            raise BadArchive(f"{url} has {total / 2**30:,.0f} GB, more than any data set here.")
        free = shutil.disk_usage(part.parent).free
        if total - start > free:
            raise BadArchive(
                f"{basename(url)} has {total / 1e9:,.1f} GB and the server's disk has {free / 1e9:,.1f} GB free; make"
                " room and try again."
            )
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            while data := answer.read(CHUNK_BYTES):
                file.write(data)
                start += len(data)
                if start > (total or MAX_BYTES):
                    raise BadArchive(f"{url} sends more than it declares.")
                if report is not None:
                    report(start, total)
        if start < total:
            raise http.client.IncompleteRead(b"", total - start)


def _check(part: Path, md5: str, url: str) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        part.unlink()
        raise BadArchive(
            f"{basename(url)} has another checksum than it should (md5 {found}, not {md5}); it is removed."
        )
