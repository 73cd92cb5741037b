"""One sync: check the connection, read every stream, load the records, keep the state.

The connector runs in a process of its own and speaks the Airbyte protocol on stdout. Rows are committed to
the database before the state that covers them replaces the state file. So whatever ends a sync leaves a state
that loses nothing: the next one reads again at most what followed the last commit, and keys absorb repeats.
"""

import json
import os
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.connector import Connector
from scripts.console import Console, table
from scripts.loading import Database, LoadError, Stream

# Seconds between two commits while a sync runs, at least.
COMMIT_INTERVAL: Final = 1.0
# What may wait for the next commit.
MOST_ROWS: Final = 20_000
MOST_BYTES: Final = 64 * 1024 * 1024
# Streams named in the line of progress.
NAMED_STREAMS: Final = 3
# The closing table, and the indices of its columns that hold numbers.
HEADER: Final = ("stream", "records", "rows in table", "newest cursor", "seconds")
NUMBERS: Final = frozenset({1, 2, 4})
WIDTH: Final = 100


class SyncError(Exception):
    """The sync cannot start; the message says why in one sentence."""


FAILURES: Final = (SyncError, LoadError, OSError)
"""What a sync may raise, and a command says in a sentence."""


def explained(failure: Exception) -> str:
    """What went wrong, for the user."""
    if isinstance(failure, OSError):
        return f"{failure.filename or 'A file'} cannot be used: {failure.strerror}."
    return str(failure)


@dataclass(frozen=True)
class Job:
    """What to sync, and where to."""

    config: Path
    database: Path
    state: Path
    catalog: Path | None = None
    streams: tuple[str, ...] = ()  # names to read; all when empty
    state_is_given: bool = False  # chosen by the user, hence valid for a database that is new


@dataclass
class StreamResult:
    """How one stream fared."""

    records: int = 0
    rows: int = 0
    rows_before: int = 0
    newest: str | None = None
    started: float | None = None
    seconds: float | None = None
    complete: bool = False
    error: str | None = None


@dataclass
class Outcome:
    """How a sync ended."""

    streams: dict[str, StreamResult] = field(default_factory=dict)
    stopped: bool = False
    error: str | None = None
    seconds: float = 0.0

    @property
    def failed(self) -> dict[str, str]:
        """The streams that were not read to their end, and why."""
        return {name: result.error for name, result in self.streams.items() if result.error is not None}

    @property
    def exit_code(self) -> int:
        """130 after an interrupt, as shells have it; 1 when anything failed."""
        return 130 if self.stopped else int(bool(self.error or self.failed))

    @property
    def records(self) -> int:
        """Records of this sync."""
        return sum(result.records for result in self.streams.values())

    @property
    def new_rows(self) -> int:
        """Rows that the tables have gained."""
        return sum(max(0, result.rows - result.rows_before) for result in self.streams.values())


def sync(job: Job, connector: Connector, console: Console) -> Outcome:
    """Runs a sync and says what it does; raises SyncError or LoadError when it cannot start."""
    began = time.monotonic()
    console.say("Checking the connection …")
    refusal = check(connector, job.config)
    if connector.stop.requested():
        return Outcome(stopped=True)
    if refusal is not None:
        raise SyncError(refusal)
    catalog = configured_catalog(job, connector)
    if connector.stop.requested():
        return Outcome(stopped=True)
    database = Database(job.database, warn=console.say)
    try:
        run = _Read(job, catalog, connector, console, database)
        run.read()
        outcome = run.outcome
    finally:
        database.close()
    outcome.seconds = time.monotonic() - began
    return outcome


def check(connector: Connector, config: Path) -> str | None:
    """Why the connection does not work, or None when it does."""
    failure = None
    for message in connector.messages("check", "--config", str(config)):
        if message is not None and message.get("type") == "CONNECTION_STATUS":
            status = message["connectionStatus"]
            return None if status["status"] == "SUCCEEDED" else sentence(status.get("message"))
        failure = _error(message) or failure
    return failure or connector.last_words()


def configured_catalog(job: Job, connector: Connector) -> list[dict[str, Any]]:
    """The configured streams: those of the catalog file or else all, cut to the names asked for."""
    streams = _catalog_file(job.catalog) if job.catalog else discover(connector, job.config)
    known = [stream["stream"]["name"] for stream in streams]
    unknown = [name for name in job.streams if name not in known]
    if unknown and not connector.stop.requested():
        raise SyncError(f"There is no stream {unknown[0]}; there are {', '.join(known)}.")
    return [stream for stream in streams if not job.streams or stream["stream"]["name"] in job.streams]


