"""The configuration: what the fields mean, and which mistakes are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from destinations.rows import failure
from destinations.settings import ON_INVALID_RECORD, Config, validated
from destinations.values import EVENT_TYPES

HOSTS: Final = {"US": "https://api.courier.com", "EU": "https://api.eu.courier.com"}
ROUTES: Final = ("segment", "rudderstack", "direct")
CALLS: Final = ("identify", "track", "group")
WORKERS: Final = 8
MOST_WORKERS: Final = 64

COLUMNS: Final = {
    "userId": "The column of the user's id",
    "anonymousId": "The column of an id for users who have none yet",
    "event": "track: the column of the event's name",
    "groupId": "group: the column of the group's id",
    "messageId": (
        "The column of an id that names the event, not what it is about: a later row with the same id is taken for a "
        "repeat. A row without one is known by its content"
    ),
    "timestamp": "The column of the time at which it happened",
}
"""What a column may be mapped to. All other columns become traits (identify, group) or properties (track)."""


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
        raise failure(
            f"`streams` names what is not in the catalog: {', '.join(unknown)}. Correct the name, or take the mapping "
            "out."
        )


def _mapping(entry: Config) -> StreamMapping:
    columns = {name: entry[name] for name in COLUMNS if name in entry}
    return StreamMapping(entry["call"], columns, entry.get("eventName"))


def _mapping_problems(config: Config) -> Iterator[str]:
    entries = config.get("streams", [])
    for place, entry in enumerate(entries):
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
            description="A key of the workspace and environment (production or test) that is to receive the events.",
            airbyte_secret=True,
            order=0,
        ),
        "region": _text("Region", description="Where the workspace is.", enum=list(HOSTS), default="US", order=1),
        "route": _text(
            "Route",
            description=(
                "segment or rudderstack: events arrive as if that platform had sent them, for templates and "
                "automations that are mapped to its events. direct: profiles, events, tenants and automations are "
                "written by Courier's own API; nothing has to be set up in Courier."
            ),
            enum=list(ROUTES),
            order=2,
        ),
        "on_invalid_record": {**ON_INVALID_RECORD, "order": 3},
        "ignored_types": {
            "type": "array",
            "title": "Ignored types of events",
            "description": "Events of these types are counted, and neither sent nor rejected.",
            "items": {"type": "string", "enum": list(EVENT_TYPES)},
            "uniqueItems": True,
            "default": ["page", "screen", "alias"],
            "order": 4,
        },
        "streams": {
            "type": "array",
            "title": "Mappings of plain rows",
            "description": (
                "For streams whose rows are no events. Columns that are not named become traits or properties. "
                "Segment's warehouse tables identifies, tracks, groups and users need no mapping."
            ),
            "order": 5,
            "items": {
                "type": "object",
                "required": ["stream", "call"],
                "additionalProperties": False,
                "properties": {
                    "stream": _text("Stream", order=0),
                    "call": _text("Call", enum=list(CALLS), order=1),
                    "eventName": _text(
                        "Name of the event", description="track: of all rows, if no column tells it", order=2
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
            description="Another host than the region's, such as a gateway. Plain http for this machine only.",
            airbyte_hidden=True,
            order=6,
        ),
        "num_workers": {
            "type": "integer",
            "title": "Workers",
            "description": "How many users' rows are delivered at the same time.",
            "default": WORKERS,
            "minimum": 1,
            "maximum": MOST_WORKERS,
            "airbyte_hidden": True,
            "order": 7,
        },
    },
}
