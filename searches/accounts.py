"""Signing in and out, and the one-time link that makes the first account."""

import secrets
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache

from nashweb.datafolder import write_once
from searches.models import Search


class LinkUsed(Exception):
    """The one-time link has been used: the first account exists, or is being made by another request."""


class LoginView(views.LoginView):
    """The login page; while no account exists it says where the one-time link is."""

    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {**context, "no_account": not User.objects.exists(), "token_file": token_file().name}


class LogoutView(views.LogoutView):
    """Signs out (POST) and goes to the login page."""


class FirstAccountForm(BaseUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """User name and a password, twice."""

    class Meta:
        model = User
        fields = ("username",)
        widgets = {"username": forms.TextInput(attrs={"autocomplete": "username"})}


def token_file() -> Path:
    """The file that holds the token of the one-time link, while no account exists."""
    return Path(settings.NASH_DATA_DIR) / "first-account-token"


def first_account_path() -> str | None:
    """Return the path of the one-time link (/welcome/<token>/), or None where an account exists.

    The token is made at the first call and kept (mode 0600) until it is used.
    """
    if User.objects.exists():
        token_file().unlink(missing_ok=True)
        return None
    return reverse("welcome", args=[write_once(token_file(), secrets.token_urlsafe(32))])


def create_first_account(form: FirstAccountForm) -> User:
    """Save `form` as a superuser who owns what was launched before any account existed.

    Removing the token's file is the claim: of two requests at once only one can do it.
    Raises LinkUsed for the other.
    """
    try:
        token_file().unlink()
    except FileNotFoundError as error:
        raise LinkUsed from error
    with transaction.atomic():
        if User.objects.exists():
            raise LinkUsed
        user: User = form.save(commit=False)
        user.is_staff = user.is_superuser = True
        user.save()
        Search.objects.filter(owner=None).update(owner=user)
    return user


@login_not_required
@never_cache
def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """Make the first account and sign in. Once an account exists the link leads to the login page."""
    if User.objects.exists():
        return redirect("login")
    if not _is_token(token):
        raise Http404("No such link. `up` prints the one-time link when it starts.")
    form = FirstAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = create_first_account(form)
        except LinkUsed:
            return redirect("login")
        login(request, user)
        return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "registration/welcome.html", {"form": form})


def _is_token(token: str) -> bool:
    try:
        return constant_time_compare(token, token_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False


@login_not_required
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 where the web process and its database answer; `up` and proxies ask for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")
