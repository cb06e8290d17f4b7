"""`manage.py search`: launch, list, show, download, pause, resume, stop, compare."""

import shutil
from pathlib import Path
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from searches import selectors, services, tasks
from searches.management import launching
from searches.management.following import Progress, follow
from searches.management.launching import as_json, find
from searches.management.site import ends_when_told, is_terminal
from searches.models import Search
from searches.nash.config import COMPARISONS
from searches.nash.presets import PRESETS

BY = "the command line"
GOES_NO_FURTHER = (Search.Status.STOPPED, Search.Status.FAILED)
"""Of these the best network so far can be downloaded."""


class Command(BaseCommand):
    help = "Launch and look after searches."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        launch = verbs.add_parser("launch", help="create a search and send it to the workers")
        launch.add_argument("--dataset", help="name of an imported data set (default: the preset's)")
        launch.add_argument("--preset", choices=list(PRESETS), default="demo")
        launch.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings_given",
            help="a setting that differs from the preset, such as n_steps=2 (repeatable)",
        )  # fmt: skip
        launch.add_argument("--name", default="")
        launch.add_argument("--wait", action="store_true", help="follow it until it ends; exit code 1 if it fails")
        launch.add_argument("--json", action="store_true", help="the last line is JSON")
        listing = verbs.add_parser("list", help="all searches, newest first")
        listing.add_argument("--json", action="store_true")
        show = verbs.add_parser("show", help="one search: its state, its log")
        show.add_argument("uuid")
        show.add_argument("--json", action="store_true", help="everything the search page shows")
        download = verbs.add_parser("download", help="copy the final model's zip")
        download.add_argument("uuid")
        download.add_argument("path", type=Path, help="a file, or a folder to put it in")
        for verb, words in {
            "pause": "let the running trainings end at their last checkpoint",
            "resume": "go on where it was paused or stopped",
            "stop": "end it",
        }.items():
            verbs.add_parser(verb, help=words).add_argument("uuid")
        compare = verbs.add_parser("compare", help="train what a finished search is to be compared with")
        compare.add_argument("uuid")
        compare.add_argument("names", nargs="+", metavar="NAME", help=f"of {', '.join(COMPARISONS)}")

    def handle(self, *, verb: str, **options: Any) -> None:
        getattr(self, f"handle_{verb}")(options)

    def handle_launch(self, options: dict[str, Any]) -> None:
        search = launching.launch(
            preset=options["preset"],
            dataset=options["dataset"],
            settings=options["settings_given"],
            name=options["name"],
        )
        if not selectors.workers_alive().exists():
            self.stderr.write("No worker is alive: the search waits until `manage.py up` runs (or `make run`).")
        if not options["json"]:
            self.stdout.write(f"Launched {search.name}: {search.uuid}")
        if options["wait"]:
            self._wait(search, quiet=options["json"])
        if options["json"]:
            self.stdout.write(as_json(launching.result_of(search)))
        if options["wait"] and search.status != Search.Status.FINISHED:
            raise SystemExit(1)

    def _wait(self, search: Search, *, quiet: bool) -> None:
        """Follow to the end. With --json what is followed goes to stderr, so that stdout holds JSON alone."""
        out = self.stderr if quiet else self.stdout
        progress = Progress(cast(TextIO, out._out), is_terminal=is_terminal() and not quiet)
        told_to_end = ends_when_told()
        for _ in follow(search, progress, told_to_end=told_to_end):
            pass
        if told_to_end():
            progress.say("No longer followed; the search goes on.")
            raise SystemExit(130)
        for line in launching.result_lines(search):
            progress.say(line)

    def handle_list(self, options: dict[str, Any]) -> None:
        searches = Search.objects.select_related("dataset")
        if options["json"]:
            self.stdout.write(as_json([launching.result_of(search) for search in searches]))
            return
        for search in searches:
            error = launching.result_of(search)["test_error"]
            shown = "" if error is None else f"  {100 * error:.2f} % test error"
            self.stdout.write(f"{search.uuid}  {search.status:<8}  {search.dataset.name:<12}  {search.name}{shown}")
        if not searches:
            self.stdout.write("No searches yet. `manage.py search launch --preset demo` launches one.")

    def handle_show(self, options: dict[str, Any]) -> None:
        search = find(options["uuid"])
        if options["json"]:
            self.stdout.write(as_json(selectors.snapshot(search)))
            return
        self.stdout.write(f"{search.name}  ({search.uuid})  {search.status}")
        for event in selectors.newest_events(search, 20):
            self.stdout.write(f"  {event.at:%H:%M:%S}  {event.words}")
        for line in launching.result_lines(search):
            self.stdout.write(line)

    def handle_download(self, options: dict[str, Any]) -> None:
        search = find(options["uuid"])
        if search.status in GOES_NO_FURTHER:
            services.keep_best_model(search)
        artifact = selectors.model_artifact(search)
        if artifact is None:
            raise CommandError(f"{search.name} is {search.status}: its final model does not exist yet.")
        source, target = selectors.artifact_path(artifact), options["path"]
        if target.is_dir():
            target = target / f"{search.uuid}.zip"
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise CommandError(f"{source} cannot be copied to {target}: {error.strerror}") from error
        self.stdout.write(f"{target} ({artifact.bytes:,} bytes, sha256 {artifact.sha256})")

    def handle_pause(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], services.pause)

    def handle_resume(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], services.resume)

    def handle_stop(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], services.stop)

    def handle_compare(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], lambda search, by: services.compare(search, options["names"], by))

    def _change(self, uuid: str, verb: Any) -> None:
        search = find(uuid)
        try:
            waiting = verb(search, BY)
        except services.Refused as error:
            raise CommandError(str(error)) from error
        tasks.enqueue(waiting or [])
        search.refresh_from_db()
        self.stdout.write(f"{search.name}: {search.status}")
