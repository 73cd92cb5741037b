"""Runs the source as a platform does: through the entry point, with files, reading messages line by line."""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_messaging import create_source

Message = dict[str, Any]
State = list[Message]
Catalog = Message


@dataclass
class Sync:
    """Messages of a sync: in order, and by kind."""

    messages: list[Message] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    crash: BaseException | None = None

    def of_type(self, kind: str) -> list[Message]:
        field_name = "connectionStatus" if kind == "CONNECTION_STATUS" else kind.lower()
        return [message[field_name] for message in self.messages if message["type"] == kind]

    @property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in self.of_type("RECORD"):
            found[record["stream"]].append(record["data"])
        return found

    @property
    def states(self) -> dict[str, list[dict[str, Any]]]:
        """Every state each stream emitted, in order."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for state in self.of_type("STATE"):
            stream = state["stream"]
            found[stream["stream_descriptor"]["name"]].append(stream["stream_state"])
        return found

    @property
    def final_state(self) -> State:
        """The last state of each stream, as a platform would hand it to the next sync."""
        last = {state["stream"]["stream_descriptor"]["name"]: state for state in self.of_type("STATE")}
        return list(last.values())

    @property
    def statuses(self) -> dict[str, str]:
        """The last status each stream reported."""
        found = {}
        for trace in self.of_type("TRACE"):
            if trace["type"] == "STREAM_STATUS":
                status = trace["stream_status"]
                found[status["stream_descriptor"]["name"]] = status["status"]
        return found

    @property
    def errors(self) -> dict[str, Message]:
        """The error each failed stream reported, by stream; the summary of the sync under an empty name."""
        found = {}
        for trace in self.of_type("TRACE"):
            if trace["type"] == "ERROR":
                found[(trace["error"].get("stream_descriptor") or {}).get("name", "")] = trace["error"]
        return found


def run(
    folder: Path,
    command: str,
    config: Mapping[str, Any],
    catalog: Mapping[str, Any] | None = None,
    state: State | None = None,
) -> Sync:
    """Run one command."""
    arguments = [command]
    files = {"config": config, "catalog": catalog, "state": state}
    for name, content in files.items():
        if content is not None:
            file = folder / f"{name}.json"
            file.write_text(json.dumps(content))
            arguments += [f"--{name}", str(file)]
    sync = Sync()
    handler = _LogLines(sync.logs)
    logging.getLogger("airbyte").addHandler(handler)
    try:
        parsed = AirbyteEntrypoint.parse_args(arguments)
        source = create_source(
            config,
            ConfiguredAirbyteCatalogSerializer.load(dict(catalog)) if catalog else None,
            [AirbyteStateMessageSerializer.load(entry) for entry in state or []],
        )
        for line in AirbyteEntrypoint(source).run(parsed):
            sync.messages.append(json.loads(line))
    except AirbyteTracedException as crash:
        sync.crash = crash
    finally:
        logging.getLogger("airbyte").removeHandler(handler)
    return sync


class _LogLines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.INFO)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


def catalog_of(discovered: Sync, streams: Sequence[str] | None = None, mode: str = "incremental") -> Message:
    """A configured catalog of the named streams, or all; `mode` where the stream has it, else full refresh."""
    found = {stream["name"]: stream for stream in discovered.of_type("CATALOG")[0]["streams"]}
    return {"streams": [_configured(found[name], mode) for name in streams or found]}


def _configured(stream: Message, mode: str) -> Message:
    sync_mode = mode if mode in stream["supported_sync_modes"] else "full_refresh"
    return {
        "stream": stream,
        "sync_mode": sync_mode,
        "destination_sync_mode": "append",
        "cursor_field": stream.get("default_cursor_field") or [],
        "primary_key": stream.get("source_defined_primary_key") or [],
    }
