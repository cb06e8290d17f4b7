"""What pages without a search of their own are told each second: the list, the workers page, background jobs.

Frames have no number: a `version` says whether the page reads otherwise by now in more than the frame holds, so that
it asks for itself anew. What changes all the time stands in the frame.
"""

import hashlib
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from searches.models import BackgroundJob, Candidate, Search
from searches.selectors.background import OPEN, job_dict
from searches.selectors.listed_trainings import trainings_of
from searches.selectors.listing import listing, tags_of
from searches.selectors.refusals import refused_by_all, workers_answering
from searches.selectors.waiting import TRAINS_IN
from searches.selectors.workers import WORKER_GONE_SECONDS, queue_length, worker_dicts

Frame = dict[str, Any]
MOST_LINES = 40
"""Of what runs: a frame stays below 8 kB."""
TOLD_SECONDS = 15
"""For so long it is told that a job, or a training, has ended."""
HEAVY = ("candidate__architecture", "candidate__correct")
_tokens: dict[UUID, tuple[int, str]] = {}
_lock = threading.Lock()


def list_version() -> str:
    """Another one wherever the list reads otherwise, but for how far is what trains. The same in every process."""
    columns = ("pk", "uuid", "seq", "status", "disk_bytes", "engine_version", "deleted")
    rows = list(Search.objects.order_by("pk").values_list(*columns))
    tokens = _tokens_of({uuid: seq for _, uuid, seq, *_ in rows})
    facts = [(pk, tokens.get(uuid), disk if status != "running" else 0) for pk, uuid, _, status, disk, *_ in rows]
    workers = workers_answering()
    versions = {pk: engine for pk, _, _, status, _, engine, gone in rows if status in TRAINS_IN and gone is None}
    refused = [(pk, unfit.brief) for pk, unfit in refused_by_all(workers, versions).items()]
    return _digest(len(workers), refused, facts)


def _tokens_of(seqs: dict[UUID, int]) -> dict[UUID, str]:
    """By search; worked out anew where something has happened since."""
    with _lock:
        stale = [uuid for uuid, seq in seqs.items() if _tokens.get(uuid, (-1, ""))[0] != seq]
    if stale:
        searches = list(Search.objects.filter(uuid__in=stale))
        trainings, tags = trainings_of(searches), tags_of([search.pk for search in searches])
        fresh = {}
        for s in searches:
            won = [(t.pk, t.val_accuracy, t.test_accuracy) for t in trainings[s.pk].telling if t.status == "done"]
            row = (s.name, s.status, s.reason, s.deleted, s.priority, s.started, s.ended, s.owner_id)
            fresh[s.uuid] = (s.seq, _digest(row, tags[s.pk], won, s.config["n_steps"]))
        with _lock:
            _tokens.update(fresh)
            for uuid in _tokens.keys() - seqs.keys():
                del _tokens[uuid]
    with _lock:
        return {uuid: _tokens[uuid][1] for uuid in seqs if uuid in _tokens}


def list_frames() -> list[Frame]:
    """The list's version, and how far the searches are that are trained now."""
    trained = Candidate.objects.filter(Q(status=Candidate.Status.RUNNING) | Q(ended__gt=_a_while_ago()))
    searches = Search.objects.filter(pk__in=trained.values("search_id"), deleted=None, status=Search.Status.RUNNING)
    running = listing(searches)[:MOST_LINES]
    lines = [
        {
            "id": line.search.pk,
            "words": line.words,
            "epochs_done": line.epochs_done,
            "epochs_total": line.epochs_total,
            "seconds": None if line.seconds is None else round(line.seconds, 1),
            "disk_bytes": line.search.disk_bytes,
        }
        for line in running
    ]
    return [{"kind": "list", "version": list_version(), "lines": lines}]


def workers_version(workers: list[Frame], n_waiting: int) -> str:
    """Of what worker_dicts and queue_length have said."""
    own = ("name", "pid", "device", "memory_bytes", "versions", "refusal", "candidate", "search_name")
    gone = [worker["seconds_since_beat"] // WORKER_GONE_SECONDS for worker in workers]
    return _digest(n_waiting, gone, [[worker[name] for name in own] for worker in workers])


def worker_frames() -> list[Frame]:
    """Every worker with its beat, as on the page of a search, and the version of the page."""
    workers = worker_dicts()
    return [{"kind": "heartbeat", "version": workers_version(workers, queue_length()), "workers": workers}]


def job_frames(*, of_searches: list[int] | None = None) -> list[Frame]:
    """How far each job is that is open, or has just ended: all, or those about trainings of these searches."""
    told = Q(status__in=OPEN) | Q(ended__gt=_a_while_ago())
    jobs = BackgroundJob.objects.filter(told, Q(candidate=None) | Q(candidate__search__deleted=None))
    if of_searches is not None:
        jobs = jobs.filter(candidate__search__in=of_searches)
    return [_job_frame(job) for job in jobs.select_related("candidate").defer(*HEAVY).order_by("pk")]


def _job_frame(job: BackgroundJob) -> Frame:
    """`search`: primary key of the one that it is about, or None."""
    facts = {name: value for name, value in job_dict(job).items() if name != "result"}
    return {"kind": "job", "search": job.candidate.search_id if job.candidate else None, "job": facts}


def _a_while_ago() -> Any:
    return Now() - timedelta(seconds=TOLD_SECONDS)


BOARDS = {"list": list_frames, "workers": worker_frames, "jobs": job_frames}
"""By name, what is told to who watches it."""


def _digest(*facts: Any) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
