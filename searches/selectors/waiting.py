"""What waits for a worker, in the order in which it is trained."""

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from searches.models import Candidate, Search

TRAINS_IN = (Search.Status.WAITING, Search.Status.RUNNING)
"""States of a search in which workers train for it."""
LEASE_IS_DEAD = Q(lease_expires__lt=Now()) | Q(lease_expires=None)
IS_TO_BE_HAD = Q(status=Candidate.Status.PENDING) | (Q(status=Candidate.Status.RUNNING) & LEASE_IS_DEAD)
"""What a claim may take."""
LARGEST_FIRST = ("-n_macs", "step", "index")
"""The largest network of a step would else be the last to end."""
ORDER = (
    "-search__priority",
    "search__created",
    "search_id",
    *LARGEST_FIRST,
)
"""Searches one after another: those that were put first, then the oldest."""


def waiting_candidates() -> QuerySet[Candidate]:
    """What a worker may take, what is trained next first."""
    rows = Candidate.objects.filter(IS_TO_BE_HAD, search__status__in=TRAINS_IN, search__deleted=None)
    return rows.order_by(*ORDER)
