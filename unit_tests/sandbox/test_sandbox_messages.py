"""Courier's messages, and what writing to Courier does."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from sandbox.courier.api import ROUTES

NOW = 1773576000000  # noon of the clock, in milliseconds
DAY = 86_400_000
NOT_FOUND = {"message": "Not Found", "type": "invalid_request_error"}
ODD = "crm/7 ü+ö?#%"
TRACK = {"type": "track", "event": "Paid", "userId": "u", "messageId": "m-1", "properties": {"n": None}}


def message(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"m{number:02}", "status": "SENT", "enqueued": NOW - 60_000 * number, **fields}


@pytest.fixture
def space(empty):
    return empty.courier


def listed(ask, empty, **query):
    return [row["id"] for row in ask(empty, "/messages", **query).json["results"]]


def test_messages_come_in_pages_of_ten_newest_first(empty, ask, space):
    space.messages = [message(number * 7 % 25) for number in range(25)]
    first = ask(empty, "/messages", limit=25).json
    second = ask(empty, "/messages", cursor=first["paging"]["cursor"]).json
    third = ask(empty, "/messages", cursor=second["paging"]["cursor"]).json
    assert [row["id"] for page in (first, second, third) for row in page["results"]] == [
        f"m{number:02}" for number in range(25)
    ]
    assert third["paging"] == {"cursor": None, "more": False}


def test_a_message_shows_once_the_clock_has_passed_its_enqueuing(empty, ask, space, clock):
    space.messages = [message(1, enqueued=NOW + 1000)]
    assert (listed(ask, empty), ask(empty, "/messages/m01").json) == ([], NOT_FOUND)
    clock.now += 1
    assert listed(ask, empty) == ["m01"]


@pytest.mark.parametrize("after", [NOW - 60_000, "2026-03-15T11:59:00Z", "2026-03-15T13:59:00+02:00"])
def test_enqueued_after_takes_milliseconds_or_iso_and_includes_that_instant_or_not(empty, ask, space, after):
    space.messages = [message(number) for number in range(3)]
    assert listed(ask, empty, enqueued_after=after) == ["m00", "m01"]
    space.after_is_inclusive = False
    assert listed(ask, empty, enqueued_after=after) == ["m00"]


def test_archived_messages_are_listed_on_request_and_some_columns_never(empty, ask, space):
    hidden = {"archived": True, "tags": ["a"], "tenantId": "t", "traceId": "x", "providers": []}
    space.messages = [message(0, **hidden), message(1)]
    assert listed(ask, empty) == ["m01"]
    assert ask(empty, "/messages", archived="true").json["results"] == [message(0), message(1)]
    assert ask(empty, "/messages/m00").json == message(0, providers=[])


def test_a_message_changes_as_time_goes_by(empty, ask, space, clock):
    course = {"sent": NOW + 1000, "delivered": NOW + 2000, "opened": NOW + 3000, "clicked": NOW + 4000}
    delivery = {"provider": "sendgrid", "status": "CLICKED", **course}
    space.messages = [message(0, status="CLICKED", **course, providers=[delivery])]
    seen = []
    for _ in range(5):
        row = ask(empty, "/messages/m00").json
        seen.append((row["status"], [one["status"] for one in row["providers"]], len(row)))
        clock.now += 1
    statuses = ["SENT", "DELIVERED", "OPENED", "CLICKED"]
    assert seen == [("ENQUEUED", [], 4), *((status, [status], 5 + place) for place, status in enumerate(statuses))]


def test_a_failure_is_not_told_before_it_happened(empty, ask, space, clock):
    space.messages = [message(0, status="UNDELIVERABLE", sent=NOW + 1000, error="bounced", reason="BOUNCED")]
    assert ask(empty, "/messages").json["results"] == [message(0, status="ENQUEUED")]
    clock.now += 1
    assert ask(empty, "/messages").json["results"] == space.messages


def test_the_history_is_what_has_happened_so_far(empty, ask, space, clock):
    events = [{"ts": NOW, "type": "ENQUEUED"}, {"ts": NOW + 1, "type": "SENT"}]
    space.messages, space.history = [message(0)], {"m00": events}
    assert ask(empty, "/messages/m00/history").json == {"results": events[:1]}
    clock.now += 1
    assert ask(empty, "/messages/m00/history").json == {"results": events}


def test_what_is_below_a_message_ends_with_its_retention_or_expires_with_the_message(empty, ask, space):
    space.messages = [message(number, enqueued=NOW - 30 * DAY - number) for number in range(3)]
    space.history = space.outputs = {f"m{number:02}": [] for number in range(3)}
    space.retention_days, space.expired = 30, {"m02"}

    assert listed(ask, empty) == ["m00", "m01", "m02"]
    for below, statuses in {"": [200, 200, 404], "/history": [200, 404, 404], "/output": [200, 404, 404]}.items():
        assert [ask(empty, f"/messages/m0{number}{below}").status for number in range(3)] == statuses


# ------------------------------------------------------------------------------------------------------ writing


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method != "GET"], ids=lambda route: route.path)
def test_every_call_that_writes_needs_the_key(empty, ask, route):
    before = repr(empty.courier)
    path = route.path.replace("{", "").replace("}", "")
    assert ask(empty, path, route.method, headers={"authorization": "Bearer another-key"}).status == 401
    assert repr(empty.courier) == before


def test_the_same_idempotency_key_gets_the_same_answer_for_a_day_and_does_nothing_twice(empty, ask, space, clock):
    def invoke(path, key):
        return ask(empty, path, "POST", {"recipient": "u"}, {"idempotency-key": key}).json

    first = invoke("/automations/welcome/invoke", "k1")
    clock.now += 24 * 3600 - 1
    assert invoke("/automations/welcome/invoke", "k1") == first
    assert invoke("/automations/welcome/invoke", "k2") != first
    assert invoke("/automations/other/invoke", "k1") != first
    clock.now += 1
    assert invoke("/automations/welcome/invoke", "k1") != first
    invoked = [("welcome", "k1"), ("welcome", "k2"), ("other", "k1"), ("welcome", "k1")]
    assert [(row["template"], row["idempotencyKey"]) for row in space.invocations] == invoked


def test_an_endpoint_that_fails_itself_has_its_answer_replayed(empty, ask, space):
    space.crashes["/automations/a/invoke"] = 1
    statuses = [
        ask(empty, "/automations/a/invoke", "POST", {"recipient": "u"}, {"idempotency-key": key}).status
        for key in ("k", "k", "k2")
    ]
    assert statuses == [500, 500, 200]


@pytest.mark.parametrize(
    ("route", "event"), [("segment", "Segment-TrackEvent:Paid"), ("rudderstack", "Paid"), ("courier", "Paid")]
)
def test_a_track_event_is_recorded_as_it_came_and_logged_as_unmapped(empty, ask, space, route, event):
    space.profiles["u"] = {"profile": {"email": "u@example.com"}}
    answer = ask(empty, f"/inbound/{route}", "POST", TRACK)
    assert answer.status == 202
    assert space.inbound == [{"route": route, "messageId": "m-1", "event": TRACK, "at": NOW}]
    row = {"id": answer.json["messageId"], "status": "UNMAPPED", "enqueued": NOW, "event": event}
    row |= {"recipient": "u@example.com", "recipientId": "u"}
    assert ask(empty, "/messages").json["results"] == [row]


def test_a_mapped_event_is_enqueued_and_sent_a_second_later(empty, ask, clock):
    event = "Segment-TrackEvent:Paid"
    mapping = {"id": "nt_1", "type": "notification"}
    shown = ask(empty, f"/events/{quote(event, safe='')}", "PUT", mapping).json
    assert shown == {"event": event, **mapping}
    path = f"/messages/{ask(empty, '/inbound/segment', 'POST', TRACK).json['messageId']}"
    assert ask(empty, path).json["status"] == "ENQUEUED"
    clock.now += 1
    sent = ask(empty, path).json
    assert (sent["status"], sent["notification"], sent["providers"][0]["provider"]) == ("SENT", "nt_1", "sendgrid")
    history = ask(empty, f"{path}/history").json["results"]
    assert [(row["ts"] - NOW, row["type"]) for row in history] == [(0, "ENQUEUED"), (0, "MAPPED"), (1000, "SENT")]


@pytest.mark.parametrize("route", ["segment", "rudderstack"])
def test_identify_merges_traits_into_the_profile(empty, ask, space, route):
    space.profiles["u"] = {"profile": {"email": "u@example.com", "plan": "free"}, "preferences": {"kept": True}}
    ask(empty, f"/inbound/{route}", "POST", {"type": "identify", "anonymousId": "u", "traits": {"plan": "pro"}})
    ask(empty, "/profiles/u", "POST", {"profile": {"name": "Ada"}})
    merged = {"email": "u@example.com", "plan": "pro", "name": "Ada"}
    assert space.profiles == {"u": {"profile": merged, "preferences": {"kept": True}}}


def test_a_group_creates_its_tenant_or_adds_to_it_and_adds_the_user(empty, ask, space):
    group = {"type": "group", "groupId": "acme", "userId": "u"}
    ask(empty, "/inbound/segment", "POST", group | {"traits": {"plan": "pro"}})
    ask(empty, "/inbound/rudderstack", "POST", group | {"userId": "v", "traits": {"name": "Acme"}})
    assert [(row["id"], row["name"], row["properties"]) for row in space.tenants] == [
        ("acme", "Acme", {"plan": "pro", "name": "Acme"})
    ]
    assert [row["user_id"] for row in space.tenant_users["acme"]] == ["u", "v"]


@pytest.mark.parametrize(
    ("change", "status"),
    [({}, 202), ({"userId": None}, 202), ({"messageId": 5}, 500), ({"timestamp": 1714979289}, 400), ({"x": None}, 400)],
)
def test_segments_handler_wants_text_and_takes_a_message_once(empty, ask, space, change, status):
    event = TRACK | {"anonymousId": "a", **change}
    assert ask(empty, "/inbound/segment", "POST", event).status == 202
    space.inbound, space.segment_checks = [], True
    assert [ask(empty, "/inbound/segment", "POST", event).status for _ in range(2)] == [status] * 2
    assert len(space.inbound) == (status == 202)


def test_a_message_id_is_taken_once_by_couriers_own_route(empty, ask):
    answers = [ask(empty, f"/inbound/{route}", "POST", TRACK).status for route in ("courier", "courier", "segment")]
    assert answers == [202, 409, 202]


def test_the_first_subscription_creates_the_list_and_removing_one_that_is_not_there_is_not_found(empty, ask, space):
    path = f"/lists/{quote(ODD, safe='')}/subscriptions/{quote(ODD, safe='')}"
    created = "2026-03-15T12:00:00.000Z"
    assert [ask(empty, path, "PUT").status for _ in range(2)] == [204, 204]
    assert space.lists == [{"id": ODD, "name": ODD, "created": created, "updated": created}]
    assert space.list_subscriptions == {ODD: [{"recipientId": ODD, "created": created}]}
    assert [ask(empty, path, "DELETE").status for _ in range(2)] == [204, 404]


def test_put_replaces_a_whole_tenant_and_users_are_added_to_one_that_is_there(empty, ask):
    assert ask(empty, "/users/u/tenants/t", "PUT").status == 404
    ask(empty, "/tenants/t", "PUT", {"name": "T", "properties": {"a": 1}, "unknown": 1})
    replaced = ask(empty, "/tenants/t", "PUT", {"name": "U", "brand_id": "b"}).json
    blank = dict.fromkeys(("parent_tenant_id", "properties", "user_profile", "default_preferences"))
    assert replaced == {"id": "t", "name": "U", "brand_id": "b", **blank} == ask(empty, "/tenants/t").json
    assert ask(empty, "/users/u/tenants/t", "PUT").status == 204
    assert [row["user_id"] for row in ask(empty, "/tenants/t/users").json["items"]] == ["u"]


def test_an_invoked_automation_is_recorded_and_listed_as_a_run(empty, ask, space):
    steps = {"automation": {"steps": [{"action": "send"}]}, "recipient": "u"}
    by_steps = ask(empty, "/automations/invoke", "POST", steps).json["runId"]
    by_template = ask(empty, "/automations/a%2Fb/invoke", "POST", {"recipient": "u"}).json["runId"]
    runs = ask(empty, "/automations/runs").json["runs"]
    assert {(row["run_id"], row["template_id"]) for row in runs} == {(by_steps, None), (by_template, "a/b")}
    space.unknown_automation = "missing"
    assert ask(empty, "/automations/c/invoke", "POST", {"recipient": "u"}).status == 404
