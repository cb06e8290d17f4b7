"""PostgreSQL and Redis servers of a test's own: own folder, free port, killed and started again as the test likes."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import redis
from psycopg.sql import SQL, Identifier

from tests.conftest import missing

SERVER_SECONDS = 30
LOG_CHARACTERS = 5_000


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def postgres_programs() -> Path:
    """Where initdb and pg_ctl are. Skips the test where there are none, or fails it in CI."""
    on_path = shutil.which("pg_ctl")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda p: int(p.parts[-3]))
    if not on_path and not found:
        missing("no PostgreSQL server programs (pg_ctl): apt-get install postgresql")
    return Path(on_path).parent if on_path else found[-1].parent


class Postgres:
    """A PostgreSQL server; as root it runs as the user postgres, for it refuses root.

    Its folder is none of pytest's: each pytest that starts closes those to other users, this one's, too.
    """

    def __init__(self) -> None:
        self.programs = postgres_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="nash-postgres-"))
        self.data = self.folder / "data"
        self.logs = [self.folder / "server.log", self.folder / "pg_ctl.log"]
        self.port = free_port()
        self._as: dict[str, int] = {}
        if os.getuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                missing("PostgreSQL refuses to run as root, and there is no user postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid}
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8")
        self.start()

    def new_database(self, name: str) -> str:
        """Its address."""
        server = f"postgres://postgres@127.0.0.1:{self.port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return f"{server}/{name}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = str(self.logs[0])
        self._run("pg_ctl", "-D", str(self.data), "-l", log, "-w", "-t", str(SERVER_SECONDS), "-o", options, "start")

    def stop(self, mode: str) -> None:
        """`mode` as pg_ctl has it: immediate is a crash, fast ends all sessions."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-t", str(SERVER_SECONDS), "stop")

    def end(self) -> None:
        """Stop it and remove its folder."""
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        with self.logs[1].open("ab") as log:  # a pipe would stay open in the server
            done = subprocess.run(
                [str(self.programs / program), *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                **self._as,
            )
        assert done.returncode == 0, f"{program} {' '.join(arguments)}: exit code {done.returncode}\n{self.story()}"

    def story(self) -> str:
        """The end of what the server and its commands have said, for a test that fails."""
        said = [path.read_text(errors="replace")[-LOG_CHARACTERS:] for path in self.logs if path.is_file()]
        return "\n".join(said)


class Redis:
    """A Redis server that keeps nothing on disk."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if not program:
            missing("no redis-server: apt-get install redis-server")
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

    def n_keys(self) -> int:
        with redis.Redis.from_url(self.url) as client:
            return int(client.dbsize())

    def forget_everything(self) -> None:
        """FLUSHALL, then a restart."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
        self.stop()
        self.start()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
