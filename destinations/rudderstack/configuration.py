"""The configuration: what the fields mean, and which mistakes are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from destinations.settings import (
    ON_INVALID_RECORD,
    Config,
    address_mistakes,
    choice_mistakes,
    refuse,
    secret_mistakes,
)


@dataclass(frozen=True)
class RudderStackSettings:
    """A configuration that can work. skip: leave out what is rejected."""

    data_plane_url: str
    write_key: str
    skip: bool


def settings_of(config: Config) -> RudderStackSettings:
    """Errors: config_error with one sentence for each mistake."""
    refuse(_mistakes(config))
    return RudderStackSettings(
        data_plane_url=config["data_plane_url"],
        write_key=config["write_key"],
        skip=config.get("on_invalid_record") == "skip",
    )


def _mistakes(config: Config) -> Iterator[str]:
    yield from address_mistakes(config, "data_plane_url", needed=True)
    yield from secret_mistakes(
        config, "write_key", "the write key of the RudderStack source that is to receive the events"
    )
    yield from choice_mistakes(config, "on_invalid_record", ("fail", "skip"))


SPECIFICATION: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "RudderStack",
    "type": "object",
    "required": ["data_plane_url", "write_key"],
    "additionalProperties": True,
    "properties": {
        "data_plane_url": {
            "type": "string",
            "title": "Data plane URL",
            "description": "As RudderStack shows it, such as https://example.dataplane.rudderstack.com.",
            "order": 0,
        },
        "write_key": {
            "type": "string",
            "title": "Write key",
            "description": "Of the source that is to receive the events.",
            "airbyte_secret": True,
            "order": 1,
        },
        "on_invalid_record": {**ON_INVALID_RECORD, "order": 2},
    },
}
