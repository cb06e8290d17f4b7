"""The launch form."""

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from searches import tasks
from searches.forms import SearchForm
from searches.models import Search
from searches.selectors import visible_to, workers_alive
from searches.services import create_search


@require_http_methods(["GET", "HEAD", "POST"])
def search_new(request: HttpRequest) -> HttpResponse:
    """The empty form with a preset's values; a POST launches the search or says what needs mending."""
    form = SearchForm(request.POST or None, preset=request.GET.get("preset", ""))
    if request.method == "POST" and form.is_valid():
        owner = request.user if isinstance(request.user, AbstractBaseUser) else None
        launched = create_search(form.config, owner=owner, **form.launch_arguments)
        tasks.enqueue(launched.candidate_ids)
        return redirect("search_detail", uuid=launched.uuid)
    under_way = visible_to(request.user).filter(status__in=(Search.Status.WAITING, Search.Status.RUNNING))
    context = {"form": form, "n_workers": workers_alive().count(), "n_under_way": under_way.count()}
    return render(request, "searches/new.html", context)
