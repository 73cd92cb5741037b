"""Events: over the 400 days before the anchor, made to trip a reader up, and e-mail that keeps coming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from random import Random

from sandbox.iterable.events import Row
from sandbox.iterable.project import IterableProject
from sandbox.iterable.seed.messaging import ids_of
from sandbox.iterable.seed.rows import fields
from sandbox.iterable.timestamps import DAY, days_after, midnight, spelt

DAYS = 400
USUAL = 40
"""Rows of a data type that BUSY does not name."""

BUSY = {"emailSend": 300, "emailOpen": 200, "emailClick": 120, "customEvent": 200, "purchase": 90}

BUSY_DAYS, COMING_DAYS = 2, 60
"""From the anchor on a message comes every 30 seconds, later one an hour."""

COMING: dict[str, tuple[int, Row]] = {
    "emailSend": (0, {"transactionalData": "{}"}),
    "emailOpen": (45, {"ip": "198.51.100.7"}),
    "emailClick": (75, {"url": "https://example.com/"}),
}
"""Seconds from a message that comes to what is told of it, and what that says besides."""

LATE_EVERY, LATE_SECONDS = 7, 180
"""Every seventh row is indexed so late: within the five minutes that readers leave by default."""


def rows(data_type: str, users: Sequence[Row], anchor: date) -> Iterator[Row]:
    """The usual ones, in no order."""
    chance = Random(f"history of {data_type}")
    for number in range(BUSY.get(data_type, USUAL)):
        at = midnight(anchor) - chance.randrange(1, DAYS * DAY)
        yield row(data_type, number, at, users[chance.randrange(len(users))], chance)


def row(data_type: str, number: int, at: float, user: Row, chance: Random) -> Row:
    """One row; every sixth spells its offset without a colon."""
    created = spelt(at, "+0000" if number % 6 == 5 else "+00:00")
    return _person(user) | {"createdAt": created} | fields(data_type, number, at, chance) | _internal(number, created)


def _person(user: Row) -> Row:
    """The user as event rows name them."""
    return {name: user[name] for name in ("email", "userId", "itblUserId") if name in user}


def _internal(number: int, created: str) -> Row:
    """Iterable's own fields: absent from most rows, nested in some, dotted in others."""
    if number % 8 == 3:
        return {"itblInternal": {"documentCreatedAt": created, "documentUpdatedAt": created}}
    if number % 8 == 7:
        return {"itblInternal.documentCreatedAt": created, "itblInternal.documentUpdatedAt": created}
    return {}


def hostile(anchor: date) -> Iterator[tuple[str, Row]]:
    """Look-alikes, boundaries, odd values, by data type; all in the week before the anchor."""
    for day in range(1, 8):  # the first and the last second of a day
        yield "emailSend", _message(day, f"{day:032x}", days_after(anchor, -day))
        yield "emailSend", _message(day, f"{day + 7:032x}", days_after(anchor, 1 - day) - 1)
    at = days_after(anchor, -3) + 60
    nobody = _message(1, "a" * 32, at) | {"userId": "u-1004", "transactionalData": '{"broken": '}
    yield "emailSend", {name: value for name, value in nobody.items() if name != "email"}
    large = {"contentId": 9007199254740993, "transactionalData": '{"amount":12345678901234567890}'}
    yield "emailSend", _message(2, "b" * 32, at + 1) | large
    for number in (1, 2):  # the same message in the same second, told apart by one field only
        twin = _message(0, "0f2b6c1d9e7a4c55b1f0a3d2c4e5f601", days_after(anchor, -2) + 33_664)
        yield "emailOpen", twin | {"ip": f"198.51.100.{number}"}
        yield "emailClick", twin | {"ip": "198.51.100.9", "url": f"https://example.com/{number}"}
    custom = {"userId": "u-1001", "eventName": "odd", "createdAt": spelt(at + 10), "eventUpdatedAt": spelt(at + 10)}
    # Named like columns that Iterable or a reader might add.
    yield "customEvent", custom | {"data": {"data": {"data": None}}, "id": "own", "event_id": 1, "_type": "own", "": 0}
    odd = {"seenAt": "2025-12-19T22:43:34.134105.000Z", "bornAt": "0000-00-00", "dueAt": 1772400000000}
    yield "customEvent", custom | odd


def _message(number: int, message_id: str, at: float, person: Row | None = None) -> Row:
    ids = ids_of("Email", number)
    message = {"campaignId": ids["campaignId"], "templateId": ids["templateId"], "messageId": message_id}
    return (person or {"email": "ana.0@example.com"}) | {"createdAt": spelt(at), **message}


def add_coming(project: IterableProject, users: Sequence[Row], anchor: date) -> None:
    """E-mail of the days from the anchor on, opened and clicked; up to ten seconds off the regular beat."""
    beat = [second + second // 30 * 7 % 11 for second in range(0, BUSY_DAYS * DAY, 30)]
    moments = [*beat, *range(BUSY_DAYS * DAY, COMING_DAYS * DAY, 3600)]
    for data_type, (after, said) in COMING.items():
        coming = [
            _message(number % 6, f"5eed{number:028x}", midnight(anchor) + second + after, _person(user)) | said
            for number, second in enumerate(moments)
            for user in (users[number % len(users)],)
        ]
        late = coming[::LATE_EVERY]
        project.add_events(data_type, late, indexed_after=LATE_SECONDS)
        project.add_events(data_type, [row for number, row in enumerate(coming) if number % LATE_EVERY])
