"""`manage.py dataset import NAME PATH`, `manage.py dataset download NAME` and `manage.py dataset list`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from searches import datasets
from searches.management.following import Progress
from searches.models import DataSet
from searches.nash.imagefolder import BadArchive
from searches.nash.imagefolder.originals import ORIGINALS

N_CLASSES_SHOWN = 20
RATE_SECONDS = 0.5  # before, a rate says nothing


class Command(BaseCommand):
    help = "Import an image folder or archive as a data set, download a well-known one, or list the data sets."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="import | download | list")
        importing = verbs.add_parser(
            "import", help="import train/<class>/* and test/<class>/* (PNG, JPEG, WebP) from a folder, zip or tar"
        )
        importing.add_argument("name", help="letters, digits, - and _")
        importing.add_argument("path", type=Path, help="a folder, or a .zip, .tar or .tar.gz file")
        importing.add_argument(
            "--no-flip", action="store_true", help="a mirrored image would be wrong (digits, letters, signs)"
        )
        importing.add_argument("--no-crop", action="store_true", help="a moved image would be wrong")
        importing.add_argument(
            "--size", type=int, metavar="N", help="pixels of a side, 8 to 64 (default: what most images have)"
        )
        importing.add_argument(
            "--test-per-cent", type=float, metavar="N",
            help="without a test folder: this share of the images becomes the test part, 1 to 90 (default: a sixth)",
        )
        fetching = verbs.add_parser("download", help="fetch a well-known set from its makers")
        fetching.add_argument("name", choices=list(ORIGINALS))
        fetching.add_argument("--size", type=int, metavar="N", help="pixels of a side, 8 to 64")
        verbs.add_parser("list", help="list the data sets")

    def handle(self, *, verb: str, **options: Any) -> None:
        {"import": self._import, "download": self._download, "list": self._list}[verb](**options)

    def _import(
        self,
        *,
        name: str,
        path: Path,
        no_flip: bool,
        no_crop: bool,
        size: int | None,
        test_per_cent: float | None,
        **_options: Any,
    ) -> None:
        progress = Progress(cast(TextIO, self.stdout._out), is_terminal=self.stdout.isatty())
        start = time.monotonic()
        try:
            pk = datasets.import_dataset(
                name,
                path,
                size=size,
                flips=not no_flip,
                crops=not no_crop,
                test_per_cent=test_per_cent,
                report=_reporter(progress, path.name),
            )
        except (BadArchive, ValueError) as error:
            raise CommandError(str(error)) from error
        for line in _summary(DataSet.objects.get(pk=pk), time.monotonic() - start):
            progress.say(line)

    def _download(self, *, name: str, size: int | None, **_options: Any) -> None:
        progress = Progress(cast(TextIO, self.stdout._out), is_terminal=self.stdout.isatty())
        start = time.monotonic()

        def report(done: int, total: int, words: str) -> None:
            progress.show(f"{words}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB" if total else words)

        try:
            pk = datasets.download_dataset(name, size=size, report=report)
        except (BadArchive, ValueError) as error:
            raise CommandError(str(error)) from error
        for line in _summary(DataSet.objects.get(pk=pk), time.monotonic() - start):
            progress.say(line)

    def _list(self, **_options: Any) -> None:
        datasets.ensure_digits()
        rows = [("name", "classes", "training", "test", "pixels", "flips", "digest")]
        for row in DataSet.objects.all():
            images = (f"{row.n_classes:,}", f"{row.n_train:,}", f"{row.n_test:,}", _pixels(row))
            rows.append((row.name, *images, "yes" if row.flips else "no", row.digest[:12]))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for cells in rows:
            line = "  ".join(
                cell.rjust(width) if 0 < i < 4 else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
            )
            self.stdout.write(line.rstrip())


def _reporter(progress: Progress, source: str) -> Callable[[int, int], None]:
    first: list[tuple[float, int]] = []

    def report(done: int, total: int) -> None:
        if not first:  # listing the archive is no decoding
            first.append((time.monotonic(), done))
        since, n_before = first[0]
        seconds = time.monotonic() - since
        rate = f", {(done - n_before) / seconds:,.0f} images/s" if seconds > RATE_SECONDS else ""
        progress.show(f"{source}: {done:,} of {total:,} images{rate}")

    return report


def _summary(row: DataSet, wall_seconds: float) -> list[str]:
    """What was imported, in lines: size, classes with their images, and what was done to them."""
    n_images = row.n_train + row.n_test
    flips = "may be flipped" if row.flips else "not to be flipped"
    counts = row.meta["counts"]
    classes = [
        f"{name} ({train:,} + {test:,})"
        for name, train, test in zip(row.meta["classes"], counts["train"], counts["test"], strict=True)
    ]
    more = f" and {len(classes) - N_CLASSES_SHOWN:,} more" if len(classes) > N_CLASSES_SHOWN else ""
    return [
        f"{row.name}: {row.n_train:,} training and {row.n_test:,} test images of {_pixels(row)}, {flips};"
        f" {wall_seconds:.1f} s, {n_images / wall_seconds:,.0f} images/s.",
        f"{len(classes):,} classes (training + test images): {', '.join(classes[:N_CLASSES_SHOWN])}{more}.",
        *row.meta["notes"],
    ]


def _pixels(row: DataSet) -> str:
    return f"{row.width} x {row.height} px, {'grey' if row.input_channels == 1 else 'colour'}"
