"""From rows to events to calls: tables of what each route makes of what comes."""

import json
import time
from typing import Any

import pytest

from destinations.courier.configuration import StreamMapping
from destinations.courier.events import NO_EVENT, event_of
from destinations.courier.mapping import Call, Plan, TenantUpdate, plan
from destinations.courier.sending import tenant_after
from destinations.redaction import presentable
from destinations.rows import Rejected, Row

LONG = "x" * (6 * 1024 * 1024)


def row(data: Any, stream: str = "events") -> Row:
    return Row(stream, stream, 1, data, 100)


def planned(route: str, data: Any, stream: str = "events", mapping: StreamMapping | None = None) -> Plan:
    source = row(data, stream)
    return plan(route, event_of(source, mapping), source)


def only_call(route: str, data: Any, stream: str = "events", mapping: StreamMapping | None = None) -> Call:
    (step,) = planned(route, data, stream, mapping).steps
    assert isinstance(step, Call)
    return step


def body(call: Call) -> Any:
    """The body; without the message id, if it is one that was made for this delivery."""
    assert call.body is not None
    content = json.loads(call.body)
    if str(content.get("messageId")).startswith("delivery-"):
        del content["messageId"]
    return content


def reason(route: str, data: Any, stream: str = "events", mapping: StreamMapping | None = None) -> str:
    with pytest.raises(Rejected) as rejected:
        planned(route, data, stream, mapping)
    return rejected.value.reason


# --- segment -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["identify", "track", "group"])
@pytest.mark.parametrize("route", ["segment", "rudderstack"])
def test_a_whole_event_passes_but_for_nulls_at_the_top(route: str, kind: str) -> None:
    event = {
        "type": kind, "userId": "u1", "event": "Order Shipped", "groupId": "g", "messageId": "m1",
        "traits": {"plan": None}, "properties": {"n": 9007199254740993, "emoji": "☕"}, "odd key": [1, {"a": None}],
        "timestamp": "2026-03-01T00:00:00.123456+01:00", "context": {},
    }  # fmt: skip

    call = only_call(route, event | {"anonymousId": None, "integrations": None, "sentAt": " "})

    assert (call.method, call.path) == ("POST", f"/inbound/{route}")
    assert body(call) == event


@pytest.mark.parametrize("route", ["segment", "rudderstack"])
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"userId": 42}, {"userId": "42"}),
        ({"userId": 42.0, "anonymousId": 0, "groupId": 7, "messageId": 5, "event": 6},
         {"userId": "42", "anonymousId": "0", "groupId": "7", "messageId": "5", "event": "6"}),
        ({"timestamp": 1714979289000}, {"timestamp": "2024-05-06T07:08:09.000Z"}),
        ({"originalTimestamp": "1714979289123", "sentAt": 1714979289000.0, "receivedAt": "T"},
         {"originalTimestamp": "2024-05-06T07:08:09.123Z", "sentAt": "2024-05-06T07:08:09.000Z", "receivedAt": "T"}),
        ({"context": None, "properties": None}, {}),
    ],
)  # fmt: skip
def test_ids_and_times_are_sent_as_text(route: str, given: dict[str, Any], sent: dict[str, Any]) -> None:
    event = {"type": "group", "userId": "u", "messageId": "m1", "traits": {"n": 1, "timestamp": 1714979289000}}

    assert body(only_call(route, event | given)) == event | sent


@pytest.mark.parametrize(
    "event",
    [
        {"type": "page"},
        {"type": "Track"},
        {"type": "IDENTIFY"},
        {"type": None},
        {"type": ""},
        {"type": 1},
        {"type": []},
    ],
)
def test_segment_refuses_other_types_in_the_words_of_segments_destination(event: dict[str, Any]) -> None:
    assert reason("segment", event | {"userId": "u"}) == "Event type must be either track, group or identify"


def test_what_airbyte_has_added_to_a_row_is_no_part_of_the_event() -> None:
    event = {"type": "group", "groupId": "g", "_airbyte_raw_id": "r", "_AIRBYTE_META": {}, "_ab_cdc_lsn": 1}

    assert body(only_call("segment", event)) == {"type": "group", "groupId": "g"}


