"""The configuration: its specification, and its fields as settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connector_process import config_error
from destinations.settings import ON_INVALID_RECORD, Config, validated
from destinations.values import EVENT_TYPES

HOSTS: Final = {"US": "https://api.courier.com", "EU": "https://api.eu.courier.com"}
ROUTES: Final = ("segment", "rudderstack", "direct")
CALLS: Final = ("identify", "track", "group")
WORKERS: Final = 8
MOST_WORKERS: Final = 64

COLUMNS: Final = {
    "userId": "Column of the user's id",
    "anonymousId": "Column of an id for users who have none yet",
    "event": "track: column of the event's name",
    "groupId": "group: column of the group's id",
    "messageId": (
        "Column of an id that names the event, not what it is about: a later row with the same id is taken for a "
        "repeat. A row without one is known by its content"
    ),
    "timestamp": "Column of the time at which it happened",
}
"""The fields a column may be mapped to; others become traits (identify, group) or properties (track)."""


@dataclass(frozen=True)
class StreamMapping:
    """How plain rows of one stream become events. columns: by what they are mapped to."""

    call: str
    columns: Mapping[str, str]
    event_name: str | None = None


@dataclass(frozen=True)
class CourierSettings:
    """A configuration that can work. skip: leave out what is rejected; mappings: by stream's name."""

    api_key: str
    address: str
    route: str
    skip: bool
    workers: int
    ignored_types: frozenset[str]
    mappings: Mapping[str, StreamMapping] = field(default_factory=dict)


def settings_of(config: Config) -> CourierSettings:
    """Errors: config_error with one sentence for each problem."""
    valid = validated(SPECIFICATION, config, _mapping_problems)
    return CourierSettings(
        api_key=valid["api_key"],
        address=valid.get("api_url", HOSTS[valid["region"]]),
        route=valid["route"],
        skip=valid["on_invalid_record"] == "skip",
        workers=valid["num_workers"],
        ignored_types=frozenset(valid["ignored_types"]),
        mappings={entry["stream"]: _mapping(entry) for entry in valid.get("streams", [])},
    )


def check_mappings(settings: CourierSettings, streams: Collection[str]) -> None:
    """Errors: config_error for a mapping of a stream that does not come, whose name may be misspelt."""
    unknown = [name for name in settings.mappings if name not in streams]
    if unknown:
        raise config_error(
            f"`streams` names what is not in the catalog: {', '.join(unknown)}. Correct the name, or take the mapping "
            "out."
        )


def _mapping(entry: Config) -> StreamMapping:
    columns = {name: entry[name] for name in COLUMNS if name in entry}
    return StreamMapping(entry["call"], columns, entry.get("eventName"))


def _mapping_problems(config: Config) -> Iterator[str]:
    entries = config.get("streams", [])
    for place, entry in enumerate(entries):
        for name in entry.keys() - SPECIFICATION["properties"]["streams"]["items"]["properties"].keys():
            yield f"There is no field `streams.{place}.{name}`."
        where = f"`streams.{place}`: name the column of"
        if not {"userId", "anonymousId"} & entry.keys():
            yield f"{where} `userId`, of `anonymousId`, or of both."
        if entry["call"] == "track" and not {"event", "eventName"} & entry.keys():
            yield f"{where} `event`, or give all rows one `eventName`."
        if entry["call"] == "group" and "groupId" not in entry:
            yield f"{where} `groupId`."
    for name, count in Counter(entry["stream"] for entry in entries).items():
        if count > 1:
            yield f"`streams` maps the stream {name} more than once."


def _text(title: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "title": title, **more}


SPECIFICATION: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Courier",
    "type": "object",
    "required": ["api_key", "route"],
    "additionalProperties": True,
    "properties": {
        "api_key": _text(
            "API key",
            description=(
                "Key of the Courier workspace and environment (production or test) to write to. Find it in Courier "
                "under Settings, API Keys."
            ),
            examples=["pk_prod_XXXXXXXXXXXX"],
            airbyte_secret=True,
            order=0,
        ),
        "region": _text("Region", description="Data centre of the workspace.", enum=list(HOSTS), default="US", order=1),
        "route": _text(
            "Route",
            description=(
                "How events enter Courier. segment or rudderstack: as if that platform had sent them, for templates "
                "and automations mapped to its events. direct: by Courier's own API, as profiles, events, tenants and "
                "automations; nothing has to be set up in Courier."
            ),
            enum=list(ROUTES),
            order=2,
        ),
        "on_invalid_record": {**ON_INVALID_RECORD, "order": 3},
        "ignored_types": {
            "type": "array",
            "title": "Ignored event types",
            "description": "Types of events to leave out. They are counted, and are no errors.",
            "items": {"type": "string", "enum": list(EVENT_TYPES)},
            "uniqueItems": True,
            "default": ["page", "screen", "alias"],
            "order": 4,
        },
        "streams": {
            "type": "array",
            "title": "Stream mappings",
            "description": (
                "Streams whose rows are no events, with the call each row becomes. Columns that are not named become "
                "traits or properties. The warehouse tables identifies, tracks, groups and users of Segment and "
                "RudderStack need no mapping."
            ),
            "order": 5,
            "items": {
                "type": "object",
                "required": ["stream", "call"],
                "properties": {
                    "stream": _text("Stream", description="Name of the stream", examples=["orders"], order=0),
                    "call": _text("Call", description="What each row becomes", enum=list(CALLS), order=1),
                    "eventName": _text(
                        "Event name", description="track: name of the event in rows without one", order=2
                    ),
                    **{
                        name: _text(name, description=description, order=order)
                        for order, (name, description) in enumerate(COLUMNS.items(), start=3)
                    },
                },
            },
        },
        "api_url": _text(
            "Address of the API",
            format="uri",
            description="Other host than the region's, such as a gateway. https, or http on this machine.",
            airbyte_hidden=True,
            order=6,
        ),
        "num_workers": {
            "type": "integer",
            "title": "Workers",
            "description": "Number of rows delivered at the same time.",
            "default": WORKERS,
            "minimum": 1,
            "maximum": MOST_WORKERS,
            "airbyte_hidden": True,
            "order": 7,
        },
    },
}
