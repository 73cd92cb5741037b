"""Rows that exports deliver, each with the moments that decide when and where it appears."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import gcd
from operator import attrgetter
from typing import Any

from sandbox.iterable.data_types import filter_column
from sandbox.iterable.timestamps import epoch_seconds
from sandbox.messages import json_line

Row = dict[str, Any]

AT = attrgetter("at")


@dataclass(slots=True)
class Event:
    """A row as the vendor sends it; do not change `row` afterwards, replace the event.

    at: epoch seconds of the column an export filters on. indexed_at: epoch seconds from which exports see it.
    """

    row: Row
    at: float
    indexed_at: float
    _line: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def line(self) -> bytes:
        """The row as a line of JSON, encoded once."""
        if self._line is None:
            self._line = json_line(self.row)
        return self._line


def event_of(data_type: str, row: Row, indexed_after: float = 0) -> Event:
    """An event that exports see `indexed_after` seconds after it happened."""
    at = epoch_seconds(row[filter_column(data_type)])
    return Event(row, at, at + indexed_after)


def between(events: Sequence[Event], start: float, end: float) -> Sequence[Event]:
    """The events of [start, end), of events held by time."""
    return events[bisect_left(events, start, key=AT) : bisect_left(events, end, key=AT)]


def shuffled(events: Sequence[Event]) -> Iterator[Event]:
    """All the events in an order that is always the same and never that of time."""
    size = len(events)
    step = next(step for step in count(max(1, int(size * 0.618))) if gcd(step, size) == 1)
    return (events[size - 1 - index * step % size] for index in range(size))
