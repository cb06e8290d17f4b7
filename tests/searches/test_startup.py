"""What `up` puts in order before the site answers."""

import os
import socket
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from searches import startup
from searches.startup import CannotStart, choose_port, describe_holder, lock_data_folder, served_names

ROOT = Path(__file__).resolve().parents[2]
PREPARE = "import django\ndjango.setup()\nfrom searches import startup\n"


def in_new_process(folder: Path, code: str) -> list[str]:
    process = subprocess.run(
        [sys.executable, "-c", PREPARE + code],
        cwd=ROOT,
        env={
            **os.environ,
            "NASH_DATA_DIR": str(folder),
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "nashweb.settings",
        },
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def test_a_second_holder_of_a_data_folder_is_refused_in_words(tmp_path):
    with lock_data_folder(tmp_path) as lock:
        describe_holder(lock, "http://127.0.0.1:8123")
        with pytest.raises(CannotStart, match=rf"process {os.getpid()}, http://127.0.0.1:8123.*NASH_DATA_DIR"):
            lock_data_folder(tmp_path)
    lock_data_folder(tmp_path).close()


def test_a_fresh_database_is_made_without_a_copy(tmp_path):
    assert in_new_process(tmp_path, "startup.migrate(print)") == []
    assert not (tmp_path / "backups").exists()
    with sqlite3.connect(tmp_path / "nash.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM searches_search").fetchone() == (0,)


def test_an_older_database_is_copied_before_it_is_migrated(tmp_path):
    in_new_process(
        tmp_path,
        "startup.migrate(print)\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', 'sessions', 'zero', verbosity=0)\n"
        "from django.contrib.auth.models import User\n"
        "User.objects.create_user('alice')\n",
    )
    said = in_new_process(tmp_path, "startup.migrate(print)")
    assert len(said) == 2
    assert "older version" in said[0]
    copy = next((tmp_path / "backups").iterdir())
    assert str(copy) in said[0]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    tables = "SELECT name FROM sqlite_master WHERE name = 'django_session'"
    with sqlite3.connect(copy) as before, sqlite3.connect(tmp_path / "nash.sqlite3") as after:
        assert before.execute("SELECT username FROM auth_user").fetchall() == [("alice",)]
        assert before.execute(tables).fetchall() == []
        assert after.execute(tables).fetchall() == [("django_session",)]
    assert in_new_process(tmp_path, "startup.migrate(print)") == []


def test_static_files_are_collected_once_and_again_when_a_source_changes(tmp_path, settings, monkeypatch):
    calls = []
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    settings.STATICFILES_DIRS = [tmp_path / "sources"]
    (tmp_path / "sources").mkdir()
    source = tmp_path / "sources" / "page.css"
    source.write_text("a {}")
    monkeypatch.setattr(startup, "call_command", lambda name, **options: calls.append(name))
    startup.collect_static_files()
    startup.collect_static_files()
    assert calls == ["collectstatic"]
    source.write_text("a { color: red }")
    startup.collect_static_files()
    assert calls == ["collectstatic", "collectstatic"]


@pytest.fixture
def taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_the_default_port_gives_way_to_the_next_free_one(taken_port, monkeypatch):
    monkeypatch.setattr(startup, "DEFAULT_PORT", taken_port)
    chosen = choose_port("127.0.0.1", None)
    assert chosen != taken_port
    assert choose_port("127.0.0.1", chosen) == chosen


def test_a_port_that_was_asked_for_and_is_taken_is_refused(taken_port):
    with pytest.raises(CannotStart, match=rf"Port {taken_port} of 127.0.0.1 is taken"):
        choose_port("127.0.0.1", taken_port)


@pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_refused(host):
    with pytest.raises(CannotStart, match=f"--host {host}"):
        choose_port(host, None)


def test_a_port_out_of_range_is_refused():
    with pytest.raises(CannotStart, match="--port 70000"):
        choose_port("127.0.0.1", 70000)


def test_a_site_on_all_addresses_answers_to_the_machines_names():
    assert socket.gethostname() in served_names("0.0.0.0")
    assert served_names("10.0.0.7") == ["10.0.0.7"]
    assert served_names("::1") == ["[::1]"]


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False),
        ((3, 45, 3), True), ((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 2), True), ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)  # fmt: skip
def test_versions_of_sqlite_with_the_wal_reset_bug_are_known(version, has_it):
    assert startup.has_wal_reset_bug(version) == has_it


def check(folder: Path) -> list[str]:
    code = (
        "from searches import startup\n"
        "try:\n    startup.check_database(print)\nexcept startup.CannotStart as error:\n    print('refused:', error)"
    )
    return in_new_process(folder, code)


def test_a_database_is_checked_at_start_and_a_damaged_one_is_refused_in_words(tmp_path):
    in_new_process(tmp_path, "startup.migrate(print)")
    assert not any("refused" in line for line in check(tmp_path))
    database = tmp_path / "nash.sqlite3"
    content = bytearray(database.read_bytes())
    content[4096 * 3 : 4096 * 8] = b"\xff" * 4096 * 5
    database.write_bytes(content)
    (line,) = [line for line in check(tmp_path) if "refused" in line]
    assert f"The database {database} is damaged" in line
    assert "manage.py restore" in line
    database.write_bytes(b"no database at all" * 500)
    assert any("is damaged (file is not a database)" in line for line in check(tmp_path))
