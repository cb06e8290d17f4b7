"""`manage.py restore`: what `manage.py backup` wrote, into an empty data folder and an empty database."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from searches.management.backups import BackupError, restore_backup


class Command(BaseCommand):
    help = "Restore a backup into an empty data folder (NASH_DATA_DIR) and an empty database (DATABASE_URL)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("archive", type=Path)

    def handle(self, *, archive: Path, **options: Any) -> None:
        try:
            contents, missing = restore_backup(archive)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored: {contents.n_files:,} files, {contents.n_bytes:,} bytes. Start it: manage.py up")
        for file in missing:
            self.stdout.write(f"  {file} had gone while the backup was made; its row was removed.")
