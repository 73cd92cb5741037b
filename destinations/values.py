"""Types, ids, times and JSON, the same for every route."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from destinations.rejected import Rejected

Data = Mapping[str, Any]

# What Airbyte adds to rows that it has loaded into a database once before.
_BOOKKEEPING = re.compile(r"_(airbyte|ab)_", re.IGNORECASE)

# Columns of an event that hold an object.
_OBJECTS = ("context", "integrations", "properties", "traits")

EVENT_TYPES = frozenset(("identify", "track", "page", "screen", "group", "alias", "merge"))
"""The calls that Segment or RudderStack know."""

UNKNOWN_TYPE = "its type is not supported"
"""It is not quoted, for a column of that name may hold anything."""


def without_bookkeeping(row: Data) -> dict[str, Any]:
    """The row without the columns that Airbyte itself has added to it."""
    return {name: value for name, value in row.items() if not _BOOKKEEPING.match(name)}


def without_nulls(row: Data) -> dict[str, Any]:
    """The row without its null columns; what is null further down stays."""
    return {name: value for name, value in row.items() if value is not None}


def is_event_type(kind: Any) -> bool:
    return isinstance(kind, str) and kind.lower() in EVENT_TYPES


def with_objects(event: Data) -> dict[str, Any]:
    """The event with its objects as such: a database may have kept them as text."""
    return {name: _parsed(value) if name in _OBJECTS else value for name, value in event.items()}


def _parsed(value: Any) -> Any:
    """An object that was kept as text; everything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def identity(value: Any) -> str | None:
    """An id as text: numbers are written out, null and blank text are none.

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


def demanded(holder: Data, name: str, prefix: str = "") -> str:
    """The id that the holder must have under this name. prefix: where the holder is, before the name in a sentence."""
    value = identity(holder.get(name))
    if value is None:
        raise Rejected(f"{prefix}{name} is missing")
    return value


def encoded(value: Any) -> bytes:
    """Compact JSON in UTF-8. Errors: Rejected for what JSON has no word for."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise Rejected("it holds text that is no valid Unicode") from error
    except (ValueError, RecursionError) as error:
        raise Rejected("it holds a number out of range, or is nested too deeply") from error


def digest(*parts: Any) -> str:
    """40 hexadecimal digits that are the same whenever the parts are, in whatever order their keys come."""
    canonical = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:40]


def derived_id(stream: str, row: Data) -> str:
    """A message id for a row without one: the same row of the same stream always gets the same."""
    return f"row-{digest(stream, without_bookkeeping(row))}"


def instant(value: Any) -> datetime | None:
    """A moment in any of the forms sources send: epoch milliseconds, as a number or digits, or an ISO 8601 text.

    Null and blank text are none; an ISO text without an offset is UTC. Errors: Rejected for anything else.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        moment = datetime.fromisoformat(str(value))
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Rejected("a column that tells a time holds none") from error


def rfc3339(moment: datetime) -> str:
    """`2026-03-15T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def now() -> datetime:
    return datetime.now(UTC)
