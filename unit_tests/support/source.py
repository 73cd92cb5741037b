"""A source that says what it is told to, as a command: what a loader gets to hear of any Airbyte source."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Message = dict[str, Any]
WHEN: Message = {"type": ["null", "string"], "format": "date-time"}
TEXT: Message = {"type": ["null", "string"]}

# `--state` is kept for the test to look at. Between messages it does what it is told: "stop" waits for a signal.
PROGRAM = """
import os, pathlib, signal, sys
folder = pathlib.Path(sys.argv[1])
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
if "--state" in options:
    (folder / "given.json").write_text(pathlib.Path(options["--state"]).read_text())
for line in (folder / f"{sys.argv[2]}.jsonl").open():
    if not line.startswith('"'):
        sys.stdout.write(line)
        continue
    sys.stdout.flush()
    order, _, rest = line.strip()[1:-1].partition(" ")
    if order == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif order == "stop":
        signal.pause()
    elif order == "tell":
        pathlib.Path(rest).write_text("said all")
    elif order == "exit":
        code, _, words = rest.partition(" ")
        sys.stderr.write(words)
        sys.exit(int(code))
"""


class FakeSource:
    """A source in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = [sys.executable, "-E", "-S", str(folder / "source.py"), str(folder)]
        self.config = folder / "config.json"
        (folder / "source.py").write_text(PROGRAM, encoding="utf-8")
        self.config.write_text("{}", encoding="utf-8")
        self.says("check", [{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}])

    def offers(self, *streams: Message) -> None:
        self.says("discover", [{"type": "CATALOG", "catalog": {"streams": streams}}])

    def says(self, action: str, messages: Iterable[Message | str]) -> None:
        lines = map(json.dumps, messages)
        (self.folder / f"{action}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    @property
    def given(self) -> dict[str, Any]:
        """The states that the last read was given, by stream."""
        states = json.loads((self.folder / "given.json").read_text(encoding="utf-8"))
        return {state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"] for state in states}


def incremental(stream: str, /, **properties: Any) -> Message:
    return {
        "name": stream,
        "json_schema": {"properties": {"id": {"type": "integer"}, "createdAt": WHEN} | properties},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["createdAt"],
        "source_defined_primary_key": [["id"]],
    }


def in_full(stream: str, /, **properties: Any) -> Message:
    return {
        "name": stream,
        "json_schema": {"properties": {"id": {"type": ["null", "integer"]}} | properties},
        "supported_sync_modes": ["full_refresh"],
    }


def record(stream: str, /, **data: Any) -> Message:
    return {"type": "RECORD", "record": {"stream": stream, "data": data, "emitted_at": 1}}


def state(stream: str, cursor: str) -> Message:
    descriptor = {"stream_descriptor": {"name": stream}, "stream_state": {"createdAt": cursor}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": descriptor, "sourceStats": {"recordCount": 1.0}}}


def became(stream: str, what: str) -> Message:
    descriptor = {"stream_descriptor": {"name": stream}, "status": what}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": descriptor}}


def failed(stream: str | None, message: str) -> Message:
    error: Message = {"message": message, "failure_type": "system_error", "stack_trace": "Traceback …"}
    if stream:
        error["stream_descriptor"] = {"name": stream}
    return {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": error}}


def log(level: str, message: str) -> Message:
    return {"type": "LOG", "log": {"level": level, "message": message}}
