"""The launch form."""

from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from searches import tasks
from searches.forms import SearchForm
from searches.models import Search
from searches.selectors import visible_to, workers_alive
from searches.services import create_search
from searches.views.lookup import find_search


@require_http_methods(["GET", "HEAD", "POST"])
def search_new(request: HttpRequest) -> HttpResponse:
    """The form with the values of a preset or of a search; a POST launches or says what needs mending."""
    clone = _search_to_clone(request)
    form = SearchForm(request.POST or None, preset=request.GET.get("preset", ""), clone=clone)
    if request.method == "POST" and form.is_valid():
        owner = request.user if isinstance(request.user, AbstractBaseUser) else None
        launched = create_search(form.config, owner=owner, **form.launch_arguments)
        tasks.enqueue(launched.candidate_ids)
        return redirect("search_detail", uuid=launched.uuid)
    under_way = visible_to(request.user).filter(status__in=(Search.Status.WAITING, Search.Status.RUNNING))
    context = {"form": form, "clone": clone, "n_workers": workers_alive().count(), "n_under_way": under_way.count()}
    return render(request, "searches/new.html", context)


def _search_to_clone(request: HttpRequest) -> Search | None:
    """The search that ?clone= names, for who may see it. Raises Http404."""
    text = request.GET.get("clone")
    if text is None:
        return None
    try:
        return find_search(request, UUID(text))
    except ValueError:
        raise Http404(f"{text!r} is no search's uuid.") from None
