"""Query parameters, checked. A value that does not fit is answered with 400, a page size is made to fit."""

from __future__ import annotations

from sandbox.courier.errors import bad_request
from sandbox.courier.timestamps import milliseconds
from sandbox.messages import Request


def instant(request: Request, name: str) -> int | None:
    """Epoch milliseconds as text, or what `day_or_instant` takes."""
    value = request.parameter(name) or ""
    return int(value) if value.isdecimal() else day_or_instant(request, name)


def day_or_instant(request: Request, name: str) -> int | None:
    """An ISO 8601 day, meaning its first millisecond, or instant."""
    value = request.parameter(name)
    if value is None:
        return None
    try:
        return milliseconds(value)
    except ValueError:
        raise bad_request(f"Invalid {name}: {value}") from None


def limit(request: Request, default: int, highest: int) -> int:
    """Rows on a page: what is out of range is moved into it, what is not a number is the default."""
    asked = request.parameter("limit") or ""
    return min(max(int(asked), 1), highest) if asked.lstrip("-").isdecimal() else default
