"""Runs a destination as a platform does: a command line, files, messages on stdin, messages on stdout."""

import io
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import airbyte_cdk.entrypoint  # noqa: F401 - sends logs to stdout, as messages
from airbyte_cdk.logger import PRINT_BUFFER

from destinations import runner
from destinations.base import MessagingDestination

Message = dict[str, Any]
Row = Mapping[str, Any]


@dataclass
class Ran:
    """Output of a command, and its exit code."""

    exit_code: int
    output: str

    @property
    def messages(self) -> list[Message]:
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def states(self) -> list[str]:
        """The states that were echoed, each as the line it came in."""
        return [line for line in self.output.splitlines() if json.loads(line)["type"] == "STATE"]

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Each error's kind and sentence; a stack trace fails the test."""
        errors = [message["trace"]["error"] for message in self.messages if message["type"] == "TRACE"]
        assert not any(error.get("stack_trace") for error in errors), errors
        return [(error["failure_type"], error["message"]) for error in errors]

    @property
    def warnings(self) -> list[str]:
        return self._logs("WARN")

    @property
    def counts(self) -> str:
        """How many rows a write says to have delivered, skipped and rejected."""
        (counts,) = [note for note in self._logs("INFO") if note.startswith("Rows: ")]
        return counts.removeprefix("Rows: ").removesuffix(".")

    def _logs(self, level: str) -> list[str]:
        logs = [message["log"] for message in self.messages if message["type"] == "LOG"]
        return [log["message"] for log in logs if log["level"] == level]

    @property
    def status(self) -> tuple[str, str | None]:
        """The answer of `check`."""
        (status,) = [message["connectionStatus"] for message in self.messages]
        return status["status"], status.get("message")


def run(
    folder: Path,
    destination: MessagingDestination,
    command: str,
    config: Any = None,
    catalog: Message | None = None,
    lines: Iterable[str | bytes] = (),
) -> Ran:
    """Runs one command with these lines on stdin."""
    words = [command]
    for name, content in {"config": config, "catalog": catalog}.items():
        if content is not None:
            file = folder / f"{name}.json"
            file.write_text(json.dumps(content), encoding="utf-8")
            words += [f"--{name}", str(file)]
    return call(destination, *words, lines=lines)


def call(destination: MessagingDestination, *words: str, lines: Iterable[str | bytes] = ()) -> Ran:
    """Runs a command line with these lines on stdin."""
    stdin, stdout = io.TextIOWrapper(io.BytesIO(in_bytes(lines))), io.StringIO()
    with mock.patch.object(sys, "stdin", stdin), mock.patch.object(sys, "__stdout__", stdout):
        exit_code = runner.run(destination, runner.parse_arguments(destination, words))
        PRINT_BUFFER.flush()
    return Ran(exit_code, stdout.getvalue())


def in_bytes(lines: Iterable[str | bytes]) -> bytes:
    return b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)


def catalog_of(*streams: str, mode: str = "append") -> Message:
    """A configured catalog of streams with these names."""
    return {
        "streams": [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                "sync_mode": "full_refresh",
                "destination_sync_mode": mode,
            }
            for name in streams
        ]
    }


def record(stream: str, row: Any) -> str:
    return json.dumps({"type": "RECORD", "record": {"stream": stream, "data": row, "emitted_at": 0}})


def records(stream: str, *rows: Any) -> list[str]:
    return [record(stream, row) for row in rows]


def state(number: int, stream: str = "events") -> str:
    """A state with what only a platform knows, in a spelling of its own."""
    told = {"stream_descriptor": {"name": stream}, "stream_state": {"position": number}}
    return json.dumps({"state": {"type": "STREAM", "stream": told, "id": number}, "type": "STATE"})
