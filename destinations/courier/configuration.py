"""The configuration: what the fields mean, and which mistakes are told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from destinations.rejected import failure
from destinations.settings import (
    ON_INVALID_RECORD,
    Config,
    address_mistakes,
    choice_mistakes,
    number_mistakes,
    refuse,
    secret_mistakes,
)

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

_MAPPING_FIELDS: Final = ("stream", "call", "eventName", *COLUMNS)


@dataclass(frozen=True)
class StreamMapping:
    """How plain rows of one stream become events. columns: by what they are mapped to."""

    call: str
    columns: Mapping[str, str]
    event_name: str | None = None


@dataclass(frozen=True)
class CourierSettings:
    """A configuration that can work. skip: leave out what is rejected; mappings: by stream."""

    api_key: str
    address: str
    route: str
    skip: bool
    workers: int
    mappings: Mapping[str, StreamMapping] = field(default_factory=dict)


def settings_of(config: Config) -> CourierSettings:
    """Errors: config_error with one sentence for each mistake."""
    refuse(_mistakes(config))
    return CourierSettings(
        api_key=config["api_key"],
        address=config.get("api_url") or HOSTS[config.get("region", "US")],
        route=config["route"],
        skip=config.get("on_invalid_record") == "skip",
        workers=config.get("num_workers", WORKERS),
        mappings={entry["stream"]: _mapping(entry) for entry in config.get("streams") or []},
    )


def check_mappings(settings: CourierSettings, streams: Collection[str]) -> None:
    """Errors: config_error for a mapping of a stream that does not come, whose name may be misspelt."""
    unknown = [name for name in settings.mappings if name not in streams]
    if len(unknown) == 1:
        raise failure(
            f"`streams` maps {unknown[0]}, which is not in the catalog: correct the name, or take the mapping out."
        )
    if unknown:
        raise failure(
            f"`streams` maps {', '.join(unknown[:-1])} and {unknown[-1]}, which are not in the catalog: correct the "
            "names, or take the mappings out."
        )


def _mapping(entry: Mapping[str, Any]) -> StreamMapping:
    columns = {name: entry[name] for name in COLUMNS if _is_filled_in(entry, name)}
    return StreamMapping(entry["call"], columns, entry["eventName"] if _is_filled_in(entry, "eventName") else None)


def _is_filled_in(entry: Mapping[str, Any], name: str) -> bool:
    """Whether there is more than blanks; what is no text is told as such elsewhere."""
    value = entry.get(name)
    return bool(value.strip() if isinstance(value, str) else value)


def _mistakes(config: Config) -> Iterator[str]:
    yield from secret_mistakes(config, "api_key", "a key of the Courier workspace that is to receive the events")
    yield from choice_mistakes(config, "region", tuple(HOSTS))
    if "route" not in config:
        yield f"Fill in `route`: {', '.join(ROUTES[:-1])} or {ROUTES[-1]}."
    yield from choice_mistakes(config, "route", ROUTES)
    yield from choice_mistakes(config, "on_invalid_record", ("fail", "skip"))
    yield from address_mistakes(config, "api_url", needed=False)
    yield from number_mistakes(config, "num_workers", 1, MOST_WORKERS)
    yield from _streams_mistakes(config.get("streams"))


def _streams_mistakes(streams: Any) -> Iterator[str]:
    if streams is None:
        return
    if not isinstance(streams, list) or not all(isinstance(entry, dict) for entry in streams):
        yield "`streams` must be a list of mappings, each an object with `stream` and `call`."
        return
    for place, entry in enumerate(streams, start=1):
        yield from _entry_mistakes(f"`streams`, entry {place}:", entry)
    names = [str(entry.get("stream")) for entry in streams]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"`streams` maps the stream {name} more than once."


def _entry_mistakes(where: str, entry: Mapping[str, Any]) -> Iterator[str]:
    call = entry.get("call")
    if not isinstance(entry.get("stream"), str) or not _is_filled_in(entry, "stream"):
        yield f"{where} `stream` must name a stream."
    if call not in CALLS:
        yield f"{where} `call` must be identify, track or group."
    for name in entry:
        if name not in _MAPPING_FIELDS:
            yield f"{where} there is no field `{name}`; there are {', '.join(_MAPPING_FIELDS)}."
        elif name not in ("stream", "call") and entry[name] is not None and not isinstance(entry[name], str):
            yield f"{where} `{name}` must be a text."
    if not (_is_filled_in(entry, "userId") or _is_filled_in(entry, "anonymousId")):
        yield f"{where} name the column of `userId`, of `anonymousId`, or of both."
    if call == "track" and not (_is_filled_in(entry, "event") or _is_filled_in(entry, "eventName")):
        yield f"{where} name the column of `event`, or give all rows one `eventName`."
    if call == "group" and not _is_filled_in(entry, "groupId"):
        yield f"{where} name the column of `groupId`."


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
        "streams": {
            "type": "array",
            "title": "Mappings of plain rows",
            "description": (
                "For streams whose rows are no events. Columns that are not named become traits or properties. "
                "Segment's warehouse tables identifies, tracks, groups and users need no mapping."
            ),
            "order": 4,
            "items": {
                "type": "object",
                "required": ["stream", "call"],
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
            "Other address",
            description="Another host than the region's, such as a gateway. Plain http for this machine only.",
            airbyte_hidden=True,
            order=5,
        ),
        "num_workers": {
            "type": "integer",
            "title": "Workers",
            "description": "How many users' rows are delivered at the same time.",
            "default": WORKERS,
            "minimum": 1,
            "maximum": MOST_WORKERS,
            "airbyte_hidden": True,
            "order": 6,
        },
    },
}
