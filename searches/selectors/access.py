"""Who may see and who may change a search."""

from typing import TypeAlias

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet

from searches.models import Search

Asker: TypeAlias = AbstractBaseUser | AnonymousUser


def visible_to(user: Asker) -> QuerySet[Search]:
    """The searches that this user may see: all of them for who is signed in, else none."""
    return Search.objects.all() if user.is_authenticated and user.is_active else Search.objects.none()


def may_change(user: Asker, search: Search) -> bool:
    """Whether this user may pause, resume or stop the search: its owner and staff may."""
    if not (user.is_authenticated and user.is_active):
        return False
    return search.owner_id == user.pk or bool(getattr(user, "is_staff", False))
