"""`manage.py up`: the site and its workers, kept alive until Ctrl-C."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from searches.management.arguments import add_site_arguments, wanted_site
from searches.management.site import ends_when_told, pause, running_site
from searches.startup import CannotStart
from searches.supervisor import TooManyDeaths


class Command(BaseCommand):
    help = "Serve the pages and train in the background, until Ctrl-C or SIGTERM."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_site_arguments(parser)
        parser.add_argument(
            "--no-web", action="store_true", help="only workers: for further hosts of a lab (DATABASE_URL)"
        )

    def handle(self, **options: Any) -> None:
        wanted = wanted_site(options)
        told_to_end = ends_when_told()
        try:
            with running_site(wanted, self.say, told_to_end) as site:
                self.say("Ready. Ctrl-C ends it.")
                while not told_to_end():
                    site.poll()
                    pause()
                self.say("Ending...")
        except (CannotStart, TooManyDeaths) as error:
            raise CommandError(str(error)) from error
        self.say("Ended.")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