def test_objects_that_a_database_kept_as_text_are_objects_again() -> None:
    event = {"type": "group", "properties": '{"n": 1}', "context": ' {"ip": "x"}', "traits": "{no", "event": '{"n": 1}'}

    assert body(only_call("segment", event)) == {
        "type": "group", "properties": {"n": 1}, "context": {"ip": "x"}, "traits": "{no", "event": '{"n": 1}',
    }  # fmt: skip


def engage(form: str, member: Any, audience: str = "audience", **more: Any) -> dict[str, Any]:
    personas = {"computation_class": audience, "computation_id": "aud_1", "computation_key": "big spenders"}
    values = {"traits": {"big spenders": member}} if form == "identify" else {"properties": {"big spenders": member}}
    ids = {"userId": "u/1 ☕", "messageId": "m1", "event": "Journey Step Entered"}
    return {"type": form, **ids, "context": {"personas": personas}, **values, **more}


def memberships(event: dict[str, Any]) -> list[tuple[str, str]]:
    """The calls that change the list. Before them, all but an audience's track are sent as the events they are."""
    calls = [step for step in planned("segment", event).steps if isinstance(step, Call)]
    if event["type"] != "track" or event["context"]["personas"]["computation_class"] != "audience":
        first = calls.pop(0)
        assert (first.path, body(first)) == ("/inbound/segment", event)
    return [(call.method, call.path) for call in calls]


LIST = "/lists/big%20spenders-aud_1/subscriptions/u%2F1%20%E2%98%95"


@pytest.mark.parametrize("form", ["identify", "track"])
@pytest.mark.parametrize("audience", ["audience", "journey_step"])
@pytest.mark.parametrize(
    ("member", "method"),
    [
        (True, "PUT"), (1, "PUT"), ("true", "PUT"), ("x", "PUT"), ([], "PUT"), ({}, "PUT"),
        (False, "DELETE"), (0, "DELETE"), (None, "DELETE"), ("", "DELETE"), ("False", "DELETE"),
    ],
)  # fmt: skip
def test_an_audience_becomes_a_subscription_and_leaving_it_ends_it(
    form: str, audience: str, member: Any, method: str
) -> None:
    *_, call = planned("segment", engage(form, member, audience)).steps

    assert memberships(engage(form, member, audience)) == [(method, LIST)]
    assert isinstance(call, Call)
    assert (call.body, call.done) == (None, frozenset([404] if method == "DELETE" else []))


@pytest.mark.parametrize(
    "event",
    [
        engage("identify", True, properties={}),
        engage("identify", True, properties={"big spenders": False}),
        engage("track", True, traits={"big spenders": False}),
    ],
)
def test_an_identify_tells_membership_in_its_traits_and_a_track_in_its_properties(event: dict[str, Any]) -> None:
    assert memberships(event) == [("PUT", LIST)]


def test_whoever_has_no_user_id_is_subscribed_by_the_anonymous_one() -> None:
    event = engage("track", True, userId="  ", anonymousId=17)

    assert memberships(event) == [("PUT", "/lists/big%20spenders-aud_1/subscriptions/17")]


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    personas = {key: value for key, value in event["context"]["personas"].items() if key != name}
    return event | {"context": {"personas": personas}}


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (engage("identify", True, userId=None), "neither userId nor anonymousId is given"),
        (without(engage("track", True), "computation_key"), "context.personas.computation_key is missing"),
        (without(engage("track", True), "computation_id"), "context.personas.computation_id is missing"),
        (
            engage("track", True, properties={"another": True}),
            "properties does not say whether the user is in the audience: the key that personas names is missing",
        ),
        (
            engage("identify", True, traits={}, properties={"big spenders": True}),
            "traits does not say whether the user is in the audience: the key that personas names is missing",
        ),
        (engage("identify", True, userId=".."), "an id that consists of dots alone cannot be part of an address"),
        (
            engage("group", True),
            "This Action does not support sending Engage Audiences. Please use the Sync Audience Action.",
        ),
    ],
)
def test_an_audience_event_without_user_or_key_is_rejected(event: dict[str, Any], sentence: str) -> None:
    assert reason("segment", event) == sentence


