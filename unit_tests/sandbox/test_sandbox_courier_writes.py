"""Courier, written to: what each call changes, what it answers, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

import pytest

from sandbox import Sandbox
from sandbox.budgets import Budget
from sandbox.courier.api import WRITING
from sandbox.courier.workspace import CourierWorkspace
from sandbox.messages import Request

KEY = {"authorization": "Bearer sandbox-courier-key"}
NOON = "2026-03-15T12:00:00.000Z"
NOW = 1773576000000  # the same in milliseconds
SUCCESS = (200, {"status": "SUCCESS"})
DONE = (204, None)
NOT_FOUND = (404, {"message": "Not Found", "type": "invalid_request_error"})
ODD = "crm/7 ü+ö?#%"
ODD_PATH = quote(ODD, safe="")

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def space(empty: Sandbox) -> CourierWorkspace:
    return empty.courier


@pytest.fixture
def ask(empty: Sandbox) -> Ask:
    """ask(method, path, body, header=value, …): the status and what the body says, None for none."""

    def asked(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = empty.answer(Request(method, path, KEY | given, sent))
        return reply.status, json.loads(reply.body) if reply.body else None

    return asked


def refused(message: str) -> tuple[int, dict[str, str]]:
    return 400, {"message": message, "type": "invalid_request_error"}


def shapes(value: Any) -> Any:
    """The value with made-up ids replaced by what they are."""
    return {
        name: "an id" if name in ("id", "messageId", "requestId", "runId") else part for name, part in value.items()
    }


# ---------------------------------------------------------------------------------------------------- what all share


@pytest.mark.parametrize(("method", "pattern"), [(route.method, route.pattern) for route in WRITING])
def test_every_call_that_writes_needs_the_key(empty: Sandbox, method: str, pattern: str) -> None:
    path = pattern.replace("{", "").replace("}", "")
    before = repr(empty.courier)
    reply = empty.answer(Request(method, path, {"authorization": "Bearer another-key"}))
    assert (reply.status, json.loads(reply.body)) == (
        401,
        {"message": "Unauthorized", "type": "authentication_error"},
    )
    assert repr(empty.courier) == before


@pytest.mark.parametrize(
    "route", [route for route in WRITING if route.method == "POST"], ids=lambda route: str(route.pattern)
)
@pytest.mark.parametrize(
    ("body", "message"), [(b"{", "Invalid JSON"), (b"", "Invalid JSON"), (b"[1]", "The body must be an object")]
)
def test_every_post_needs_an_object(ask: Ask, route: Any, body: bytes, message: str) -> None:
    assert ask("POST", route.pattern.replace("{id}", "a"), body) == refused(message)


@pytest.mark.parametrize("header", ["gzip", "identity"])
def test_a_body_that_is_not_the_gzip_it_says_it_is_is_no_json(ask: Ask, header: str) -> None:
    assert ask("POST", "/inbound/segment", b"\x1f\x8bgarbage", content_encoding=header) == refused("Invalid JSON")


def test_a_body_of_more_than_six_megabytes_is_too_large(ask: Ask, space: CourierWorkspace) -> None:
    event = {"type": "identify", "userId": "u", "traits": {}}
    room = 6 * 1024 * 1024 - len(json.dumps(event))
    assert ask("POST", "/inbound/segment", json.dumps(event).encode() + b" " * room)[0] == 202
    assert ask("POST", "/inbound/segment", json.dumps(event).encode() + b" " * (room + 1)) == (
        413,
        {"message": "Request Entity Too Large", "type": "invalid_request_error"},
    )
    space.largest_body = 20
    assert ask("POST", "/inbound/segment", event)[0] == 413
    assert len(space.inbound) == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_method_that_a_path_does_not_have_is_not_found(ask: Ask, method: str) -> None:
    assert ask(method, "/inbound/segment", {"type": "track"}) == NOT_FOUND


def test_debug_confirms_the_key_and_does_nothing(ask: Ask, empty: Sandbox) -> None:
    before = repr(empty.courier)
    assert ask("POST", "/debug") == (200, {})
    assert repr(empty.courier) == before


def test_writes_may_have_a_budget_that_reading_leaves_alone(clock: Any) -> None:
    sandbox = Sandbox(clock=clock, seed=False)
    sandbox.courier.writes_budget = Budget(calls=1, seconds=60)

    def status(method: str, path: str) -> int:
        return sandbox.answer(Request(method, path, KEY)).status

    assert [status("PUT", "/lists/a/subscriptions/u"), status("DELETE", "/tenants/t")] == [204, 429]
    assert (status("GET", "/lists"), status("POST", "/debug")) == (200, 200)
    clock.now += 60
    assert status("PUT", "/lists/a/subscriptions/u") == 204


def test_rare_writes_may_have_a_budget_each(clock: Any) -> None:
    sandbox = Sandbox(clock=clock, seed=False)
    sandbox.courier.rare_writes_budget = Budget(calls=1, seconds=60)

    def status(method: str, path: str, body: Any) -> int:
        return sandbox.answer(Request(method, path, KEY, json.dumps(body).encode())).status

    assert [status("PUT", "/lists/a", {"name": "A"}), status("PUT", "/lists/b", {"name": "B"})] == [204, 429]
    assert status("POST", "/lists/a/subscriptions", {"recipients": []}) == 204
    assert status("PUT", "/events/e", {"id": "n", "type": "notification"}) == 200
    assert [status("PUT", "/lists/a/subscriptions/u", {}) for _ in range(3)] == [204] * 3


# --------------------------------------------------------------------------------------------------- Idempotency-Key


def test_the_same_idempotency_key_gets_the_same_answer_and_does_nothing_twice(
    ask: Ask, space: CourierWorkspace, clock: Any
) -> None:
    invoke = ("POST", "/automations/welcome/invoke", {"recipient": "u"})
    first = ask(*invoke, idempotency_key="k1")
    clock.now += 24 * 3600 - 1
    assert ask(*invoke, idempotency_key="k1") == first
    assert ask(*invoke, idempotency_key="k2") != first
    assert ask("POST", "/automations/other/invoke", {"recipient": "u"}, idempotency_key="k1") != first
    assert [(row["template"], row["idempotencyKey"]) for row in space.invocations] == [
        ("welcome", "k1"),
        ("welcome", "k2"),
        ("other", "k1"),
    ]


def test_an_idempotency_key_is_forgotten_after_a_day(ask: Ask, space: CourierWorkspace, clock: Any) -> None:
    for hours in (0, 24):
        clock.now += hours * 3600
        ask("POST", "/profiles/u", {"profile": {"at": hours}}, idempotency_key="k")
    assert space.profiles["u"]["profile"] == {"at": 24}


@pytest.mark.parametrize(
    ("expiration", "hours"),
    [("2026-03-15T14:00:00.000Z", 2), ("2026-03-15 16:00:00+01:00", 3), ("2030-01-01T00:00:00Z", 365 * 24)],
)
def test_an_idempotency_key_is_kept_until_the_request_says_but_no_longer_than_a_year(
    ask: Ask, space: CourierWorkspace, clock: Any, expiration: str, hours: int
) -> None:
    invoke = ("POST", "/automations/welcome/invoke", {"recipient": "u"})
    headers = {"idempotency_key": "k", "x_idempotency_expiration": expiration}
    first = ask(*invoke, **headers)
    clock.now += hours * 3600 - 1
    assert ask(*invoke, **headers) == first
    clock.now += 1
    assert ask(*invoke, **headers) != first
    assert len(space.invocations) == 2


def test_an_expiration_that_cannot_be_read_is_refused(ask: Ask, space: CourierWorkspace) -> None:
    invoke = ("POST", "/automations/welcome/invoke", {"recipient": "u"})
    assert ask(*invoke, idempotency_key="k", x_idempotency_expiration="soon") == refused(
        "x-idempotency-expiration is not a time in ISO 8601"
    )
    assert space.invocations == []


def test_an_endpoint_that_fails_itself_has_its_answer_replayed(ask: Ask, space: CourierWorkspace) -> None:
    space.crashes["/automations/welcome/invoke"] = 1
    crashed = 500, {"message": "Internal Server Error", "type": "api_error"}
    invoke = ("POST", "/automations/welcome/invoke", {"recipient": "u"})
    assert [ask(*invoke, idempotency_key="k") for _ in range(2)] == [crashed] * 2
    assert ask("POST", "/automations/other/invoke", {"recipient": "u"})[0] == 200
    assert ask(*invoke, idempotency_key="k2")[0] == 200
    assert [row["idempotencyKey"] for row in space.invocations] == [None, "k2"]


def test_an_answer_to_a_request_that_failed_validation_is_not_replayed(ask: Ask) -> None:
    assert ask("POST", "/profiles/u", {}, idempotency_key="k") == refused("profile is required")
    assert ask("POST", "/profiles/u", {"profile": {}}, idempotency_key="k") == SUCCESS


def test_another_error_is_replayed(ask: Ask, space: CourierWorkspace) -> None:
    space.unknown_automation = "missing"
    assert ask("POST", "/automations/a/invoke", {"recipient": "u"}, idempotency_key="k") == NOT_FOUND
    space.automations.append({"id": "a", "version": "published"})
    assert ask("POST", "/automations/a/invoke", {"recipient": "u"}, idempotency_key="k") == NOT_FOUND
    assert ask("POST", "/automations/a/invoke", {"recipient": "u"})[0] == 200


def test_an_idempotency_key_means_nothing_to_put_and_delete(ask: Ask, space: CourierWorkspace) -> None:
    for profile in ({"a": 1}, {"b": 2}):
        assert ask("PUT", "/profiles/u", {"profile": profile}, idempotency_key="k") == SUCCESS
    assert space.profiles["u"]["profile"] == {"b": 2}


# ----------------------------------------------------------------------------------------------------------- inbound


@pytest.mark.parametrize("route", ["segment", "rudderstack", "courier"])
def test_an_inbound_event_is_accepted_with_a_message_id_and_recorded_as_it_came(
    ask: Ask, space: CourierWorkspace, route: str
) -> None:
    event = {"type": "track", "event": "Paid", "userId": "u", "messageId": "m-1", "properties": {"n": None}}
    status, body = ask("POST", f"/inbound/{route}", event)
    assert status == 202
    assert body == {"messageId": space.messages[0]["id"]}
    assert space.inbound == [{"route": route, "messageId": "m-1", "event": event, "at": NOW}]


def test_an_event_without_a_message_id_is_recorded_with_the_one_it_was_given(ask: Ask, space: CourierWorkspace) -> None:
    _, body = ask("POST", "/inbound/segment", {"type": "track", "event": "Paid", "userId": "u"})
    assert [row["messageId"] for row in space.inbound] == [body["messageId"]]


@pytest.mark.parametrize("ids", [{"userId": "u"}, {"userId": "u", "anonymousId": "a"}, {"anonymousId": "u"}])
@pytest.mark.parametrize("route", ["segment", "rudderstack"])
def test_identify_merges_traits_into_the_profile(
    ask: Ask, space: CourierWorkspace, route: str, ids: dict[str, str]
) -> None:
    space.profiles["u"] = {"profile": {"email": "u@example.com", "plan": "free"}, "preferences": {"kept": True}}
    assert ask("POST", f"/inbound/{route}", {"type": "identify", **ids, "traits": {"plan": "pro"}})[0] == 202
    assert space.profiles == {
        "u": {"profile": {"email": "u@example.com", "plan": "pro"}, "preferences": {"kept": True}}
    }
    assert space.messages == []


def test_traits_in_the_context_count_for_rudderstack_only(ask: Ask, space: CourierWorkspace) -> None:
    for route, user in (("segment", "s"), ("rudderstack", "r")):
        event = {"type": "identify", "userId": user, "context": {"traits": {"plan": "pro"}}}
        assert ask("POST", f"/inbound/{route}", event)[0] == 202
    assert space.profiles == {
        "s": {"profile": {}, "preferences": {}},
        "r": {"profile": {"plan": "pro"}, "preferences": {}},
    }


@pytest.mark.parametrize(
    ("merge", "address"), [("shallow", {"city": "Lyon"}), ("deep", {"city": "Lyon", "country": "FR"})]
)
def test_an_object_in_a_profile_is_replaced_or_merged(
    ask: Ask, space: CourierWorkspace, merge: Literal["shallow", "deep"], address: dict[str, str]
) -> None:
    space.profile_merge = merge
    space.profiles["u"] = {"profile": {"address": {"country": "FR"}, "a": 1}}
    traits = {"address": {"city": "Lyon"}, "a": {"b": 2}}
    ask("POST", "/inbound/segment", {"type": "identify", "userId": "u", "traits": traits})
    assert space.profiles["u"]["profile"] == {"address": address, "a": {"b": 2}}


@pytest.mark.parametrize(
    ("route", "event_id"),
    [("segment", "Segment-TrackEvent:Order Paid"), ("rudderstack", "Order Paid"), ("courier", "Order Paid")],
)
def test_a_track_event_without_a_mapping_is_logged_as_unmapped(
    ask: Ask, empty: Sandbox, route: str, event_id: str
) -> None:
    empty.courier.profiles["u"] = {"profile": {"email": "u@example.com"}}
    event = {"type": "track", "event": "Order Paid", "userId": "u", "messageId": "m", "properties": {"n": 1}}
    _, body = ask("POST", f"/inbound/{route}", event)
    assert ask("GET", "/messages")[1]["results"] == [
        {
            "id": body["messageId"],
            "status": "UNMAPPED",
            "enqueued": NOW,
            "event": event_id,
            "recipient": "u@example.com",
            "recipientId": "u",
        }
    ]
    assert ask("GET", f"/messages/{body['messageId']}/history")[1]["results"] == [
        {"ts": NOW, "type": "ENQUEUED", "data": {"n": 1}, "event": event_id, "recipient": "u"},
        {"ts": NOW, "type": "UNMAPPED"},
    ]
    assert ask("GET", f"/messages/{body['messageId']}/output") == (200, {"results": []})


def test_a_mapped_event_is_enqueued_and_sent_a_second_later(ask: Ask, clock: Any) -> None:
    event_id = quote("Segment-TrackEvent:Order Paid", safe="")
    mapping = {"event": "Segment-TrackEvent:Order Paid", "id": "nt_1", "type": "notification"}
    assert ask("PUT", f"/events/{event_id}", {"id": "nt_1", "type": "notification"}) == (200, mapping)
    assert ask("GET", f"/events/{event_id}") == (200, mapping)
    assert ask("GET", "/events") == (200, {"results": [mapping]})

    _, body = ask("POST", "/inbound/segment", {"type": "track", "event": "Order Paid", "anonymousId": "+331"})
    enqueued = {
        "id": body["messageId"],
        "status": "ENQUEUED",
        "enqueued": NOW,
        "event": "Segment-TrackEvent:Order Paid",
        "recipient": "+331",
        "recipientId": "+331",
        "notification": "nt_1",
    }
    assert ask("GET", "/messages")[1]["results"] == [enqueued]
    clock.now += 1
    sent = {**enqueued, "status": "SENT", "sent": NOW + 1000}
    assert ask("GET", "/messages")[1]["results"] == [sent]
    path = f"/messages/{body['messageId']}"
    delivery = {
        "channel": {"key": "sms", "name": "SMS"},
        "provider": "twilio",
        "status": "SENT",
        "sent": NOW + 1000,
    }
    assert ask("GET", path) == (200, {**sent, "providers": [delivery]})
    history = ask("GET", f"{path}/history")[1]["results"]
    assert [(row["ts"] - NOW, row["type"]) for row in history] == [(0, "ENQUEUED"), (0, "MAPPED"), (1000, "SENT")]
    assert history[1]["notification_id"] == "nt_1"
    assert history[2]["integration"] == {"id": "twilio", "provider": "twilio"}


def test_a_mapping_holds_for_what_comes_after_it(ask: Ask, space: CourierWorkspace) -> None:
    for notification in (None, "nt_1", "nt_2"):
        if notification:
            ask("PUT", "/events/Paid", {"id": notification, "type": "notification"})
        ask("POST", "/inbound/rudderstack", {"type": "track", "event": "Paid", "userId": "u"})
    assert [row.get("notification") for row in space.messages] == [None, "nt_1", "nt_2"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "notification"}, "id is required"),
        ({"id": "n"}, "type is required"),
        ({"id": "n", "type": "other"}, "type must be notification"),
    ],
)
def test_a_mapping_names_a_notification(ask: Ask, space: CourierWorkspace, body: Any, message: str) -> None:
    assert ask("PUT", "/events/Paid", body) == refused(message)
    assert space.mappings == {}
    assert ask("GET", "/events/Paid") == NOT_FOUND


def test_a_group_creates_its_tenant_and_adds_the_user(ask: Ask, space: CourierWorkspace) -> None:
    ask("POST", "/inbound/segment", {"type": "group", "groupId": "acme", "userId": "u", "traits": {"plan": "pro"}})
    tenant = {
        "id": "acme",
        "name": "acme",
        "parent_tenant_id": None,
        "brand_id": None,
        "properties": {"plan": "pro"},
        "user_profile": None,
        "default_preferences": None,
    }
    user = {"user_id": "u", "tenant_id": "acme", "type": "user", "profile": None}
    assert space.tenants == [tenant]
    assert space.tenant_users == {"acme": [user]}

    group = {"type": "group", "groupId": "acme", "anonymousId": "anon"}
    ask("POST", "/inbound/rudderstack", {**group, "traits": {"name": "Acme", "seats": 3}})
    ask("POST", "/inbound/rudderstack", {**group, "traits": {"seats": 4}})
    assert space.tenants == [{**tenant, "name": "Acme", "properties": {"plan": "pro", "name": "Acme", "seats": 4}}]
    assert space.tenant_users == {"acme": [user, {**user, "user_id": "anon"}]}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "page", "userId": "u"},
        {"userId": "u"},
        {"type": "identify", "traits": {"a": 1}},
        {"type": "track", "userId": "u"},
        {"type": "group", "userId": "u"},
    ],
)
@pytest.mark.parametrize("route", ["segment", "rudderstack"])
def test_an_event_that_says_too_little_is_taken_and_does_nothing_unless_events_are_checked(
    ask: Ask, space: CourierWorkspace, route: str, event: dict[str, Any]
) -> None:
    assert ask("POST", f"/inbound/{route}", event)[0] == 202
    assert (space.profiles, space.messages, space.tenants) == ({}, [], [])
    space.inbound_checks = True
    assert ask("POST", f"/inbound/{route}", event)[0] == 400
    assert len(space.inbound) == 1


def test_checked_events_pass_when_they_say_enough(ask: Ask, space: CourierWorkspace) -> None:
    space.inbound_checks = True
    for event in ({"type": "identify"}, {"type": "track", "event": "Paid"}, {"type": "group", "groupId": "g"}):
        assert ask("POST", "/inbound/segment", {**event, "anonymousId": "a"})[0] == 202


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 202), ({"userId": None, "anonymousId": "a"}, 202), ({"messageId": None}, 500), ({"messageId": 5}, 500),
        ({"userId": 5}, 400), ({"timestamp": 1714979289000}, 400), ({"context": None}, 400), ({"traits": None}, 400),
    ],
)  # fmt: skip
def test_segments_handler_wants_text_and_takes_a_message_once(
    change: dict[str, Any], status: int, ask: Ask, space: CourierWorkspace
) -> None:
    event = {"type": "identify", "userId": "u", "messageId": "m1"} | change
    assert ask("POST", "/inbound/segment", event)[0] == 202
    space.inbound.clear()
    space.segment_checks = True
    assert [ask("POST", "/inbound/segment", event)[0] for _ in range(2)] == [status] * 2
    assert len(space.inbound) == (status == 202)


def test_rudderstacks_types_are_compared_in_lower_case(ask: Ask, space: CourierWorkspace) -> None:
    ask("POST", "/inbound/rudderstack", {"type": "Track", "event": "Paid", "userId": "u"})
    assert [row["event"] for row in space.messages] == ["Paid"]


def test_rudderstacks_route_may_answer_without_a_message_id(ask: Ask, space: CourierWorkspace) -> None:
    space.rudderstack_says = "nothing"
    assert ask("POST", "/inbound/rudderstack", {"type": "identify", "userId": "u"}) == (202, {})


def test_an_automation_in_a_rudderstack_event_is_invoked(ask: Ask, space: CourierWorkspace) -> None:
    def event(automation: Any) -> dict[str, Any]:
        return {"type": "track", "event": "Paid", "userId": "u", "properties": {"courier": {"automation": automation}}}

    for automation in ({"template": "welcome"}, {"data": {"a": 1}}, {}, "no object"):
        assert ask("POST", "/inbound/rudderstack", event(automation))[0] == 202
    ask("POST", "/inbound/segment", event({"template": "welcome"}))

    assert [shapes(row) for row in space.invocations] == [
        {"template": "welcome", "runId": "an id", "body": event({"template": "welcome"}), "idempotencyKey": None},
        {"template": None, "runId": "an id", "body": event({"data": {"a": 1}}), "idempotencyKey": None},
    ]
    assert len(space.messages) == 5


# --------------------------------------------------------------------------------------------------- inbound/courier

COMPLETE = {"type": "track", "event": "Paid", "messageId": "m", "properties": {}}


@pytest.mark.parametrize("missing", ["type", "event", "messageId", "properties"])
def test_couriers_own_form_has_four_required_fields(ask: Ask, space: CourierWorkspace, missing: str) -> None:
    for body in ({**COMPLETE, missing: None}, {name: COMPLETE[name] for name in COMPLETE if name != missing}):
        assert ask("POST", "/inbound/courier", body) == refused(f"{missing} is required")
    assert ask("POST", "/inbound/courier", {**COMPLETE, "type": "identify"}) == refused("type must be track")
    assert space.inbound == []


def test_a_message_id_is_taken_once(ask: Ask, space: CourierWorkspace) -> None:
    assert ask("POST", "/inbound/courier", COMPLETE)[0] == 202
    assert ask("POST", "/inbound/courier", {**COMPLETE, "event": "Other"}) == (
        409,
        {"message": "The messageId has been used before", "type": "invalid_request_error"},
    )
    assert ask("POST", "/inbound/courier", {**COMPLETE, "messageId": "m2"})[0] == 202
    assert ask("POST", "/inbound/segment", {**COMPLETE, "userId": "u"})[0] == 202
    assert [(row["route"], row["messageId"]) for row in space.inbound] == [
        ("courier", "m"),
        ("courier", "m2"),
        ("segment", "m"),
    ]


def test_an_event_of_nobody_is_logged_without_a_recipient(ask: Ask, space: CourierWorkspace) -> None:
    ask("POST", "/inbound/courier", COMPLETE)
    assert [shapes(row) for row in space.messages] == [
        {"id": "an id", "status": "UNMAPPED", "enqueued": NOW, "event": "Paid"}
    ]


# ---------------------------------------------------------------------------------------------------------- profiles


def test_post_merges_and_put_replaces_a_profile(ask: Ask) -> None:
    path = f"/profiles/{ODD_PATH}"
    assert ask("GET", path) == NOT_FOUND
    assert ask("POST", path, {"profile": {"a": 1, "b": {"c": 1}}}) == SUCCESS
    assert ask("POST", path, {"profile": {"b": {"d": 2}}}) == SUCCESS
    assert ask("GET", path) == (200, {"profile": {"a": 1, "b": {"d": 2}}, "preferences": {}})
    assert ask("PUT", path, {"profile": {"e": 5}}) == SUCCESS
    assert ask("GET", path)[1]["profile"] == {"e": 5}
    assert ask("PUT", path, {"profile": {}}) == SUCCESS
    assert ask("GET", path)[1]["profile"] == {}
    assert ask("DELETE", path) == SUCCESS
    assert ask("GET", path) == NOT_FOUND


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("body", [{}, {"profile": None}, {"profile": "text"}])
def test_a_profile_is_required_and_is_an_object(ask: Ask, method: str, body: Any) -> None:
    assert ask(method, "/profiles/u", body) == refused("profile is required")


PROFILE = {"a": "1", "b": {"c/d": "2"}, "list": ["x", "y"]}


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        ({"op": "add", "path": "/n", "value": "v"}, {"n": "v"}),
        ({"op": "add", "path": "/b/n~0", "value": "v"}, {"b": {"c/d": "2", "n~": "v"}}),
        ({"op": "add", "path": "/list/1", "value": "v"}, {"list": ["x", "v", "y"]}),
        ({"op": "add", "path": "/list/-", "value": "v"}, {"list": ["x", "y", "v"]}),
        ({"op": "remove", "path": "/b/c~1d"}, {"b": {}}),
        ({"op": "replace", "path": "/a", "value": "v"}, {"a": "v"}),
        ({"op": "replace", "path": "/list/0", "value": "v"}, {"list": ["v", "y"]}),
        ({"op": "copy", "from": "/list", "path": "/a"}, {"a": ["x", "y"]}),
        ({"op": "test", "path": "/a", "value": "1"}, {}),
    ],
)
def test_a_profile_is_patched(ask: Ask, space: CourierWorkspace, operation: Any, changed: dict[str, Any]) -> None:
    space.profiles["u"] = {"profile": PROFILE, "preferences": {"kept": True}}
    assert ask("PATCH", "/profiles/u", {"patch": [operation]}) == SUCCESS
    assert space.profiles["u"] == {"profile": PROFILE | changed, "preferences": {"kept": True}}


def test_a_part_of_a_profile_is_moved(ask: Ask, space: CourierWorkspace) -> None:
    space.profiles["u"] = {"profile": {"a": "1"}}
    assert ask("PATCH", "/profiles/u", {"patch": [{"op": "move", "from": "/a", "path": "/z"}]}) == SUCCESS
    assert space.profiles["u"]["profile"] == {"z": "1"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": "other"},
        {"op": "remove", "path": "/none"},
        {"op": "replace", "path": "/none", "value": "v"},
        {"op": "add", "path": "/list/9", "value": "v"},
        {"op": "add", "path": "/a/b", "value": "v"},
        {"op": "add", "path": "n", "value": "v"},
        {"op": "add", "path": "", "value": "v"},
        {"op": "add", "path": "/n"},
        {"op": "other", "path": "/a"},
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(ask: Ask, space: CourierWorkspace, operation: Any) -> None:
    space.profiles["u"] = {"profile": PROFILE}
    first = {"op": "add", "path": "/b/first", "value": "v"}
    assert ask("PATCH", "/profiles/u", {"patch": [first, operation]}) == refused("The patch cannot be applied")
    assert space.profiles["u"] == {"profile": {"a": "1", "b": {"c/d": "2"}, "list": ["x", "y"]}}


def test_a_patch_creates_the_profile_it_is_for_and_may_be_empty(ask: Ask, space: CourierWorkspace) -> None:
    assert ask("PATCH", "/profiles/u", {"patch": []}) == SUCCESS
    assert space.profiles == {"u": {"profile": {}, "preferences": {}}}
    assert ask("PATCH", "/profiles/u", {}) == refused("patch is required")


def test_some_calls_may_be_confirmed_without_a_word(ask: Ask, space: CourierWorkspace) -> None:
    space.confirmation = "empty"
    assert ask("PATCH", "/profiles/u", {"patch": []}) == DONE
    assert ask("POST", "/profiles/u/lists", {"lists": [{"listId": "a"}]}) == DONE
    assert ask("DELETE", "/profiles/u/lists") == DONE
    assert ask("DELETE", "/profiles/u") == DONE
    assert ask("POST", "/profiles/u", {"profile": {}}) == SUCCESS


def test_a_user_is_subscribed_to_several_lists_and_removed_from_all(ask: Ask, space: CourierWorkspace) -> None:
    wanted = {"lists": [{"listId": "a", "preferences": {"x": 1}}, {"listId": "b"}]}
    assert ask("POST", "/profiles/u/lists", wanted) == SUCCESS
    ask("PUT", "/lists/b/subscriptions/other")
    assert [row["id"] for row in ask("GET", "/profiles/u/lists")[1]["results"]] == ["a", "b"]
    assert ask("DELETE", "/profiles/u/lists") == SUCCESS
    assert space.list_subscriptions == {"a": [], "b": [{"recipientId": "other", "created": NOON}]}
    assert ask("POST", "/profiles/u/lists", {"lists": [{}]}) == refused("listId is required")
    assert ask("POST", "/profiles/u/lists", {"lists": ["a"]}) == refused("lists must hold objects")


# ------------------------------------------------------------------------------------------------------------- lists


def test_a_list_is_created_renamed_and_deleted(ask: Ask, clock: Any) -> None:
    assert ask("PUT", f"/lists/{ODD_PATH}", {"name": "First", "preferences": {"a": 1}}) == DONE
    made = {"id": ODD, "name": "First", "created": NOON, "updated": NOON, "preferences": {"a": 1}}
    assert ask("GET", f"/lists/{ODD_PATH}") == (200, made)
    clock.now += 1
    assert ask("PUT", f"/lists/{ODD_PATH}", {"name": "Second"}) == DONE
    again = {"id": ODD, "name": "Second", "created": NOON, "updated": "2026-03-15T12:00:01.000Z"}
    assert ask("GET", f"/lists/{ODD_PATH}") == (200, again)
    assert ask("DELETE", f"/lists/{ODD_PATH}") == DONE
    assert ask("DELETE", f"/lists/{ODD_PATH}") == NOT_FOUND
    assert ask("PUT", "/lists/a", {}) == refused("name is required")


def test_the_first_subscription_creates_the_list(ask: Ask, space: CourierWorkspace) -> None:
    assert ask("PUT", f"/lists/{ODD_PATH}/subscriptions/{ODD_PATH}") == DONE
    assert space.lists == [{"id": ODD, "name": ODD, "created": NOON, "updated": NOON}]
    assert space.list_subscriptions == {ODD: [{"recipientId": ODD, "created": NOON}]}


def test_a_repeated_subscription_changes_its_preferences_only(ask: Ask, space: CourierWorkspace, clock: Any) -> None:
    ask("PUT", "/lists/a/subscriptions/u")
    clock.now += 1
    assert ask("PUT", "/lists/a/subscriptions/u", {"preferences": {"x": 1}}) == DONE
    assert ask("PUT", "/lists/a/subscriptions/u") == DONE
    assert space.list_subscriptions["a"] == [{"recipientId": "u", "created": NOON, "preferences": {"x": 1}}]


def test_removing_a_subscription_that_is_not_there_is_not_found(ask: Ask, space: CourierWorkspace) -> None:
    assert ask("DELETE", "/lists/a/subscriptions/u") == NOT_FOUND
    ask("PUT", "/lists/a/subscriptions/u")
    assert ask("DELETE", "/lists/a/subscriptions/other") == NOT_FOUND
    assert ask("DELETE", "/lists/a/subscriptions/u") == DONE
    assert ask("DELETE", "/lists/a/subscriptions/u") == NOT_FOUND
    assert space.list_subscriptions == {"a": []}


def test_post_adds_subscriptions_and_put_replaces_them(ask: Ask, space: CourierWorkspace) -> None:
    def subscribers() -> list[str]:
        return [row["recipientId"] for row in space.list_subscriptions["a"]]

    for method, users, expected in (
        ("POST", "ab", ["a", "b"]),
        ("POST", "bc", ["a", "b", "c"]),
        ("PUT", "cd", ["c", "d"]),
        ("PUT", "", []),
    ):
        body = {"recipients": [{"recipientId": user} for user in users]}
        assert ask(method, "/lists/a/subscriptions", body) == DONE
        assert subscribers() == expected
    assert [row["id"] for row in space.lists] == ["a"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_recipients_are_required_and_have_ids(ask: Ask, space: CourierWorkspace, method: str) -> None:
    assert ask(method, "/lists/a/subscriptions", {}) == refused("recipients is required")
    assert ask(method, "/lists/a/subscriptions", {"recipients": [{}]}) == refused("recipientId is required")
    assert space.lists == []


# ----------------------------------------------------------------------------------------------------------- tenants


def test_put_replaces_a_whole_tenant_and_answers_with_it(ask: Ask) -> None:
    blank = {"brand_id": None, "user_profile": None, "default_preferences": None}
    first = {"id": "t", "name": "T", "parent_tenant_id": None, "properties": {"a": 1}, **blank}
    assert ask("PUT", "/tenants/t", {"name": "T", "properties": {"a": 1}, "unknown": 1}) == (200, first)
    second = {**first, "name": "U", "properties": None, "brand_id": "b"}
    assert ask("PUT", "/tenants/t", {"name": "U", "brand_id": "b"}) == (200, second)
    assert ask("GET", "/tenants/t") == (200, second)
    assert ask("DELETE", "/tenants/t") == DONE
    assert ask("GET", "/tenants/t") == NOT_FOUND
    assert ask("DELETE", "/tenants/t") == NOT_FOUND


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None, "properties": {}}])
def test_a_tenant_needs_a_name(ask: Ask, space: CourierWorkspace, body: Any) -> None:
    assert ask("PUT", "/tenants/t", body) == refused("name is required")
    assert space.tenants == []


def test_tenants_nest_four_levels_deep(ask: Ask) -> None:
    def put(tenant: str, parent: str | None) -> tuple[int, Any]:
        return ask("PUT", f"/tenants/{tenant}", {"name": tenant, "parent_tenant_id": parent})

    too_deep = refused("Tenants can be nested 4 levels deep")
    assert [put(*pair)[0] for pair in (("1", None), ("2", "1"), ("3", "2"), ("4", "3"))] == [200] * 4
    assert put("5", "4") == too_deep
    assert put("0", None)[0] == 200
    assert put("1", "0") == too_deep  # its descendants would be too deep
    assert put("1", "3") == too_deep  # it would be its own ancestor
    assert put("3", "3") == too_deep
    assert put("6", "none") == refused("parent_tenant_id is not a tenant")
    assert put("4", "2")[0] == 200


def test_users_are_added_to_tenants_and_removed(ask: Ask, space: CourierWorkspace) -> None:
    for tenant in "abc":
        ask("PUT", f"/tenants/{tenant}", {"name": tenant})
    assert ask("PUT", f"/users/{ODD_PATH}/tenants/a", {"profile": {"title": "CTO"}}) == DONE
    assert ask("PUT", f"/users/{ODD_PATH}/tenants/a") == DONE
    several = {"tenants": [{"tenant_id": "b"}, {"tenant_id": "c", "profile": {"title": "CEO"}}]}
    assert ask("PUT", f"/users/{ODD_PATH}/tenants", several) == DONE
    ask("PUT", "/users/other/tenants/a")

    def row(tenant: str, title: str | None) -> dict[str, Any]:
        profile = {"title": title} if title else None
        return {"user_id": ODD, "tenant_id": tenant, "type": "user", "profile": profile}

    expected = [row("a", "CTO"), row("b", None), row("c", "CEO")]
    assert ask("GET", f"/users/{ODD_PATH}/tenants")[1]["items"] == expected
    assert ask("DELETE", f"/users/{ODD_PATH}/tenants/b") == DONE
    assert ask("DELETE", f"/users/{ODD_PATH}/tenants/b") == DONE
    assert ask("GET", f"/users/{ODD_PATH}/tenants")[1]["items"] == [expected[0], expected[2]]
    assert ask("DELETE", f"/users/{ODD_PATH}/tenants") == DONE
    assert {tenant: [row["user_id"] for row in rows] for tenant, rows in space.tenant_users.items()} == {
        "a": ["other"],
        "b": [],
        "c": [],
    }


def test_a_tenant_that_is_not_there_is_not_found_or_created(ask: Ask, space: CourierWorkspace) -> None:
    several = {"tenants": [{"tenant_id": "t"}, {"tenant_id": "other"}]}
    ask("PUT", "/tenants/other", {"name": "Other"})
    assert ask("PUT", "/users/u/tenants/t") == NOT_FOUND
    assert ask("PUT", "/users/u/tenants", several) == NOT_FOUND
    assert space.tenant_users == {}
    space.unknown_tenant = "created"
    assert ask("PUT", "/users/u/tenants", several) == DONE
    assert [(row["id"], row["name"]) for row in space.tenants] == [("other", "Other"), ("t", "t")]


@pytest.mark.parametrize(
    ("body", "message"),
    [({}, "tenants is required"), ({"tenants": [{"profile": {}}]}, "tenant_id is required")],
)
def test_tenants_are_required_and_have_ids(ask: Ask, body: Any, message: str) -> None:
    assert ask("PUT", "/users/u/tenants", body) == refused(message)


# ------------------------------------------------------------------------------------------------ automations, /send


def test_an_invoked_automation_is_recorded_and_listed_as_a_run(ask: Ask, space: CourierWorkspace) -> None:
    steps = {"automation": {"steps": [{"action": "send"}]}, "recipient": "u"}
    status, body = ask("POST", "/automations/invoke", steps)
    assert status == 200
    assert space.invocations == [{"template": None, "runId": body["runId"], "body": steps, "idempotencyKey": None}]
    _, other = ask("POST", "/automations/a%2Fb/invoke", {"recipient": "u"})
    runs = ask("GET", "/automations/runs")[1]["runs"]
    assert {(row["run_id"], row.get("template_id")) for row in runs} == {
        (body["runId"], None),
        (other["runId"], "a/b"),
    }
    assert ask("GET", f"/automations/runs/{other['runId']}/steps") == (200, {"steps": []})


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("invoke", {}, "automation is required"),
        ("invoke", {"automation": {}}, "steps is required"),
        ("invoke", {"automation": {"steps": [{}]}}, "action is required"),
        ("t/invoke", {}, "recipient is required"),
    ],
)
def test_an_automation_needs_steps_or_a_recipient(
    ask: Ask, space: CourierWorkspace, path: str, body: Any, message: str
) -> None:
    assert ask("POST", f"/automations/{path}", body) == refused(message)
    assert space.invocations == []


def test_a_message_is_sent_to_one_recipient(ask: Ask, clock: Any) -> None:
    message = {"to": {"user_id": "u", "email": "u@example.com"}, "template": "nt", "data": {"a": 1}}
    status, body = ask("POST", "/send", {"message": message})
    assert status == 202
    clock.now += 1
    assert ask("GET", "/messages")[1]["results"] == [
        {
            "id": body["requestId"],
            "status": "SENT",
            "enqueued": NOW,
            "sent": NOW + 1000,
            "event": "nt",
            "notification": "nt",
            "recipient": "u@example.com",
            "recipientId": "u",
        }
    ]


def test_a_message_to_several_recipients_is_found_by_its_request(ask: Ask) -> None:
    to = [{"user_id": "u"}, {"phone_number": "+331"}]
    message = {"to": to, "content": {"title": "Hi"}, "metadata": {"event": "greeting"}}
    _, body = ask("POST", "/send", {"message": message})
    assert ask("GET", f"/messages/{body['requestId']}") == NOT_FOUND
    found = ask("GET", f"/messages?traceId={body['requestId']}")[1]["results"]
    assert sorted((row["recipient"], row["event"]) for row in found) == [("+331", "greeting"), ("u", "greeting")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "message is required"),
        ({"message": {"template": "t"}}, "to is required"),
        ({"message": {"to": {}, "template": "t"}}, "to is required"),
        ({"message": {"to": [], "template": "t"}}, "to is required"),
        ({"message": {"to": {"user_id": "u"}}}, "content or template is required"),
    ],
)
def test_a_message_needs_a_recipient_and_something_to_say(
    ask: Ask, space: CourierWorkspace, body: Any, message: str
) -> None:
    assert ask("POST", "/send", body) == refused(message)
    assert space.messages == []
