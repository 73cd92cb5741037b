"""The command `messaging-sync`: reads a source and loads its streams into a warehouse.

messaging-sync --config secrets/config.json [--destination postgres] [--streams users,email_send] [--dataset crm]
"""

import argparse
import queue
import shlex
import signal
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from messaging_sync.console import Console, table
from messaging_sync.estimate import Estimate
from messaging_sync.source import COMMAND, Result, Segment, Source, Stream, SyncError
from messaging_sync.warehouse import Warehouse

# Seconds between two loads at first and at most: a load takes about as long for one row as for ten thousand.
FIRST_INTERVAL: Final = 1.0
LAST_INTERVAL: Final = 30.0
# Rows of a load, more or less: a database merges them in memory.
MOST_ROWS: Final = 100_000
# Segments that may wait for a load; with more the source has to wait.
MOST_SEGMENTS: Final = 1000
WIDTH: Final = 100
STOPPED: Final = "Stopped. What was loaded stays, and the next sync goes on from there."


@dataclass(frozen=True)
class Job:
    """Options of the command: streams to read, and where to."""

    config: Path
    destination: str = "duckdb"
    dataset: str | None = None
    streams: Sequence[str] = ()  # names; all when empty
    command: Sequence[str] = COMMAND


def main() -> None:
    """The command; exits 0 when all went well, 1 when something failed, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="messaging-sync", description="Loads a source into a warehouse, with dlt.")
    parser.add_argument("--config", type=Path, required=True, help="the source's configuration, a JSON file")
    parser.add_argument(
        "--destination", default="duckdb", help="a DuckDB file (….duckdb) or what dlt calls one: postgres"
    )
    parser.add_argument("--dataset", help="the schema in it; by default messaging, and main in a DuckDB file")
    parser.add_argument("--streams", default="", help="names of the streams to read, separated by commas; else all")
    parser.add_argument("--source", help="the command of another Airbyte source, as in a shell")
    given = parser.parse_args()
    names = [name.strip() for name in given.streams.split(",") if name.strip()]
    command = shlex.split(given.source) if given.source else COMMAND
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # `?` for a character the terminal does not have
    sys.exit(run(Job(given.config, given.destination, given.dataset, names, command), Console(sys.stdout)))


def run(job: Job, console: Console) -> int:
    """Runs a sync and reports it; the exit code."""
    began = time.monotonic()
    source = Source(job.command, job.config, console)
    try:
        with _stop_requests(source), tempfile.TemporaryDirectory(prefix="messaging-sync-") as folder:
            results, place = _sync(job, source, console, folder)
    except SyncError as error:
        console.say(STOPPED if source.stopped else str(error))
        return 130 if source.stopped else 1
    failed = {name: result.error for name, result in results.items() if result.error}
    console.say(_report(results))
    for name, reason in failed.items():
        console.say(f"{name} failed: {reason}")
    if source.stopped:
        console.say(STOPPED)
        return 130
    records = sum(result.records for result in results.values())
    console.say(f"{records:,} records in {time.monotonic() - began:.0f} s, in {place}.")
    return int(bool(failed))


def _sync(job: Job, source: Source, console: Console, folder: str) -> tuple[dict[str, Result], str]:
    """Reads and loads at the same time; returns how each stream fared, and where the rows are."""
    warehouse = Warehouse(job.destination, job.dataset, folder)
    console.say("Checking the connection …")
    source.check()
    streams = _chosen(source.streams(), job.streams)
    states = warehouse.prepare(streams)
    console.say(f"Reading {len(streams)} stream{'s' * (len(streams) != 1)} into {warehouse} …")
    results = {stream.name: Result() for stream in streams}
    for state in states:
        results[state["stream"]["stream_descriptor"]["name"]].state = state["stream"]["stream_state"]
    estimate = Estimate(job.config, streams)
    minutes = estimate.minutes(results)
    if minutes > 1:
        console.say(f"About {minutes} minutes: {len(estimate.exports)} exports at {estimate.rate:g} calls a minute.")

    def progress() -> str:
        done = sum(result.seconds is not None for result in results.values())
        records = sum(result.records for result in results.values())
        left = estimate.minutes(results)
        minutes = f"about {left} minutes left" if left > 1 else ""
        return " | ".join(
            filter(None, (f"{done} of {len(results)} streams, {records:,} records", minutes, source.latest))
        )

    segments: queue.Queue[Segment | None] = queue.Queue(MOST_SEGMENTS)
    reading = threading.Thread(target=source.read, args=(streams, states, results, segments, progress), daemon=True)
    reading.start()
    try:
        for batch in _batches(segments):
            warehouse.load(batch)
    finally:
        source.kill()
    reading.join()
    if source.error and not any(result.error for result in results.values()):
        raise SyncError(source.error)
    return results, str(warehouse)


def _batches(segments: "queue.Queue[Segment | None]") -> Iterator[list[Segment]]:
    """Yields the segments of a second, then of two, and so on: the first rows come soon, and later loads are rare."""
    interval, ended = FIRST_INTERVAL, False
    while not ended:
        batch: list[Segment] = []
        due = time.monotonic() + interval
        while not ended and sum(segment.rows for segment in batch) < MOST_ROWS:
            wait = due - time.monotonic()
            try:
                segment = segments.get(timeout=max(wait, 0.0))
            except queue.Empty:
                break
            ended = segment is None
            batch += [segment] if segment else []
        if batch:
            yield batch
            interval = min(2 * interval, LAST_INTERVAL)


def _chosen(streams: Sequence[Stream], names: Sequence[str]) -> list[Stream]:
    known = [stream.name for stream in streams]
    for name in names:
        if name not in known:
            raise SyncError(f"There is no stream {name}; there are {', '.join(known)}.")
    return [stream for stream in streams if not names or stream.name in names]


def _report(results: Mapping[str, Result]) -> str:
    rows = [
        (name, f"{result.records:,}", "" if result.seconds is None else f"{result.seconds:.1f}")
        for name, result in results.items()
        if result.records
    ]
    rest = [name for name, result in results.items() if not result.records and not result.error]
    parts = [table(("stream", "records", "seconds"), rows)] if rows else []
    parts += [textwrap.fill(f"Nothing new: {', '.join(rest)}.", WIDTH)] if rest else []
    return "".join(f"\n{part}\n" for part in parts)


@contextmanager
def _stop_requests(source: Source) -> Iterator[None]:
    """Takes SIGINT and SIGTERM over: the first ends the source, and what it has printed by then is still loaded."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        source.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
