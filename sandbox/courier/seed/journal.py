"""History of a message, event by event, and its content on each channel."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.courier.seed.people import CREDENTIAL
from sandbox.courier.timestamps import MINUTE
from sandbox.courier.workspace import Row


def history(message: Row, profiles: dict[str, Row]) -> list[Row]:
    """In order of time; several events share a millisecond, and some are told twice alike."""
    stored = profiles.get(message.get("recipientId") or "", {}).get("profile", {})
    events = [*_beginning(message, stored), *_course(message), *_end(message)]
    return sorted(events, key=lambda event: event["ts"])


def _beginning(message: Row, stored: Row) -> Iterator[Row]:
    """Up to three events within one millisecond."""
    at = message["enqueued"]
    address = message["recipient"]
    received = {"phone_number" if address.startswith("+") else "email": address}
    yield {
        "ts": at,
        "type": "ENQUEUED",
        "data": {"order id": 9007199254740993, "items": [{"sku": "mug ☕", "note": None}]},
        "override": {"sendgrid": {"config": {"apiKey": f"{CREDENTIAL}override"}, "body": {"asm": None}}},
        "profile": received,
        "recipient": message.get("recipientId") or address,
    }
    merged = {**stored, **received}
    yield {"ts": at, "type": "PROFILE_LOADED", "stored_profile": stored, "merged_profile": merged}
    if message.get("notification"):
        yield {"ts": at, "type": "MAPPED", "event_id": message.get("event"), "notification_id": message["notification"]}


def _course(message: Row) -> Iterator[Row]:
    if not message.get("sent"):
        return
    place = _place(message)
    yield {"ts": message["sent"] - 2, "type": "RENDERED", **place, "output": {"html": f"/messages/{message['id']}"}}
    yield {"ts": message["sent"] - 1, "type": "DELIVERING", **place}
    yield {"ts": message["sent"], "type": "SENT", **place}
    if message.get("delivered"):
        reference = message["providers"][0]["reference"]
        yield {"ts": message["delivered"], "type": "DELIVERED", **place, "reference": reference}
    if message.get("opened"):
        opened = {"type": "OPENED", **place}
        yield from ({"ts": message["opened"], **opened}, {"ts": message["opened"], **opened})  # twice alike
        yield {"ts": message["opened"] + 20 * MINUTE, **opened, "channel": {"id": "", "label": ""}}
    if message.get("clicked"):
        yield {"ts": message["clicked"], "type": "CLICKED", **place}


def _end(message: Row) -> Iterator[Row]:
    """The event that a message ends with unless it was sent and received."""
    status, at = message["status"], message["enqueued"]
    if status == "UNDELIVERABLE":
        told = {"error_message": message["error"], "reason": message["reason"], "reasonCode": message["reasonCode"]}
        yield {"ts": message["sent"] + 1, "type": status, **_place(message), **told}
    elif status == "CANCELED":
        yield {"ts": message["canceledAt"], "type": status}
    elif not message.get("sent") and status != "ENQUEUED":
        yield {"ts": at + 1, "type": status, "channel": {}, "reason": message.get("reason")}


def _place(message: Row) -> Row:
    delivery = message["providers"][0]
    channel = delivery["channel"]
    return {
        "channel": {"id": channel["template"], "label": channel["name"]},
        "integration": {"id": f"integration-{delivery['provider']}", "provider": delivery["provider"]},
    }


def outputs(message: Row) -> list[Row]:
    """One for each channel that was rendered; parts that a channel has no use for are absent."""
    if not message.get("sent"):
        return []
    channel = message["providers"][0]["channel"]
    content: Row = {"body": "Your mug is on its way.", "blocks": []}
    if channel["key"] == "email":
        content = {
            "subject": "On its way 🚚",
            "html": "<p>Your <b>mug</b> is on its way.</p>",
            "blocks": [{"type": "text"}],
        }
    return [{"channel": channel["key"], "channel_id": channel["template"], "content": content}]
