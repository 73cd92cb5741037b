"""Rows as events: events as they are, plain rows by their mapping, Segment's warehouse tables by their name.

Pure functions. An event is a mapping in the form Segment and RudderStack share: `type`, `userId`, `traits`, …
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from destinations.courier.configuration import COLUMNS, StreamMapping
from destinations.rejected import Rejected, Row
from destinations.values import derived_id, identity, is_event_type, with_objects, without_bookkeeping, without_nulls

Event = dict[str, Any]

NO_USER: Final = "neither userId nor anonymousId is given"

# Only events have these: the columns of warehouse tables are written in snake_case.
_EVENT_KEYS: Final = ("userId", "anonymousId", "messageId", "groupId")

_IDS: Final = ("userId", "anonymousId", "messageId", "groupId", "event")

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

_TABLE_COLUMNS: Final = frozenset((
    "anonymous_id", "event", "event_text", "group_id", "id", "loaded_at", "message_id", "original_timestamp",
    "received_at", "sent_at", "timestamp", "user_id", "uuid", "uuid_ts",
))  # fmt: skip
"""Columns of Segment's tables that are neither traits nor properties."""


class NoMapping(Exception):  # noqa: N818 - what a stream lacks
    """The stream's rows are no events, and nothing says what they are."""


def event_of(row: Row, mapping: StreamMapping | None) -> Event:
    """The event that a row stands for.

    Errors: NoMapping for a row that is no event, in a stream without mapping; Rejected for what names no user.
    """
    if not isinstance(row.data, Mapping):
        raise Rejected("its data is no object")
    data = without_bookkeeping(row.data)
    if mapping is not None:
        return _mapped(row, data, mapping)
    has_event_keys = any(key in data for key in _EVENT_KEYS)
    table = _TABLES.get(row.name.lower())
    if table is not None and not has_event_keys:
        return table(_lower_case(data))
    # Plain tables have columns of that name, too.
    if "type" not in data or not (has_event_keys or is_event_type(data["type"])):
        raise NoMapping
    return with_objects(data)


def user_of(event: Mapping[str, Any]) -> str | None:
    """Whom an event is about: its `userId`, else its `anonymousId`."""
    return identity(event.get("userId")) or identity(event.get("anonymousId"))


def message_id_of(event: Mapping[str, Any], row: Row) -> str:
    """The event's own message id; else one that the same row of the same stream always gets."""
    return identity(event.get("messageId")) or derived_id(row.stream, row.data)


def _mapped(row: Row, data: Event, mapping: StreamMapping) -> Event:
    rest = {name: value for name, value in data.items() if name not in mapping.columns.values()}
    named = {name: data.get(mapping.columns[name]) for name in COLUMNS if name in mapping.columns}
    event: Event = without_nulls({"type": mapping.call, **_with_ids_as_text(named)})
    if "messageId" in event:
        # A workspace has one set of ids, while each table counts from 1.
        event["messageId"] = f"{row.stream}:{event['messageId']}"
    if mapping.call == "track":
        # Not for identify and group: said again they change nothing, and may be meant to change something back.
        event.setdefault("messageId", derived_id(row.stream, row.data))
        event["event"] = event.get("event") or mapping.event_name
        _demand(event, "event", mapping)
    if mapping.call == "group":
        _demand(event, "groupId", mapping)
    if user_of(event) is None:
        columns = [mapping.columns[name] for name in ("userId", "anonymousId") if name in mapping.columns]
        raise Rejected(f"it names no user: {' and '.join(columns)} {'are' if len(columns) > 1 else 'is'} empty")
    event["properties" if mapping.call == "track" else "traits"] = without_nulls(rest)
    return event


def _with_ids_as_text(event: Event) -> Event:
    """The event as Courier's routes expect it: a database may have kept ids as numbers."""
    return {name: identity(value) if name in _IDS else value for name, value in event.items()}


def _demand(event: Event, name: str, mapping: StreamMapping) -> None:
    if event.get(name) is None:
        raise Rejected(f"the column {mapping.columns.get(name)}, which is to hold the {name}, is empty")


def _lower_case(data: Event) -> Event:
    """Column names as Segment writes them; some databases shout."""
    return {name.lower() if name.isupper() else name: value for name, value in data.items()}


def _identifies(table: Event) -> Event:
    return _from_table("identify", table, traits=_rest(table))


def _groups(table: Event) -> Event:
    return _from_table("group", table, groupId=table.get("group_id"), traits=_rest(table))


def _tracks(table: Event) -> Event:
    """Properties are in a table of their own for each event; whatever else is here becomes one."""
    name = table.get("event_text") or table.get("event")
    return _from_table("track", table, event=name, properties=_rest(table))


def _users(table: Event) -> Event:
    """One row for each user, whose id is in `id`; it is no message, so it has no id as one."""
    return _from_table(
        "identify", {**table, "id": None, "user_id": table.get("user_id") or table.get("id")}, traits=_rest(table)
    )


_TABLES: Final[dict[str, Callable[[Event], Event]]] = {
    "groups": _groups,
    "identifies": _identifies,
    "tracks": _tracks,
    "users": _users,
}


def _from_table(call: str, table: Event, **more: Any) -> Event:
    event = without_nulls(_with_ids_as_text({
        "type": call,
        "messageId": table.get("id") if table.get("message_id") is None else table["message_id"],
        "userId": table.get("user_id"),
        "anonymousId": table.get("anonymous_id"),
        "timestamp": table.get("timestamp") or table.get("original_timestamp"),
        "originalTimestamp": table.get("original_timestamp"),
        "sentAt": table.get("sent_at"),
        "context": _context(table),
        **more,
    }))  # fmt: skip
    if user_of(event) is None:
        raise Rejected(NO_USER)
    return event


def _rest(table: Event) -> Event:
    """What is left when an event's own columns are taken away; a null column says nothing."""
    return {
        name: value
        for name, value in table.items()
        if value is not None and name not in _TABLE_COLUMNS and not name.startswith(_CONTEXT)
    }


def _context(table: Event) -> Event:
    """`context_page_url` as `{"page": {"url": …}}`, unless there is a `context_page`, whose place that is."""
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
