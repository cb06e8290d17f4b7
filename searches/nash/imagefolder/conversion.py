"""An image-folder archive converted once to arrays on disk."""

from __future__ import annotations

import errno
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from searches.nash.imagefolder.archives import open_source
from searches.nash.imagefolder.arrays import ArrayWriter, Meta, keep_one_channel, published, write_array, write_meta
from searches.nash.imagefolder.decode import MAX_SIDE, MIN_SIDE, Decoded, extremes, size_of
from searches.nash.imagefolder.digits import TEST_FRACTION, digits_arrays
from searches.nash.imagefolder.layout import Layout, find_layout
from searches.nash.imagefolder.pool import BATCH_IMAGES, decode_all
from searches.nash.imagefolder.source import (
    BadArchive,
    Beat,
    BrokenFile,
    Entry,
    Source,
    counted,
    shown,
    unwatched,
)
from searches.nash.imagefolder.splitting import stratified_split

Report = Callable[[int, int], None]
Labelled = Sequence[tuple[Entry, int]]

SPLIT_SEED = 0
BROKEN_SHARE = 100  # one image in so many may be broken
N_BROKEN_NAMED = 20
MIN_TEST_PER_CENT, MAX_TEST_PER_CENT = 1, 90
N_SAMPLED = 1000  # images whose headers decide the size
SAMPLED_BYTES = 256 * 2**20


@dataclass
class _Tally:
    """What is met while n_images are decoded."""

    label: str
    n_images: int
    report: Report | None
    n_done: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    is_grey: bool = True

    def add(self, decoded: Decoded) -> None:
        """Add a batch and report it. Raises BadArchive when more than one image in a hundred is broken."""
        self.n_done += len(decoded.is_good)
        self.broken += decoded.broken
        self.counts += decoded.counts
        self.sizes = extremes(self.sizes + decoded.sizes)
        self.is_grey = self.is_grey and decoded.is_grey
        if len(self.broken) * BROKEN_SHARE > self.n_images:
            raise _too_many_broken(self.label, self.broken, self.n_done)
        if self.report is not None:
            self.report(self.n_done, self.n_images)


def _too_many_broken(label: str, broken: Sequence[tuple[str, str]], n_seen: int) -> BadArchive:
    name, reason = broken[0]
    return BadArchive(
        f"{label}: {len(broken):,} of {n_seen:,} images read are broken, such as {shown(name)} ({reason});"
        " at most one in a hundred may be."
    )


def convert(
    source: Path,
    target: Path,
    *,
    name: str,
    size: int | None = None,
    flips: bool = True,
    crops: bool = True,
    test_per_cent: float | None = None,
    report: Report | None = None,
    beat: Beat = unwatched,
    n_processes: int | None = None,
) -> Meta:
    """Convert an image folder (folder, zip, tar, tar.gz) to the folder of arrays `target`; its meta.json's content.

    Images become squares of `size` pixels, 8 to 64; None: the median of their shorter sides, 64 at most. Without a
    test folder `test_per_cent` of the images, 1 to 90, become the test part, stratified, seed 0; None: one sixth.
    `flips`: whether a mirrored image keeps its
    label; `crops`: whether one moved by an eighth of its side does.
    `report(done, total)` is called as images are decoded, `beat()` before and after; what they raise ends the
    conversion.
    `n_processes` decode (0: none but this one).
    Raises BadArchive, ValueError for a size outside 8..64 or a share outside 1..90; target then does not exist.
    """
    if size is not None and not MIN_SIDE <= size <= MAX_SIDE:
        raise ValueError(f"size={size}: must be {MIN_SIDE} to {MAX_SIDE} pixels")
    if test_per_cent is not None and not MIN_TEST_PER_CENT <= test_per_cent <= MAX_TEST_PER_CENT:
        raise ValueError(f"test_per_cent={test_per_cent:g}: must be {MIN_TEST_PER_CENT} to {MAX_TEST_PER_CENT}")
    source = Path(source)
    try:
        with published(Path(target)) as folder:
            return _convert_into(folder, source, name, size, test_per_cent, (flips, crops), report, beat, n_processes)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BadArchive(f"The disk is too full to import {source.name}.") from error
        raise BadArchive(f"{source.name} cannot be imported: {error}.") from error


def _convert_into(
    folder: Path,
    source: Path,
    name: str,
    size: int | None,
    test_per_cent: float | None,
    keeps_label: tuple[bool, bool],
    report: Report | None,
    beat: Beat,
    n_processes: int | None,
) -> Meta:
    opened, listing = open_source(source, folder, beat)
    layout = find_layout(listing)
    train, test, split_note = _parts(layout, test_per_cent)
    tally = _Tally(listing.label, len(train) + len(test), report)
    side = size or _side_of(opened, train, listing.label)
    _check_space(folder, tally.n_images, side)
    batches = [*_batches(train), *_batches(test)]
    with closing(decode_all(opened, batches, side, n_processes)) as decoded:
        _write_part(folder, "", train, side, decoded, tally)
        _write_part(folder, "test_", test, side, decoded, tally)
    if tally.is_grey:
        keep_one_channel(folder / "images.npy", beat)
        keep_one_channel(folder / "test_images.npy", beat)
    (folder / "unpacked.tar").unlink(missing_ok=True)
    facts = {
        "source": source.name,
        "broken": {"n": len(tally.broken), "names": [name for name, _ in tally.broken[:N_BROKEN_NAMED]]},
        "notes": [*layout.notes, *split_note, *_notes(tally, side)],
    }
    flips, crops = keeps_label
    meta = write_meta(
        folder, name=name, classes=layout.classes, flips=flips, crops=crops, facts=facts, beat=beat
    )
    _check_counts(listing.label, meta)
    return meta


