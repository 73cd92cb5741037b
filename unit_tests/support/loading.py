"""`make sync` of a source that follows a script."""

import io
from pathlib import Path
from typing import Any

import duckdb

from messaging_sync.__main__ import Job, run
from messaging_sync.console import Console
from unit_tests.support.source import FakeSource, Message


class Sync:
    """A source that follows a script, and the DuckDB file it is loaded into."""

    def __init__(self, folder: Path) -> None:
        self.source = FakeSource(folder)
        self.database = folder / "out.duckdb"
        self.said = ""

    def __call__(self, *read: Message | str, **job: Any) -> int:
        """Loads what the source says to `read`; the exit code, the output being in `said`."""
        self.source.says("read", read)
        options = {"destination": str(self.database), "command": self.source.command} | job
        out = io.StringIO()
        code = run(Job(self.source.config, **options), Console(out))
        self.said = out.getvalue()
        return code

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()