def discover(connector: Connector, config: Path) -> list[dict[str, Any]]:
    """Every stream of the connector, configured: incremental where it can be, else read in full."""
    failure = None
    for message in connector.messages("discover", "--config", str(config)):
        if message is not None and message.get("type") == "CATALOG":
            return [_configured(stream) for stream in message["catalog"]["streams"]]
        failure = _error(message) or failure
    if connector.stop.requested():
        return []
    raise SyncError(failure or connector.last_words())


def loaded_stream(configured: Mapping[str, Any]) -> Stream:
    """What the loader needs of a configured stream."""
    stream = configured["stream"]
    key = configured.get("primary_key") or stream.get("source_defined_primary_key") or []
    if any(len(path) != 1 for path in key):
        raise SyncError(f"The key of {stream['name']} lies inside an object; keys must be fields of the record.")
    cursor = configured.get("cursor_field") or stream.get("default_cursor_field") or []
    mode = configured["destination_sync_mode"]
    return Stream(
        name=stream["name"],
        fields=stream.get("json_schema", {}).get("properties", {}),
        key=() if mode == "append" else tuple(path[0] for path in key),
        cursor=cursor[0] if len(cursor) == 1 else None,
        incremental=configured["sync_mode"] == "incremental",
        replaced=mode.startswith("overwrite") and configured["sync_mode"] == "full_refresh",
    )


class StateFile:
    """The states of a connection, one for each stream, as the connector wants them back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._states = {_state_name(state): state for state in self._read()}

    def update(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes newer states over and replaces the file in one step."""
        self._states.update(states)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, json.dumps(list(self._states.values()), indent=1) + "\n")

    def of(self, names: Sequence[str]) -> list[Mapping[str, Any]]:
        """The states of these streams."""
        return [self._states[name] for name in names if name in self._states]

    def _read(self) -> list[Mapping[str, Any]]:
        if not self._path.exists():
            return []
        states = read_json(self._path, "state") or []
        if not isinstance(states, list) or any(not _state_name(state) for state in states):
            raise SyncError(f"The state file {self._path} is not a list of stream states.")
        return states