def _parts(layout: Layout, test_per_cent: float | None) -> tuple[Labelled, Labelled, list[str]]:
    """Training and test part; without a test folder a share of the training part is taken, and a note says so."""
    if layout.test is not None:
        unused = f"The test folder is the test part; the share of {test_per_cent or 0:g} % was not needed."
        return layout.train, layout.test, [unused] if test_per_cent is not None else []
    fraction, share = (TEST_FRACTION, "one sixth") if test_per_cent is None else (
        test_per_cent / 100, f"{test_per_cent:g} %"
    )  # fmt: skip
    rest, taken = stratified_split([label for _, label in layout.train], fraction, SPLIT_SEED)
    note = f"No test folder: {share} of each class, {counted(len(taken), 'image')}, is the test part."
    return [layout.train[i] for i in rest], [layout.train[i] for i in taken], [note]


def _side_of(source: Source, images: Labelled, label: str) -> int:
    """The median of the images' shorter sides in pixels, at most 64, by the headers of a seeded sample."""
    sides: list[int] = []
    broken: list[tuple[str, str]] = []
    n_bytes = 0
    with source.reader() as reader:
        for entry, _ in random.Random(SPLIT_SEED).sample(images, min(N_SAMPLED, len(images))):
            try:
                sides.append(min(size_of(reader.read(entry), entry.name)))
            except BrokenFile as error:
                broken.append((entry.name, str(error)))
            n_bytes += entry.size
            if n_bytes > SAMPLED_BYTES:
                break
    if not sides:
        raise _too_many_broken(label, broken, len(broken))
    side = sorted(sides)[len(sides) // 2]
    if side < MIN_SIDE:
        raise BadArchive(f"{label} has images of {side} px; they must have at least {MIN_SIDE} px a side.")
    return min(side, MAX_SIDE)


def _check_space(folder: Path, n_images: int, side: int) -> None:
    n_needed = n_images * (3 * side * side + 8)
    n_free = shutil.disk_usage(folder).free
    if n_needed > n_free:
        raise BadArchive(
            f"The arrays need {n_needed / 2**30:,.1f} GB of disk and {n_free / 2**30:,.1f} GB are free; make room or"
            " choose a smaller size."
        )


def _batches(labelled: Labelled) -> list[list[Entry]]:
    entries = [entry for entry, _ in labelled]
    return [entries[start : start + BATCH_IMAGES] for start in range(0, len(entries), BATCH_IMAGES)]


def _write_part(
    folder: Path, part: str, labelled: Labelled, side: int, decoded: Iterator[Decoded], tally: _Tally
) -> None:
    """Write one part's ("" or "test_") images and labels, without the broken ones; takes its batches from decoded."""
    is_good: list[bool] = []
    with ArrayWriter(folder / f"{part}images.npy", (3, side, side), np.uint8) as writer:
        for batch in islice(decoded, len(_batches(labelled))):
            tally.add(batch)
            writer.append(batch.images)
            is_good += batch.is_good
    labels = np.array([label for _, label in labelled], dtype=np.int64)  # (N,)
    write_array(folder / f"{part}labels.npy", labels[np.array(is_good, dtype=bool)])


def _notes(tally: _Tally, side: int) -> list[str]:
    """What was done to the images, in plain sentences."""
    notes = []
    if n := tally.counts["resized"]:
        (w, h), (wide, high) = tally.sizes
        were = f"{w} x {h}" if (w, h) == (wide, high) else f"{w} x {h} to {wide} x {high}"
        notes.append(
            f"Brought to {side} x {side} px, the shorter side scaled and the centre cut out: {counted(n, 'image')} of"
            f" {were} px."
        )
    if n := tally.counts["rotated"]:
        notes.append(f"Turned upright by their EXIF orientation: {counted(n, 'image')}.")
    if n := tally.counts["transparent"]:
        notes.append(f"Laid on white because of transparency: {counted(n, 'image')}.")
    if n := tally.counts["deep"]:
        notes.append(f"Scaled from 16 to 8 bit: {counted(n, 'image')}.")
    if tally.is_grey:
        notes.append("All images are grey: one channel.")
    if tally.broken:
        notes.append(f"Skipped as broken: {counted(len(tally.broken), 'image')} such as {shown(tally.broken[0][0])}.")
    return notes


def _check_counts(label: str, meta: Meta) -> None:
    """Raises BadArchive if a class has no training image left, or the test part none at all."""
    for name, n in zip(meta["classes"], meta["counts"]["train"], strict=True):
        if n == 0:
            raise BadArchive(f"{label} has no readable training image of class {shown(name)}.")
    if meta["n_test"] == 0:
        raise BadArchive(f"{label} has too few images to set a test part aside; one class needs two at least.")


def write_digits(target: Path) -> Meta:
    """Write the bundled digits in the form of an imported set to the folder `target`; its meta.json's content.

    Raises BadArchive if target exists.
    """
    digits = digits_arrays()
    with published(Path(target)) as folder:
        write_array(folder / "images.npy", digits.images)
        write_array(folder / "labels.npy", digits.labels)
        write_array(folder / "test_images.npy", digits.test_images)
        write_array(folder / "test_labels.npy", digits.test_labels)
        notes = ["scikit-learn's bundled handwritten digits; one sixth of each class is the test part."]
        facts = {"source": "scikit-learn", "broken": {"n": 0, "names": []}, "notes": notes}
        return write_meta(folder, name="digits", classes=digits.classes, flips=False, facts=facts)
