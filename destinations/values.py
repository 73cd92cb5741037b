"""Types, ids, times and JSON, the same for every route."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from components import parse_timestamp
from destinations.rows import Rejected

Data = Mapping[str, Any]

# What Airbyte adds to rows that it has loaded into a database once before.
_BOOKKEEPING = re.compile(r"_(airbyte|ab)_", re.IGNORECASE)

EVENT_TYPES: Final = ("identify", "track", "page", "screen", "group", "alias", "merge")
"""The calls that Segment or RudderStack know."""

UNKNOWN_TYPE: Final = "its type is not supported"
"""It is not quoted, for a column of that name may hold anything."""


def without_bookkeeping(row: Data) -> dict[str, Any]:
    """Return the row without the columns that Airbyte itself has added to it."""
    return {name: value for name, value in row.items() if not _BOOKKEEPING.match(name)}


def without_nulls(row: Data) -> dict[str, Any]:
    """Return the row without its null columns; what is null further down stays."""
    return {name: value for name, value in row.items() if value is not None}


def is_event_type(kind: Any) -> bool:
    return isinstance(kind, str) and kind.lower() in EVENT_TYPES


def normalized(event: Data) -> dict[str, Any]:
    """Return an event with objects, ids and times as Segment spells them, and without what is null or blank.

    `{"userId": 42, "traits": '{"a": 1}', "timestamp": 1714979289000, "context": None}` →
    `{"userId": "42", "traits": {"a": 1}, "timestamp": "2024-05-06T07:08:09.000Z"}`
    Errors: Rejected for an id or a time that is none.
    """
    return without_nulls(
        {name: _CONVERTERS[name](value) if name in _CONVERTERS else value for name, value in event.items()}
    )


def parsed_object(value: Any) -> Any:
    """Return an object that a database has kept as text; everything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def identity(value: Any) -> str | None:
    """Return an id as text: `42` and `42.0` → `"42"`; null and blank text → None.

    Errors: Rejected for anything else, which names nobody.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str):
        return value
    raise Rejected("an id must be text or a whole number")


def required_id(holder: Data, name: str, prefix: str = "") -> str:
    """Return the id that the holder has under this name. prefix: where the holder is, before the name in a sentence.

    Errors: Rejected.
    """
    value = identity(holder.get(name))
    if value is None:
        raise Rejected(f"{prefix}{name} is missing")
    return value


def encoded(value: Any) -> bytes:
    """Return compact JSON in UTF-8. Errors: Rejected for what JSON has no word for."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise Rejected("it holds text that is no valid Unicode") from error
    except (ValueError, RecursionError) as error:
        raise Rejected("it holds a number out of range, or is nested too deeply") from error


def digest(*parts: Any) -> str:
    """Return 40 hexadecimal digits that are the same whenever the parts are, in whatever order their keys come."""
    canonical = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:40]


def derived_id(stream: str, row: Data) -> str:
    """Return a message id for a row without one: the same row of the same stream always gets the same."""
    return f"row-{digest(stream, without_bookkeeping(row))}"


def instant(value: Any) -> datetime | None:
    """Return a moment in any of the forms sources send; null and blank text are none. Errors: Rejected."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return parse_timestamp(value)
    except ValueError as error:
        raise Rejected("a column that tells a time holds none") from error


def rfc3339(moment: datetime) -> str:
    """Return `2026-03-15T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _time(value: Any) -> str | None:
    """Return an event's time as text: a number becomes RFC 3339, a text stays, for vendors read many spellings."""
    if isinstance(value, str) and value.strip() and not value.strip().isdecimal():
        return value
    moment = instant(value)
    return None if moment is None else rfc3339(moment)


_CONVERTERS: Final = {
    **dict.fromkeys(("userId", "anonymousId", "previousId", "groupId", "messageId", "event"), identity),
    **dict.fromkeys(("timestamp", "originalTimestamp", "sentAt", "receivedAt"), _time),
    **dict.fromkeys(("context", "integrations", "properties", "traits"), parsed_object),
}