@pytest.mark.parametrize(
    "event",
    [
        engage("track", True, "journey_step", properties={"step": "Welcome"}),
        engage("track", True, "journey_step", properties=None),
        engage("identify", True, "journey_step", traits={"step": "Welcome"}),
        engage("group", True, "journey_step"),
        without(engage("track", True, "journey_step"), "computation_id"),
        without(engage("identify", True, "journey_step"), "computation_key"),
        engage("track", True, "journey_step", userId=None),
        engage("track", True, "journey_step", userId=".."),
    ],
)
def test_a_step_of_a_journey_that_tells_no_membership_is_an_event_all_the_same(event: dict[str, Any]) -> None:
    call = only_call("segment", event)

    assert call.path == "/inbound/segment"
    assert body(call) == {name: value for name, value in event.items() if value is not None}


def test_a_computed_trait_passes_as_identify() -> None:
    event = engage("identify", 12, "trait")

    call = only_call("segment", event)

    assert call.path == "/inbound/segment"
    assert body(call) == event


# --- rudderstack -------------------------------------------------------------


@pytest.mark.parametrize(
    ("traits", "context", "expected"),
    [
        ({"a": 1}, {"traits": {"b": 2}}, {"a": 1}),
        ({}, {"traits": {"b": 2}}, {}),
        (None, {"traits": {"b": 2}}, {"b": 2}),
        ("", {"traits": {}}, {}),
        (0, {"traits": {"b": 2}}, {"b": 2}),
        (False, {"traits": "text"}, "text"),
    ],
)
def test_rudderstack_takes_traits_else_those_of_the_context(traits: Any, context: Any, expected: Any) -> None:
    event = {"type": "identify", "userId": "u", "traits": traits, "context": context}

    assert body(only_call("rudderstack", event)) == {
        "type": "identify", "userId": "u", "traits": expected, "context": context,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["Group", "GROUP", "Track", "iDentify"])
def test_rudderstacks_type_is_compared_in_lower_case_and_sent_as_it_came(kind: str) -> None:
    event = {"type": kind, "userId": "u", "groupId": "g", "messageId": "m1", "traits": {}}

    assert body(only_call("rudderstack", event)) == event


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ({"type": None}, "Event type is required"),
        ({"type": ""}, "Event type is required"),
        ({"type": "identify"}, "traits is a required field for identify call"),
        ({"type": "identify", "traits": None, "context": {}}, "traits is a required field for identify call"),
        *(
            ({"type": "identify", "context": {"traits": traits}}, "traits is a required field for identify call")
            for traits in ("", 0, False, None)
        ),
        ({"type": "page"}, "Message type page is not supported"),
        ({"type": "Screen"}, "Message type Screen is not supported"),
        ({"type": "Alias"}, "Message type Alias is not supported"),
        ({"type": "Ada Lovelace"}, "its type is not supported"),
        ({"type": ["page"]}, "its type is not supported"),
    ],
)
def test_rudderstack_refuses_in_the_words_of_rudderstacks_destination(event: dict[str, Any], sentence: str) -> None:
    assert reason("rudderstack", event | {"userId": "u"}) == sentence


# --- direct ------------------------------------------------------------------


def test_direct_identify_merges_the_profile() -> None:
    call = only_call("direct", {"type": "identify", "userId": "a/b", "anonymousId": "x", "traits": {"plan": "pro"}})

    assert (call.method, call.path) == ("POST", "/profiles/a%2Fb")
    assert body(call) == {"profile": {"plan": "pro"}}


@pytest.mark.parametrize(
    ("event", "path", "profile"),
    [
        ({"anonymousId": "x", "traits": {"a": 1}}, "/profiles/x", {"a": 1}),
        ({"userId": 12, "context": {"traits": {"b": 2}}}, "/profiles/12", {"b": 2}),
        ({"userId": 12.0}, "/profiles/12", {}),
    ],
)
def test_direct_identify_finds_user_and_traits(event: dict[str, Any], path: str, profile: dict[str, Any]) -> None:
    call = only_call("direct", {"type": "Identify", **event})

    assert (call.path, body(call)) == (path, {"profile": profile})


