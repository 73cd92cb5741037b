"""Rows as RudderStack events: messages of Courier by the moments they have reached, events as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any, Final, Generic, TypeVar

from destinations.rows import Rejected, Row
from destinations.values import (
    UNKNOWN_TYPE,
    derived_id,
    digest,
    identity,
    instant,
    is_event_type,
    normalized,
    required_id,
    rfc3339,
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

_BITS: Final = {kind: 1 << place for place, kind in enumerate(MOMENTS)}

# The gateway's words.
NO_USER: Final = "request neither has anonymousId nor userId"
NO_EVENT: Final = (
    "it is neither a row of Courier's messages or message_info (with `enqueued`) or message_history, nor an event with "
    "a `type` such as track: take its stream out of the connection"
)

_OWN_IDS: Final = "courier:"
_LONGEST_ID: Final = 100  # characters that all parties keep of a messageId

# Messages of which a sync remembers what it has told, which takes up to 100 MB; and kinds of moments of a message
# whose first it remembers: a message's history comes together.
_REMEMBERED: Final = 200_000
_FIRSTS_REMEMBERED: Final = 10_000


def _library() -> dict[str, str]:
    try:
        return {"name": "messaging-connectors", "version": metadata.version("messaging-connectors")}
    except metadata.PackageNotFoundError:  # a checkout that was never installed
        return {"name": "messaging-connectors", "version": "0"}


LIBRARY: Final = _library()


@dataclass(frozen=True)
class Moment:
    """A moment of a message. repetition: what tells it from the first one of its kind, unless it is that one."""

    message: str
    kind: str
    repetition: tuple[str, ...] = ()


MomentEvent = tuple[Event, Moment | None]
"""An event, and the moment that it tells if it is about a message of Courier's."""


class EventMapper:
    """Turns the rows of one sync into events, in their order.

    It remembers, of the last messages only, what a single row does not tell: which moments have gone out already, which
    was the first of its kind in a message's history, and whom a message is for.
    """

    def __init__(self) -> None:
        self._told = _Recent[int](_REMEMBERED)
        self._recipients = _Recent[str](_REMEMBERED)
        self._firsts = _Recent[int](_FIRSTS_REMEMBERED)
        self._repeated = _Recent[bool](_FIRSTS_REMEMBERED)

    def events_of(self, row: Row) -> list[MomentEvent]:
        """Return no event for a row that has reached no moment yet. Errors: Rejected."""
        if not isinstance(row.data, Mapping):
            raise Rejected("its data is no object")
        data = without_nulls(without_bookkeeping(row.data))
        kind = data.get("type")
        if is_event_type(kind):
            return [(complete(normalized(data), row), None)]
        # A connection may put a prefix of its own before each stream's name.
        if row.name.endswith("message_history"):
            return list(self._of_history(data))
        # Other sources have messages, too; Courier's alone are `enqueued`, and always.
        if row.name.endswith(("messages", "message_info")) and "enqueued" in data:
            return list(self._of_message(data))
        raise Rejected(NO_EVENT if kind is None else UNKNOWN_TYPE)

    def is_first(self, moment: Moment | None) -> bool:
        """Return True the first time that a moment of a message is told, and for events of other origin."""
        if moment is None:
            return True
        if moment.repetition:
            return self._repeated.setdefault(hash(moment), value=True) is None
        bit, message = _BITS[moment.kind], hash(moment.message)
        told = self._told.get(message) or 0
        self._told.put(message, told | bit)
        return not told & bit

    def _of_message(self, data: Event) -> Iterator[MomentEvent]:
        message = required_id(data, "id")
        recipient = identity(data.get("recipientId")) or identity(data.get("recipient"))
        if recipient is not None:
            self._recipients.put(hash(message), recipient)
        for kind, at in moments_of(data):
            yield _moment_event(Moment(message, kind), at, recipient, data)

    def _of_history(self, data: Event) -> Iterator[MomentEvent]:
        message, kind = required_id(data, "message_id"), required_id(data, "type")
        recipient = identity(data.get("recipient"))
        if recipient is not None:
            self._recipients.setdefault(hash(message), recipient)
        if kind not in MOMENTS:
            return
        at = instant(data.get("ts")) or instant(data.get("message_enqueued"))
        if at is None:
            raise Rejected("it has no time")
        moment = Moment(message, kind, self._repetition(message, kind, at, _channel(data)))
        yield _moment_event(moment, at, self._recipients.get(hash(message)), data)

    def _repetition(self, message: str, kind: str, at: datetime, channel: str | None) -> tuple[str, ...]:
        this = hash((at, channel))
        first = self._firsts.setdefault(hash((message, kind)), this)
        if first in (None, this):
            return ()
        return (rfc3339(at),) if channel is None else (rfc3339(at), channel)


