"""A source's command as a process: what it offers, and its output cut into segments that can be loaded.

Any source that speaks the Airbyte protocol will do. A row is loaded together with the state that covers it, so rows
wait in a spool for the next state of their stream, and those of a stream that is read in full for its end.
"""

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import IO, Any, Final

import orjson

from messaging_sync.console import Console

COMMAND: Final = (sys.executable, "-m", "source_messaging")
# A row, as the framework spells it; it is parsed once, when it is loaded.
RECORD: Final = re.compile(rb'\{"type": ?"RECORD", ?"record": ?\{"stream": ?"(\w+)"')
# Bytes of a stream's rows that are kept in memory; more go to a file without a name, which a kill removes as well.
SPOOLED_BYTES: Final = 1 << 16
# orjson reads an integer of so many digits as a float. To find one, this takes a third of the time a pattern takes.
DIGITS: Final = bytes(ord("0") if chr(byte).isdecimal() else byte for byte in range(256))
LONG_INTEGER: Final = b"0" * 19
# What databases cannot hold, as JSON spells it and as text: NUL, and half an emoji.
UNUSUAL: Final = re.compile(rb"\\u(0000|[dD][89a-fA-F])")
UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
# How the framework's own log lines begin, which say what the closing table says better.
ROUTINE: Final = re.compile(
    r"Check succeeded|During the sync|(Finished s|S)yncing|(Marking s|S)tream|MemoryM|Read |Start"
)
# How the framework's own error message begins that gives no reason.
UNTOLD: Final = "Something went wrong in the connector"

Json = dict[str, Any]


class SyncError(Exception):
    """A sync cannot go on; the message says why in one sentence."""


@dataclass(frozen=True)
class Stream:
    """A stream, as `discover` shows it."""

    definition: Json

    @property
    def name(self) -> str:
        return str(self.definition["name"])

    @property
    def fields(self) -> Json:
        return dict(self.definition.get("json_schema", {}).get("properties", {}))

    @property
    def key(self) -> list[list[str]]:
        """The paths of the fields that tell rows apart."""
        return self.definition.get("source_defined_primary_key") or []

    @property
    def is_incremental(self) -> bool:
        cursor = self.definition.get("source_defined_cursor") or self.definition.get("default_cursor_field")
        return bool(cursor) and "incremental" in self.definition.get("supported_sync_modes", [])

    def configured(self) -> Json:
        """The stream's entry in a configured catalog."""
        mode = ("incremental", "append_dedup" if self.key else "append")
        sync_mode, destination_sync_mode = mode if self.is_incremental else ("full_refresh", "overwrite")
        return {
            "stream": self.definition,
            "sync_mode": sync_mode,
            "destination_sync_mode": destination_sync_mode,
            "cursor_field": self.definition.get("default_cursor_field") or [],
            "primary_key": self.key,
        }


@dataclass
class Segment:
    """Rows of a stream, as lines in a spool, and the state that covers them, as JSON."""

    stream: Stream
    lines: IO[bytes] = field(default_factory=lambda: tempfile.SpooledTemporaryFile(SPOOLED_BYTES))  # noqa: SIM115
    rows: int = 0
    state: str | None = None

    def records(self) -> Iterator[Json]:
        """Yields the rows, once."""
        with self.lines:
            self.lines.seek(0)
            for line in self.lines:
                yield parse(line)["record"]["data"]


@dataclass
class Result:
    """How one stream fared."""

    records: int = 0
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None  # once the source has said how it ended
    error: str | None = None
    state: Json = field(default_factory=dict)  # the last


