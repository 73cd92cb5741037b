"""Shared by the tests of exports: rows to put in, and the oracle."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox import Sandbox
from unit_tests.support.connector import Sync

EXPORT = "/api/export/data.json$"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Engine:
    """A way to export: the value of `export_method`, and the paths by which a window is asked for and rows come."""

    method: str
    asks: str
    rows: str


STREAM = Engine("stream", EXPORT, EXPORT)
JOBS = Engine("jobs", "/api/export/start$", "/export-storage/")

over_both_engines = pytest.mark.parametrize("engine", [STREAM, JOBS], ids=lambda engine: engine.method, indirect=True)


def rows_every(
    gap: timedelta,
    start: datetime,
    end: datetime | None = None,
    count: int | None = None,
    prefix: str = "message",
) -> Iterator[dict[str, Any]]:
    """One sent e-mail every `gap`, until `end` or `count` of them, told apart by message id."""
    number, moment = 0, start
    while (end is None or moment < end) and (count is None or number < count):
        yield {
            "email": f"person{number % 7}@example.com",
            "createdAt": f"{moment:%Y-%m-%d %H:%M:%S} +00:00",
            "messageId": f"{prefix}-{number}",
        }
        number, moment = number + 1, moment + gap


def small_sandbox() -> Sandbox:
    """A project with ten days of one e-mail an hour until just now, and a workspace with three messages."""
    sandbox = Sandbox(budgets=False, seed=False)
    now = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=10)
    sandbox.iterable.lists = [{"id": 7, "name": "VIP"}]
    sandbox.iterable.add_events("emailSend", rows_every(timedelta(hours=1), now - timedelta(days=10), now))
    sandbox.courier.messages = [{"id": f"1-{number}", "enqueued": 1_750_000_000_000 + number} for number in range(3)]
    return sandbox


def delivered(sync: Sync, stream: str = "email_send") -> list[str]:
    """The message ids of all rows emitted, sorted, repeated ones included."""
    return sorted(row["messageId"] for row in sync.records[stream])


def held(sandbox: Sandbox, data_type: str = "emailSend") -> list[str]:
    """The message ids of all rows in the sandbox, sorted."""
    return sorted(row["messageId"] for row in sandbox.iterable.rows(data_type))


def windows(sandbox: Sandbox, data_type: str = "emailSend") -> list[tuple[str, str]]:
    """The windows asked for, in order, those that failed included."""
    streamed = [
        (call.query["startDateTime"][0], call.query["endDateTime"][0])
        for call in sandbox.calls
        if call.query.get("dataTypeName") == [data_type]
    ]
    by_jobs = [
        (_spelled(job.start), _spelled(job.end)) for job in sandbox.iterable.jobs.started if job.data_type == data_type
    ]
    return streamed + by_jobs


def _spelled(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
