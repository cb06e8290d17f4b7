"""`manage.py search`: launch, list, show, download, and every verb of services.VERBS that a person may want."""

import shutil
from pathlib import Path
from typing import Any, TextIO, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from searches import model_store, selectors, services, tasks
from searches.management import launching
from searches.management.following import Progress, follow
from searches.management.launching import as_json, find
from searches.management.site import ends_when_told, is_terminal
from searches.models import Search
from searches.nash.config import COMPARISONS
from searches.nash.presets import PRESETS
from searches.report import report_html, report_name

BY = "the command line"
GOES_NO_FURTHER = (Search.Status.STOPPED, Search.Status.FAILED)
"""Of these the best network so far can be downloaded."""
PLAIN_VERBS = {
    "pause": "let the running trainings end at their last checkpoint",
    "resume": "go on where it was paused",
    "stop": "end it; its best network so far can be downloaded",
    "finish": "skip to the final training, with the best network so far",
    "next": "train it before all others that wait",
    "delete": "hide it; it can be brought back for a day",
    "undo": "bring a deleted search back",
}
"""Verbs that need no more than the search's uuid."""


class Command(BaseCommand):
    help = "Launch and look after searches."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        launch = verbs.add_parser("launch", help="create a search and send it to the workers")
        launch.add_argument("--dataset", help="name of an imported data set (default: the preset's)")
        launch.add_argument("--preset", choices=list(PRESETS), default="demo")
        _add_settings(launch, "the preset")
        launch.add_argument("--wait", action="store_true", help="follow it until it ends; exit code 1 if it fails")
        launch.add_argument("--json", action="store_true", help="the last line is JSON")
        listing = verbs.add_parser("list", help="all searches, newest first")
        listing.add_argument("--deleted", action="store_true", help="those that can still be brought back")
        listing.add_argument("--json", action="store_true")
        show = verbs.add_parser("show", help="one search: its state, its log")
        show.add_argument("uuid")
        show.add_argument("--json", action="store_true", help="everything the search page shows")
        download = verbs.add_parser("download", help="copy the zip of the final model, or of a stopped search's best")
        download.add_argument("uuid")
        download.add_argument("path", type=Path, help="a file, or a folder to put it in")
        saved = verbs.add_parser("report", help="the search as one HTML file, to keep or to mail")
        saved.add_argument("uuid")
        saved.add_argument("path", type=Path, help="a file, or a folder to put it in")
        for verb, words in PLAIN_VERBS.items():
            verbs.add_parser(verb, help=words).add_argument("uuid")
        extend = verbs.add_parser("extend", help="more steps for a search that has finished; what it found stays")
        extend.add_argument("uuid")
        extend.add_argument("n_steps", type=int, help="how many steps it is to have, counted from the first")
        compare = verbs.add_parser("compare", help="train what a finished search is to be compared with")
        compare.add_argument("uuid")
        compare.add_argument("names", nargs="+", metavar="NAME", help=f"of {', '.join(COMPARISONS)}")
        retry = verbs.add_parser("retry", help="train again what failed, diverged or was too big")
        retry.add_argument("uuid")
        retry.add_argument("code", nargs="?", help="one training, such as 2.1 (default: all of the open step)")
        clone = verbs.add_parser("clone", help="launch a search with the settings of another")
        clone.add_argument("uuid")
        _add_settings(clone, "the search's")
        empty = verbs.add_parser("empty", help="remove the deleted searches and their files for good")
        empty.add_argument("--yes", action="store_true", help="without it, what would go is said")

    def handle(self, *, verb: str, **options: Any) -> None:
        getattr(self, f"handle_{verb}")(options)

    def handle_launch(self, options: dict[str, Any]) -> None:
        search = launching.launch(
            preset=options["preset"],
            dataset=options["dataset"],
            **_given(options),
        )
        self._say_if_nobody_works()
        if not options["json"]:
            self.stdout.write(f"Launched {search.name}: {search.uuid}")
            self.stdout.write(launching.cost_line(search))
        if options["wait"]:
            self._wait(search, quiet=options["json"])
        if options["json"]:
            self.stdout.write(as_json(launching.result_of(search)))
        if options["wait"] and search.status != Search.Status.FINISHED:
            raise SystemExit(1)

    def _say_if_nobody_works(self) -> None:
        if not selectors.workers_alive().exists():
            self.stderr.write("No worker is alive: the search waits until `manage.py up` runs (or `make run`).")

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
        deleted = selectors.deleted_for(None)
        searches = (deleted if options["deleted"] else Search.objects.filter(deleted=None)).select_related("dataset")
        if options["json"]:
            self.stdout.write(as_json([launching.result_of(search) for search in searches]))
            return
        for search in searches:
            error = launching.result_of(search)["test_error"]
            shown = "" if error is None else f"  {100 * error:.2f} % test error"
            self.stdout.write(f"{search.uuid}  {search.status:<8}  {search.dataset.name:<12}  {search.name}{shown}")
        if not searches and options["deleted"]:
            self.stdout.write("No deleted searches.")
        elif not searches:
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
            missing = "it has no model" if search.status in GOES_NO_FURTHER else "its final model does not exist yet"
            raise CommandError(f"{search.name} is {search.status}: {missing}.")
        target = options["path"]
        if target.is_dir():
            target = target / f"{search.uuid}.zip"
        try:
            with model_store.open_model(artifact.file) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
        except OSError as error:
            place = model_store.place_of(artifact.file)
            raise CommandError(f"{place} cannot be copied to {target}: {error.strerror or error}") from error
        self.stdout.write(f"{target} ({artifact.bytes:,} bytes, sha256 {artifact.sha256})")

    def handle_report(self, options: dict[str, Any]) -> None:
        search = find(options["uuid"])
        target = options["path"]
        if target.is_dir():
            target = target / report_name(search)
        try:
            target.write_text(report_html(search), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{target} cannot be written: {error.strerror or error}") from error
        self.stdout.write(f"{target} ({target.stat().st_size:,} bytes)")

    def handle_pause(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], services.pause)

    def handle_resume(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], services.resume)

    def handle_stop(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], services.stop)

    def handle_finish(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], services.finish_now)

    def handle_next(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], services.run_next)

    def handle_extend(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], lambda search, by: services.extend(search, options["n_steps"], by))

    def handle_compare(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], lambda search, by: services.compare(search, options["names"], by))

    def handle_retry(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], lambda search, by: services.retry(search, by, options["code"]))

    def handle_clone(self, options: dict[str, Any]) -> None:
        search = launching.clone(find(options["uuid"]), **_given(options))
        self._say_if_nobody_works()
        self.stdout.write(f"Launched {search.name}: {search.uuid}")

    def handle_delete(self, options: dict[str, Any]) -> None:
        search = find(options["uuid"])
        self._do(search, services.delete)
        hours = f"{settings.NASH_KEEP_DELETED_HOURS:g} h"
        self.stdout.write(
            f"{search.name} was deleted; `search undo {str(search.uuid)[:8]}` brings it back within {hours}."
        )

    def handle_undo(self, options: dict[str, Any]) -> None:
        search = find(options["uuid"], deleted=True)
        self._do(search, services.undelete)
        self.stdout.write(f"{search.name}: {search.status}")

    def handle_empty(self, options: dict[str, Any]) -> None:
        names = [f"“{search.name}”" for search in selectors.deleted_for(None)]
        if not names:
            self.stdout.write("No deleted searches.")
        elif options["yes"]:
            self.stdout.write(f"Removed for good: {services.empty_deleted(BY)}.")
        else:
            raise CommandError(f"{', '.join(names)} would be removed for good, files included: add --yes to do so.")

    def _change(self, uuid: str, verb: Any) -> None:
        search = find(uuid)
        self._do(search, verb)
        self.stdout.write(f"{search.name}: {search.status}")

    def _do(self, search: Search, verb: Any) -> None:
        """One service function, as the page calls it."""
        try:
            waiting = verb(search, BY)
        except services.Refused as error:
            raise CommandError(str(error)) from error
        tasks.enqueue(waiting or [])
        search.refresh_from_db()


def _add_settings(parser: CommandParser, base: str) -> None:
    """Name, settings that differ from `base`, budget."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings_given",
        help=f"a setting that differs from {base}, such as n_steps=2 (repeatable)",
    )  # fmt: skip
    parser.add_argument("--name", default="")
    parser.add_argument("--hours", type=float, help="budget: no training of a step begins after so many hours")
    parser.add_argument(
        "--accuracy", type=float, metavar="PERCENT",
        help="budget: no step begins once a network has this validation accuracy, such as 92.5",
    )  # fmt: skip


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """What _add_settings asks for, as launching takes it."""
    return {"settings": options["settings_given"], **{k: options[k] for k in ("name", "hours", "accuracy")}}