class Source:
    """A source's command with a configuration; runs one action at a time."""

    def __init__(self, command: Sequence[str], config: Path, console: Console) -> None:
        self._command = command
        self._config = config
        self._console = console
        self._process: subprocess.Popen[bytes] | None = None
        self._said: set[str] = set()  # warnings, of which one is enough
        self.stopped = False
        self.latest = ""  # what it last said of its progress
        self.error: str | None = None

    def check(self) -> None:
        """Raises SyncError with the source's own words if it cannot connect."""
        for message in filter(None, map(self._message, self._lines("check"))):
            if message["type"] == "CONNECTION_STATUS":
                status = message["connectionStatus"]
                if status["status"] != "SUCCEEDED":
                    raise SyncError(_sentence(status.get("message")))
                return
        raise SyncError(self.error or self._last_words())

    def streams(self) -> list[Stream]:
        """Return the catalog that the source discovers."""
        for message in filter(None, map(self._message, self._lines("discover"))):
            if message["type"] == "CATALOG":
                return [Stream(definition) for definition in message["catalog"]["streams"]]
        raise SyncError(self.error or self._last_words())

    def read(
        self,
        streams: Sequence[Stream],
        states: Sequence[Json],
        results: Mapping[str, Result],
        segments: "Queue[Any]",
        progress: Callable[[], str],
    ) -> None:
        """Reads to the end of the source's output, into `results` and `segments`; None is the last segment."""
        sorter = _Sorter(streams, results, segments)
        self.latest = ""
        try:
            with tempfile.TemporaryDirectory() as folder:
                catalog, state = Path(folder, "catalog.json"), Path(folder, "state.json")
                catalog.write_text(json.dumps({"streams": [stream.configured() for stream in streams]}))
                state.write_text(json.dumps(states))
                for line in self._lines("read", "--catalog", str(catalog), "--state", str(state)):
                    found = RECORD.match(line) if line.endswith(b"}\n") else None
                    if found:
                        sorter.add(found[1].decode(), line)
                    elif message := self._message(line):
                        sorter.take(message, line)
                    self._console.progress(progress)
            sorter.end(self.error or (self._last_words() if self._exit_code else None), stopped=self.stopped)
        except SyncError as error:
            self.error = str(error)
        except (AttributeError, KeyError, TypeError) as error:
            self.error = f"The source printed what is no message of Airbyte's protocol: {error!r}."
        finally:
            sorter.close()
            segments.put(None)

    def stop(self) -> None:
        """Ends the running action: in order at first, by force when asked again."""
        if self._process:
            self._process.send_signal(signal.SIGKILL if self.stopped else signal.SIGTERM)
        self.stopped = True

    def kill(self) -> None:
        """Ends the running action, if any."""
        if self._process:
            self._process.kill()

    def _lines(self, action: str, *options: str) -> Iterator[bytes]:
        """Yields what an action prints, line by line."""
        command = [*self._command, action, "--config", str(self._config), *options]
        with tempfile.TemporaryFile() as errors:
            try:
                # A session of its own: Ctrl-C reaches this process alone, which then ends the source in order.
                process = subprocess.Popen(  # noqa: S603 - the user names the command
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
                )
            except OSError as error:
                raise SyncError(f"{command[0]} cannot be started: {error.strerror}.") from error
            with process:
                self._process = process
                try:
                    yield from process.stdout or ()
                finally:
                    if process.poll() is None:
                        process.terminate()
            errors.seek(0)
            self._exit_code = process.returncode
            self._errors = errors.read().decode("utf-8", "replace").strip().splitlines()

    def _message(self, line: bytes) -> Json | None:
        """Return the message of a line; None for a log, which goes to the console, and for a stray print."""
        message = parse(line)
        if not isinstance(message, dict) or "type" not in message:
            return None
        if message["type"] == "LOG":
            level = message["log"].get("level", "INFO")
            text = (str(message["log"].get("message", "")).strip().splitlines() or [""])[0]
            if level == "INFO" and not ROUTINE.match(text):
                self.latest = text
            elif level in {"WARN", "ERROR", "FATAL"} and text not in self._said:
                self._said.add(text)
                self._console.say(f"  {level.lower()}: {text}")
            return None
        error = message.get("trace", {}).get("error")
        if error and not (error.get("stream_descriptor") or {}).get("name"):
            self.error = _reason(error)
            return None
        return message

    def _last_words(self) -> str:
        """Why the last action ended that gave no error message."""
        end = f"The source ended with exit code {self._exit_code}"
        return f"{end}: {self._errors[-1]}" if self._errors else f"{end}."


