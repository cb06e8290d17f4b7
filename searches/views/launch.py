"""The launch form."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from searches import tasks
from searches.forms import SearchForm
from searches.models import Search
from searches.selectors import visible_to, workers_alive
from searches.views.lookup import find_search


@require_http_methods(["GET", "HEAD", "POST"])
def search_new(request: HttpRequest) -> HttpResponse:
    """The form with the values of a preset or of a search; a POST launches or says what needs mending."""
    clone = _search_to_clone(request)
    form = _form_of(request, clone)
    if request.method == "POST" and (launched := form.launch(request.user)):
        tasks.enqueue(launched.candidate_ids)
        return redirect("search_detail", uuid=launched.uuid)
    under_way = visible_to(request.user).filter(status__in=(Search.Status.WAITING, Search.Status.RUNNING))
    context = {"form": form, "clone": clone, "n_workers": workers_alive().count(), "n_under_way": under_way.count()}
    return render(request, "searches/new.html", context)


def _form_of(request: HttpRequest, clone: Search | None = None) -> SearchForm:
    """The form as it was sent, else with the values of a preset, of a search to clone, of a network to start from."""
    asked = {name: request.GET.get(name, "") for name in ("preset", "begin")}
    return SearchForm(request.POST or None, request.FILES or None, clone=clone, asker=request.user, **asked)


def _search_to_clone(request: HttpRequest) -> Search | None:
    """The search that ?clone= names, for who may see it. Raises Http404."""
    text = request.GET.get("clone")
    if text is None:
        return None
    try:
        return find_search(request, UUID(text))
    except ValueError:
        raise Http404(f"{text!r} is no search's uuid.") from None
