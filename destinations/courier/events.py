"""Rows as events: events as they are, plain rows by their mapping, warehouse tables of Segment and RudderStack.

Pure functions. An event is a mapping in the form Segment and RudderStack share: `type`, `userId`, `traits`, …
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from destinations.courier.configuration import StreamMapping
from destinations.rows import Rejected, Row
from destinations.values import derived_id, is_event_type, normalized, without_bookkeeping, without_nulls

Event = dict[str, Any]

NO_USER: Final = "neither userId nor anonymousId is given"
NO_EVENT: Final = (
    "it is no event, for it has no `type` such as track or identify: say under `streams` which call the rows of this "
    "stream are, or take it out of the connection"
)

# Only events have these: the columns of warehouse tables are written in snake_case.
_EVENT_KEYS: Final = ("userId", "anonymousId", "messageId", "groupId")

# Where an event keeps what is neither id nor time.
_CONTENT: Final = {"identify": "traits", "group": "traits", "track": "properties"}

_TABLE_NAME: Final = re.compile(r"(?:.*_)?(identifies|groups|tracks|users)")
_TABLE_CALLS: Final = {"identifies": "identify", "groups": "group", "tracks": "track", "users": "identify"}
_TABLE_COLUMNS: Final = frozenset((
    "anonymous_id", "channel", "event", "event_text", "group_id", "id", "loaded_at", "message_id", "original_timestamp",
    "received_at", "rudder_id", "sent_at", "timestamp", "user_id", "uuid", "uuid_ts",
))  # fmt: skip
"""Columns of Segment's and RudderStack's tables that are neither traits nor properties."""

_CONTEXT: Final = "context_"
_CONTEXT_OBJECTS: Final = (
    "app", "campaign", "device", "library", "location", "network", "os", "page", "personas", "referrer", "screen",
    "traits",
)  # fmt: skip
_CAMEL: Final = {
    "user_agent": "userAgent",
    "group_id": "groupId",
    "device.advertising_id": "advertisingId",
    "device.ad_tracking_enabled": "adTrackingEnabled",
}
"""Names within the context that are spelt in camelCase; elsewhere the warehouse's spelling is Segment's own."""


def event_of(row: Row, mapping: StreamMapping | None) -> Event:
    """Return the event that a row stands for. Errors: Rejected for a row that is no event, or names no user."""
    if not isinstance(row.data, Mapping):
        raise Rejected("its data is no object")
    data = without_bookkeeping(row.data)
    if mapping is not None:
        return _mapped(row, data, mapping)
    if any(key in data for key in _EVENT_KEYS):
        return normalized(data)
    name, table = row.name.lower(), _lower_case(data)
    known = _TABLE_NAME.fullmatch(name)
    if known and (name == known[1] or _is_warehouse_row(table)):
        if known[1] == "users":  # one row for each user, whose id is in `id`; it is no message, so it has no id as one
            table = {**table, "id": None, "user_id": table.get("user_id") or table.get("id")}
        event = normalized(_from_table(_TABLE_CALLS[known[1]], table))
        if user_of(event) is None:
            raise Rejected(NO_USER)
        return event
    # Plain tables have columns of that name, too.
    if not is_event_type(data.get("type")):
        raise Rejected(NO_EVENT)
    return normalized(data)


def user_of(event: Mapping[str, Any]) -> str | None:
    """Return whom an event is about: its `userId`, else its `anonymousId`."""
    return event.get("userId") or event.get("anonymousId")


def message_id_of(event: Mapping[str, Any], row: Row) -> str:
    """Return the event's own message id; else one that the same row of the same stream always gets."""
    return event.get("messageId") or derived_id(row.stream, row.data)


def _mapped(row: Row, data: Event, mapping: StreamMapping) -> Event:
    columns = mapping.columns
    rest = {name: value for name, value in data.items() if name not in columns.values()}
    named = normalized({name: data.get(column) for name, column in columns.items()})
    table = _lower_case(rest)
    if _is_warehouse_row(table):
        event = _from_table(mapping.call, table)
    else:
        event = {"type": mapping.call, _CONTENT[mapping.call]: without_nulls(rest)}
    event = normalized({**event, **named})
    if "messageId" in named:
        # A workspace has one set of ids, while each table counts from 1.
        event["messageId"] = f"{row.stream}:{named['messageId']}"
    if mapping.call == "track":
        # Not for identify and group: said again they change nothing, and may be meant to change something back.
        event["messageId"] = message_id_of(event, row)
        event["event"] = named.get("event", mapping.event_name)
    needed = {"track": "event", "group": "groupId"}.get(mapping.call, "type")
    if event.get(needed) is None:
        raise Rejected(f"the column {columns.get(needed)}, which is to hold the {needed}, is empty")
    if user_of(event) is None:
        empty = [columns[name] for name in ("userId", "anonymousId") if name in columns]
        raise Rejected(f"it names no user: {' and '.join(empty)} {'are' if len(empty) > 1 else 'is'} empty")
    return event


def _lower_case(data: Event) -> Event:
    """Return the row with column names as Segment writes them; some databases shout."""
    return {name.lower() if name.isupper() else name: value for name, value in data.items()}


def _is_warehouse_row(table: Event) -> bool:
    """Return True for a row with the marks that Segment and RudderStack put on the rows they load."""
    return "uuid_ts" in table or ("received_at" in table and any(name.startswith(_CONTEXT) for name in table))


def _from_table(call: str, table: Event) -> Event:
    """Return a row of a warehouse as an event.

    `{"id": "m1", "user_id": "u", "context_ip": "::1", "received_at": …, "plan": "pro"}` as an identify →
    `{"type": "identify", "messageId": "m1", "userId": "u", "context": {"ip": "::1"}, "traits": {"plan": "pro"}}`
    """
    event = {
        "type": call,
        "messageId": table.get("id") if table.get("message_id") is None else table["message_id"],
        "userId": table.get("user_id"),
        "anonymousId": table.get("anonymous_id"),
        "channel": table.get("channel"),
        "timestamp": table.get("timestamp") or table.get("original_timestamp"),
        "originalTimestamp": table.get("original_timestamp"),
        "sentAt": table.get("sent_at"),
        "context": _context(table),
        _CONTENT[call]: {
            name: value
            for name, value in table.items()
            if value is not None and name not in _TABLE_COLUMNS and not name.startswith(_CONTEXT)
        },
    }
    # Of a track, the properties are in a table of their own for each event; whatever else is here becomes one.
    if call == "track":
        event["event"] = table.get("event_text") or table.get("event")
    if call == "group":
        event["groupId"] = table.get("group_id")
    return event


def _context(table: Event) -> Event:
    """Return `context_page_url` as `{"page": {"url": …}}`, unless there is a `context_page`, whose place that is."""
    columns = {
        column.removeprefix(_CONTEXT): value
        for column, value in table.items()
        if value is not None and column.startswith(_CONTEXT)
    }
    objects = [name for name in _CONTEXT_OBJECTS if name not in columns]
    context: Event = {}
    for name, value in columns.items():
        outer = next((one for one in objects if name.startswith(f"{one}_")), None)
        if outer is None:
            context[_CAMEL.get(name, name)] = value
        else:
            inner = name.removeprefix(f"{outer}_")
            context.setdefault(outer, {})[_CAMEL.get(f"{outer}.{inner}", inner)] = value
    return context