def test_direct_track_posts_an_inbound_event_whose_repeat_counts_as_delivered() -> None:
    event = {
        "type": "track",
        "userId": "u",
        "event": "Order Shipped",
        "messageId": "m1",
        "properties": {"carrier": "DHL"},
    }

    call = only_call("direct", event)

    assert (call.method, call.path, call.done) == ("POST", "/inbound/courier", frozenset([409]))
    assert body(call) == event


@pytest.mark.parametrize(
    ("properties", "expected"),
    [(None, {"timestamp": "T"}), ({"n": 1}, {"n": 1, "timestamp": "T"}), ({"timestamp": "own"}, {"timestamp": "own"})],
)
@pytest.mark.parametrize(
    "times", [{"timestamp": "T"}, {"originalTimestamp": "T"}, {"timestamp": "T", "originalTimestamp": "O"}]
)
def test_direct_track_tells_its_time_as_a_property(
    times: dict[str, str], properties: Any, expected: dict[str, Any]
) -> None:
    event = {"type": "track", "userId": "u", "event": "E", "properties": properties, **times}

    assert body(only_call("direct", event))["properties"] == expected


def test_direct_track_tells_its_time_to_the_automation_too() -> None:
    _, invocation = planned("direct", automation(template="welcome") | {"timestamp": "T"}).steps

    assert isinstance(invocation, Call)
    assert body(invocation)["data"] == {"carrier": "DHL", "timestamp": "T"}


def test_direct_track_without_an_id_gets_one_that_is_the_same_for_the_same_row_only() -> None:
    event = {"type": "track", "anonymousId": "x", "event": "E", "properties": {"a": 1, "b": 2}}
    shuffled = {
        "properties": {"b": 2, "a": 1},
        "event": "E",
        "_airbyte_raw_id": "r",
        "anonymousId": "x",
        "type": "track",
    }
    other = event | {"properties": {"a": 1, "b": 3}}

    first, again, changed = (body(only_call("direct", one)) for one in (event, shuffled, other))
    elsewhere = body(only_call("direct", event, stream="others"))

    assert first == {
        "type": "track", "event": "E", "userId": "x", "properties": {"a": 1, "b": 2},
        "messageId": "row-6997c4330decc5679f2f600081e7e9705dcaed33",
    }  # fmt: skip
    assert again["messageId"] == first["messageId"]
    assert len({first["messageId"], changed["messageId"], elsewhere["messageId"]}) == 3


def automation(**content: Any) -> dict[str, Any]:
    properties = {"carrier": "DHL", "courier": {"automation": content}}
    return {"type": "track", "userId": "u", "event": "E", "messageId": "m1", "properties": properties}


@pytest.mark.parametrize(
    ("content", "path", "expected"),
    [
        (
            {"template": "wel/come", "data": {"n": 1}, "brand": "b1", "profile": {"p": 1}},
            "/automations/wel%2Fcome/invoke",
            {"recipient": "u", "data": {"n": 1}, "brand": "b1", "profile": {"p": 1}},
        ),
        ({"template": "welcome"}, "/automations/welcome/invoke", {"recipient": "u", "data": {"carrier": "DHL"}}),
        (
            {"template": "welcome", "recipient": "v", "data": {}},
            "/automations/welcome/invoke",
            {"recipient": "v", "data": {}},
        ),
        (
            {"steps": [{"action": "send"}], "cancelation_token": "t", "data": {"n": 1}},
            "/automations/invoke",
            {
                "recipient": "u", "data": {"n": 1},
                "automation": {"steps": [{"action": "send"}], "cancelation_token": "t"},
            },
        ),
    ],
)  # fmt: skip
def test_direct_track_invokes_the_automation_it_names(content: dict[str, Any], path: str, expected: Any) -> None:
    inbound, invocation = planned("direct", automation(**content)).steps

    assert isinstance(inbound, Call)
    assert isinstance(invocation, Call)
    assert inbound.path == "/inbound/courier"
    assert (invocation.method, invocation.path, body(invocation)) == ("POST", path, expected)
    assert invocation.idempotency_key is not None


def test_data_for_an_automation_alone_invokes_none() -> None:
    assert body(only_call("direct", automation(data={"userId": "u"})))["properties"]["courier"] == {
        "automation": {"data": {"userId": "u"}}
    }


