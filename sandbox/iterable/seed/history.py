"""Events over the 400 days before the anchor, in no order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from random import Random

from sandbox.iterable.events import Row
from sandbox.iterable.seed.shapes import fields
from sandbox.iterable.timestamps import DAY, midnight, spelt

DAYS = 400
USUAL = 40
"""Rows of a data type that BUSY does not name."""

BUSY = {"emailSend": 300, "emailOpen": 200, "emailClick": 120, "customEvent": 200, "purchase": 90}


def rows(data_type: str, users: Sequence[Row], anchor: date) -> Iterator[Row]:
    chance = Random(f"history of {data_type}")
    for number in range(BUSY.get(data_type, USUAL)):
        at = midnight(anchor) - chance.randrange(1, DAYS * DAY)
        yield row(data_type, number, at, users[chance.randrange(len(users))], chance)


def row(data_type: str, number: int, at: float, user: Row, chance: Random) -> Row:
    """One row; every sixth spells its offset without a colon."""
    created = spelt(at, "+0000" if number % 6 == 5 else "+00:00")
    return person(user) | {"createdAt": created} | fields(data_type, number, at, chance) | _internal(number, created)


def person(user: Row) -> Row:
    """The user as event rows name them."""
    return {name: user[name] for name in ("email", "userId", "itblUserId") if name in user}


def _internal(number: int, created: str) -> Row:
    """Iterable's own fields: absent from most rows, nested in some, dotted in others."""
    if number % 8 == 3:
        return {"itblInternal": {"documentCreatedAt": created, "documentUpdatedAt": created}}
    if number % 8 == 7:
        return {"itblInternal.documentCreatedAt": created, "itblInternal.documentUpdatedAt": created}
    return {}
