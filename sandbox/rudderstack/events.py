"""An event at the gateway: whether it is one, whom it is about, and what is added to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import md5
from typing import Any
from uuid import UUID, uuid4

from sandbox.rudderstack.plane import Event


def batch_of(body: bytes, kind: str | None) -> list[Any]:
    """The items of a body, one for a single event of that kind; ValueError unless the body is JSON.

    What `batch` holds instead of an array is its only item, unless it is null.
    """
    value = json.loads(body.decode(), parse_constant=_refuse)
    if kind is not None:
        return [{**value, "type": kind} if isinstance(value, dict) else value]
    items = value.get("batch") if isinstance(value, dict) else None
    if isinstance(items, list):
        return items
    return [] if items is None else [items]


def user_of(event: Event) -> str:
    return _text(event.get("userId"))


def is_anonymous(event: Event) -> bool:
    """Return True if it has neither of the two ids."""
    return not user_of(event) and not _text(event.get("anonymousId"))


def handed_on(event: Event, at: float, client_ip: str) -> Event:
    """The event as it leaves the gateway, which received it at that time (epoch seconds)."""
    received = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message_id = event.get("messageId")
    return {
        "receivedAt": received,
        "request_ip": client_ip,
        **event,
        "messageId": (message_id.strip() if isinstance(message_id, str) else "") or str(uuid4()),
        "rudderId": _rudder_id(event),
    }


def _rudder_id(event: Event) -> str:
    """The same for the same two ids: their MD5, dressed up as a random UUID."""
    both = f"{user_of(event)}:{_text(event.get('anonymousId'))}"
    return str(UUID(bytes=md5(both.encode(), usedforsecurity=False).digest(), version=4))


def _text(value: Any) -> str:
    """An id as text, whatever JSON it is; empty for null."""
    if value is None:
        return ""
    return (value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))).strip()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
