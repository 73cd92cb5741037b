"""Rows made to trip a reader up: look-alikes, boundaries, odd values; all in the week before the anchor."""

from __future__ import annotations

from datetime import date

from sandbox.iterable.events import Row
from sandbox.iterable.seed.messaging import ids_of
from sandbox.iterable.timestamps import DAY, days_after, spelt

TWIN = "0f2b6c1d9e7a4c55b1f0a3d2c4e5f601"
"""The message whose opens and clicks look alike."""

_FRACTIONS = "2025-12-19T22:43:34.134105.000Z"


def rows(anchor: date) -> dict[str, list[Row]]:
    """By data type."""
    return {
        "emailSend": [*_on_midnights(anchor), _without_email(anchor), _large_numbers(anchor)],
        "emailOpen": _twins(anchor, "ip", ("198.51.100.1", "198.51.100.2")),
        "emailClick": _twins(anchor, "url", ("https://example.com/a", "https://example.com/b")),
        "customEvent": [_colliding(anchor), _odd_dates(anchor)],
    }


def _message(number: int, message_id: str, at: float) -> Row:
    ids = ids_of("Email", number)
    message = {"campaignId": ids["campaignId"], "templateId": ids["templateId"], "messageId": message_id}
    return {"email": "ana.0@example.com", "createdAt": spelt(at), **message}


def _on_midnights(anchor: date) -> list[Row]:
    """The first and the last second of each of the seven days."""
    midnights = [days_after(anchor, -day) for day in range(1, 8)]
    seconds = [second for midnight in midnights for second in (midnight, midnight + DAY - 1)]
    return [_message(number, f"{number:032x}", second) for number, second in enumerate(seconds)]


def _twins(anchor: date, differing: str, values: tuple[str, ...]) -> list[Row]:
    """The same message in the same second, told apart by one field only."""
    row = _message(0, TWIN, days_after(anchor, -2) + 33_664)
    return [{**row, "ip": "198.51.100.9", differing: value} for value in values]


def _without_email(anchor: date) -> Row:
    row = _message(1, "a" * 32, days_after(anchor, -3) + 60)
    del row["email"]
    return {**row, "userId": "u-1004", "transactionalData": '{"broken": '}


def _large_numbers(anchor: date) -> Row:
    row = _message(2, "b" * 32, days_after(anchor, -3) + 61)
    return {**row, "contentId": 9007199254740993, "transactionalData": '{"amount":12345678901234567890}'}


def _colliding(anchor: date) -> Row:
    """Custom fields named like columns that Iterable or a reader might add."""
    own = {
        "data": {"data": {"data": None}},
        "id": "own",
        "event_id": 1,
        "_type": "own",
        "": 0,
    }
    return _custom(anchor, 70) | own


def _odd_dates(anchor: date) -> Row:
    return _custom(anchor, 71) | {"seenAt": _FRACTIONS, "bornAt": "0000-00-00", "dueAt": 1772400000000}


def _custom(anchor: date, second: int) -> Row:
    created = spelt(days_after(anchor, -3) + second)
    return {"userId": "u-1001", "eventName": "odd", "createdAt": created, "eventUpdatedAt": created}
