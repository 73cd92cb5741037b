"""Syncs at the vendor's real budgets, on a clock that skips the waiting: `python -m benchmarks.virtual SCENARIO …`.

    empty:STREAMS:DAYS              a first sync of export streams that hold nothing
    incremental:STREAMS             a sync of export streams and of a dozen listings, an hour after the last one
    stream:STREAMS:DAYS:ROWS        a first sync of export streams with so many rows each, by streamed replies
    jobs:STREAMS:DAYS:ROWS          the same by export jobs

Each runs in one process with the sandbox and prints one line of JSON.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.outcomes import LISTINGS, Outcome
from benchmarks.source import configured
from sandbox import Sandbox, serve
from sandbox.iterable import data_types
from sandbox.iterable.seed import history, people
from source_messaging import load_manifest
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import State, Sync, run

NOW: Final = datetime(2026, 3, 15, 12, tzinfo=UTC)
LAST_SYNC: Final = NOW - timedelta(hours=1)
EXPORTS: Final = "/api/export/"
# The policy that the least calls are counted by.
FIRST_WINDOW: Final = timedelta(days=30)
LONGEST_WINDOW: Final = timedelta(days=180)

Row = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """A sync to run: of the first `exports` export streams, and of `listings`, from `start` on or from a state."""

    name: str
    exports: int
    start: datetime
    listings: Sequence[str] = ()
    state: State | None = None
    seed: bool = False
    rows: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, word: str) -> Scenario:
        """Reads one of the forms above."""
        name, *numbers = word.split(":")
        exports, days, rows = (*map(int, numbers), 0, 0)[:3]
        start = NOW - timedelta(days=days)
        if name == "incremental":
            states = [_state(stream) for stream in export_streams()[:exports]]
            return cls(name, exports, LAST_SYNC, LISTINGS, states, seed=True)
        return cls(name, exports, start, rows=rows, options={"export_method": name} if name == "jobs" else {})

    @property
    def streams(self) -> list[str]:
        return [*export_streams()[: self.exports], *self.listings]


def outcome_of(scenario: Scenario) -> Outcome:
    """Runs a sync. Raises RuntimeError when it fails."""
    with VirtualClock(NOW).running() as clock:
        sandbox = Sandbox(anchor=NOW.date(), clock=clock.now, seed=scenario.seed)
        for data_type in data_types.EVENTS if scenario.rows else ():
            sandbox.iterable.add_events(data_type, _rows(data_type, scenario.rows, scenario.start))
        with serve(sandbox) as address:
            synced = _sync(scenario, address, sandbox.iterable.api_key)
        ended = clock.now()
    began = sandbox.calls[0].at
    return Outcome(
        name=scenario.name,
        calls=len(sandbox.calls),
        exports=sum(call.path.startswith(EXPORTS) for call in sandbox.calls),
        least_exports=scenario.exports * least_windows(NOW - scenario.start),
        refused=sum(call.status == 429 for call in sandbox.calls),
        minutes=(ended - began) / 60,
        last_listing=_last_complete(synced, scenario.listings, began),
        rows=sum(map(len, synced.records.values())),
    )


def _sync(scenario: Scenario, address: str, api_key: str) -> Sync:
    modes = ["full_refresh", "incremental"]
    catalog = {"streams": [configured({"name": name, "supported_sync_modes": modes}) for name in scenario.streams]}
    start_date = f"{scenario.start:%Y-%m-%dT%H:%M:%SZ}"
    config = {"api_key": api_key, "api_url": address, "start_date": start_date, **scenario.options}
    with tempfile.TemporaryDirectory() as folder:
        synced = run(Path(folder), "read", config, catalog, scenario.state)
    if synced.errors or synced.crash:
        raise RuntimeError(f"{scenario.name}: {[error['message'] for error in synced.errors.values()]}")
    return synced


def _last_complete(synced: Sync, streams: Sequence[str], began: float) -> float | None:
    """Seconds from `began` until the last of the streams said that it was complete; None unless all of them did."""
    moments = {
        trace["stream_status"]["stream_descriptor"]["name"]: trace["emitted_at"] / 1000 - began
        for trace in synced.of_type("TRACE")
        if trace["type"] == "STREAM_STATUS" and trace["stream_status"]["status"] == "COMPLETE"
    }
    return max(moments[name] for name in streams) if streams and moments.keys() >= {*streams} else None


def least_windows(span: timedelta) -> int:
    """The fewest windows that cover a span when each is at most twice as long as the one before."""
    length, windows = FIRST_WINDOW, 0
    while span > timedelta():
        span -= length
        length = min(2 * length, LONGEST_WINDOW)
        windows += 1
    return windows


def export_streams() -> list[str]:
    """The streams that the manifest's table makes of the family of exports, in its order."""
    rows = [row for block in _manifest()["streams"] for row in block["streams"]]
    return [row["$parameters"]["name"] for row in rows if row["$ref"] == "#/definitions/export"]


@cache
def _manifest() -> dict[str, Any]:
    return load_manifest()


def _state(stream: str) -> Row:
    descriptor = {"stream_descriptor": {"name": stream}, "stream_state": {"createdAt": LAST_SYNC.isoformat()}}
    return {"type": "STREAM", "stream": descriptor}


def _rows(data_type: str, count: int, start: datetime) -> Iterator[Row]:
    """Rows spread evenly from the start until the last hour."""
    chance = Random(f"benchmark of {data_type}")
    users = people.users(NOW.date())
    for number in range(count):
        at = start + number * (LAST_SYNC - start) / count
        yield history.row(data_type, number, at.timestamp(), users[number % len(users)], chance)


def main(words: Sequence[str]) -> int:
    """Run the scenarios in turn, and print their outcomes; 1 when one of them failed.

    Each has a process of its own, made when all is imported: what a sync leaves running would disturb the next clock.
    """
    logging.disable(logging.INFO)  # the source logs to standard output, window by window
    scenarios = [Scenario.of(word) for word in words]
    for scenario in scenarios:
        child = get_context("fork").Process(target=_print_outcome, args=(scenario,))
        child.start()
        child.join()
        if child.exitcode:
            return 1
    return 0


def _print_outcome(scenario: Scenario) -> None:
    print(outcome_of(scenario).as_line(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
