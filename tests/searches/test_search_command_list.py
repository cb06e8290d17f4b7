"""`manage.py search list`: filters, order and columns as on the page, and the same rows as CSV and JSON."""

import json

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test import Client

from searches import services
from searches.models import Search
from tests.searches.rows import make_dataset, make_search, pending, run_to_end, train
from tests.searches.test_search_command import a_living_worker, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(admin_user) -> Client:
    """Somebody who is signed in."""
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def three(alice, bob) -> list[Search]:
    """Anna has finished and is tagged, Berta runs and is bob's, Carla waits on other images and is nobody's."""
    anna = make_search(owner=alice, name="Anna")
    berta = make_search(owner=bob, name="Berta")
    carla = make_search(name="Carla")
    run_to_end(anna)
    services.add_tags(anna, ["table-1", "night run"], alice)
    train(pending(berta)[0])
    Search.objects.filter(pk=carla.pk).update(note="The learning rate is too low", dataset=make_dataset("leaves"))
    return [anna, berta, carla]


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ("", ""),
        ("--state running", "?state=running"),
        ("--dataset leaves", "?dataset=leaves"),
        ("--owner alice", "?owner=alice"),
        ("--owner ~", "?owner=~"),
        ("--tag table-1", "?tag=table-1"),
        ("--text rate", "?q=rate"),
        ("--sort name", "?sort=name"),
        ("--sort name --reverse", "?sort=-name"),
        ("--sort accuracy", "?sort=-accuracy"),
        ("--sort accuracy --reverse", "?sort=accuracy"),
        ("--state finished --owner bob", "?state=finished&owner=bob"),
        ("--columns seed,state --sort seed", "?col=state&col=seed&sort=-seed"),
    ],
)
def test_it_is_what_the_page_exports_with_the_same_filters(three, page, arguments, query):
    with a_living_worker():
        words = arguments.split()
        assert json.loads(run("list", "--json", *words)[0]) == page.get(f"/searches.json{query}").json()["searches"]
        assert run("list", "--csv", *words)[0] == page.get(f"/searches.csv{query}").content.decode().rstrip() + "\n"


def test_the_table_has_a_line_for_each_search_and_its_columns_in_words(three):
    with a_living_worker():
        head, carla, berta, anna = run("list")[0].splitlines()
    assert head.split()[:4] == ["uuid", "Name", "Data", "set"]
    assert carla.startswith(f"{str(three[2].uuid)[:8]}  Carla  leaves")
    assert "waiting: waits for a worker, 1 before it" in carla
    assert "running: between two trainings" in berta
    assert "1 of 14 epochs" in berta
    assert "night run, table-1" in anna
    assert "finished: test error 10.00 %" in anna
    assert "50.0 70.0 75.0" in anna
    chosen = run("list", "--columns", "test_error,owner", "--text", "anna")[0].splitlines()
    assert chosen[0].split()[-3:] == ["Test", "error", "Owner"]
    assert chosen[1].split()[-3:] == ["10.00", "%", "alice"]


def test_nothing_found_is_said_and_is_an_empty_list_for_programs(three):
    assert run("list", "--text", "nobody wrote this")[0] == "No search is like that. Take away a filter.\n"
    assert run("list", "--text", "nobody wrote this", "--json")[0] == "[]\n"
    assert run("list", "--text", "nobody wrote this", "--csv")[0] == "uuid,name,dataset,tags\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--state", "runing"), "invalid choice: 'runing'"),
        (("--sort", "progress"), "invalid choice: 'progress'"),
        (("--columns", "state,speed"), "no column speed; there are state, progress"),
        (("--csv", "--json"), "not allowed with"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(arguments, words):
    with pytest.raises(CommandError, match=words):
        run("list", *arguments)


def test_a_database_without_its_tables_is_named_with_what_sets_it_up():
    with connection.schema_editor() as editor:
        editor.execute("ALTER TABLE searches_search RENAME TO elsewhere")
    try:
        with pytest.raises(Exception, match="searches_search"):  # the migrations are there: no words for this
            run("list")
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept AS SELECT * FROM django_migrations")
            cursor.execute("DELETE FROM django_migrations WHERE app = 'searches'")
        with pytest.raises(CommandError, match=r"is of an older version of NASH: start `manage\.py up`, or run"):
            run("list")
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations")
        with pytest.raises(CommandError, match=r"was not set up yet: start `manage\.py up`, or run"):
            run("list")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations")
            cursor.execute("INSERT INTO django_migrations SELECT * FROM kept")
            cursor.execute("DROP TABLE kept")
            cursor.execute("ALTER TABLE elsewhere RENAME TO searches_search")
