"""Iterable's spellings of time, read and written. Within the sandbox time is seconds since 1970, UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

DAY = 86400

_SPELLING = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[ T]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)"
    r"(\.\d+)?(?:\.\d+)?"  # 2025-12-19T22:43:34.134105.000Z occurs
    r" ?(Z|[+-]\d\d:?\d\d)?)?"
)


def epoch_seconds(value: str | int) -> float:
    """Reads any spelling seen, or epoch milliseconds; UTC without an offset, midnight without a time."""
    if isinstance(value, int):
        return value / 1000
    match = _SPELLING.fullmatch(value)
    if match is None:
        raise ValueError(f"not a timestamp: {value!r}")
    day, time, fraction, offset = match.groups("")
    return datetime.fromisoformat(f"{day}T{time or '00:00:00'}{fraction[:7]}{offset or 'Z'}").timestamp()


def spelt(epoch: float, offset: str = "+00:00") -> str:
    """`2026-03-02 09:15:04 +00:00`."""
    return f"{str(datetime.fromtimestamp(int(epoch), UTC))[:19]} {offset}"


def iso(epoch: float) -> str:
    """`2026-03-02T09:15:04.000Z`."""
    return f"{datetime.fromtimestamp(int(epoch), UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def milliseconds(epoch: float) -> int:
    return int(epoch * 1000)


def midnight(day: date) -> float:
    """The first second of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def days_after(day: date, days: int) -> float:
    """The first second of the UTC day so many days after another."""
    return midnight(day + timedelta(days=days))
