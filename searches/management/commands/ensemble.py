"""`manage.py ensemble`: make, list, export and delete networks that answer together."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from searches import selectors, services, tasks, worker_jobs
from searches.management import saving
from searches.management.launching import SHORTEST_PREFIX, as_json, find
from searches.models import Artifact, BackgroundJob, Ensemble
from searches.selectors.ensemble_panel import ensemble_lines
from searches.services.members import ask_to_measure

BY = "the command line"


class Command(BaseCommand):
    help = "Networks that answer together: snapshots of one search, final models of several."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="create | list | export | delete")
        create = verbs.add_parser("create", help="average final models; workers measure it")
        create.add_argument("uuids", nargs="*", metavar="UUID", help="searches on the same data set, two or more")
        create.add_argument("--snapshots", metavar="UUID", help="instead: the snapshots of this finished search")
        create.add_argument("--name", default="")
        verbs.add_parser("list", help="all ensembles, newest first").add_argument("--json", action="store_true")
        export = verbs.add_parser("export", help="copy its zip; what is still to be made is made here")
        export.add_argument("uuid")
        export.add_argument("path", type=Path, help="a file, or a folder to put it in")
        verbs.add_parser("delete", help="remove it for good; searches and models stay").add_argument("uuid")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"handle_{verb}")(options)
        except services.Refused as error:
            raise CommandError(str(error)) from error

    def handle_create(self, options: dict[str, Any]) -> None:
        if options["snapshots"]:
            if options["uuids"]:
                raise CommandError("Give searches, or --snapshots with one of them: not both.")
            made, waiting = services.ensemble_snapshots(find(options["snapshots"]), BY)
            tasks.enqueue(waiting)
        else:
            made = services.ensemble_runs([find(uuid) for uuid in options["uuids"]], BY, options["name"])
        self.stdout.write(f"{made.name}: {made.uuid}")
        if not selectors.workers_alive().exists():
            self.stderr.write("No worker is alive: it waits until `manage.py up` runs (or `ensemble export`).")

    def handle_list(self, options: dict[str, Any]) -> None:
        lines = ensemble_lines(Ensemble.objects.select_related("dataset"))
        if options["json"]:
            self.stdout.write(as_json(lines))
            return
        for line in lines:
            error = "" if line["error"] is None else f"  {100 * line['error']:.2f} % test error"
            members = f"{line['n_members']} members"
            self.stdout.write(f"{line['uuid']}  {line['state']:<9}  {members:<10}  {line['name']}{error}")
        if not lines:
            self.stdout.write("No ensembles yet. `manage.py ensemble create UUID UUID` makes one.")

    def handle_export(self, options: dict[str, Any]) -> None:
        ensemble = _find(options["uuid"])
        if ensemble.result is None:
            if not ensemble.members.exists():
                raise CommandError(f"{ensemble.name} has no members yet: {ensemble.reason or 'its snapshots train'}")
            _do_here(ask_to_measure(ensemble, None))
            ensemble.refresh_from_db()
        wanted = {"format": Artifact.Format.MODEL_ZIP}
        if not ensemble.files.filter(**wanted).exists():
            _do_here(services.ask_for_ensemble_files(ensemble, BY))
        file = ensemble.files.get(**wanted)
        self.stdout.write(saving.copied(file, saving.file_at(options["path"], f"{ensemble.uuid}.zip")))

    def handle_delete(self, options: dict[str, Any]) -> None:
        ensemble = _find(options["uuid"])
        services.delete_ensemble(ensemble, BY)
        self.stdout.write(f"{ensemble.name} is gone, files included; the searches of its members stay.")


def _find(text: str) -> Ensemble:
    """The ensemble of this uuid, or of the one uuid that begins so. Raises CommandError."""
    wanted = text.strip().lower()
    if len(wanted) < SHORTEST_PREFIX:
        raise CommandError(f"{text!r}: give at least the first {SHORTEST_PREFIX} characters of the uuid")
    found = [e for e in Ensemble.objects.select_related("dataset", "owner") if str(e.uuid).startswith(wanted)]
    if len(found) != 1:
        how_many = len(found) or "No"
        raise CommandError(f"{how_many} ensembles have a uuid that begins with {text!r}; see `ensemble list`")
    return found[0]


def _do_here(job: BackgroundJob) -> None:
    """Do a job in this process, unless a worker is at it. Raises CommandError where it fails."""
    with_lease = services.claim_job(job.pk, worker="command line")
    if with_lease is None:
        raise CommandError(f"A worker is at it: {job.title}. Try again when it is done.")
    with worker_jobs.beating(with_lease):
        worker_jobs.do(with_lease)
    job.refresh_from_db()
    if job.status != BackgroundJob.Status.DONE:
        raise CommandError(f"{job.title}: {job.reason}")