class _Recent(Generic[Value]):
    """The values of the last keys: of so many at least, and of twice as many at most.

    A key is a hash: eight bytes. Two generations of dicts bound memory more cheaply than an LRU.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._newer: dict[int, Value] = {}
        self._older: dict[int, Value] = {}

    def get(self, key: int) -> Value | None:
        value = self._newer.get(key)
        return self._older.get(key) if value is None else value

    def put(self, key: int, value: Value) -> None:
        if key not in self._newer and len(self._newer) >= self._kept:
            self._newer, self._older = {}, self._newer
        self._newer[key] = value

    def setdefault(self, key: int, value: Value) -> Value | None:
        """Put a value unless the key has one, which is returned."""
        known = self.get(key)
        if known is None:
            self.put(key, value)
        return known


def moments_of(message: Mapping[str, Any]) -> Iterator[tuple[str, datetime]]:
    """Yield the moments that a row of a message shows, with their times, in the order of a message's life.

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


def message_id(moment: Moment) -> str:
    """Return the same for the same moment of the same message, whichever stream tells it, and whenever."""
    text = _OWN_IDS + ":".join((moment.message, moment.kind.lower(), *moment.repetition))
    return text if len(text) <= _LONGEST_ID else _OWN_IDS + digest(text)


def complete(event: Event, row: Row) -> Event:
    """Return an event with a context where it has none, with its time as `timestamp`, and a track with an id.

    Without a `timestamp`, the data plane would take the time from the difference of the other two, which only a
    sender can know that has just made the event: an old `sentAt` would move the event to today, or beyond.
    An identify or group without an id gets none: one made of its content would also be that of a later row that
    changes a trait back.
    Errors: Rejected for an event about nobody, as the gateway rejects it.
    """
    if not ("userId" in event or "anonymousId" in event):
        raise Rejected(NO_USER)
    context = event.get("context", {})
    if not isinstance(context, Mapping):
        raise Rejected("context must be an object")
    time = event.get("timestamp", event.get("originalTimestamp", event.get("sentAt")))
    own_id = event.get("messageId")
    if own_id is None and event["type"].lower() == "track":
        own_id = derived_id(row.stream, row.data)
    added = {"timestamp": time, "originalTimestamp": time, "messageId": own_id}
    return without_nulls({**added, **event, "context": {"library": LIBRARY, **context}})


def _moment_event(moment: Moment, at: datetime, recipient: str | None, properties: Event) -> MomentEvent:
    # The gateway needs one of the two; a history alone does not tell for whom a message is.
    whom = {"anonymousId": moment.message} if recipient is None else {"userId": recipient}
    event = {
        "type": "track",
        **whom,
        "event": MOMENTS[moment.kind][0],
        "messageId": message_id(moment),
        "timestamp": rfc3339(at),
        "originalTimestamp": rfc3339(at),
        "context": {"library": LIBRARY},
        "properties": properties,
    }
    return event, moment


def _channel(history: Event) -> str | None:
    channel = history.get("channel")
    return identity(channel.get("id")) if isinstance(channel, Mapping) else None
