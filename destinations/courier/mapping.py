"""Events as calls of Courier's API, for each route. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from destinations.courier.configuration import CALLS
from destinations.courier.events import NO_USER, Event, message_id_of, user_of
from destinations.rows import Rejected, Row
from destinations.values import UNKNOWN_TYPE, digest, encoded, identity, is_event_type, required_id, without_nulls

# Bytes of a request's body, as documented by Courier.
LARGEST_BODY: Final = 6 * 1024 * 1024

# The words of Segment's own destination.
NOT_SUPPORTED: Final = "Event type must be either track, group or identify"
AUDIENCE_ELSEWHERE: Final = (
    "This Action does not support sending Engage Audiences. Please use the Sync Audience Action."
)
# The words of RudderStack's own.
NO_TYPE: Final = "Event type is required"
NO_TRAITS: Final = "traits is a required field for identify call"

AUDIENCE_CLASSES: Final = ("audience", "journey_step")


@dataclass(frozen=True)
class Call:
    """One request. done: statuses besides 2xx after which there is nothing left to do.

    names_something: its path names what need not exist, so that 404 is about the row and not about the address.
    after: what a rejection of it begins with, since the steps before it have done their part.
    lasting: its Idempotency-Key is to be remembered for longer than the day that is usual.
    """

    method: str
    path: str
    body: bytes | None = None
    idempotency_key: str | None = None
    done: frozenset[int] = frozenset()
    names_something: bool = False
    after: str = ""
    lasting: bool = False


@dataclass(frozen=True)
class TenantUpdate:
    """Creates the tenant, or adds to it what the traits say: `PUT` replaces all of it, so it has to be read first."""

    path: str
    group_id: str
    traits: Mapping[str, Any]


Step = Call | TenantUpdate


@dataclass(frozen=True)
class Plan:
    """The steps that deliver an event, in their order. keys: whom it is about, whose events keep their order."""

    steps: tuple[Step, ...]
    keys: tuple[Hashable, ...]


def plan(route: str, event: Event, row: Row) -> Plan:
    """Errors: Rejected, with the words of Segment's or RudderStack's own destination where they have some."""
    keys = [("user", user_of(event))]
    if str(event.get("type")).lower() == "group":
        keys.append(("tenant", event.get("groupId")))
    return Plan(_ROUTES[route](event, row), tuple(key for key in keys if key[1] is not None))


# --- segment -----------------------------------------------------------------


def _segment(event: Event, row: Row) -> tuple[Step, ...]:
    """Return the whole event; and membership of an Engage audience as a subscription to a list, too.

    Steps of a journey are told in the form of audiences, but need not say whether the user is in one.
    """
    personas = _object(_object(event.get("context")).get("personas"))
    is_audience = personas.get("computation_class") == "audience"
    kind = event.get("type")
    if is_audience and kind not in ("identify", "track"):
        raise Rejected(AUDIENCE_ELSEWHERE)
    if kind not in CALLS:
        raise Rejected(NOT_SUPPORTED)
    inbound = _inbound("/inbound/segment", event, row)
    if kind == "group" or personas.get("computation_class") not in AUDIENCE_CLASSES:
        return (inbound,)
    try:
        membership = _membership(event, personas)
    except Rejected:
        if is_audience:
            raise
        return (inbound,)
    if is_audience and kind == "track":
        return (membership,)
    # What an identify says is a trait as well: Engage tells membership as a property of the user.
    after = "its event was delivered, but the list of its audience was not changed: "
    return inbound, replace(membership, after=after)


def _membership(event: Event, personas: Mapping[str, Any]) -> Call:
    """Errors: Rejected where the event does not say of whom, of which audience, or whether."""
    key, number = (required_id(personas, f"computation_{part}", "context.personas.") for part in ("key", "id"))
    user = _user(event)
    content = "traits" if event["type"] == "identify" else "properties"
    membership = _object(event.get(content))
    if key not in membership:
        raise Rejected(
            f"{content} does not say whether the user is in the audience: the key that personas names is missing"
        )
    path = f"/lists/{_part(f'{key}-{number}')}/subscriptions/{_part(user)}"
    # A database may have made a text of false.
    if _is_truthy(membership[key]) and str(membership[key]).lower() != "false":
        return Call("PUT", path)
    return Call("DELETE", path, done=frozenset((404,)))  # whoever is no subscriber need not be removed


def _is_truthy(value: Any) -> bool:
    """Return True for what JavaScript takes for true: empty objects and lists are."""
    return isinstance(value, list | dict) or bool(value)


# --- rudderstack -------------------------------------------------------------


def _rudderstack(event: Event, row: Row) -> tuple[Step, ...]:
    """Return the whole event; what an identify says about a user moves to where Courier looks for it."""
    if not event.get("type"):
        raise Rejected(NO_TYPE)
    call = str(event["type"]).lower()
    if call == "identify":
        places = event, _object(event.get("context"))
        traits = next((place["traits"] for place in places if _is_truthy(place.get("traits"))), None)
        if traits is None:
            raise Rejected(NO_TRAITS)
        event = {**event, "traits": traits}
    if call not in CALLS:
        known = is_event_type(event["type"])
        raise Rejected(f"Message type {event['type']} is not supported" if known else UNKNOWN_TYPE)
    return (_inbound("/inbound/rudderstack", event, row),)


# --- direct ------------------------------------------------------------------


def _direct(event: Event, row: Row) -> tuple[Step, ...]:
    """Return calls of Courier's own API: profiles, inbound events, automations and tenants."""
    call = str(event.get("type")).lower()
    if call not in CALLS:
        raise Rejected(NOT_SUPPORTED)
    return _DIRECT[call](event, row)