class _Read:
    """The reading part of a sync: feeds the connector's messages to the database and the state file."""

    def __init__(
        self,
        job: Job,
        catalog: list[dict[str, Any]],
        connector: Connector,
        console: Console,
        database: Database,
    ) -> None:
        self._job = job
        self._catalog = catalog
        self._connector = connector
        self._console = console
        self._database = database
        self._streams = {stream.name: stream for stream in map(loaded_stream, catalog)}
        self._state_file = StateFile(job.state)
        self._states: dict[str, Mapping[str, Any]] = {}  # newer than the state file
        self._committed_at = self._began = time.monotonic()
        self._said: set[str] = set()  # warnings, of which one is enough
        self._latest = ""  # what the connector last said of its progress
        self.outcome = Outcome(streams={name: StreamResult() for name in self._streams})

    def read(self) -> None:
        """Reads until the connector ends; then the outcome is complete."""
        self._console.say(f"Reading {len(self._streams)} stream{'s' * (len(self._streams) != 1)} …")
        states = self._usable_states()
        for name, stream in self._streams.items():
            self._database.prepare(stream)
            self.outcome.streams[name].rows_before = self._database.count(name)
        with self._input_files(states) as arguments:
            for message in self._connector.messages("read", "--config", str(self._job.config), *arguments):
                if message is None:
                    self._commit_when_due()
                    self._show_progress()
                else:
                    self._take(message)
        self._commit()
        self._close()

    def _usable_states(self) -> list[Mapping[str, Any]]:
        """The states to go on from; none for a stream whose table is gone, or it would stay half empty."""
        names = [name for name, stream in self._streams.items() if stream.incremental]
        kept = [name for name in names if self._job.state_is_given or self._database.has_table(name)]
        return self._state_file.of(kept)

    @contextmanager
    def _input_files(self, states: list[Mapping[str, Any]]) -> Iterator[list[str]]:
        """The arguments that name the catalog and the state, in files that exist while the block runs."""
        with tempfile.TemporaryDirectory() as folder:
            catalog, state = Path(folder, "catalog.json"), Path(folder, "state.json")
            catalog.write_text(json.dumps({"streams": self._catalog}), encoding="utf-8")
            state.write_text(json.dumps(states), encoding="utf-8")
            yield ["--catalog", str(catalog), "--state", str(state)]

    def _take(self, message: Mapping[str, Any]) -> None:
        match message.get("type"):
            case "RECORD":
                self._take_record(message["record"])
            case "STATE":
                self._take_state(message["state"])
            case "TRACE":
                self._take_trace(message["trace"])
            case "LOG":
                self._take_log(message["log"])

    def _take_record(self, record: Mapping[str, Any]) -> None:
        self._database.add(record["stream"], record["data"])
        self.outcome.streams[record["stream"]].records += 1
        if self._database.waiting_rows >= MOST_ROWS or self._database.waiting_bytes >= MOST_BYTES:
            self._commit()
            self._show_progress()

    def _take_state(self, state: Mapping[str, Any]) -> None:
        name = _state_name(state)
        # The state of a stream that is read in full says only that it was, and could end the next read early.
        if name in self._streams and self._streams[name].incremental:
            self._states[name] = {"type": "STREAM", "stream": state["stream"]}

    def _take_trace(self, trace: Mapping[str, Any]) -> None:
        if trace["type"] == "STREAM_STATUS":
            self._take_status(trace["stream_status"])
        elif trace["type"] == "ERROR":
            error = trace["error"]
            name = (error.get("stream_descriptor") or {}).get("name", "")
            result = self.outcome.streams.get(name)
            if result is None:
                self.outcome.error = reason(error)
            else:
                result.error = result.error or reason(error)

    def _take_status(self, status: Mapping[str, Any]) -> None:
        name = status["stream_descriptor"]["name"]
        result = self.outcome.streams[name]
        if status["status"] == "STARTED":
            result.started = time.monotonic()
        elif status["status"] in ("COMPLETE", "INCOMPLETE"):
            result.seconds = time.monotonic() - (result.started or self._began)
            result.complete = status["status"] == "COMPLETE"
            if result.complete:
                self._commit()
                self._database.complete(name)

    def _take_log(self, log: Mapping[str, Any]) -> None:
        line = short_log(log)
        if line is None or line in self._said:
            return
        if log.get("level") == "INFO":
            self._latest = line
        else:
            self._said.add(line)
            self._console.say(f"  {line}")

    def _commit_when_due(self) -> None:
        if self._states and time.monotonic() - self._committed_at >= COMMIT_INTERVAL:
            self._commit()

    def _commit(self) -> None:
        """Rows first, then the states that cover them."""
        self._database.commit()
        if self._states:
            self._state_file.update(self._states)
            self._states = {}
        self._committed_at = time.monotonic()

    def _show_progress(self) -> None:
        streams = self.outcome.streams
        done = sum(result.seconds is not None for result in streams.values())
        running = [
            f"{name} {result.records:,}"
            for name, result in streams.items()
            if result.records and result.seconds is None
        ]
        counters = ", ".join(running[:NAMED_STREAMS]) + ", …" * (len(running) > NAMED_STREAMS)
        total = f"{done} of {len(streams)} streams done, {self.outcome.records:,} records"
        text = " | ".join(filter(None, (total, counters, self._latest)))
        self._console.progress(time.monotonic() - self._began, text)

    def _close(self) -> None:
        self.outcome.stopped = self._connector.stop.requested()
        for name, result in self.outcome.streams.items():
            result.rows, result.newest = self._database.count(name), self._database.newest(name)
            if not result.complete and result.error is None and not self.outcome.stopped:
                result.error = self.outcome.error or self._reason()
        if self.outcome.failed:
            self.outcome.error = None  # what the connector says at its end repeats what its streams said
        elif self._connector.exit_code and not self.outcome.stopped:
            self.outcome.error = self.outcome.error or self._connector.last_words()

    def _reason(self) -> str:
        """Why a stream is not complete of which the connector said nothing."""
        if self._connector.exit_code:
            return self._connector.last_words()
        return "The connector has no such stream with this configuration."


def report(outcome: Outcome, console: Console) -> None:
    """Prints the closing table and what went wrong."""
    read = {name: result for name, result in outcome.streams.items() if result.records}
    if read:
        console.say("\n" + table(HEADER, [_row(name, result) for name, result in read.items()], NUMBERS))
    console.say()
    rest = {name: bool(result.rows) for name, result in outcome.streams.items() if name not in read}
    for label, has_rows in (("Nothing new", True), ("Without rows", False)):
        names = [name for name, rows in rest.items() if rows == has_rows and name not in outcome.failed]
        if names and not outcome.stopped:
            console.say(textwrap.fill(f"{label}: {', '.join(names)}.", WIDTH) + "\n")
    for name, error in outcome.failed.items():
        console.say(f"{name} failed: {error}")
    if outcome.error:
        console.say(f"The sync failed: {outcome.error}")


