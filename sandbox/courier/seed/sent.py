"""Messages: 120 over the 40 days before the anchor, then one every two minutes for two days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from random import Random

from sandbox.courier.seed.people import PEOPLE, email, phone, user_id
from sandbox.courier.timestamps import DAY, HOUR, MINUTE, SECOND, midnight
from sandbox.courier.workspace import Row

DAYS = 40
USUAL = 108
"""Messages of the 40 days that have nothing special about them; a dozen others do."""

BUSY, APART = 1440, 2 * MINUTE
"""Messages that come from the anchor on, for two days."""

FORGOTTEN = "ACCOUNT_DELETED"
"""The event of messages that are listed but have no details any more."""

STATUSES = (
    *("CANCELED", "CLICKED", "DELAYED", "DELIVERED", "DIGESTED", "ENQUEUED", "FILTERED", "OPENED", "ROUTED", "SENT"),
    *("SIMULATED", "THROTTLED", "UNDELIVERABLE", "UNMAPPED", "UNROUTABLE", "PROCESSED"),
)
"""The fifteen documented ones, and another."""

_COURSE = ("sent", "delivered", "opened", "clicked")
_AFTER = {"sent": 1200, "delivered": 3 * SECOND, "opened": 45 * MINUTE, "clicked": 50 * MINUTE}
_STEPS = {"SENT": 1, "SIMULATED": 1, "UNDELIVERABLE": 1, "DELIVERED": 2, "OPENED": 3, "CLICKED": 4}
"""How far along its course a message of each status came."""

_FAILURES: dict[str, Row] = {
    "UNDELIVERABLE": {"error": "Mailbox unavailable 📪", "reason": "BOUNCED", "reasonCode": "HARD"},
    "UNROUTABLE": {"error": "No channel fits the recipient", "reason": "NO_CHANNELS"},
    "UNMAPPED": {"error": "No notification for the event", "reason": "UNPUBLISHED"},
    "FILTERED": {"reason": "UNSUBSCRIBED"},
}

CHANNELS = (("email", "sendgrid"), ("sms", "twilio"), ("push", "firebase-fcm"))


def messages(anchor: date) -> list[Row]:
    """In order of time. Of those that keep coming every third is opened later, every sixth is clicked, too."""
    start, chance = midnight(anchor), Random("messages")
    moments = [start - chance.randrange(1, DAYS * DAY) for _ in range(USUAL)]
    usual = [message(number, at, STATUSES[number % len(STATUSES)]) for number, at in enumerate(moments)]
    course = ("CLICKED", "DELIVERED", "SENT", "OPENED", "DELIVERED", "UNDELIVERABLE")
    coming = [message(1000 + number, start + number * APART, course[number % 6]) for number in range(BUSY)]
    return sorted([*usual, *_special(start), *coming], key=lambda row: (row["enqueued"], row["id"]))


def _special(start: int) -> Iterator[Row]:
    for number in range(3):  # in one millisecond
        yield message(200 + number, start - 5 * DAY + 123, "DELIVERED")
    yield message(203, start - DAY, "SENT")
    yield message(204, start - DAY - 1, "SENT")
    for number in range(3):  # opened in the afternoon of the anchor, long after it was sent
        enqueued = start - (number + 1) * DAY + 20 * HOUR
        yield message(205 + number, enqueued, "OPENED", opened=start + (13 + number) * HOUR)
    nulls = dict.fromkeys(("sent", "event", "notification", "error", "reason", "recipientId", "listId"))
    yield {**message(208, start - 2 * DAY + 7, "ENQUEUED"), **nulls}
    for number in range(2):
        yield {**message(209 + number, start - (3 + number) * DAY + 9, "DELIVERED"), "event": FORGOTTEN}
    yield {**message(211, start - 6 * DAY, "DELIVERED"), "archived": True, "undocumented": {"a": None}}


def message(number: int, enqueued: int, status: str, **moments: int) -> Row:
    """One that came as far as its status says; every ninth was sent with its content, without a template."""
    row: Row = {
        "id": f"1-{enqueued // 1000:08x}-{Random(f'message {number}').getrandbits(96):024x}",
        "status": status,
        "enqueued": enqueued,
        **{name: enqueued + _AFTER[name] for name in _COURSE[: _STEPS.get(status, 0)]},
        **moments,
        **_recipient(number),
        **_FAILURES.get(status, {}),
    }
    row |= {"canceledAt": enqueued + 5 * SECOND} if status == "CANCELED" else {}
    row |= {} if number % 9 == 4 else {"event": "ORDER_SHIPPED 🚚" if number % 10 == 0 else "ORDER_SHIPPED"}
    row |= {} if number % 9 == 4 or status == "UNMAPPED" else {"notification": f"nt_{number % 14:02}"}
    row |= _origin(number) | ({"providers": _providers(row, number)} if "sent" in row else {})
    return row | {"tags": ["shop", f"wave-{number % 3}"], "traceId": f"trace-{number // 10}"}


def _recipient(number: int) -> Row:
    """By address and id, by address with an id made up for the occasion, or by address alone."""
    person = number % PEOPLE
    address = phone(person) if number % len(CHANNELS) == 1 else email(person)
    if number % 17 == 3:
        return {"recipient": address}
    made_up = number % 13 == 5
    return {"recipient": address, "recipientId": f"anon_{number:06x}" if made_up else user_id(person)}


def _origin(number: int) -> Row:
    """Return the origin of a message: a list, an automation, a bulk job, or a single call."""
    origins: tuple[Row, ...] = (
        {"listId": "eu.beta", "listMessageId": f"1-5f000000-{number:024x}"},
        {"runId": f"automation-run-{number % 45}", "tenantId": "acme"},
        {"jobId": f"1-5f000001-{number:024x}"},
        {"idempotencyKey": f"order-{9007199254740993 + number}"},
    )
    return origins[number % len(origins)]


def _providers(row: Row, number: int) -> list[Row]:
    """The delivery by the channel's provider, as that told it."""
    channel, provider = CHANNELS[number % len(CHANNELS)]
    moments = {name: row[name] for name in _COURSE if name in row}
    return [
        {
            "channel": {"key": channel, "name": f"{channel} 1", "template": f"tpl-{number % 5}"},
            "provider": provider,
            "status": row["status"],
            **moments,
            "reference": {"x-message-id": f"ref-{number}"},
            "providerResponse": {"statusCode": 202, "batch": 9007199254740993},
            **({"error": row["error"]} if "error" in row else {}),
        }
    ]
