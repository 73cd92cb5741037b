"""What happened to a message, event by event, and what it looked like on each channel."""

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
        "event": message.get("event"),
        "override": {"sendgrid": {"config": {"apiKey": f"{CREDENTIAL}override"}, "body": {"asm": None}}},
        "profile": received,
        "recipient": message.get("recipientId") or address,
    }
    yield {
        "ts": at,
        "type": "PROFILE_LOADED",
        "received_profile": received,
        "stored_profile": stored,
        "merged_profile": {**stored, **received},
    }
    if message.get("notification"):
        ids = {"event_id": message.get("event"), "notification_id": message["notification"]}
        yield {"ts": at, "type": "MAPPED", **ids}


def _course(message: Row) -> Iterator[Row]:
    if not message.get("sent"):
        return
    place = _place(message)
    yield {"ts": message["sent"] - 2, "type": "RENDERED", **place, "output": _addresses(message)}
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
        told = {name: message[name] for name in ("reason", "reasonCode")}
        place = _place(message)
        yield {"ts": message["sent"] + 1, "type": status, **place, "error_message": message["error"], **told}
    elif status == "UNROUTABLE":
        yield {"ts": at + 1, "type": status, "channel": {}, "reason": message["reason"]}
    elif status in ("UNMAPPED", "FILTERED"):
        yield {"ts": at + 1, "type": status, "reason": message["reason"]}
    elif status == "CANCELED":
        yield {"ts": message["canceledAt"], "type": status}
    elif not message.get("sent") and status != "ENQUEUED":
        yield {"ts": at + 1, "type": status}


def _place(message: Row) -> Row:
    delivery = message["providers"][0]
    channel = delivery["channel"]
    return {
        "channel": {"id": channel["template"], "label": channel["name"]},
        "integration": {"id": f"integration-{delivery['provider']}", "provider": delivery["provider"]},
    }


def _addresses(message: Row) -> Row:
    """Where each part of the output is to be read."""
    return {
        part: f"/messages/{message['id']}/output/{output['channel_id']}/{part}"
        for output in outputs(message)
        for part in output["content"]
    }


def outputs(message: Row) -> list[Row]:
    """One for each channel that was rendered; parts that a channel has no use for are absent."""
    if not message.get("sent"):
        return []
    channel = message["providers"][0]["channel"]
    return [{"channel": channel["key"], "channel_id": channel["template"], "content": _content(channel["key"])}]


def _content(channel: str) -> Row:
    if channel == "email":
        return {
            "subject": "On its way 🚚",
            "html": "<p>Your <b>mug</b> is on its way.</p>",
            "text": "Your mug is on its way.\n",
            "blocks": [{"type": "text", "text": "Your mug is on its way."}],
        }
    if channel == "sms":
        return {"body": "Your mug is on its way.", "blocks": []}
    return {"title": "On its way", "body": "Your mug is on its way. 🚚"}
