"""Whether an error says that the database cannot be reached now, and nothing of what was asked of it."""

import sqlite3

import psycopg

CONNECTION, OPERATOR = "08", "57P"
"""Classes of SQLSTATE: the connection broke; somebody ends, or just starts, the server."""
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_outage(error: BaseException | None) -> bool:
    """Of an error, or of what it came from: a server that is gone, or a file that another holds for too long.

    libpq has no SQLSTATE for a connection that it lost. What a server answers to a wrong question has one.
    """
    while error is not None:
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return error.sqlstate is None or error.sqlstate.startswith((CONNECTION, OPERATOR))
        if isinstance(error, sqlite3.OperationalError):
            return getattr(error, "sqlite_errorcode", 0) & 0xFF in BUSY
        error = error.__cause__ or error.__context__
    return False
