"""`manage.py demo`: the site with a small search on handwritten digits, followed in the terminal."""

from collections.abc import Callable
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from searches.management.arguments import add_site_arguments, wanted_site
from searches.management.following import Progress, follow
from searches.management.launching import launch, result_lines
from searches.management.site import Site, ends_when_told, is_terminal, pause, running_site
from searches.models import Search
from searches.startup import CannotStart
from searches.supervisor import TooManyDeaths

PRESET = "demo"


class Command(BaseCommand):
    help = "Start the site, run a small search and follow it here; the site stays up until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_site_arguments(parser)
        parser.add_argument("--exit", action="store_true", help="end when the search has ended")

    def handle(self, **options: Any) -> None:
        wanted = wanted_site(options)
        told_to_end = ends_when_told()
        progress = Progress(cast(TextIO, self.stdout._out), is_terminal=is_terminal())
        try:
            with running_site(wanted, progress.say, told_to_end) as site:
                search = _demo_search(site, progress, told_to_end)
                if not options["exit"] and not told_to_end():
                    progress.say("Ctrl-C ends the site.")
                    _keep_alive(site, told_to_end)
        except (CannotStart, TooManyDeaths) as error:
            raise CommandError(str(error)) from error
        if search.status != Search.Status.FINISHED:
            raise SystemExit(1)


def _keep_alive(site: Site, told_to_end: Callable[[], bool]) -> None:
    while not told_to_end():
        site.poll()
        pause()


def _demo_search(site: Site, progress: Progress, told_to_end: Callable[[], bool]) -> Search:
    search = launch(preset=PRESET, dataset=None)
    page = f"{site.address}{reverse('search_detail', args=[search.uuid])}"
    config = search.search_config
    progress.say(
        f"A search on {search.dataset.name}: {config.n_steps} steps of {config.n_neigh - 1} children and the "
        f"parent. Its page: {page}"
    )
    for _ in follow(search, progress, told_to_end=told_to_end):
        site.poll()
    if told_to_end():
        progress.say("Ending. The search is not lost: it goes on when `make run` starts the site again.")
        return search
    for line in result_lines(search):
        progress.say(line)
    progress.say(f"Its page: {page}")
    return search
