"""`manage.py search`: launch, list, show, save, write, and every verb of services.VERBS that a person may want."""

import sys
from pathlib import Path
from typing import Any, TextIO, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from searches import selectors, services, startup, tasks
from searches.management import launching, listing, saving
from searches.management.arguments import add_settings, given_settings
from searches.management.following import Progress, follow
from searches.management.launching import as_json, find, find_candidate
from searches.management.site import ends_when_told, is_terminal
from searches.models import Candidate, Search
from searches.nash.config import COMPARISONS
from searches.nash.presets import PRESETS
from searches.selectors.starting import start_fields
from searches.services.keeping import GOES_NO_FURTHER

BY = "the command line"
PLAIN_VERBS = {
    "pause": ("let the running trainings end at their last checkpoint", services.pause),
    "resume": ("go on where it was paused", services.resume),
    "stop": ("end it; its best network so far can be downloaded", services.stop),
    "finish": ("skip to the final training, with the best network so far", services.finish_now),
    "next": ("train it before all others that wait", services.run_next),
    "go-on": ("train what is open with this version, whatever it began with; marked", services.go_on),
    "delete": ("hide it; it can be brought back for a day", services.delete),
    "undo": ("bring a deleted search back", services.undelete),
}
"""Verbs that need no more than the uuid of a search, or of several."""
OF = "the training of this code, such as 2.1 or final"


