"""Courier's two spellings of time. Within its part of the sandbox time is milliseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def milliseconds(value: str) -> int:
    """Reads ISO 8601, in UTC where no offset is given; ValueError for anything else."""
    instant = datetime.fromisoformat(value)
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def iso(at: int) -> str:
    """`2026-03-02T09:15:04.250Z`."""
    seconds, fraction = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:03}Z"


def midnight(day: date) -> int:
    """The first millisecond of a UTC day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
