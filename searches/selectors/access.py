"""Who may see and who may change a search."""

from datetime import timedelta
from typing import TypeAlias

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet
from django.db.models.functions import Now

from searches.models import Search

Asker: TypeAlias = AbstractBaseUser | AnonymousUser


def visible_to(user: Asker) -> QuerySet[Search]:
    """The searches that this user may see: for who is signed in all but the deleted ones, else none."""
    seen = user.is_authenticated and user.is_active
    return Search.objects.filter(deleted=None) if seen else Search.objects.none()


def deleted_for(user: Asker | None) -> QuerySet[Search]:
    """The deleted searches that this user may bring back or remove for good, newest first; of None, all."""
    deleted = Search.objects.exclude(deleted=None).order_by("-deleted", "-pk")
    if user is None:
        return deleted
    if not (user.is_authenticated and user.is_active):
        return deleted.none()
    return deleted if getattr(user, "is_staff", False) else deleted.filter(owner=user.pk)


def kept_long_enough() -> QuerySet[Search]:
    """The deleted searches whose time to be brought back is over, by the database's clock."""
    return Search.objects.filter(deleted__lte=Now() - timedelta(hours=settings.NASH_KEEP_DELETED_HOURS))


def may_change(user: Asker, search: Search) -> bool:
    """Whether this user may pause, resume or stop the search: its owner and staff may."""
    if not (user.is_authenticated and user.is_active):
        return False
    return search.owner_id == user.pk or bool(getattr(user, "is_staff", False))