def _row(name: str, result: StreamResult) -> tuple[str, ...]:
    seconds = "" if result.seconds is None else f"{result.seconds:.1f}"
    return name, f"{result.records:,}", f"{result.rows:,}", result.newest or "", seconds


def short_log(log: Mapping[str, Any]) -> str | None:
    """One line of a log message, or None for the framework's routine."""
    line = (str(log.get("message", "")).strip().splitlines() or [""])[0]
    level = log.get("level", "INFO")
    if not line or level in ("DEBUG", "TRACE") or (level == "INFO" and line.startswith(ROUTINE)):
        return None
    return line if level == "INFO" else f"{level.lower()}: {line}"


# How the framework's own log lines begin, which say what the table says better.
ROUTINE: Final = (
    "Check succeeded",
    "During the sync",
    "Finished syncing",
    "Marking stream",
    "MemoryMonitor",
    "Read ",
    "Starting syncing",
    "Stream ",
    "Syncing stream",
)

# How the framework's own error message begins that gives no reason.
UNTOLD: Final = "Something went wrong in the connector"


def sentence(text: object) -> str:
    """A message of the connector as one line that ends like a sentence."""
    line = " ".join(str(text or "The connector gave no reason").split())
    if len(line) > 1 and line[0] == line[-1] and line[0] in "'\"":
        line = line[1:-1]  # a failed check comes as the text of a Python string, quotes and all
    return line if line.endswith((".", "!", "?")) else f"{line}."


def reason(error: Mapping[str, Any]) -> str:
    """What an error message says, or what lies behind it when it only says that something went wrong."""
    message, internal = error.get("message"), error.get("internal_message")
    return sentence(internal if internal and str(message).startswith(UNTOLD) else message)


def read_json(path: Path, kind: str) -> Any:
    """What a JSON file holds; SyncError says what is wrong with it and never quotes it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SyncError(f"The {kind} file {path} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SyncError(f"The {kind} file {path} cannot be read.") from error
    except json.JSONDecodeError as error:
        raise SyncError(f"The {kind} file {path} is not valid JSON: {error}.") from error


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file so that a reader, or the next run after a crash, sees the old content or the new."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def secrets_of(config: object) -> list[str]:
    """Every text in a configuration that its name tells to be secret."""
    if not isinstance(config, dict):
        return []
    found = [
        value
        for name, value in config.items()
        if isinstance(value, str) and any(word in name.lower() for word in ("key", "token", "secret", "password"))
    ]
    return found + [secret for value in config.values() for secret in secrets_of(value)]


def _catalog_file(path: Path) -> list[dict[str, Any]]:
    catalog = read_json(path, "catalog")
    streams = catalog.get("streams") if isinstance(catalog, dict) else None
    needed = {"stream", "sync_mode", "destination_sync_mode"}
    if not isinstance(streams, list) or any(not needed <= set(stream) for stream in streams):
        raise SyncError(f"The catalog file {path} is not a configured catalog.")
    return streams


def _configured(stream: dict[str, Any]) -> dict[str, Any]:
    cursor = stream.get("default_cursor_field") or []
    key = stream.get("source_defined_primary_key") or []
    modes = stream.get("supported_sync_modes") or []
    incremental = "incremental" in modes and bool(cursor or stream.get("source_defined_cursor"))
    return {
        "stream": stream,
        "sync_mode": "incremental" if incremental else "full_refresh",
        "destination_sync_mode": ("append_dedup" if key else "append") if incremental else "overwrite",
        "cursor_field": cursor,
        "primary_key": key,
    }


def _state_name(state: object) -> str:
    """The stream a state belongs to; empty for what is no stream state."""
    stream = state.get("stream") if isinstance(state, Mapping) else None
    descriptor = stream.get("stream_descriptor") if isinstance(stream, Mapping) else None
    return str(descriptor.get("name", "")) if isinstance(descriptor, Mapping) else ""


def _error(message: Mapping[str, Any] | None) -> str | None:
    if message is None or message.get("type") != "TRACE" or message["trace"]["type"] != "ERROR":
        return None
    return reason(message["trace"]["error"])
