"""A PostgreSQL server of a test's own: on a free port, in a folder that goes with it."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
USER = "postgres"
# Debian keeps the server's programs out of PATH.
PROGRAMS = os.pathsep.join([*map(str, Path("/usr/lib/postgresql").glob("*/bin")), os.environ.get("PATH", "")])
INSTALLED = shutil.which("initdb", path=PROGRAMS) is not None


@dataclass(frozen=True)
class Postgres:
    """A running server, which trusts everybody on this machine. The database is the user's."""

    port: int

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@{HOST}:{self.port}/{USER}"

    def execute(self, *statements: str) -> None:
        """Runs statements, or psql's own commands, one after the other."""
        self._psql("".join(f"{statement}\n" for statement in statements))

    def rows(self, query: str, database: str = USER) -> list[dict[str, Any]]:
        """Return the rows of a query as JSON has them: a timestamp is its text."""
        found: list[dict[str, Any]] = json.loads(
            self._psql(f"SELECT coalesce(json_agg(t), '[]') FROM ({query.strip().rstrip(';')}) AS t;", database)
        )
        return found

    def _psql(self, script: str, database: str = USER) -> str:
        command = [
            _program("psql"),
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            self.url.removesuffix(USER) + database,
        ]
        ran = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Starts a server, and stops it when the block ends."""
    # The server refuses to run as root, and its user cannot look into the folders that pytest makes for root.
    user = USER if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        if user:
            shutil.chown(name, user)
        data, port = f"{name}/data", _free_port()
        options = f"-p {port} -h {HOST} -k {name} -c fsync=off -c timezone=UTC"
        _run(user, "initdb", "-D", data, "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
        _run(user, "pg_ctl", "-D", data, "-l", f"{name}/log", "-o", options, "-w", "start")
        try:
            yield Postgres(port)
        finally:
            _run(user, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _run(user: str | None, program: str, *arguments: str) -> None:
    # Not captured: the server would hold the pipe open.
    ran = subprocess.run([_program(program), *arguments], user=user, stdout=subprocess.DEVNULL, check=False)
    assert ran.returncode == 0, f"{program} failed"


def _program(name: str) -> str:
    found = shutil.which(name, path=PROGRAMS)
    assert found, f"{name} is not installed: `make test-all` installs PostgreSQL on Debian"
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