def test_direct_group_updates_the_tenant_and_then_adds_the_user() -> None:
    event = {"type": "group", "anonymousId": "x y", "groupId": "acme/eu", "traits": {"name": "Acme", "tier": "gold"}}

    tenant, membership = planned("direct", event).steps

    assert tenant == TenantUpdate("/tenants/acme%2Feu", "acme/eu", {"name": "Acme", "tier": "gold"})
    assert isinstance(membership, Call)
    assert (membership.method, membership.path, membership.body) == ("PUT", "/users/x%20y/tenants/acme%2Feu", b"{}")


@pytest.mark.parametrize(
    ("known", "traits", "after"),
    [
        (None, {}, {"name": "g"}),
        (None, {"name": "G", "tier": "gold"}, {"name": "G", "properties": {"tier": "gold"}}),
        ({"id": "g", "name": "G", "properties": {"a": 1}, "brand_id": None}, {}, None),
        ({"id": "g", "name": "G", "properties": {"a": 1}}, {"a": 1, "name": "G"}, None),
        (
            {"id": "g", "name": "G", "properties": {"a": 1}, "brand_id": "b", "parent_tenant_id": None},
            {"c": 2},
            {"name": "G", "properties": {"a": 1, "c": 2}, "brand_id": "b"},
        ),
        ({"id": "g", "name": "G", "properties": None}, {"name": None}, None),
        ({"id": "g", "name": "G", "properties": {"a": {"b": 1, "c": 2}}}, {"a": {"c": 2, "b": 1}}, None),
        (
            {"id": "g", "name": "G", "properties": {"a": True}},
            {"a": 1},
            {"name": "G", "properties": {"a": 1}},
        ),
    ],
)
def test_a_tenant_keeps_what_a_group_call_does_not_mention(
    known: dict[str, Any] | None, traits: dict[str, Any], after: dict[str, Any] | None
) -> None:
    assert json.dumps(tenant_after(known, TenantUpdate("/tenants/g", "g", traits))) == json.dumps(after)


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ({"type": "page", "userId": "u"}, "Event type must be either track, group or identify"),
        ({"type": "identify", "userId": " ", "traits": {}}, "neither userId nor anonymousId is given"),
        ({"type": "identify", "userId": ["u"]}, "an id must be text or a whole number"),
        ({"type": "identify", "userId": True}, "an id must be text or a whole number"),
        ({"type": "identify", "userId": "u", "traits": [1]}, "traits must be an object"),
        ({"type": "identify", "userId": "."}, "an id that consists of dots alone cannot be part of an address"),
        ({"type": "identify", "userId": "\ud800"}, "an id holds text that is no valid Unicode"),
        ({"type": "identify", "userId": "u", "traits": {"t": "\ud800"}}, "it holds text that is no valid Unicode"),
        (
            {"type": "identify", "userId": "u", "traits": {"n": float("inf")}},
            "it holds a number out of range, or is nested too deeply",
        ),
        ({"type": "track", "userId": "u"}, "event is missing"),
        ({"type": "track", "event": "E", "properties": "text"}, "properties must be an object"),
        ({"type": "track", "event": "E", "properties": {"t": LONG}}, "it is larger than the 6 MB that Courier takes"),
        ({"type": "identify", "userId": "u", "traits": {"t": LONG}}, "it is larger than the 6 MB that Courier takes"),
        ({"type": "group", "userId": "u"}, "groupId is missing"),
        ({"type": "group", "groupId": "g"}, "neither userId nor anonymousId is given"),
        (automation(steps={}), "properties.courier.automation.steps must be a list of objects"),
        (automation(steps=["send"]), "properties.courier.automation.steps must be a list of objects"),
        (
            automation(template="t") | {"userId": None},
            "an automation needs a template and a recipient, and one of them is missing",
        ),
        (automation(template=" "), "an automation needs a template and a recipient, and one of them is missing"),
    ],
)
def test_direct_refuses_what_names_nobody_or_nothing(event: dict[str, Any], sentence: str) -> None:
    assert reason("direct", event) == sentence


# --- ids, order --------------------------------------------------------------


