"""E-mail that keeps coming: a message every 30 seconds for two days from the anchor on, then one an hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from sandbox.iterable.events import Row
from sandbox.iterable.seed.history import person
from sandbox.iterable.seed.messaging import ids_of
from sandbox.iterable.timestamps import DAY, midnight, spelt

BUSY_DAYS = 2
DAYS = 60
SECONDS_APART = 30

OPENED_AFTER = 45
CLICKED_AFTER = 75
"""Seconds after the message was sent."""

LATE_EVERY = 7
LATE_SECONDS = 180
"""Every seventh row is indexed so late: within the five minutes that readers leave by default."""


def rows(users: Sequence[Row], anchor: date) -> dict[str, list[Row]]:
    """By data type, each by time."""
    sends: list[Row] = []
    opens: list[Row] = []
    clicks: list[Row] = []
    people = [person(user) for user in users]
    messages = [ids_of("Email", number) for number in range(6)]
    for number, at in enumerate(_moments(midnight(anchor))):
        ids = messages[number % len(messages)]
        user = people[number % len(people)]
        message = {
            "campaignId": ids["campaignId"],
            "templateId": ids["templateId"],
            "messageId": f"5eed{number:028x}",
        }
        sends.append({**user, "createdAt": spelt(at), **message, "transactionalData": "{}"})
        opens.append({**user, "createdAt": spelt(at + OPENED_AFTER), **message, "ip": "198.51.100.7"})
        clicks.append({**user, "createdAt": spelt(at + CLICKED_AFTER), **message, "url": "https://example.com/"})
    return {"emailSend": sends, "emailOpen": opens, "emailClick": clicks}


def _moments(start: float) -> Iterator[float]:
    """Epoch seconds, up to ten seconds off the regular beat."""
    for number, second in enumerate(range(0, BUSY_DAYS * DAY, SECONDS_APART)):
        yield start + second + number * 7 % 11
    for second in range(BUSY_DAYS * DAY, DAYS * DAY, 3600):
        yield start + second
