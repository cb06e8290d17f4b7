"""Every change of state. Each function is one guarded transaction, says so in the event log, and returns the
candidates that are to be sent to the queue after commit; none of them sends."""

from searches.services.background import (
    JobLease,
    ask_for,
    beat_job,
    claim_job,
    fail_job,
    finish_job,
    free_jobs_of,
    job_died,
    release_job,
    retry_job,
    tell_job,
)
from searches.services.bulk import Done, delete_all, stop_all, tag_all, undelete_all, untag_all
from searches.services.comparing import compare
from searches.services.control import (
    VERBS,
    Refused,
    allows,
    may_happen,
    pause,
    refuse_unless_allowed,
    resume,
    stop,
)
from searches.services.deleting import delete, empty_deleted, sweep_deleted, undelete
from searches.services.disk_use import note_disk_use, note_disk_use_of_unknown
from searches.services.ensembles import (
    ask_for_ensemble_files,
    delete_ensemble,
    ensemble_runs,
    ensemble_snapshots,
)
from searches.services.exporting import ask_for_files
from searches.services.extending import extend
from searches.services.finishing import finish_now, heed_budgets
from searches.services.gaps import measure_older
from searches.services.going_on import go_on
from searches.services.keeping import keep_best_model, keep_missing_models
from searches.services.launch import Launched, create_search
from searches.services.leases import (
    Lease,
    LeaseLost,
    UnfitWorker,
    beat,
    claim,
    record_epoch,
    record_resumed,
    record_seal,
    release,
    split_batch,
)
from searches.services.members import settle_waiting
from searches.services.ordering import run_next
from searches.services.pruning import drop_losers
from searches.services.reaper import reap, release_worker
from searches.services.restoring import settle_restored
from searches.services.results import MadeFile, Result, end_candidate, finish, release_failed
from searches.services.retrying import can_be_retried, retry
from searches.services.room import fullest_folder, go_on_with_room, pause_for_room
from searches.services.starting import Origin, origin_of_candidate, origin_of_file, origin_of_search, start_path
from searches.services.tagging import add_tags, clean_names, remove_tags, set_tags
from searches.services.uploads import (
    WrongOffset,
    ask_for_count,
    ask_for_download,
    ask_for_import,
    begin_upload,
    cancel_job,
    discard_upload,
    offset_of,
    take_piece,
    upload_path,
)
from searches.services.workers import (
    WorkerIdentity,
    forget_dead_workers,
    forget_refusal,
    forget_refusals,
    record_refusal,
    warn_once,
    worker_beat,
    worker_left,
)
from searches.services.writing import rename, set_note

__all__ = [
    "Origin",
    "origin_of_candidate",
    "origin_of_file",
    "origin_of_search",
    "start_path",
    "WrongOffset",
    "ask_for_count",
    "ask_for_download",
    "ask_for_import",
    "begin_upload",
    "discard_upload",
    "offset_of",
    "take_piece",
    "upload_path",
    "VERBS",
    "JobLease",
    "Done",
    "Launched",
    "Lease",
    "LeaseLost",
    "MadeFile",
    "Refused",
    "Result",
    "UnfitWorker",
    "WorkerIdentity",
    "add_tags",
    "allows",
    "ask_for",
    "ask_for_ensemble_files",
    "ask_for_files",
    "beat",
    "beat_job",
    "can_be_retried",
    "cancel_job",
    "claim",
    "claim_job",
    "clean_names",
    "compare",
    "create_search",
    "delete",
    "delete_ensemble",
    "drop_losers",
    "empty_deleted",
    "end_candidate",
    "ensemble_runs",
    "ensemble_snapshots",
    "extend",
    "fail_job",
    "finish",
    "fullest_folder",
    "finish_job",
    "finish_now",
    "forget_dead_workers",
    "forget_refusal",
    "forget_refusals",
    "free_jobs_of",
    "heed_budgets",
    "job_died",
    "keep_best_model",
    "keep_missing_models",
    "measure_older",
    "go_on",
    "go_on_with_room",
    "may_happen",
    "note_disk_use",
    "note_disk_use_of_unknown",
    "pause",
    "pause_for_room",
    "reap",
    "record_epoch",
    "record_refusal",
    "record_resumed",
    "record_seal",
    "refuse_unless_allowed",
    "release",
    "release_failed",
    "release_job",
    "release_worker",
    "remove_tags",
    "resume",
    "retry",
    "retry_job",
    "run_next",
    "rename",
    "set_note",
    "set_tags",
    "settle_restored",
    "split_batch",
    "stop",
    "sweep_deleted",
    "tell_job",
    "undelete",
    "warn_once",
    "worker_beat",
    "worker_left",
    "delete_all",
    "stop_all",
    "tag_all",
    "settle_waiting",
    "undelete_all",
    "untag_all",
]
