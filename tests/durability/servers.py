"""PostgreSQL and Redis servers of a test's own: own folder, free port, killed and started again as the test likes."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg.sql import SQL, Identifier

SERVER_SECONDS = 30


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def postgres_programs() -> Path:
    """Where initdb and pg_ctl are. Skips the test where there are none."""
    on_path = shutil.which("pg_ctl")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda p: int(p.parts[-3]))
    if not on_path and not found:
        pytest.skip("no PostgreSQL server programs (pg_ctl): apt-get install postgresql")
    return Path(on_path).parent if on_path else found[-1].parent


class Postgres:
    """A PostgreSQL server; as root it runs as the user postgres, for it refuses root."""

    def __init__(self, folder: Path) -> None:
        self.programs = postgres_programs()
        self.data = folder / "data"
        self.port = free_port()
        folder.mkdir(mode=0o755)
        self._as: dict[str, int] = {}
        if os.getuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
            for above in folder.parents:
                if above.stat().st_uid == 0 and above != Path("/"):
                    above.chmod(above.stat().st_mode | 0o011)  # pytest's folders are its user's alone
            self._as = {"user": account.pw_uid, "group": account.pw_gid}
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8")
        self.start()
        self.url = self.new_database("nash")

    def new_database(self, name: str) -> str:
        """Its address."""
        server = f"postgres://postgres@127.0.0.1:{self.port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return f"{server}/{name}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = str(self.data.parent / "server.log")
        self._run("pg_ctl", "-D", str(self.data), "-l", log, "-w", "-t", str(SERVER_SECONDS), "-o", options, "start")

    def stop(self, mode: str) -> None:
        """`mode` as pg_ctl has it: immediate is a crash, fast ends all sessions."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-t", str(SERVER_SECONDS), "stop")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.data.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open in the server
            stderr=subprocess.DEVNULL,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, f"{program} {' '.join(arguments)}: exit code {done.returncode}"


class Redis:
    """A Redis server that keeps nothing on disk."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if not program:
            pytest.skip("no redis-server: apt-get install redis-server")
        self.program = program
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + SERVER_SECONDS
        while time.monotonic() < deadline:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
                    return
            except redis.ConnectionError:
                time.sleep(0.05)
        raise AssertionError("redis-server does not answer")

    def forget_everything(self) -> None:
        """FLUSHALL, then a restart."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
        self.stop()
        self.start()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
