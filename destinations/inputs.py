"""The lines that a source writes into the pipe, as rows and states."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteCatalog, DestinationSyncMode, FailureType

from components import failure
from connector_process import config_error
from destinations.redaction import presentable
from destinations.rows import Row

logger = logging.getLogger("airbyte")

SYNC_MODES = (DestinationSyncMode.append, DestinationSyncMode.append_dedup)
"""An event that was sent cannot be taken back, so overwriting is not offered."""


@dataclass(frozen=True)
class State:
    """A state as it came. It is echoed to the letter: a platform may have written more into it than the CDK knows."""

    line: str


Input = Row | State


def check_catalog(catalog: ConfiguredAirbyteCatalog) -> None:
    """Warn of streams that are to be overwritten or changed: some callers ask for it without being asked themselves."""
    for stream in catalog.streams:
        name, mode = stream.stream.name, stream.destination_sync_mode
        if mode not in SYNC_MODES:
            logger.warning(
                f"Stream {name} asks for {mode.value}; events that were sent stay, and its rows are added to them."
            )


def names_in(catalog: ConfiguredAirbyteCatalog) -> set[str]:
    """Return what the streams of a catalog may be called by: their name, and that with its namespace."""
    streams = [stream.stream for stream in catalog.streams]
    return {stream.name for stream in streams} | {stream_name(stream.namespace, stream.name) for stream in streams}


def read(lines: Iterable[bytes], catalog: ConfiguredAirbyteCatalog) -> Iterator[Input]:
    """Yield the rows and states of a pipe; messages of other kinds, and blank lines, are passed over.

    Errors: system_error for a line that is no message, by its number; the source's own error, after the last line,
    when it has reported one: what came before it is complete, what should have followed is not.
    """
    known = {stream_name(stream.stream.namespace, stream.stream.name) for stream in catalog.streams}
    positions: Counter[str] = Counter()
    errors: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        message = _message(line, number)
        kind = message["type"]
        if kind == "RECORD":
            yield _row(message, number, known, positions, len(line))
        elif kind == "STATE":
            yield State(line.decode().strip())
        elif kind == "TRACE" and message["trace"].get("type") == "ERROR":
            errors.append(message["trace"].get("error") or {})
    if errors:
        raise _source_failure(errors[0])


def stream_name(namespace: Any, name: Any) -> str:
    """Return how a stream is called here: streams of two namespaces may share a name."""
    return f"{namespace}.{name}" if namespace else str(name)


def _message(line: bytes, number: int) -> dict[str, Any]:
    try:
        message = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise _unreadable(number, "is not UTF-8 text") from error
    # Not only JSONDecodeError: Python refuses integers of 4300 digits, and endless nesting, in words of its own.
    except (ValueError, RecursionError) as error:
        raise _unreadable(number, "is not JSON, or was cut off") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise _unreadable(number, "is not an Airbyte message")
    return message


def _row(message: dict[str, Any], number: int, known: set[str], positions: Counter[str], size: int) -> Row:
    record = message.get("record")
    if not isinstance(record, dict) or not isinstance(record.get("stream"), str):
        raise _unreadable(number, "is a RECORD without a stream")
    name = stream_name(record.get("namespace"), record["stream"])
    if name not in known:
        raise config_error(
            f"Line {number} of the input is a row of stream {name}, which is not in the catalog: add it there."
        )
    positions[name] += 1
    return Row(name, record["stream"], positions[name], record.get("data"), size)


def _source_failure(error: dict[str, Any]) -> Exception:
    """Return the source's error in its own words. The first one counts: the last is the sum of all."""
    descriptor = error.get("stream_descriptor")
    stream = f" in stream {descriptor['name']}" if descriptor else ""
    reason = presentable(str(error.get("message") or ""), longest=1000).rstrip(".") or "no reason given"
    kinds = {kind.value: kind for kind in FailureType}
    return failure(
        f"The source reported an error{stream}: “{reason}”. Its rows are incomplete; those that came were delivered.",
        kinds.get(str(error.get("failure_type")), FailureType.system_error),
    )


def _unreadable(number: int, what: str) -> Exception:
    return failure(f"Line {number} of the input {what}.", FailureType.system_error)
