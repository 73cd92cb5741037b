"""Syncs at the vendor's real budgets, on a clock that skips the waiting; each runs in one process with the sandbox."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.programs import configured
from messaging_sync.estimate import least_windows
from sandbox import Sandbox, serve
from sandbox.iterable import data_types
from sandbox.iterable.api import EXPORT
from sandbox.iterable.seed import history, people
from scripts import streams
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import Sync, run

NOW: Final = datetime(2026, 3, 15, 12, tzinfo=UTC)
LAST_SYNC: Final = NOW - timedelta(hours=1)
LISTINGS: Final = ("lists", "campaigns", "channels", "message_types", "snippets", "webhooks", "templates", "metadata")


@dataclass(frozen=True)
class Scenario:
    """A sync of the first `exports` export streams: from `days` ago on, or from an hour ago beside listings.

    rows: so many in each stream.
    """

    exports: int
    days: int | None = None
    rows: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def start(self) -> datetime:
        return LAST_SYNC if self.days is None else NOW - timedelta(days=self.days)


@dataclass(frozen=True)
class Outcome:
    """Calls, rows and time of one sync.

    calls: of any kind. exports: of the export API. least: how many cover the time in windows that at most double, or 0
    for jobs, which have no such budget. refused: calls answered with 429. minutes: from the first call to the end of
    the sync. last_listing: seconds after the first call at which the last listing was complete; None unless all were.
    """

    calls: int
    exports: int
    least: int
    refused: int
    minutes: float
    last_listing: float | None
    rows: int

    @property
    def least_minutes(self) -> float:
        """Return the minutes that the least calls take at the vendor's budget; the first of them go at once."""
        return (self.least / EXPORT.calls - 1) * EXPORT.seconds / 60


def in_a_process_of_its_own(scenario: Scenario) -> Outcome:
    """Runs a sync in a process of its own, since threads that it leaves would disturb the next clock."""
    with ProcessPoolExecutor(1, get_context("fork")) as executor:
        return executor.submit(outcome_of, scenario).result()


def outcome_of(scenario: Scenario) -> Outcome:
    """Runs a sync. Raises RuntimeError when it fails."""
    logging.disable(logging.INFO)  # the source logs to standard output, window by window
    with VirtualClock(NOW).running() as clock:
        sandbox = Sandbox(anchor=NOW.date(), clock=clock.now, seed=scenario.days is None)
        for data_type in data_types.EVENTS if scenario.rows else ():
            sandbox.iterable.add_events(data_type, _rows(data_type, scenario))
        with serve(sandbox) as address:
            synced = _sync(scenario, address, sandbox.iterable.api_key)
        ended = clock.now()
    began, by_jobs = sandbox.calls[0].at, scenario.options.get("export_method") == "jobs"
    return Outcome(
        calls=len(sandbox.calls),
        exports=sum(call.path.startswith("/api/export/") for call in sandbox.calls),
        least=0 if by_jobs else scenario.exports * least_windows(NOW - scenario.start),
        refused=sum(call.status == 429 for call in sandbox.calls),
        minutes=(ended - began) / 60,
        last_listing=_last_listing(synced, began),
        rows=sum(map(len, synced.records.values())),
    )


def export_streams() -> list[str]:
    """The exports of events, in the manifest's order."""
    known = streams.streams_of(streams.resolve(streams.MANIFEST.read_text(encoding="utf-8")))
    return [stream.name for stream in known if stream.kind == "exports" and stream.name != "users"]


def _sync(scenario: Scenario, address: str, api_key: str) -> Sync:
    exports = export_streams()[: scenario.exports]
    names = [*exports, *(LISTINGS if scenario.days is None else ())]
    catalog = {"streams": list(map(configured, names))}
    config = {"api_key": api_key, "api_url": address, "start_date": f"{scenario.start:%Y-%m-%dT%H:%M:%SZ}"}
    state = [
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": name}, "stream_state": {"createdAt": LAST_SYNC.isoformat()}},
        }
        for name in exports
    ]
    with tempfile.TemporaryDirectory() as folder:
        given = state if scenario.days is None else None
        synced = run(Path(folder), "read", config | dict(scenario.options), catalog, given)
    if synced.errors or synced.crash:
        raise RuntimeError([error["message"] for error in synced.errors.values()])
    return synced


def _last_listing(synced: Sync, began: float) -> float | None:
    moments = {
        trace["stream_status"]["stream_descriptor"]["name"]: trace["emitted_at"] / 1000 - began
        for trace in synced.of_type("TRACE")
        if trace["type"] == "STREAM_STATUS" and trace["stream_status"]["status"] == "COMPLETE"
    }
    return max(moments[name] for name in LISTINGS) if moments.keys() >= {*LISTINGS} else None


def _rows(data_type: str, scenario: Scenario) -> Iterator[dict[str, Any]]:
    """Rows spread evenly from the start until the last hour."""
    chance = Random(f"benchmark of {data_type}")
    users: Sequence[dict[str, Any]] = people.users(NOW.date())
    for number in range(scenario.rows):
        at = scenario.start + number * (LAST_SYNC - scenario.start) / scenario.rows
        yield history.row(data_type, number, at.timestamp(), users[number % len(users)], chance)
