"""How an event becomes a message in the log, and which notification it is mapped to."""

from __future__ import annotations

from uuid import uuid4

from sandbox.courier import bodies
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


def put_mapping(workspace: CourierWorkspace, request: Request) -> Reply:
    """`PUT /events/{id}`: maps an event to a notification, in place of an earlier one."""
    event = request.parts["id"]
    notification = bodies.text(bodies.json_object(request), "id")
    shown = {"event": event, "id": notification, "type": "notification"}
    return json_reply(shown, effect=lambda: workspace.mappings.update({event: notification}))


def new_id(workspace: CourierWorkspace) -> str:
    """A message id, which starts with the time in seconds."""
    return f"1-{workspace.now // SECOND:08x}-{uuid4().hex[:24]}"


def log_event(workspace: CourierWorkspace, message_id: str, event: str, user: str | None, data: Row) -> None:
    """Logs an event as a message: of a mapped one a notification is sent a second later, another is UNMAPPED."""
    at, sent = workspace.now, workspace.now + SECOND
    profile = profile_of(workspace, user or "")
    kind = next((kind for kind in CHANNELS if profile.get(kind)), None)
    address = profile[kind] if kind else user
    row: Row = {"id": message_id, "status": "UNMAPPED", "enqueued": at, "event": event}
    row |= {"recipient": address, "recipientId": user} if user is not None else {}
    history: list[Row] = [{"ts": at, "type": "ENQUEUED", "data": data, "event": event, "recipient": user}]
    notification = workspace.mappings.get(event)
    if notification is None:
        history.append({"ts": at, "type": "UNMAPPED"})
    else:
        channel, provider = CHANNELS[kind or "email"]
        delivery = {"channel": channel, "provider": provider, "status": "SENT", "sent": sent}
        row |= {"status": "SENT", "sent": sent, "notification": notification, "providers": [delivery]}
        place = {"channel": {"id": channel["key"], "label": channel["name"]}, "integration": {"provider": provider}}
        history.append({"ts": at, "type": "MAPPED", "event_id": event, "notification_id": notification})
        history.append({"ts": sent, "type": "SENT", **place})
    workspace.messages.append(row)
    workspace.history[message_id] = history
    workspace.outputs[message_id] = []
