"""Questions to the rows: who may see what, and what a page, the live channel and the API show."""

from searches.selectors.access import Asker, deleted_for, kept_long_enough, may_change, visible_to
from searches.selectors.background import job_dict, jobs_visible_to, may_change_job, newest_job, waiting_jobs
from searches.selectors.bulletin import BOARDS, job_frames, list_version, workers_version
from searches.selectors.disk import disk_use
from searches.selectors.estimate import time_left
from searches.selectors.files import (
    artifact_path,
    candidate_folder,
    checkpoint_paths,
    model_artifact,
    searches_folder,
)
from searches.selectors.forecast import Forecast, forecast
from searches.selectors.log import event_frame, events_after, log_pages, newest_events
from searches.selectors.marks import engine_words
from searches.selectors.models import best_so_far, model_info
from searches.selectors.operators import operator_table, operators_of
from searches.selectors.progress import (
    is_superseded,
    n_validation_images,
    progress_fields,
    progress_frame,
    seconds_spent,
)
from searches.selectors.refusals import Answering, fit_fields, why_refused, workers_answering
from searches.selectors.snapshot import (
    candidate_dict,
    candidate_dicts,
    in_order,
    point_row,
    search_fields,
    settings_fields,
)
from searches.selectors.waiting import waiting_candidates
from searches.selectors.whole import State, search_state, snapshot, training_state, tree_text
from searches.selectors.workers import (
    WORKER_GONE_SECONDS,
    WorkerSign,
    queue_length,
    worker_dicts,
    worker_signs,
    workers_alive,
)

__all__ = [
    "Answering",
    "BOARDS",
    "WORKER_GONE_SECONDS",
    "Asker",
    "Forecast",
    "State",
    "WorkerSign",
    "artifact_path",
    "best_so_far",
    "candidate_dict",
    "candidate_dicts",
    "candidate_folder",
    "checkpoint_paths",
    "deleted_for",
    "disk_use",
    "engine_words",
    "event_frame",
    "events_after",
    "fit_fields",
    "forecast",
    "in_order",
    "is_superseded",
    "job_dict",
    "job_frames",
    "jobs_visible_to",
    "kept_long_enough",
    "list_version",
    "may_change",
    "may_change_job",
    "log_pages",
    "model_artifact",
    "model_info",
    "n_validation_images",
    "newest_events",
    "newest_job",
    "operator_table",
    "operators_of",
    "point_row",
    "progress_fields",
    "progress_frame",
    "queue_length",
    "search_fields",
    "search_state",
    "searches_folder",
    "seconds_spent",
    "settings_fields",
    "snapshot",
    "time_left",
    "training_state",
    "tree_text",
    "visible_to",
    "waiting_candidates",
    "waiting_jobs",
    "why_refused",
    "worker_dicts",
    "worker_signs",
    "workers_alive",
    "workers_answering",
    "workers_version",
]