class Command(BaseCommand):
    help = "Launch and look after searches."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        launch = verbs.add_parser("launch", help="create a search and send it to the workers")
        launch.add_argument("--dataset", help="name of an imported data set (default: the preset's)")
        launch.add_argument("--preset", choices=list(PRESETS), default="demo")
        add_settings(launch, "the preset")
        launch.add_argument(
            "--from", dest="begin", metavar="ZIP|CANDIDATE",
            help="start from a downloaded model, or one of this site (uuid or uuid:code), not from a fresh model_0",
        )  # fmt: skip
        launch.add_argument("--snapshot-ensemble", action="store_true", help="average its snapshots at the end")
        launch.add_argument("--wait", action="store_true", help="follow it until it ends; exit code 1 if it fails")
        launch.add_argument("--json", action="store_true", help="the last line is JSON")
        listing.add_arguments(verbs.add_parser("list", help="the searches, filtered and sorted as on their page"))
        _add_looks(verbs)
        _add_changes(verbs)
        empty = verbs.add_parser("empty", help="remove the deleted searches and their files for good")
        empty.add_argument("--yes", action="store_true", help="without it, what would go is said")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            if verb in PLAIN_VERBS:
                self._each(verb, options["uuids"])
            else:
                getattr(self, f"handle_{verb}")(options)
        except DatabaseError as error:
            if why := startup.why_not_migrated():
                raise CommandError(why) from error
            raise

    def handle_launch(self, options: dict[str, Any]) -> None:
        search = launching.launch(
            preset=options["preset"],
            dataset=options["dataset"],
            begin=options["begin"],
            snapshot_ensemble=options["snapshot_ensemble"],
            **given_settings(options),
        )
        self._say_if_nobody_works()
        if not options["json"]:
            self.stdout.write(f"Launched {search.name}: {search.uuid}")
            self.stdout.write(launching.cost_line(search))
            if start := start_fields(search):
                self.stdout.write(f"It starts from {start['words']}. {start['remark']}".rstrip())
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
        self.stdout.write(listing.list_text(options))

    def handle_show(self, options: dict[str, Any]) -> None:
        search = find(options["uuid"])
        if options["json"]:
            self.stdout.write(as_json(selectors.snapshot(search)))
            return
        log = (f"  {event.at:%H:%M:%S}  {event.words}" for event in selectors.newest_events(search, 20))
        for line in (*launching.state_lines(search), *log, *launching.result_lines(search)):
            self.stdout.write(line)

    def handle_follow(self, options: dict[str, Any]) -> None:
        search = find(options["uuid"])
        self._wait(search, quiet=False)
        if search.status in GOES_NO_FURTHER:
            raise SystemExit(1)

    def handle_log(self, options: dict[str, Any]) -> None:
        out = cast(TextIO, self.stdout._out)
        for page in selectors.log_pages(find(options["uuid"]), options["form"]):
            out.write(page.removeprefix("\ufeff"))

    def handle_download(self, options: dict[str, Any]) -> None:
        self.stdout.write(saving.save_model(find(options["uuid"]), options["path"]))

    def handle_files(self, options: dict[str, Any]) -> None:
        search, of = self._found(options)
        for line in saving.save_files(search, of, options["path"], told_to_end=ends_when_told()):
            self.stdout.write(line)

    def handle_report(self, options: dict[str, Any]) -> None:
        self.stdout.write(saving.save_report(find(options["uuid"]), options["path"]))

    def handle_scalars(self, options: dict[str, Any]) -> None:
        search = find(options["uuid"])
        self.stdout.write(saving.save_scalars(search, options["path"], tensorboard=options["tensorboard"]))

    def handle_draw(self, options: dict[str, Any]) -> None:
        search, of = self._found(options)
        self.stdout.write(saving.save_drawing(search, of, options["path"]))

    def handle_extend(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], lambda search, by: services.extend(search, options["n_steps"], by))

    def handle_compare(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], lambda search, by: services.compare(search, options["names"], by))

    def handle_retry(self, options: dict[str, Any]) -> None:
        self._change(options["uuid"], lambda search, by: services.retry(search, by, options["code"]))

    def handle_clone(self, options: dict[str, Any]) -> None:
        search = launching.clone(find(options["uuid"]), **given_settings(options))
        self._say_if_nobody_works()
        self.stdout.write(f"Launched {search.name}: {search.uuid}")

    def handle_rename(self, options: dict[str, Any]) -> None:
        search = find(options["uuid"])
        before = search.name
        self._do(search, lambda search, by: services.rename(search, options["name"], by))
        self.stdout.write(f"{before} is called {search.name} from now on.")

    def handle_note(self, options: dict[str, Any]) -> None:
        search, of = self._found(options)
        if (given := options["text"]) is None:
            self.stdout.write((of or search).note)
            return
        text = sys.stdin.read() if given == "-" else given
        self._do(search, lambda search, by: services.set_note(of or search, text, by))
        self.stdout.write(f"{_named(search, of)}: {'noted' if text.strip() else 'the note was taken away'}")

    def handle_tag(self, options: dict[str, Any]) -> None:
        search, of = self._found(options)
        change = services.remove_tags if options["remove"] else services.add_tags
        self._do(search, lambda search, by: change(of or search, options["tags"], by))
        names = ", ".join((of or search).tags.values_list("name", flat=True))
        self.stdout.write(f"{_named(search, of)}: {f'tagged {names}' if names else 'no tags'}")

    def handle_empty(self, options: dict[str, Any]) -> None:
        names = [f"“{search.name}”" for search in selectors.deleted_for(None)]
        if not names:
            self.stdout.write("No deleted searches.")
        elif options["yes"]:
            self.stdout.write(f"Removed for good: {services.empty_deleted(BY)}.")
        else:
            raise CommandError(f"{', '.join(names)} would be removed for good, files included: add --yes to do so.")

    def _each(self, verb: str, uuids: list[str]) -> None:
        """A verb of several searches: what is refused of one is said at the end, and the others go on."""
        refusals = []
        for uuid in uuids:
            try:
                search = find(uuid, deleted=verb == "undo")
                self._do(search, PLAIN_VERBS[verb][1])
            except CommandError as error:
                refusals.append(str(error))
            else:
                self.stdout.write(self._told(search, verb))
        if refusals:
            raise CommandError("\n".join(refusals))

    def _told(self, search: Search, verb: str) -> str:
        if verb != "delete":
            return f"{search.name}: {search.status}"
        hours = f"{settings.NASH_KEEP_DELETED_HOURS:g} h"
        return f"{search.name} was deleted; `search undo {str(search.uuid)[:8]}` brings it back within {hours}."

    def _found(self, options: dict[str, Any]) -> tuple[Search, Candidate | None]:
        """The search, and the training of it that --of names."""
        search = find(options["uuid"])
        return search, find_candidate(search, options["of"]) if options["of"] else None

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


