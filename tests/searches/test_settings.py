"""The settings as a fresh process reads them: files and their modes, the queue, SQLite's options, production."""

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huey.registry import Message
from psycopg.conninfo import conninfo_to_dict

from nashweb import datafolder
from nashweb.environment import flag, read_env_file, words
from nashweb.queue import JSONSerializer, given_up_when_silent, make_queue

ROOT = Path(__file__).resolve().parents[2]
PRINT_SETTINGS = """
import json
from nashweb import settings as s
print(json.dumps({"debug": s.DEBUG, "database": s.DATABASES["default"], "queue": type(s.HUEY).__name__,
    "immediate": s.HUEY.immediate, "results": s.HUEY.results, "serializer": type(s.HUEY.serializer).__name__,
    "dsn": getattr(s.HUEY.storage, "dsn", ""), "folder": str(s.NASH_DATA_DIR), "key": s.SECRET_KEY}, default=str))
"""


def fresh_settings(folder: Path, **environment: str) -> dict:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LD_LIBRARY_PATH"}}
    process = subprocess.run(
        [sys.executable, "-c", PRINT_SETTINGS],
        cwd=ROOT,
        env={**kept, "NASH_DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(process.stdout)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_set_gives_sqlite_files_in_a_private_data_folder(tmp_path):
    folder = tmp_path / "some" / "data"
    found = fresh_settings(folder)
    assert mode(folder) == 0o700
    assert mode(folder / "secret-key") == 0o600
    assert found["key"] == (folder / "secret-key").read_text()
    assert fresh_settings(folder)["key"] == found["key"]
    assert found["debug"] is False
    assert found["database"]["NAME"] == str(folder / "nash.sqlite3")
    options = found["database"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] == 20
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        assert pragma in options["init_command"]
    assert not found["database"].get("ATOMIC_REQUESTS")
    assert found["queue"] == "SqliteHuey"
    assert (folder / "queue.sqlite3").is_file()


@pytest.mark.parametrize("debug", ["0", "1"])
def test_the_queue_never_runs_a_training_inside_a_request(tmp_path, debug):
    found = fresh_settings(tmp_path, NASH_DEBUG=debug)
    assert found["immediate"] is False
    assert found["results"] is False
    assert found["serializer"] == "JSONSerializer"


def test_redis_is_the_queue_where_there_is_one(tmp_path):
    found = fresh_settings(tmp_path, REDIS_URL="redis://127.0.0.1:1/0")
    assert found["queue"] == "PriorityRedisHuey"


def test_postgresql_is_the_queue_where_there_is_no_redis(tmp_path):
    found = fresh_settings(tmp_path, DATABASE_URL="postgres://nash@127.0.0.1:1/nash")
    assert found["queue"] == "PostgresHuey"
    assert found["database"]["ENGINE"] == "django.db.backends.postgresql"
    assert found["database"]["OPTIONS"]["pool"]


def test_a_postgresql_server_that_falls_silent_is_given_up_within_a_minute(tmp_path):
    asked = "postgres://nash:a%40b@127.0.0.1:1/nash?sslmode=require&tcp_user_timeout=5000"
    found = fresh_settings(tmp_path, DATABASE_URL=asked)
    options, dsn = found["database"]["OPTIONS"], found["dsn"]
    assert found["database"]["PASSWORD"] == "a@b"
    for told in (options, conninfo_to_dict(dsn)):
        assert int(told["connect_timeout"]) <= 10
        waits = [int(told[f"keepalives_{name}"]) for name in ("idle", "interval", "count")]
        assert waits[0] + waits[1] * waits[2] <= 30
        assert (told["sslmode"], int(told["tcp_user_timeout"])) == ("require", 5000)  # what the address says holds
    assert conninfo_to_dict(dsn)["password"] == "a@b"
    assert int(conninfo_to_dict(given_up_when_silent("postgres://db/nash"))["tcp_user_timeout"]) == 30_000
    assert given_up_when_silent("sqlite:////data/nash.sqlite3") == "sqlite:////data/nash.sqlite3"


def test_many_first_starts_at_once_agree_on_one_secret_key(data_folder):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: datafolder.secret_key(data_folder), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    assert [path.name for path in data_folder.iterdir()] == ["secret-key"]


def test_a_damaged_secret_key_is_named_with_the_way_out(tmp_path):
    (tmp_path / "secret-key").write_text("short")
    with pytest.raises(ValueError, match=r"secret-key holds 5 characters.*delete it"):
        datafolder.secret_key(tmp_path)


def test_an_open_data_folder_is_closed_to_others(tmp_path):
    tmp_path.chmod(0o755)
    datafolder.data_folder(tmp_path)
    assert mode(tmp_path) == 0o700


def test_a_message_survives_json():
    serializer = JSONSerializer()
    message = Message(id="a", name="train", priority=3, args=(17,), kwargs={"why": "step"}, retries=0)
    assert serializer.deserialize(serializer.serialize(message)) == message
    assert json.loads(serializer.serialize(message))["message"]["args"] == [17]
    assert serializer.deserialize(serializer.serialize([None, False])) == [None, False]


def test_sites_that_share_a_redis_server_have_queues_of_their_own_and_the_hosts_of_one_site_the_same(tmp_path):
    redis = "redis://127.0.0.1:1/0"

    def name(folder, database):
        return make_queue(tmp_path / folder, database, redis).storage.queue_key

    one = name("a", "postgres://nash:secret@db.example.org:5432/nash")
    assert name("b", "postgresql://nash:secret@10.0.0.7/nash") == one
    assert name("a", "postgres://nash:secret@db.example.org:5432/other") != one
    assert name("a", "") != name("b", "")


def test_a_redis_server_that_falls_silent_holds_no_worker_for_ever(tmp_path):
    storage = make_queue(tmp_path, "sqlite:///x", "redis://127.0.0.1:1/0").storage
    connection = storage.pool.make_connection()
    assert storage.read_timeout < connection.socket_timeout == connection.socket_connect_timeout == 5
    for url in ("redis://127.0.0.1:1/0?socket_timeout=20", "unix:///run/redis.sock?socket_timeout=20"):
        assert make_queue(tmp_path, "sqlite:///x", url).storage.pool.make_connection().socket_timeout == 20


def test_a_task_goes_through_the_sqlite_queue(tmp_path):
    queue = make_queue(tmp_path, "sqlite:///x", "")
    seen = []

    @queue.task(name="note")
    def note(number):
        seen.append(number)

    note(5)
    assert seen == []
    queue.execute(queue.dequeue())
    assert seen == [5]


def test_an_env_file_yields_to_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("NASH_T_ONE", "kept")
    monkeypatch.delenv("NASH_T_TWO", raising=False)
    (tmp_path / ".env").write_text("# words\nNASH_T_ONE=other\n\nexport NASH_T_TWO='a=b, c'\n")
    read_env_file(tmp_path / ".env")
    assert os.environ["NASH_T_ONE"] == "kept"
    assert words("NASH_T_TWO") == ["a=b", "c"]
    monkeypatch.delenv("NASH_T_TWO")
    (tmp_path / ".env").write_text("NASH_T_ONE\n")
    with pytest.raises(ValueError, match="line 1"):
        read_env_file(tmp_path / ".env")


def test_a_flag_that_is_neither_yes_nor_no_is_refused(monkeypatch):
    monkeypatch.setenv("NASH_T", "perhaps")
    with pytest.raises(ValueError, match="NASH_T='perhaps'"):
        flag("NASH_T")


def test_every_page_carries_the_strict_content_security_policy(client, db):
    policy = client.get("/accounts/login/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
