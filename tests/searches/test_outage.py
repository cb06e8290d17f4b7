"""Which errors say that the database cannot be reached, and which that something wrong was asked of it."""

import sqlite3
from contextlib import closing

import psycopg
import psycopg_pool
import pytest
from django.db import OperationalError

from searches import outage


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.OperationalError("connection failed"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg_pool.PoolTimeout("couldn't get a connection after 20.00 sec"), True),
        (psycopg.errors.AdminShutdown("terminating connection"), True),
        (psycopg.errors.CannotConnectNow("the database system is starting up"), True),
        (psycopg.errors.QueryCanceled("canceling statement"), False),
        (psycopg.errors.DiskFull("no space left"), False),
        (psycopg.errors.UndefinedColumn("column x does not exist"), False),
        (RuntimeError("a bug"), False),
    ],
)
def test_what_counts_as_a_database_out_of_reach(error, expected):
    wrapped = OperationalError(str(error))
    wrapped.__cause__ = error
    assert outage.is_outage(wrapped) is expected


def test_a_sqlite_file_that_is_held_too_long_is_out_of_reach_and_a_wrong_question_is_none(tmp_path):
    path = tmp_path / "one.sqlite3"
    with closing(sqlite3.connect(path)) as holder, closing(sqlite3.connect(path, timeout=0)) as own:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as busy:
            own.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as wrong:
            own.execute("SELECT x FROM nothing")
    assert outage.is_outage(busy.value)
    assert not outage.is_outage(wrong.value)
