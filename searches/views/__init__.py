"""Pages, drawings and downloads: parse, call one function of services or selectors, answer."""

from searches.views.bulk import bulk_delete, bulk_stop, bulk_tag, bulk_undelete, bulk_untag
from searches.views.compare import compare
from searches.views.datasets import (
    dataset_count,
    dataset_delete,
    dataset_detail,
    dataset_download,
    dataset_list,
    dataset_samples,
)
from searches.views.download import candidate_file, candidate_make_files, search_download
from searches.views.drawings import architecture_drawing, candidate_drawing, search_report, search_tree
from searches.views.ensembles import (
    ensemble_delete,
    ensemble_detail,
    ensemble_file,
    ensemble_list,
    ensemble_make_files,
    ensemble_new,
    search_ensemble,
)
from searches.views.jobs import job_cancel, job_retry
from searches.views.launch import search_new
from searches.views.listing import list_csv, list_json, search_list
from searches.views.log import search_log, search_scalars
from searches.views.models import model_detail
from searches.views.pages import candidate_detail, search_detail
from searches.views.tables import results, results_csv
from searches.views.trying import candidate_answer, dataset_image, ensemble_answer
from searches.views.uploads import upload_begin, upload_discard, upload_piece
from searches.views.verbs import (
    deleted_empty,
    search_compare,
    search_delete,
    search_extend,
    search_finish_now,
    search_go_on,
    search_pause,
    search_resume,
    search_retry,
    search_run_next,
    search_stop,
    search_undelete,
)
from searches.views.workers import worker_list
from searches.views.writing import candidate_notes, search_notes, search_rename

__all__ = [
    "architecture_drawing",
    "bulk_delete",
    "bulk_stop",
    "bulk_tag",
    "bulk_undelete",
    "bulk_untag",
    "candidate_answer",
    "candidate_detail",
    "candidate_drawing",
    "candidate_file",
    "candidate_make_files",
    "candidate_notes",
    "compare",
    "dataset_count",
    "dataset_delete",
    "dataset_detail",
    "dataset_download",
    "dataset_image",
    "dataset_list",
    "dataset_samples",
    "deleted_empty",
    "ensemble_answer",
    "ensemble_delete",
    "ensemble_detail",
    "ensemble_file",
    "ensemble_list",
    "ensemble_make_files",
    "ensemble_new",
    "job_cancel",
    "job_retry",
    "list_csv",
    "list_json",
    "model_detail",
    "results",
    "results_csv",
    "search_compare",
    "search_delete",
    "search_detail",
    "search_download",
    "search_ensemble",
    "search_extend",
    "search_finish_now",
    "search_go_on",
    "search_list",
    "search_log",
    "search_new",
    "search_notes",
    "search_pause",
    "search_rename",
    "search_report",
    "search_resume",
    "search_retry",
    "search_run_next",
    "search_scalars",
    "search_stop",
    "search_tree",
    "search_undelete",
    "upload_begin",
    "upload_discard",
    "upload_piece",
    "worker_list",
]