def _identify(event: Event, row: Row) -> tuple[Step, ...]:
    user = _user(event)
    traits = event.get("traits", _object(event.get("context")).get("traits"))
    body = _body({"profile": _object_or_none(traits, "traits") or {}})
    return (_post(f"/profiles/{_part(user)}", body, event.get("messageId"), row),)


def _track(event: Event, row: Row) -> tuple[Step, ...]:
    user, name = user_of(event), required_id(event, "event")
    message_id = message_id_of(event, row)
    # `/inbound/courier` has no field for the time.
    time = without_nulls({"timestamp": event.get("timestamp", event.get("originalTimestamp"))})
    properties = {**time, **(_object_or_none(event.get("properties"), "properties") or {})}
    content = without_nulls(
        {"type": "track", "event": name, "messageId": message_id, "userId": user, "properties": properties}
    )
    # A repeat is known by its messageId: Courier answers 409, and has what it was to get.
    inbound = Call("POST", "/inbound/courier", _body(content), done=frozenset((409,)))
    invocation = _invocation(properties, user, message_id, row)
    return (inbound,) if invocation is None else (inbound, invocation)


def _invocation(properties: Mapping[str, Any], user: str | None, message_id: str, row: Row) -> Call | None:
    """Return the automation that a track asks for in `properties.courier.automation`, by its template or step by step.

    `data` alone asks for none: it is for an automation that the event triggers by itself.
    """
    automation = _object(_object(properties.get("courier")).get("automation"))
    template, steps = automation.get("template"), automation.get("steps")
    if template is None and steps is None:
        return None
    recipient = identity(automation.get("recipient")) or user
    others = {name: value for name, value in properties.items() if name != "courier"}
    content = without_nulls({
        "recipient": recipient,
        "data": others if automation.get("data") is None else automation["data"],
        **{name: automation.get(name) for name in ("profile", "brand")},
    })  # fmt: skip
    if template is not None:
        name = identity(template)
        if name is None or recipient is None:
            raise Rejected("an automation needs a template and a recipient, and one of them is missing")
        path = f"/automations/{_part(name)}/invoke"
    else:
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            raise Rejected("properties.courier.automation.steps must be a list of objects")
        path = "/automations/invoke"
        steps_and_token = {"steps": steps, "cancelation_token": automation.get("cancelation_token")}
        content["automation"] = without_nulls(steps_and_token)
    call = _post(path, _body(content), message_id, row)
    after = "its event was delivered, but its automation was not: "
    return replace(call, names_something=True, after=after, lasting=True)


def _group(event: Event, row: Row) -> tuple[Step, ...]:  # noqa: ARG001 - as its siblings
    group, user = required_id(event, "groupId"), _user(event)
    traits = _object_or_none(event.get("traits"), "traits") or {}
    encoded(traits)  # what is no JSON is told before anything is written
    tenant = f"/tenants/{_part(group)}"
    after = "its tenant is up to date, but its user was not added to it: "
    membership = Call("PUT", f"/users/{_part(user)}{tenant}", b"{}", names_something=True, after=after)
    return TenantUpdate(tenant, group, traits), membership


_DIRECT: Final[dict[str, Callable[[Event, Row], tuple[Step, ...]]]] = {
    "identify": _identify,
    "track": _track,
    "group": _group,
}
_ROUTES: Final[dict[str, Callable[[Event, Row], tuple[Step, ...]]]] = {
    "segment": _segment,
    "rudderstack": _rudderstack,
    "direct": _direct,
}


# --- what the routes share ---------------------------------------------------


def _inbound(path: str, event: Event, row: Row) -> Call:
    """Return the call for a whole event, which Courier knows by its messageId.

    A track without one is known by its content. An identify or group without one gets one for this delivery: done
    twice it changes nothing, while an id made of its content would also be that of a later row that changes a trait
    back.
    """
    own = event.get("messageId")
    if own is None and event["type"].lower() == "track":
        own = message_id_of(event, row)
    return _post(path, _body({**event, "messageId": own or row.delivery_id}), own, row)


def _post(path: str, body: bytes, message_id: str | None, row: Row) -> Call:
    """Return a call whose key is the same for the same request about the same event, and says nothing about either."""
    key = None if message_id is None else digest(row.stream, message_id, path, body.decode())
    return Call("POST", path, body, key)


def _body(content: Mapping[str, Any]) -> bytes:
    body = encoded(content)
    if len(body) > LARGEST_BODY:
        raise Rejected("it is larger than the 6 MB that Courier takes")
    return body


def _part(name: str) -> str:
    """Return a part of a path, percent-encoded. Dots alone would be resolved on the way, encoded or not."""
    if name in (".", ".."):
        raise Rejected("an id that consists of dots alone cannot be part of an address")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError as error:
        raise Rejected("an id holds text that is no valid Unicode") from error


def _user(event: Event) -> str:
    user = user_of(event)
    if user is None:
        raise Rejected(NO_USER)
    return user


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _object_or_none(value: Any, name: str) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, Mapping):
        raise Rejected(f"{name} must be an object")
    return value
