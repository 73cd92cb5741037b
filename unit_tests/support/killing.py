"""Runs syncs of which each is killed at one of its SQL statements: `python -m unit_tests.support.killing JOBS`.

JOBS is a file with a list of objects: the arguments of a job, and at which statement it is killed: null for one that is
not, 0 for one that makes as many statements and goes on to its end. Each job has a process of its own, forked when all
is imported, and prints how many statements it made if it was not killed.
"""

import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

from messaging_sync import __main__ as loader
from messaging_sync.console import Console


def counted(client: Any, statements: Iterator[int], kill_at: int | None) -> None:
    """Has each statement of a kind of client counted, before it is made."""
    execute = client.execute_query

    @contextmanager
    def execute_query(self: Any, *arguments: Any, **keywords: Any) -> Iterator[Any]:
        if next(statements) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        with execute(self, *arguments, **keywords) as cursor:
            yield cursor

    client.execute_query = execute_query


def main(jobs: list[dict[str, Any]]) -> None:
    pa.array([0])  # imports pandas, which takes a second, once for all
    for job in jobs:
        kill_at = job.pop("kill_at")
        os.environ["DESTINATION__POSTGRES__CREDENTIALS"] = job.pop("credentials", "")
        if os.fork() == 0:
            statements = count(1)
            counted(DuckDbSqlClient, statements, kill_at)
            counted(Psycopg2SqlClient, statements, kill_at)
            if kill_at is not None:  # each segment is a load of its own
                loader._batches = lambda segments: ([segment] for segment in iter(segments.get, None))
            code = loader.run(loader.Job(Path(job.pop("config")), **job), Console(io.StringIO()))
            print(next(statements) - 1, flush=True)
            os._exit(code)
        os.wait()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