@pytest.mark.parametrize("route", ["segment", "rudderstack", "direct"])
def test_the_idempotency_key_is_that_of_the_event_and_of_its_content(route: str) -> None:
    event = {"type": "identify", "userId": "u", "messageId": "m1", "traits": {"plan": "pro"}}

    key, again = (only_call(route, dict(event)).idempotency_key for _ in range(2))
    others = [
        only_call(route, event | change).idempotency_key
        for change in ({"messageId": "m2"}, {"traits": {"plan": "free"}}, {"userId": "v"})
    ]

    assert key == again is not None
    assert len({key, *others}) == 4
    assert "m1" not in str(key)


@pytest.mark.parametrize("route", ["segment", "rudderstack", "direct"])
@pytest.mark.parametrize("kind", ["identify", "group"])
def test_a_row_without_an_id_that_changes_a_trait_back_is_not_taken_for_a_repeat(route: str, kind: str) -> None:
    steps = planned(route, {"type": kind, "userId": "u", "groupId": "g", "traits": {"plan": "pro"}}).steps

    assert [step.idempotency_key for step in steps if isinstance(step, Call)] == [None]


@pytest.mark.parametrize("route", ["segment", "rudderstack"])
def test_a_track_without_an_id_is_known_by_its_content(route: str) -> None:
    event = {"type": "track", "userId": "u", "event": "E"}

    call, again, other = (only_call(route, one) for one in (event, dict(event), event | {"event": "F"}))

    assert body(call) == event | {"messageId": "row-2f21af8f530ff078778621a9c37ed22ff5f944e7"}
    assert (again.body, again.idempotency_key) == (call.body, call.idempotency_key)
    assert body(other)["messageId"] != body(call)["messageId"]


@pytest.mark.parametrize("route", ["segment", "rudderstack"])
@pytest.mark.parametrize("kind", ["identify", "group"])
def test_an_event_that_may_change_something_back_gets_an_id_for_each_delivery(route: str, kind: str) -> None:
    event = {"type": kind, "userId": "u", "groupId": "g", "traits": {"plan": "pro"}}
    once, later = row(event), row(event)

    ids = [
        [json.loads(step.body or b"")["messageId"] for step in plan(route, event_of(one, None), one).steps]  # type: ignore[union-attr]
        for one in (once, once, later)
    ]

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        ({"type": "track", "event": "E", "userId": 7, "anonymousId": "x"}, (("user", "7"),)),
        ({"type": "track", "event": "E", "anonymousId": "x", "groupId": "g"}, (("user", "x"),)),
        ({"type": "Group", "userId": "u", "groupId": "g"}, (("user", "u"), ("tenant", "g"))),
        ({"type": "track", "event": "E"}, ()),
    ],
)
def test_order_is_kept_for_the_user_and_for_the_tenant_of_a_group(event: dict[str, Any], keys: Any) -> None:
    assert planned("rudderstack", event).keys == keys


# --- plain rows --------------------------------------------------------------


def test_a_plain_row_becomes_an_event_by_its_mapping() -> None:
    columns = {"userId": "customer", "event": "what", "messageId": "order_id", "timestamp": "at"}
    data = {"customer": 7, "what": "Order Shipped", "order_id": "o1", "at": "2026-03-01", "sum": 12.5, "note": None}

    event = event_of(row(data, "orders"), StreamMapping("track", columns))

    assert event == {
        "type": "track", "userId": "7", "event": "Order Shipped", "messageId": "orders:o1", "timestamp": "2026-03-01",
        "properties": {"sum": 12.5},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            StreamMapping("identify", {"userId": "id"}),
            {"type": "identify", "userId": "u", "traits": {"org": "g", "n": 1}},
        ),
        (
            StreamMapping("group", {"anonymousId": "id", "groupId": "org"}),
            {"type": "group", "anonymousId": "u", "groupId": "g", "traits": {"n": 1}},
        ),
    ],
)
def test_the_columns_that_are_not_named_are_traits(mapping: StreamMapping, expected: dict[str, Any]) -> None:
    assert event_of(row({"id": "u", "org": "g", "n": 1, "_airbyte_meta": {}}), mapping) == expected


