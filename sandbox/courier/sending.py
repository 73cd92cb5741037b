"""`/send`, and how an event or a request becomes a message in the log."""

from __future__ import annotations

from uuid import uuid4

from sandbox.courier import bodies
from sandbox.courier.errors import bad_request
from sandbox.courier.profiles import profile_of
from sandbox.courier.timestamps import SECOND
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Reply, Request, json_reply

ACCEPTED = 202

CHANNELS = {
    "email": ({"key": "email", "name": "Email"}, "sendgrid"),
    "phone_number": ({"key": "sms", "name": "SMS"}, "twilio"),
}
"""The channel and the provider that reach each kind of address."""


def send(workspace: CourierWorkspace, request: Request) -> Reply:
    """To one recipient or several, by user id, e-mail address or phone number; what is sent is not looked at."""
    message = bodies.nested(bodies.json_object(request), "message")
    recipients = _recipients(message)
    if not (message.get("content") or message.get("template")):
        raise bad_request("content or template is required")
    ids = [new_id(workspace) for _ in recipients]
    request_id = ids[0] if len(ids) == 1 else new_id(workspace)
    event = (message.get("metadata") or {}).get("event") or message.get("template")

    def effect() -> None:
        for message_id, recipient in zip(ids, recipients, strict=True):
            row = _row(workspace, message_id, event, recipient.get("user_id"), recipient)
            hidden = {} if message_id == request_id else {"traceId": request_id}
            _log_sent(workspace, row | hidden, message.get("template"), message.get("data") or {})

    return json_reply({"requestId": request_id}, ACCEPTED, effect=effect)


def new_id(workspace: CourierWorkspace) -> str:
    """A message id, which starts with the time in seconds."""
    return f"1-{workspace.now // SECOND:08x}-{uuid4().hex[:24]}"


def log_event(workspace: CourierWorkspace, message_id: str, event: str, user: str | None, data: Row) -> None:
    """Logs an event as a message: of a mapped one a notification is sent a second later, another is UNMAPPED."""
    row = _row(workspace, message_id, event, user, {})
    notification = workspace.mappings.get(event)
    if notification is not None:
        _log_sent(workspace, row, notification, data)
        return
    at = workspace.now
    _log(workspace, {**row, "status": "UNMAPPED"}, [_enqueued(row, data), {"ts": at, "type": "UNMAPPED"}])


def _recipients(message: Row) -> list[Row]:
    to = message.get("to")
    recipients = bodies.rows(message, "to") if isinstance(to, list) else [bodies.nested(message, "to")]
    if not recipients or not all(recipients):
        raise bodies.required("to")
    return recipients


def _row(workspace: CourierWorkspace, message_id: str, event: str | None, user: str | None, received: Row) -> Row:
    """A message as it is enqueued, with the address it goes to, which is the user's id where no other is known."""
    profile = {**profile_of(workspace, user or ""), **received}
    address = next((profile[kind] for kind in CHANNELS if profile.get(kind)), user)
    told = {"event": event, "recipient": address, "recipientId": user}
    row: Row = {"id": message_id, "status": "ENQUEUED", "enqueued": workspace.now}
    return row | {name: value for name, value in told.items() if value is not None}


def _log_sent(workspace: CourierWorkspace, row: Row, notification: str | None, data: Row) -> None:
    sent = row["enqueued"] + SECOND
    address = str(row.get("recipient"))
    channel, provider = CHANNELS["phone_number" if address.startswith("+") else "email"]
    delivery = {"channel": channel, "provider": provider, "status": "SENT", "sent": sent}
    events = [_enqueued(row, data)]
    if notification is not None:
        row = {**row, "notification": notification}
        ids = {"event_id": row.get("event"), "notification_id": notification}
        events.append({"ts": row["enqueued"], "type": "MAPPED", **ids})
    place = {
        "channel": {"id": channel["key"], "label": channel["name"]},
        "integration": {"id": provider, "provider": provider},
    }
    events.append({"ts": sent, "type": "SENT", **place})
    _log(workspace, {**row, "status": "SENT", "sent": sent, "providers": [delivery]}, events)


def _enqueued(row: Row, data: Row) -> Row:
    """The first event of a message's history."""
    return {
        "ts": row["enqueued"],
        "type": "ENQUEUED",
        "data": data,
        "event": row.get("event"),
        "recipient": row.get("recipientId") or row.get("recipient"),
    }


def _log(workspace: CourierWorkspace, row: Row, events: list[Row]) -> None:
    workspace.messages.append(row)
    workspace.history[row["id"]] = events
    workspace.outputs[row["id"]] = []
