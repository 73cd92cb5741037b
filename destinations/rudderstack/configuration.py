"""The configuration: its specification, and its fields as settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from destinations.settings import ON_INVALID_RECORD, Config, validated


@dataclass(frozen=True)
class RudderStackSettings:
    """A configuration that can work. skip: leave out what is rejected."""

    data_plane_url: str
    write_key: str
    skip: bool


def settings_of(config: Config) -> RudderStackSettings:
    """Errors: config_error with one sentence for each problem."""
    valid = validated(SPECIFICATION, config)
    return RudderStackSettings(valid["data_plane_url"], valid["write_key"], valid["on_invalid_record"] == "skip")


SPECIFICATION: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "RudderStack",
    "type": "object",
    "required": ["data_plane_url", "write_key"],
    "additionalProperties": True,
    "properties": {
        "data_plane_url": {
            "type": "string",
            "format": "uri",
            "title": "Data plane URL",
            "description": "Address of the RudderStack data plane. Find it in RudderStack at the top of Connections.",
            "examples": ["https://example.dataplane.rudderstack.com"],
            "order": 0,
        },
        "write_key": {
            "type": "string",
            "title": "Write key",
            "description": "Write key of the RudderStack source to send to. Find it on the source's Setup tab.",
            "examples": ["1XxXxXxXxXxXxXxXxXxXxXxXxXx"],
            "airbyte_secret": True,
            "order": 1,
        },
        "on_invalid_record": {**ON_INVALID_RECORD, "order": 2},
    },
}
