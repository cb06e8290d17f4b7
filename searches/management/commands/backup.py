"""`manage.py backup`: everything in one archive, also while the site runs."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from searches.management.backups import BackupError, write_backup


class Command(BaseCommand):
    help = "Copy the database, the searches' files and the data sets into one archive; the site may run meanwhile."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path", type=Path, nargs="?", default=Path(), help="a file, or a folder to put it in (default: here)"
        )

    def handle(self, *, path: Path, **options: Any) -> None:
        target = path / f"nash-{datetime.now():%Y%m%d-%H%M%S}.tar" if path.is_dir() else path
        try:
            contents = write_backup(target)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{target}: {contents.n_files:,} files, {contents.n_bytes:,} bytes. It holds passwords' hashes and the "
            "secret key: keep it as safe as the site."
        )