def test_all_rows_of_a_stream_may_have_one_event_name() -> None:
    mapping = StreamMapping("track", {"userId": "id", "event": "what"}, "Order Shipped")
    data = [{"id": "u", "what": None}, {"id": "u", "what": "Order Lost"}]

    assert [event_of(row(one), mapping)["event"] for one in data] == ["Order Shipped", "Order Lost"]


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        (StreamMapping("identify", {"userId": "no"}), "it names no user: no is empty"),
        (StreamMapping("identify", {"userId": "no", "anonymousId": "nil"}), "it names no user: no and nil are empty"),
        (
            StreamMapping("track", {"userId": "id", "event": "no"}),
            "the column no, which is to hold the event, is empty",
        ),
        (
            StreamMapping("group", {"userId": "id", "groupId": "no"}),
            "the column no, which is to hold the groupId, is empty",
        ),
    ],
)
@pytest.mark.parametrize("route", ["segment", "rudderstack", "direct"])
def test_a_plain_row_without_what_its_mapping_names_is_rejected(
    route: str, mapping: StreamMapping, sentence: str
) -> None:
    assert reason(route, {"id": "u", "nil": None}, mapping=mapping) == sentence


def test_a_mapping_goes_before_what_a_row_looks_like() -> None:
    data = {"id": "u", "type": "premium"}

    event = event_of(row(data, "users"), StreamMapping("identify", {"userId": "id"}))

    assert event == {"type": "identify", "userId": "u", "traits": {"type": "premium"}}


@pytest.mark.parametrize("data", [{"id": 1}, {"id": 1, "type": "VIP"}, {"id": 1, "type": None}, {"type": ["track"]}])
@pytest.mark.parametrize("stream", ["orders", "app_users", "users2"])
def test_a_row_that_is_no_event_needs_a_mapping(stream: str, data: dict[str, Any]) -> None:
    assert reason("segment", data, stream) == NO_EVENT


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_data_that_is_no_object_is_rejected(data: Any) -> None:
    assert reason("segment", data) == "its data is no object"


# --- Segment's warehouse tables ----------------------------------------------

