"""Signing in, and the one-time link that makes the first account."""

import stat

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from searches import accounts
from searches.models import DataSet, Search

pytestmark = pytest.mark.django_db
User = get_user_model()
GOOD = {"username": "alice", "password1": "correct-horse-7", "password2": "correct-horse-7"}


@pytest.fixture
def link() -> str:
    path = accounts.first_account_path()
    assert path
    return path


def test_the_login_page_says_so_while_no_account_exists(client):
    assert "No account exists yet" in client.get(reverse("login")).text
    User.objects.create_user("alice", password="x")
    assert "No account exists yet" not in client.get(reverse("login")).text


def test_the_token_is_a_private_file_and_stays_the_same_until_used(link, data_folder):
    file = data_folder / "first-account-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert link == f"/welcome/{file.read_text()}/"
    assert accounts.first_account_path() == link


def test_the_link_makes_a_superuser_signs_in_and_is_gone(client, link, data_folder):
    assert client.get(link).status_code == 200
    answer = client.post(link, GOOD)
    assert answer.status_code == 302
    alice = User.objects.get()
    assert alice.username == "alice"
    assert alice.is_superuser
    assert alice.is_staff
    assert alice.check_password(GOOD["password1"])
    assert client.session["_auth_user_id"] == str(alice.pk)
    assert not (data_folder / "first-account-token").exists()
    assert accounts.first_account_path() is None


def test_a_used_link_leads_to_the_login_page_and_makes_nobody(client, link):
    client.post(link, GOOD)
    stranger = Client()
    for answer in (stranger.get(link), stranger.post(link, {**GOOD, "username": "mallory"})):
        assert answer.status_code == 302
        assert answer.url == reverse("login")
    assert User.objects.count() == 1


def test_of_two_requests_at_once_one_makes_the_account(link):
    first, second = accounts.FirstAccountForm(GOOD), accounts.FirstAccountForm({**GOOD, "username": "mallory"})
    assert first.is_valid()
    assert second.is_valid()
    accounts.create_first_account(first)
    with pytest.raises(accounts.LinkUsed):
        accounts.create_first_account(second)
    assert [user.username for user in User.objects.all()] == ["alice"]


def test_a_wrong_token_is_not_found(client, link):
    assert client.get(f"{link[:-2]}x/").status_code == 404
    assert client.post("/welcome/guess/", GOOD).status_code == 404
    assert not User.objects.exists()


def test_a_weak_password_is_refused_and_the_link_stays(client, link, data_folder):
    answer = client.post(link, {"username": "alice", "password1": "12345", "password2": "12345"})
    assert answer.status_code == 200
    assert "too short" in answer.text
    assert not User.objects.exists()
    assert (data_folder / "first-account-token").exists()


def test_the_first_account_adopts_what_was_launched_before(client, link):
    images = DataSet.objects.create(
        name="digits", digest="0", input_channels=1, height=8, width=8, n_classes=10, n_train=10, n_test=2
    )
    search = Search.objects.create(name="early", dataset=images, config={}, dataset_digest="0")
    client.post(link, GOOD)
    search.refresh_from_db()
    assert search.owner == User.objects.get()


def test_a_stranger_is_sent_to_the_login_page_and_back(client):
    User.objects.create_user("alice", password="correct-horse-7")
    answer = client.get(reverse("search_list"))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("login"))
    answer = client.post(answer.url, {"username": "alice", "password": "correct-horse-7"})
    assert answer.status_code == 302
    assert answer.url == reverse("search_list")


def test_signing_out_takes_a_post(client):
    client.force_login(User.objects.create_user("alice"))
    assert client.get(reverse("logout")).status_code == 405
    assert client.post(reverse("logout")).status_code == 302
    assert "_auth_user_id" not in client.session


def test_healthz_answers_without_an_account(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