class _Sorter:
    """Sorts a source's messages into segments, each of which is put into a queue once its rows are covered."""

    def __init__(self, streams: Sequence[Stream], results: Mapping[str, Result], segments: "Queue[Any]") -> None:
        self._open = {stream.name: Segment(stream) for stream in streams}
        self._results = results
        self._segments = segments

    def add(self, stream: str, line: bytes) -> None:
        """Keeps a row, as the line that holds it."""
        segment = self._open[stream]
        segment.lines.write(line.rstrip() + b"\n")
        segment.rows += 1
        self._results[stream].records += 1

    def take(self, message: Json, line: bytes) -> None:
        match message["type"]:
            case "RECORD":
                self.add(message["record"]["stream"], line)
            case "STATE":
                self._take_state(message["state"])
            case "TRACE":
                self._take_trace(message["trace"])

    def end(self, error: str | None, *, stopped: bool) -> None:
        """Ends the streams of which the source did not say how they ended."""
        for name, result in self._results.items():
            if result.seconds is None and not stopped:
                self._end(name, complete=error is None, reason=error)

    def close(self) -> None:
        """Drops the rows that no state covers."""
        for segment in self._open.values():
            segment.lines.close()

    def _take_state(self, state: Json) -> None:
        if state.get("type") != "STREAM":
            raise SyncError(
                "The source keeps one state for all of its streams, which cannot be loaded stream by stream."
            )
        segment = self._open[state["stream"]["stream_descriptor"]["name"]]
        # The state of a stream that is read in full says only that it was, and could end the next read early.
        if segment.stream.is_incremental:
            self._results[segment.stream.name].state = state["stream"]["stream_state"] or {}
            self._put(segment, json.dumps({"type": "STREAM", "stream": state["stream"]}))

    def _take_trace(self, trace: Json) -> None:
        if trace["type"] == "ERROR":
            result = self._results[trace["error"]["stream_descriptor"]["name"]]
            result.error = result.error or _reason(trace["error"])
        elif trace["type"] == "STREAM_STATUS":
            status = trace["stream_status"]
            name = status["stream_descriptor"]["name"]
            if status["status"] == "STARTED":
                self._results[name].began = time.monotonic()
            elif status["status"] in {"COMPLETE", "INCOMPLETE"}:
                self._end(name, complete=status["status"] == "COMPLETE")

    def _end(self, name: str, *, complete: bool, reason: str | None = None) -> None:
        result, segment = self._results[name], self._open[name]
        result.seconds = time.monotonic() - result.began
        if complete and (segment.rows or not segment.stream.is_incremental):
            self._put(segment)
        elif not complete:
            result.error = result.error or reason or "The source gave no reason."

    def _put(self, segment: Segment, state: str | None = None) -> None:
        segment.state = state
        self._open[segment.stream.name] = Segment(segment.stream)
        self._segments.put(segment)


def parse(line: bytes) -> Any:
    """Return the JSON value of a line, or None if it has none: a stray print is no message.

    Integers of any length stay what they are; NUL and half an emoji, which JSON can spell, become �.
    """
    try:
        is_plain = not UNUSUAL.search(line) and LONG_INTEGER not in line.translate(DIGITS)
        return orjson.loads(line) if is_plain else _storable(json.loads(line))
    except ValueError:
        return None


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_storable(name): _storable(member) for name, member in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def _sentence(text: object) -> str:
    """Return a message as one line that ends like a sentence."""
    line = " ".join(str(text or "The source gave no reason").split())
    if len(line) > 1 and line[0] == line[-1] and line[0] in "'\"":
        line = line[1:-1]  # a failed check comes as the text of a Python string, quotes and all
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _reason(error: Mapping[str, Any]) -> str:
    """Return what an error message says, or what lies behind it when it only says that something went wrong."""
    message, internal = error.get("message"), error.get("internal_message")
    return _sentence(internal if internal and str(message).startswith(UNTOLD) else message)
