"""The weights of networks that lost their step are given up once the next step has begun; what was measured stays."""

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from searches.models import Artifact, Candidate, Search
from searches.services.events import lock_search


def drop_losers(search_id: int) -> list[Candidate]:
    """Remove the rows of the losers' weights, and return the losers, for their files to be removed after this.

    Losers are neighbours that were done and did not win a step that another training follows. Nothing is trained
    from them any more. [] where NASH_KEEP_LOSERS is set.
    """
    if settings.NASH_KEEP_LOSERS:
        return []
    with transaction.atomic():
        search = lock_search(search_id)
        losers = _losers(search)
        Artifact.objects.filter(candidate__in=losers, format=Artifact.Format.WEIGHTS).delete()
    return losers


def _losers(search: Search) -> list[Candidate]:
    kinds = Candidate.Kind
    follows = search.candidates.filter(
        Q(kind=kinds.NEIGHBOUR, step=OuterRef("step") + 1) | Q(kind=kinds.FINAL, step__gte=OuterRef("step"))
    )
    done = search.candidates.filter(kind=kinds.NEIGHBOUR, status=Candidate.Status.DONE, is_winner=False)
    return list(done.filter(Exists(follows), children=None).select_related("search"))
