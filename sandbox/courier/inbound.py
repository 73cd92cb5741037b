"""`/inbound/…`: events from Segment, from RudderStack and in Courier's own form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.courier import bodies, invoking, tenants
from sandbox.courier.errors import bad_request, rejection
from sandbox.courier.profiles import merge_profile
from sandbox.courier.sending import ACCEPTED, log_event, new_id
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Reply, Request, json_reply

SEGMENT_PREFIX = "Segment-TrackEvent:"
"""Before the name of an event from Segment, in the log and where it is mapped."""

TYPES = ("identify", "track", "group")
IDS = ("userId", "anonymousId", "groupId")
TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")


def segment(workspace: CourierWorkspace, request: Request) -> Reply:
    """A whole event, from traits of which the profile is made."""
    event = bodies.json_object(request)
    _check(workspace, event)
    message_id = new_id(workspace)
    if workspace.segment_checks:
        _check_form(event)
        if any(row["route"] == "segment" and row["messageId"] == event["messageId"] for row in workspace.inbound):
            return json_reply({"messageId": message_id}, ACCEPTED)

    def effect() -> None:
        _record(workspace, "segment", event, message_id)
        _take(workspace, event, message_id, _object(event.get("traits")), SEGMENT_PREFIX)

    return json_reply({"messageId": message_id}, ACCEPTED, effect=effect)


def rudderstack(workspace: CourierWorkspace, request: Request) -> Reply:
    """A whole event, whose traits may be in its context, and which may ask for an automation."""
    event = bodies.json_object(request)
    _check(workspace, event)
    message_id = new_id(workspace)
    traits = _object(event.get("traits")) or _object(_object(event.get("context")).get("traits"))

    def effect() -> None:
        _record(workspace, "rudderstack", event, message_id)
        _take(workspace, event, message_id, traits, "")
        automation = _object(_object(_object(event.get("properties")).get("courier")).get("automation"))
        if _type(event) == "track" and automation:
            invoking.invoke(workspace, automation.get("template"), event)

    says = {"messageId": message_id} if workspace.rudderstack_says == "messageId" else {}
    return json_reply(says, ACCEPTED, effect=effect)


def courier(workspace: CourierWorkspace, request: Request) -> Reply:
    """A track event; its messageId is taken only once."""
    body = bodies.json_object(request)
    own_id = bodies.text(body, "messageId")
    bodies.text(body, "event")
    bodies.nested(body, "properties")
    if bodies.text(body, "type") != "track":
        raise bad_request("type must be track")
    if own_id in workspace.inbound_ids:
        raise rejection(409, "The messageId has been used before")
    message_id = new_id(workspace)

    def effect() -> None:
        workspace.inbound_ids.add(own_id)
        _record(workspace, "courier", body, message_id)
        _take(workspace, body, message_id, {}, "")

    return json_reply({"messageId": message_id}, ACCEPTED, effect=effect)


def _check(workspace: CourierWorkspace, event: Row) -> None:
    if not workspace.inbound_checks:
        return
    if _type(event) not in TYPES:
        raise bad_request(f"type must be one of {', '.join(TYPES)}")
    if _user(event) is None:
        raise bad_request("userId or anonymousId is required")
    if _type(event) == "track":
        bodies.text(event, "event")
    if _type(event) == "group":
        bodies.text(event, "groupId")


def _check_form(event: Row) -> None:
    if not isinstance(event.get("messageId"), str):
        raise rejection(500, "Internal Server Error")
    for name, value in event.items():
        if value is None and name not in IDS:
            raise bad_request(f"{name} must not be null")
        if name in IDS + TIMES and not isinstance(value, str | None):
            raise bad_request(f"{name} must be a string")


def _record(workspace: CourierWorkspace, route: str, event: Row, message_id: str) -> None:
    own_id = event.get("messageId") or message_id
    row = {"route": route, "messageId": own_id, "event": event, "at": workspace.now}
    workspace.inbound.append(row)


def _take(workspace: CourierWorkspace, event: Row, message_id: str, traits: Row, prefix: str) -> None:
    """Carry out an event; one that says too little does nothing."""
    user, name, group = _user(event), _text(event.get("event")), _text(event.get("groupId"))
    effects: dict[str, tuple[object, Callable[[], None]]] = {
        "identify": (user, lambda: merge_profile(workspace, str(user), traits)),
        "track": (
            name,
            lambda: log_event(workspace, message_id, f"{prefix}{name}", user, _object(event.get("properties"))),
        ),
        "group": (group, lambda: tenants.take_group(workspace, str(group), user, traits)),
    }
    needed, effect = effects.get(_type(event), (None, lambda: None))
    if needed is not None:
        effect()


def _type(event: Row) -> str:
    """In lower case: RudderStack compares it like that, and sends it on as it came."""
    return str(event.get("type")).lower()


def _user(event: Row) -> str | None:
    """Whom an event is about."""
    return _text(event.get("userId")) or _text(event.get("anonymousId"))


def _text(value: Any) -> str | None:
    return None if value is None or not str(value) else str(value)


def _object(value: Any) -> Row:
    return value if isinstance(value, dict) else {}
