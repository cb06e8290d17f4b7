"""Addresses of the pages, the drawings, the downloads and the API."""

from django.urls import path, register_converter

from searches import views
from searches.api import api
from searches.models import Candidate


class KindConverter:
    """The kind of a candidate, as it stands before step and index: neighbour-2-1."""

    regex = "|".join(Candidate.Kind.values)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class DigestConverter(KindConverter):
    """An architecture's digest: 16 hexadecimal digits."""

    regex = "[0-9a-f]{16}"


class FormConverter(KindConverter):
    """What a log is sent as."""

    regex = "csv|jsonl"


class ScalarsConverter(KindConverter):
    """What scalars are sent as: a table, or a zip of event files."""

    regex = "csv|zip"


register_converter(KindConverter, "kind")
register_converter(ScalarsConverter, "scalars")
register_converter(FormConverter, "form")
register_converter(DigestConverter, "digest")

urlpatterns = [
    path("", views.search_list, name="search_list"),
    path("searches.csv", views.list_csv, name="list_csv"),
    path("searches.json", views.list_json, name="list_json"),
    path("searches/chosen/stop/", views.bulk_stop, name="bulk_stop"),
    path("searches/chosen/delete/", views.bulk_delete, name="bulk_delete"),
    path("searches/chosen/undelete/", views.bulk_undelete, name="bulk_undelete"),
    path("searches/chosen/tag/", views.bulk_tag, name="bulk_tag"),
    path("searches/chosen/untag/", views.bulk_untag, name="bulk_untag"),
    path("compare/", views.compare, name="compare"),
    path("results/", views.results, name="results"),
    path("results.csv", views.results_csv, name="results_csv"),
    path("searches/new/", views.search_new, name="search_new"),
    path("searches/<uuid:uuid>/", views.search_detail, name="search_detail"),
    path("searches/<uuid:uuid>/tree.svg", views.search_tree, name="search_tree"),
    path("searches/<uuid:uuid>/report.html", views.search_report, name="search_report"),
    path("searches/<uuid:uuid>/download/", views.search_download, name="search_download"),
    path("searches/<uuid:uuid>/rename/", views.search_rename, name="search_rename"),
    path("searches/<uuid:uuid>/notes/", views.search_notes, name="search_notes"),
    path("searches/<uuid:uuid>/log.<form:form>", views.search_log, name="search_log"),
    path("searches/<uuid:uuid>/scalars.<scalars:form>", views.search_scalars, name="search_scalars"),
    path(
        "searches/<uuid:uuid>/<kind:kind>-<int:step>-<int:index>/notes/",
        views.candidate_notes,
        name="candidate_notes",
    ),
    path("searches/<uuid:uuid>/pause/", views.search_pause, name="search_pause"),
    path("searches/<uuid:uuid>/resume/", views.search_resume, name="search_resume"),
    path("searches/<uuid:uuid>/stop/", views.search_stop, name="search_stop"),
    path("searches/<uuid:uuid>/finish-now/", views.search_finish_now, name="search_finish_now"),
    path("searches/<uuid:uuid>/extend/", views.search_extend, name="search_extend"),
    path("searches/<uuid:uuid>/retry/", views.search_retry, name="search_retry"),
    path("searches/<uuid:uuid>/run-next/", views.search_run_next, name="search_run_next"),
    path("searches/<uuid:uuid>/go-on/", views.search_go_on, name="search_go_on"),
    path("searches/<uuid:uuid>/compare/", views.search_compare, name="search_compare"),
    path("searches/<uuid:uuid>/delete/", views.search_delete, name="search_delete"),
    path("searches/<uuid:uuid>/undelete/", views.search_undelete, name="search_undelete"),
    path(
        "searches/<uuid:uuid>/<kind:kind>-<int:step>-<int:index>/", views.candidate_detail, name="candidate_detail"
    ),
    path(
        "searches/<uuid:uuid>/<kind:kind>-<int:step>-<int:index>/network.svg",
        views.candidate_drawing,
        name="candidate_drawing",
    ),
    path("searches/<uuid:uuid>/model/", views.model_detail, name="model_detail"),
    path(
        "searches/<uuid:uuid>/<kind:kind>-<int:step>-<int:index>/files/",
        views.candidate_make_files,
        name="candidate_make_files",
    ),
    path(
        "searches/<uuid:uuid>/<kind:kind>-<int:step>-<int:index>/files/<str:name>",
        views.candidate_file,
        name="candidate_file",
    ),
    path(
        "searches/<uuid:uuid>/<kind:kind>-<int:step>-<int:index>/answer/",
        views.candidate_answer,
        name="candidate_answer",
    ),
    path("searches/<uuid:uuid>/ensemble/", views.search_ensemble, name="search_ensemble"),
    path("ensembles/", views.ensemble_list, name="ensemble_list"),
    path("ensembles/new/", views.ensemble_new, name="ensemble_new"),
    path("ensembles/<uuid:uuid>/", views.ensemble_detail, name="ensemble_detail"),
    path("ensembles/<uuid:uuid>/answer/", views.ensemble_answer, name="ensemble_answer"),
    path("ensembles/<uuid:uuid>/delete/", views.ensemble_delete, name="ensemble_delete"),
    path("ensembles/<uuid:uuid>/files/", views.ensemble_make_files, name="ensemble_make_files"),
    path("ensembles/<uuid:uuid>/files/<str:name>", views.ensemble_file, name="ensemble_file"),
    path("deleted/empty/", views.deleted_empty, name="deleted_empty"),
    path("jobs/<uuid:uuid>/cancel/", views.job_cancel, name="job_cancel"),
    path("jobs/<uuid:uuid>/retry/", views.job_retry, name="job_retry"),
    path("datasets/", views.dataset_list, name="dataset_list"),
    path("datasets/download/", views.dataset_download, name="dataset_download"),
    path("datasets/uploads/", views.upload_begin, name="upload_begin"),
    path("datasets/uploads/<uuid:uuid>/", views.upload_piece, name="upload_piece"),
    path("datasets/uploads/<uuid:uuid>/discard/", views.upload_discard, name="upload_discard"),
    path("datasets/<slug:name>/", views.dataset_detail, name="dataset_detail"),
    path("datasets/<slug:name>/count/", views.dataset_count, name="dataset_count"),
    path("datasets/<slug:name>/delete/", views.dataset_delete, name="dataset_delete"),
    path("datasets/<slug:name>/<digest:digest>-<int:label>.png", views.dataset_samples, name="dataset_samples"),
    path("datasets/<slug:name>/<digest:digest>-image-<int:index>.png", views.dataset_image, name="dataset_image"),
    path("workers/", views.worker_list, name="worker_list"),
    path("architectures/<digest:digest>.svg", views.architecture_drawing, name="architecture_svg"),
    path("api/v1/", api.urls),
]
