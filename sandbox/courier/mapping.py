"""`/events`: which notification an event sends."""

from __future__ import annotations

from sandbox.courier import bodies
from sandbox.courier.errors import bad_request, not_found
from sandbox.courier.workspace import CourierWorkspace, Row, Rows
from sandbox.messages import Reply, Request, json_reply

KIND = "notification"


def events(workspace: CourierWorkspace, request: Request) -> Rows:
    return [_shown(event, notification) for event, notification in workspace.mappings.items()]


def event(workspace: CourierWorkspace, request: Request) -> Reply:
    event_id = request.parts["id"]
    if event_id not in workspace.mappings:
        raise not_found()
    return json_reply(_shown(event_id, workspace.mappings[event_id]))


def put(workspace: CourierWorkspace, request: Request) -> Reply:
    """Maps an event to a notification, in place of an earlier one."""
    body, event_id = bodies.json_object(request), request.parts["id"]
    notification = bodies.text(body, "id")
    if bodies.text(body, "type") != KIND:
        raise bad_request(f"type must be {KIND}")
    return json_reply(
        _shown(event_id, notification), effect=lambda: workspace.mappings.update({event_id: notification})
    )


def _shown(event_id: str, notification: str) -> Row:
    return {"event": event_id, "id": notification, "type": KIND}
