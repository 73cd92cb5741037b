"""Rows as RudderStack events: messages of Courier by the moments they have reached, events as they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from datetime import datetime
from importlib import metadata
from typing import Any, Final, Generic, TypeVar

from destinations.rejected import Rejected, Row
from destinations.values import (
    derived_id,
    digest,
    identity,
    instant,
    rfc3339,
    with_objects,
    without_bookkeeping,
    without_nulls,
)

Event = dict[str, Any]
Value = TypeVar("Value")

MOMENTS: Final = {
    "SENT": ("Message Sent", "sent"),
    "DELIVERED": ("Message Delivered", "delivered"),
    "OPENED": ("Message Opened", "opened"),
    "CLICKED": ("Message Clicked", "clicked"),
    "UNDELIVERABLE": ("Message Undeliverable", None),
    "UNROUTABLE": ("Message Unroutable", None),
}
"""By status, or type of a history row: the event's name, and the column of a message that holds its time, if any."""

EVENT_TYPES: Final = frozenset(("identify", "track", "page", "screen", "group", "alias", "merge"))

# The gateway's words.
NO_USER: Final = "request neither has anonymousId nor userId"

_OWN_IDS: Final = "courier:"
_LONGEST_ID: Final = 100  # characters that all parties keep of a messageId
_REMEMBERED: Final = 50_000


def _library() -> dict[str, str]:
    try:
        return {"name": "messaging-connectors", "version": metadata.version("messaging-connectors")}
    except metadata.PackageNotFoundError:  # a checkout that was never installed
        return {"name": "messaging-connectors", "version": "0"}


LIBRARY: Final = _library()


class NotAnEvent(Exception):  # noqa: N818 - what a row is not
    """The stream's rows are no events, and none of the streams that are understood."""


class EventMapper:
    """Turns the rows of one sync into events, in their order.

    It remembers, of the last messages only, what a single row does not tell: which events have gone out already, when
    a type first stood in a message's history, and whom a message is for.
    """

    def __init__(self) -> None:
        self._sent = _Recent[bool]()
        self._firsts = _Recent[datetime]()
        self._recipients = _Recent[str]()

    def events_of(self, row: Row) -> list[Event]:
        """No event for a row that has reached no moment yet.

        Errors: NotAnEvent, or Rejected.
        """
        if not isinstance(row.data, Mapping):
            raise Rejected("its data is no object")
        data = without_nulls(without_bookkeeping(row.data))
        kind = data.get("type")
        if isinstance(kind, str) and kind.lower() in EVENT_TYPES:
            return [complete(with_objects(data), row)]
        # A connection may put a prefix of its own before each stream's name.
        if row.name.endswith("message_history"):
            return list(self._of_history(data))
        if row.name.endswith(("messages", "message_info")):
            return list(self._of_message(data))
        if kind is None:
            raise NotAnEvent
        raise Rejected(f"Message type {str(kind)[:40]} is not supported")

    def is_news(self, event: Event) -> bool:
        """Whether it is the first time that a moment of a message is told; events of other origin always are."""
        message_id = event["messageId"]
        return not message_id.startswith(_OWN_IDS) or self._sent.note(message_id, value=True) is None

    def _of_message(self, data: Event) -> Iterator[Event]:
        message = _demanded(data, "id")
        recipient = identity(data.get("recipientId")) or identity(data.get("recipient"))
        if recipient is not None:
            self._recipients.note(message, recipient)
        for status, moment in moments_of(data):
            yield _track(status, message, moment, recipient, data)

    def _of_history(self, data: Event) -> Iterator[Event]:
        message, kind = _demanded(data, "message_id"), _demanded(data, "type")
        recipient = identity(data.get("recipient"))
        if recipient is not None:
            self._recipients.note(message, recipient)
        if kind not in MOMENTS:
            return
        moment = instant(data.get("ts")) or instant(data.get("message_enqueued"))
        if moment is None:
            raise Rejected("it has no time")
        first = self._firsts.note((message, kind), moment)
        repetition = None if first is None or first == moment else moment
        yield _track(kind, message, moment, self._recipients.get(message), data, repetition=repetition)


class _Recent(Generic[Value]):
    """What was first noted for each of the last keys."""

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def note(self, key: Hashable, value: Value) -> Value | None:
        """Notes a value unless the key has one, which is returned."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        self._values[key] = value
        if len(self._values) > _REMEMBERED:
            self._values.popitem(last=False)
        return None

    def get(self, key: Hashable) -> Value | None:
        return self._values.get(key)


def moments_of(message: Mapping[str, Any]) -> Iterator[tuple[str, datetime]]:
    """Which moments a row of a message shows, with their times, in the order of a message's life.

    A status whose time the row does not tell (failures never do) gets that of the last moment before it.
    """
    status = message.get("status")
    last = instant(message.get("enqueued"))
    for moment, (_, column) in MOMENTS.items():
        at = None if column is None else instant(message.get(column))
        if at is None and status == moment:
            at = last
            if at is None:
                raise Rejected("it has a status, but no time")
        if at is not None:
            yield moment, at
            last = at if last is None else max(last, at)


def message_id(message: str, moment: str, repetition: datetime | None = None) -> str:
    """The same for the same moment of the same message, whichever stream tells it, and whenever.

    repetition: the time of an opening, say, that is not the first.
    """
    parts = [message, moment.lower()]
    if repetition is not None:
        parts.append(rfc3339(repetition))
    text = _OWN_IDS + ":".join(parts)
    return text if len(text) <= _LONGEST_ID else _OWN_IDS + digest(text)


def complete(event: Event, row: Row) -> Event:
    """An event as it is, with an id, a time and a context where it has none.

    Without a `timestamp`, the data plane would take the time from the difference of the other two, which only a
    sender can know that has just made the event: an old `sentAt` would move the event to today.
    Errors: Rejected for an event about nobody, as the gateway rejects it.
    """
    if not (identity(event.get("userId")) or identity(event.get("anonymousId"))):
        raise Rejected(NO_USER)
    context = event.get("context", {})
    if not isinstance(context, Mapping):
        raise Rejected("context must be an object")
    completed = {**event, "context": {"library": LIBRARY, **context}}
    completed["messageId"] = identity(event.get("messageId")) or derived_id(row.stream, row.data)
    if "sentAt" in event and "originalTimestamp" in event:
        completed.setdefault("timestamp", event["originalTimestamp"])
    elif "timestamp" in event:
        completed.setdefault("originalTimestamp", event["timestamp"])
    return completed


def _track(
    moment: str,
    message: str,
    at: datetime,
    recipient: str | None,
    properties: Event,
    *,
    repetition: datetime | None = None,
) -> Event:
    # The gateway needs one of the two; a history alone does not tell for whom a message is.
    whom = {"anonymousId": message} if recipient is None else {"userId": recipient}
    return {
        "type": "track",
        **whom,
        "event": MOMENTS[moment][0],
        "messageId": message_id(message, moment, repetition),
        "originalTimestamp": rfc3339(at),
        "context": {"library": LIBRARY},
        "properties": properties,
    }


def _demanded(data: Event, name: str) -> str:
    value = identity(data.get(name))
    if value is None:
        raise Rejected(f"it has no {name}")
    return value