def _named(search: Search, of: Candidate | None) -> str:
    return search.name if of is None else f"{search.name}, {of.code}"


def _add_looks(verbs: Any) -> None:
    """What changes nothing."""
    show = verbs.add_parser("show", help="one search: its state, its log")
    show.add_argument("uuid")
    show.add_argument("--json", action="store_true", help="everything the search page shows")
    verbs.add_parser("follow", help="watch it until it ends; exit code 1 if it fails").add_argument("uuid")
    log = verbs.add_parser("log", help="its whole event log")
    log.add_argument("uuid")
    forms = log.add_mutually_exclusive_group()
    forms.add_argument("--csv", dest="form", action="store_const", const="csv", default="csv", help="the usual")
    forms.add_argument("--json", dest="form", action="store_const", const="jsonl", help="JSON lines, with payloads")
    saved = {
        "download": "copy the zip of the final model, or of a stopped search's best",
        "report": "the search as one HTML file, to keep or to mail",
        "scalars": "every epoch of every training as CSV, or as event files for TensorBoard",
        "draw": "the lineage tree, or with --of a network, as SVG",
        "files": "every file of the best network, or with --of of another, as `model export` writes them",
    }
    for verb, words in saved.items():
        parser = verbs.add_parser(verb, help=words)
        parser.add_argument("uuid")
        place = "a folder" if verb == "files" else "a file, or a folder to put it in"
        parser.add_argument("path", type=Path, help=place)
        if verb == "scalars":
            parser.add_argument("--tensorboard", action="store_true", help="a zip with one folder a training")
        if verb in ("draw", "files"):
            parser.add_argument("--of", metavar="CODE", help=OF)


def _add_changes(verbs: Any) -> None:
    """What is done to a search."""
    for verb, (words, _) in PLAIN_VERBS.items():
        verbs.add_parser(verb, help=words).add_argument("uuids", nargs="+", metavar="uuid")
    extend = verbs.add_parser("extend", help="more steps for a search that has ended; what it found stays")
    extend.add_argument("uuid")
    extend.add_argument("n_steps", type=int, help="how many steps it is to have, counted from the first")
    compare = verbs.add_parser("compare", help="train what a finished search is to be compared with")
    compare.add_argument("uuid")
    compare.add_argument("names", nargs="+", metavar="NAME", help=f"of {', '.join(COMPARISONS)}")
    retry = verbs.add_parser("retry", help="train again what failed, or comparisons that were stopped")
    retry.add_argument("uuid")
    retry.add_argument("code", nargs="?", help="one training, such as 2.1 (default: all that can be)")
    clone = verbs.add_parser("clone", help="launch a search with the settings of another")
    clone.add_argument("uuid")
    add_settings(clone, "the search's")
    rename = verbs.add_parser("rename", help="give it another name")
    rename.add_argument("uuid")
    rename.add_argument("name")
    note = verbs.add_parser("note", help="write its note in Markdown, or show it")
    note.add_argument("uuid")
    note.add_argument("text", nargs="?", help="- reads it from standard input; an empty one takes the note away")
    note.add_argument("--of", metavar="CODE", help=OF)
    tag = verbs.add_parser("tag", help="give it tags, too")
    tag.add_argument("uuid")
    tag.add_argument("tags", nargs="+", metavar="TAG")
    tag.add_argument("--remove", action="store_true", help="take these tags from it instead")
    tag.add_argument("--of", metavar="CODE", help=OF)
