"""Pages, drawings and downloads: parse, call one function of services or selectors, answer."""

from searches.views.download import search_download
from searches.views.drawings import architecture_drawing, search_tree
from searches.views.launch import search_new
from searches.views.pages import candidate_detail, search_detail, search_list
from searches.views.verbs import search_compare, search_pause, search_resume, search_stop

__all__ = [
    "architecture_drawing",
    "candidate_detail",
    "search_compare",
    "search_detail",
    "search_download",
    "search_list",
    "search_new",
    "search_pause",
    "search_resume",
    "search_stop",
    "search_tree",
]
