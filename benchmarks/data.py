"""Rows to read, in files: rendered once before anything is measured, so that handing them out costs nothing.

Rows are the sandbox's, drawn from a pool; their moments, spread evenly over `SPAN`, and their ids are their own.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from math import ceil
from mmap import ACCESS_READ, mmap
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from sandbox.iterable.seed import history, people
from sandbox.iterable.timestamps import spelt

SPAN: Final = timedelta(days=90)
POOL: Final = 2_000  # rows that differ in more than their moment and their ids
PIECE: Final = 1 << 20  # bytes handed out at a time
LISTS: Final = 10  # so many lists share the members

Row = dict[str, Any]


@dataclass(frozen=True)
class Period:
    """[first, first + SPAN), in epoch seconds."""

    first: int

    @classmethod
    def until_yesterday(cls) -> Period:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(int((midnight - timedelta(days=1) - SPAN).timestamp()))

    @property
    def seconds(self) -> int:
        return int(SPAN.total_seconds())

    @property
    def start_date(self) -> str:
        return f"{datetime.fromtimestamp(self.first, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def moment(self, number: int, rows: int) -> int:
        """When the row at a place among so many happened."""
        return self.first + number * self.seconds // rows

    def place(self, moment: float, rows: int) -> int:
        """The place of the first row at or after a moment."""
        return min(rows, max(0, ceil((moment - self.first) * rows / self.seconds)))


class RowFile:
    """Lines in a file, by place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._offsets = array("Q", accumulate(map(len, file), initial=0))
            self._bytes = mmap(file.fileno(), 0, access=ACCESS_READ)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def pieces(self, first: int, after: int) -> Iterator[bytes]:
        """The lines [first, after), cut anywhere."""
        end = self._offsets[after]
        for start in range(self._offsets[first], end, PIECE):
            yield self._bytes[start : min(end, start + PIECE)]


def render(kind: str, rows: int, period: Period, folder: Path) -> RowFile:
    """So many rows of a kind, in a file of that folder."""
    path = folder / f"{kind}-{rows}.lines"
    with path.open("wb") as file:
        file.writelines(_RENDERERS[kind](rows, period))
    return RowFile(path)


# What stands in a row of the pool for its moment and for its number.
MOMENT, IDENTITY = "2001-01-01 00:00:00 +00:00", "identity-of-the-row"


def _email_send(rows: int, period: Period) -> Iterator[bytes]:
    chance = Random("benchmark")
    users = people.users(date(2026, 1, 1))
    pool = [_email(number, users[number % len(users)], chance) for number in range(POOL)]
    return _numbered(pool, rows, period)


ORDER: Final = (
    '{"orderId":"A-17","currency":"EUR","total":59.9,"items":[{"sku":"sku-1","name":"Mug","price":14.95,'
    '"quantity":2},{"sku":"sku-9","name":"Lamp","price":30.0,"quantity":1}],"giftWrap":false}'
)


def _email(number: int, user: Row, chance: Random) -> Row:
    """A row of about 600 bytes; every other one was sent about an order."""
    row = history.row("emailSend", number, 1.6e9 + number, user, chance)
    own = {"createdAt": MOMENT, "messageId": IDENTITY}
    return row | own | {"transactionalData": ORDER if number % 2 else "{}"}


def _users(rows: int, period: Period) -> Iterator[bytes]:
    drawn = people.users(date(2026, 1, 1))
    pool = [_profile(number, drawn[number % len(drawn)]) for number in range(POOL)]
    return _numbered(pool, rows, period)


def _profile(number: int, user: Row) -> Row:
    """A profile of about a kilobyte, with fields of the project's own making."""
    own = {
        "profileUpdatedAt": MOMENT,
        "email": f"{IDENTITY}@example.com",
        "itblUserId": f"00000000-{IDENTITY}",
        "plan": ("free", "pro", "team")[number % 3],
        "seats": number % 40,
        "balance": number / 10,
        "lastOrder": {"id": f"order-{number}", "total": 59.9, "currency": "EUR", "items": ["sku-1", "sku-9"]},
        "company name": f"Company {number} & Sons",
        "utm_campaign": f"spring-{number % 12}",
        "lastLoginAt": "2025-03-02 09:15:04 +00:00",
        "score.churn": 0.25 + number % 50 / 100,
    }
    return user | own


def _numbered(pool: Sequence[Row], rows: int, period: Period) -> Iterator[bytes]:
    """Rows of the pool, round and round, each with its moment and its number in place of the marks."""
    lines = [orjson.dumps(row) + b"\n" for row in pool]
    moment, identity = MOMENT.encode(), IDENTITY.encode()
    for number in range(rows):
        spelled = spelt(period.moment(number, rows)).encode()
        yield lines[number % len(lines)].replace(moment, spelled).replace(identity, b"%032x" % _scattered(number))


def _scattered(number: int) -> int:
    """128 bits that look like chance: ids of noughts would be taken for long numbers."""
    return (number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)


def _list_users(rows: int, _period: Period) -> Iterator[bytes]:
    return (b"reader%07d@example.net\n" % number for number in range(rows))


_RENDERERS: Final[Mapping[str, Callable[[int, Period], Iterator[bytes]]]] = {
    "email_send": _email_send,
    "users": _users,
    "list_users": _list_users,
}