TABLE = {
    "id": "m1", "received_at": "r", "uuid": "x", "uuid_ts": "x", "loaded_at": "x", "sent_at": "2026-03-01T00:00:02Z",
    "original_timestamp": "2026-03-01T00:00:01Z", "timestamp": "2026-03-01T00:00:00Z", "user_id": "u",
    "anonymous_id": "a", "context_ip": "::1", "context_library_name": "analytics.js", "context_user_agent": "Moz",
    "context_page_url": "https://x", "context_device_advertising_id": "ad",
    "context_personas_computation_class": "trait", "context_own_thing": 1, "context_locale": None, "rudder_id": "x",
    "channel": "web",
}  # fmt: skip
EVENT = {
    "messageId": "m1", "userId": "u", "anonymousId": "a", "timestamp": "2026-03-01T00:00:00Z",
    "originalTimestamp": "2026-03-01T00:00:01Z", "sentAt": "2026-03-01T00:00:02Z", "channel": "web",
    "context": {
        "ip": "::1", "library": {"name": "analytics.js"}, "userAgent": "Moz", "page": {"url": "https://x"},
        "device": {"advertisingId": "ad"}, "personas": {"computation_class": "trait"}, "own_thing": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "columns", "expected"),
    [
        ("identifies", {"plan": "pro", "city": None}, {"type": "identify", "traits": {"plan": "pro"}}),
        ("groups", {"group_id": "g", "tier": "gold"}, {"type": "group", "groupId": "g", "traits": {"tier": "gold"}}),
        (
            "tracks",
            {"event": "order_shipped", "event_text": "Order Shipped"},
            {"type": "track", "event": "Order Shipped", "properties": {}},
        ),
        ("tracks", {"event": "order_shipped"}, {"type": "track", "event": "order_shipped", "properties": {}}),
    ],
)
@pytest.mark.parametrize("prefix", ["", "prod_", "rudder_prod_"])
def test_tables_of_segment_and_rudderstack_are_known_by_name(
    prefix: str, stream: str, columns: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert event_of(row(TABLE | columns, prefix + stream), None) == EVENT | expected


@pytest.mark.parametrize(
    ("mapping", "columns", "expected"),
    [
        (
            StreamMapping("identify", {"userId": "user_id"}), {"plan": "pro"},
            {"type": "identify", "traits": {"plan": "pro"}},
        ),
        (
            StreamMapping("group", {"anonymousId": "anonymous_id", "groupId": "org"}), {"org": "g", "group_id": "x"},
            {"type": "group", "groupId": "g", "traits": {}},
        ),
        (
            StreamMapping("track", {"userId": "user_id"}, "Order Shipped"), {"event": "order_shipped", "sum": 5},
            {"type": "track", "event": "Order Shipped", "properties": {"sum": 5}},
        ),
        (
            StreamMapping("track", {"userId": "user_id", "event": "event_text", "messageId": "id"}),
            {"event": "order_shipped", "event_text": "Order Shipped"},
            {"type": "track", "event": "Order Shipped", "messageId": "orders_v2:m1", "properties": {}},
        ),
    ],
)  # fmt: skip
def test_a_table_of_another_name_is_one_when_a_mapping_says_what_it_is(
    mapping: StreamMapping, columns: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert event_of(row(TABLE | columns, "orders_v2"), mapping) == EVENT | expected


def test_the_columns_of_a_plain_table_are_its_own() -> None:
    data = {"id": "u", "channel": "web", "event": "x", "received_at": "r", "timestamp": "t", "rudder_id": 1}

    event = event_of(row(data, "orders"), StreamMapping("identify", {"userId": "id"}))

    assert event["traits"] == {name: value for name, value in data.items() if name != "id"}


@pytest.mark.parametrize("reverse", [False, True])
def test_a_column_with_the_name_of_an_object_of_the_context_loses_nothing(reverse: bool) -> None:
    columns = {"context_os": "iOS", "context_os_name": "iOS 17", "context_page": None, "context_page_url": "https://x"}
    ordered = dict(sorted(columns.items(), reverse=reverse))

    assert event_of(row({"user_id": "u", **ordered}, "identifies"), None)["context"] == {
        "os": "iOS", "os_name": "iOS 17", "page": {"url": "https://x"},
    }  # fmt: skip


def test_ids_that_a_table_keeps_as_numbers_are_text() -> None:
    numbers = {"message_id": 0, "id": 5, "user_id": 7.0, "anonymous_id": 8, "group_id": 9}

    assert event_of(row(numbers | {"plan": 1}, "groups"), None) == {
        "type": "group", "messageId": "0", "userId": "7", "anonymousId": "8", "groupId": "9", "context": {},
        "traits": {"plan": 1},
    }  # fmt: skip


def test_ids_that_a_plain_row_keeps_as_numbers_are_text() -> None:
    columns = {name: name for name in ("userId", "anonymousId", "messageId", "event")}
    numbers = {"userId": 7.0, "anonymousId": 8, "messageId": 0, "event": 12}

    assert event_of(row(numbers, "orders"), StreamMapping("track", columns)) == {
        "type": "track", "userId": "7", "anonymousId": "8", "messageId": "orders:0", "event": "12", "properties": {},
    }  # fmt: skip


def test_a_table_of_a_database_that_shouts_is_known_too() -> None:
    shouted = {name.upper(): value for name, value in TABLE.items()} | {"PLAN": "pro"}

    assert event_of(row(shouted, "IDENTIFIES"), None) == EVENT | {"type": "identify", "traits": {"plan": "pro"}}


def test_in_segments_table_of_users_the_id_is_the_users() -> None:
    data = {"id": "u", "received_at": "r", "uuid_ts": "x", "email": "ada", "context_ip": "::1"}

    assert event_of(row(data, "users"), None) == {
        "type": "identify", "userId": "u", "context": {"ip": "::1"}, "traits": {"email": "ada"},
    }  # fmt: skip


def test_a_row_of_a_table_without_a_user_is_rejected() -> None:
    assert reason("segment", {"id": "m1", "plan": "pro"}, "identifies") == "neither userId nor anonymousId is given"


def test_events_in_a_stream_named_like_a_table_are_events() -> None:
    event = {"type": "identify", "userId": "u", "traits": {"a": 1}}

    assert body(only_call("segment", event, "users")) == event


def test_a_long_reason_takes_no_time() -> None:
    for text in ("a" * 200_000, "<" * 200_000, "<script" * 30_000, "a@" * 100_000):
        began = time.process_time()
        assert len(presentable(text)) <= 200
        assert time.process_time() - began < 5
