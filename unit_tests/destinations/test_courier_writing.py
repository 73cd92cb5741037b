"""destination-courier against the sandbox: what arrives, in which order, how often, and when a state is echoed."""

import json
import threading
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from destinations.courier.destination import DestinationCourier
from sandbox import Sandbox
from sandbox.faults import Answer, Fault, Reset
from sandbox.messages import Reply, Request
from unit_tests.destinations.conftest import Writing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.destination import catalog_of, record, records, run, state

Event = dict[str, Any]
Answering = Callable[[Request], Reply]


def identify(user: str, /, message_id: str | None = None, **traits: Any) -> Event:
    own = {} if message_id is None else {"messageId": message_id}
    return {"type": "identify", "userId": user, "traits": traits, **own}


def track(user: str, name: str, /, **more: Any) -> Event:
    return {"type": "track", "userId": user, "event": name, "messageId": f"{user}-{name}", "properties": {}, **more}


def group(user: str, tenant: str, /, **traits: Any) -> Event:
    return {"type": "group", "userId": user, "groupId": tenant, "messageId": f"{user}-{tenant}", "traits": traits}


def engage(user: str, member: bool) -> Event:
    personas = {"computation_class": "audience", "computation_id": "aud_1", "computation_key": "vip"}
    return identify(user, f"{user}-{member}", vip=member) | {"context": {"personas": personas}}


ONE_OF_EACH = [
    identify("ada", "m1", email="ada@example.com", plan="free"),
    track("ada", "Order Shipped", properties={"carrier": "DHL"}),
    group("ada", "acme", name="Acme", tier="gold"),
    identify("ada", "m2", plan="pro"),
    engage("ada", member=True),
    engage("bob", member=True),
    engage("bob", member=False),
]


def content(sandbox: Sandbox) -> Any:
    """All that a workspace holds, but for the ids and times that it gives itself."""
    space = sandbox.courier
    return json.loads(
        json.dumps({
            "profiles": {user: held["profile"] for user, held in space.profiles.items()},
            "tenants": sorted(space.tenants, key=lambda row: row["id"]),
            "tenant_users": space.tenant_users,
            "subscribers": {
                name: sorted(row["recipientId"] for row in rows) for name, rows in space.list_subscriptions.items()
            },
            "inbound": sorted(json.dumps([row["route"], row["event"]], sort_keys=True) for row in space.inbound),
            "messages": sorted(f"{row.get('recipientId')} {row['event']}" for row in space.messages),
            "invocations": [(row["template"], row["idempotencyKey"]) for row in space.invocations],
        }, sort_keys=True)
    )  # fmt: skip


# --- what arrives ------------------------------------------------------------


def test_by_the_segment_route_profiles_events_tenants_and_lists_come_about(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    to_courier(records("events", *ONE_OF_EACH))

    held = content(sandbox)
    assert held["profiles"] == {
        "ada": {"email": "ada@example.com", "plan": "pro", "vip": True}, "bob": {"vip": False},
    }  # fmt: skip
    assert held["messages"] == ["ada Segment-TrackEvent:Order Shipped"]
    assert [(row["id"], row["name"]) for row in held["tenants"]] == [("acme", "Acme")]
    assert [row["user_id"] for row in held["tenant_users"]["acme"]] == ["ada"]
    assert held["subscribers"] == {"vip-aud_1": ["ada"]}
    for user in ("ada", "bob"):
        arrived = [row["event"] for row in sandbox.courier.inbound if row["event"]["userId"] == user]
        assert arrived == [event for event in ONE_OF_EACH if event["userId"] == user]


def test_an_audience_that_is_told_by_a_track_changes_the_list_only(sandbox: Sandbox, to_courier: Writing) -> None:
    event = engage("ada", member=True) | {"type": "track", "event": "Audience Entered", "properties": {"vip": True}}

    to_courier(records("events", event))

    held = content(sandbox)
    assert held["subscribers"] == {"vip-aud_1": ["ada"]}
    assert (held["inbound"], held["profiles"]) == ([], {})


def test_a_list_that_cannot_be_changed_is_told_beside_the_event_that_was_delivered(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    sandbox.faults.add(Fault("/subscriptions/", Answer(400, {"message": "No", "type": "x"})))

    written = to_courier(records("events", engage("ada", member=True)), on_invalid_record="skip")

    assert content(sandbox)["profiles"] == {"ada": {"vip": True}}
    assert written.warnings == [
        "1 row of stream events was rejected and left out: its event was delivered, but the list of its audience was "
        "not changed: Courier answered HTTP 400, “No” (row 1)."
    ]


def test_by_the_rudderstack_route_groups_arrive_too(sandbox: Sandbox, to_courier: Writing) -> None:
    to_courier(records("events", *ONE_OF_EACH[:4]), route="rudderstack")

    held = content(sandbox)
    assert held["profiles"] == {"ada": {"email": "ada@example.com", "plan": "pro"}}
    assert held["messages"] == ["ada Order Shipped"]
    assert [row["user_id"] for row in held["tenant_users"]["acme"]] == ["ada"]
    assert {row["route"] for row in sandbox.courier.inbound} == {"rudderstack"}


def test_by_the_direct_route_the_same_comes_about_without_a_platform_between(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    to_courier(records("events", *ONE_OF_EACH[:4]), route="direct")

    held = content(sandbox)
    assert held["profiles"] == {"ada": {"email": "ada@example.com", "plan": "pro"}}
    assert held["messages"] == ["ada Order Shipped"]
    (acme,) = held["tenants"]
    assert (acme["name"], acme["properties"]) == ("Acme", {"tier": "gold"})
    assert [row["user_id"] for row in held["tenant_users"]["acme"]] == ["ada"]


def test_a_group_call_blanks_nothing_of_a_tenant_that_is_there(sandbox: Sandbox, to_courier: Writing) -> None:
    known = {
        "id": "acme", "name": "Acme", "parent_tenant_id": None, "brand_id": "b1", "properties": {"a": 1},
        "user_profile": {"p": 1}, "default_preferences": None,
    }  # fmt: skip
    sandbox.courier.tenants = [dict(known)]
    sandbox.courier.tenant_users["acme"] = [
        {"user_id": "ada", "tenant_id": "acme", "type": "user", "profile": {"title": "CTO"}}
    ]

    to_courier(records("events", group("ada", "acme"), group("bob", "acme")), route="direct")
    assert sandbox.courier.tenants == [known]
    assert "PUT" not in {call.method for call in sandbox.calls if call.path == "/tenants/acme"}

    to_courier(records("events", group("ada", "acme", tier="gold")), route="direct")
    assert sandbox.courier.tenants == [known | {"properties": {"a": 1, "tier": "gold"}}]
    assert [row["profile"] for row in sandbox.courier.tenant_users["acme"]] == [{"title": "CTO"}, None]


def test_two_users_of_one_tenant_do_not_overwrite_each_others_traits(sandbox: Sandbox, to_courier: Writing) -> None:
    users = [group(f"u{number}", "acme", **{f"t{number}": number}) for number in range(12)]

    to_courier(records("events", *users), route="direct")

    assert sandbox.courier.tenants[0]["properties"] == {f"t{number}": number for number in range(12)}


def test_an_automation_is_invoked_by_its_template_and_step_by_step(sandbox: Sandbox, to_courier: Writing) -> None:
    def automation(name: str, **asked: Any) -> Event:
        return track("ada", name, properties={"n": 1, "courier": {"automation": asked}})

    sandbox.courier.automations = [{"id": "welcome"}]
    steps = [{"action": "send", "template": "t1"}]

    to_courier(
        records(
            "events",
            automation("A", template="welcome", data={"d": 1}),
            automation("B", steps=steps),
            automation("C", data={"d": 1}),
        ),
        route="direct",
    )

    assert [(row["template"], row["body"]) for row in sandbox.courier.invocations] == [
        ("welcome", {"recipient": "ada", "data": {"d": 1}}),
        (None, {"recipient": "ada", "data": {"n": 1}, "automation": {"steps": steps}}),
    ]
    assert [row["event"]["event"] for row in sandbox.courier.inbound] == ["A", "B", "C"]
    # Courier forgets keys after a day, and a sync that is repeated later must not write to everybody again.
    invoked = [call for call in sandbox.calls if call.path.startswith("/automations/")]
    assert {call.headers["x-idempotency-expiration"] for call in invoked} == {"2027-01-09T12:00:00.000Z"}


def test_plain_rows_and_segments_tables_need_no_events(sandbox: Sandbox, to_courier: Writing) -> None:
    mapping = {"stream": "orders", "call": "track", "userId": "customer", "eventName": "Ordered"}
    table = {"id": "m1", "user_id": "u1", "context_ip": "::1", "received_at": "r", "plan": "pro"}

    lines = [record("orders", {"customer": 7, "sum": 12.5}), record("identifies", table)]

    to_courier(lines, of=("orders", "identifies"), route="direct", streams=[mapping])

    assert content(sandbox)["profiles"] == {"u1": {"plan": "pro"}}
    (event,) = [row["event"] for row in sandbox.courier.inbound]
    assert (event["event"], event["userId"], event["properties"]) == ("Ordered", "7", {"sum": 12.5})


@pytest.mark.parametrize("checks", [False, True])
def test_either_answer_of_segments_route_to_odd_forms_works(
    checks: bool, sandbox: Sandbox, to_courier: Writing
) -> None:
    """Its handler is said to want text for ids and times and to take a messageId once; nobody knows it for sure."""
    sandbox.courier.segment_checks = checks
    rows = [
        {"type": "identify", "userId": 42, "traits": {"plan": plan}, "context": None, "timestamp": 1714979289000}
        for plan in ("free", "pro", "free")
    ]
    users = {"id": "u1", "received_at": "r", "plan": "pro"}
    mapped = {"stream": "customers", "call": "identify", "userId": "no"}
    lines = [*records("events", *rows), record("users", users), record("customers", {"no": 7, "plan": "basic"})]

    written = to_courier(lines, of=("events", "users", "customers"), streams=[mapped])

    assert content(sandbox)["profiles"] == {"42": {"plan": "free"}, "u1": {"plan": "pro"}, "7": {"plan": "basic"}}
    assert written.counts == "5 delivered, 0 skipped, 0 rejected"


def test_an_answer_that_is_lost_does_not_make_an_identify_without_an_id_arrive_twice(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    sandbox.courier.segment_checks = True
    sandbox.faults.add(Fault("/inbound/segment", Reset(rows=None), times=2, has_effect=True))

    to_courier(records("events", identify("ada", plan="pro")))

    assert [call.path for call in sandbox.calls] == ["/inbound/segment"] * 3
    assert len(sandbox.courier.inbound) == 1


# --- order -------------------------------------------------------------------


def test_order_is_kept_for_each_user_while_many_are_delivered_at_a_time(sandbox: Sandbox, to_courier: Writing) -> None:
    events = [track(f"u{number % 7}", f"E{number}") for number in range(140)]
    # Every fifth call fails once, so that later ones would overtake it if they could.
    for number in range(0, 140, 5):
        sandbox.faults.add(Fault("/inbound/segment", Answer(503), after=number))

    to_courier(records("events", *events), num_workers=16)

    arrived: dict[str, list[str]] = {}
    for row in sandbox.courier.inbound:
        arrived.setdefault(row["event"]["userId"], []).append(row["event"]["event"])
    assert arrived == {f"u{user}": [f"E{number}" for number in range(user, 140, 7)] for user in range(7)}


def after_meeting(sandbox: Sandbox, number: int) -> Answering:
    """Answers as the sandbox does, but the first so many requests only once all of them are there.

    One that stays alone for a minute breaks off, and so do the others.
    """
    answer, meeting, arrivals = sandbox.answer, threading.Barrier(number, timeout=60), count()

    def answer_after_meeting(request: Request) -> Reply:
        if next(arrivals) < number:
            meeting.wait()
            threading.Event().wait(0.1)  # lets in one more than there should be; `time.sleep` stands still
        return answer(request)

    return answer_after_meeting


class Gauge:
    """Counts how many requests are being answered at the same time, in all and for one user."""

    def __init__(self, answer: Answering) -> None:
        self._answer, self._lock = answer, threading.Lock()
        self.under_way: list[str] = []
        self.most = 0
        self.overtaken = False

    def answer(self, request: Request) -> Reply:
        user = json.loads(request.body)["userId"]
        with self._lock:
            self.overtaken |= user in self.under_way
            self.under_way.append(user)
            self.most = max(self.most, len(self.under_way))
        try:
            return self._answer(request)
        finally:
            with self._lock:
                self.under_way.remove(user)


def test_as_many_rows_are_under_way_as_there_are_workers_and_never_two_of_one_user(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    gauge = Gauge(after_meeting(sandbox, 3))
    events = [track(f"u{number % 20}", f"E{number}") for number in range(300)]

    with mock.patch.object(sandbox, "answer", gauge.answer):
        to_courier(records("events", *events), num_workers=3)

    assert len(sandbox.courier.inbound) == 300
    assert gauge.most == 3
    assert not gauge.overtaken


def test_one_worker_delivers_everything_in_the_order_it_came(sandbox: Sandbox, to_courier: Writing) -> None:
    events = [track(f"u{number % 5}", f"E{number}") for number in range(40)]

    to_courier(records("events", *events), num_workers=1)

    assert [row["event"] for row in sandbox.courier.inbound] == events


# --- repeats -----------------------------------------------------------------


@pytest.mark.parametrize("route", ["segment", "rudderstack", "direct"])
def test_a_repeat_of_a_sync_changes_nothing(
    route: str, sandbox: Sandbox, to_courier: Writing, clock: VirtualClock
) -> None:
    sandbox.courier.automations = [{"id": "welcome"}]
    asked = {"courier": {"automation": {"template": "welcome"}}}
    events = [*ONE_OF_EACH, track("bob", "Signed Up", properties=asked), {"type": "track", "userId": "c", "event": "E"}]
    lines = [*records("events", *events), state(1)]
    to_courier(lines, route=route)
    once = content(sandbox)

    clock.advance(3600)
    to_courier(lines, route=route)

    assert content(sandbox) == once
    assert len(once["invocations"]) == {"segment": 0, "rudderstack": 1, "direct": 1}[route]


@pytest.mark.parametrize("route", ["segment", "rudderstack", "direct"])
@pytest.mark.parametrize("broken", [Reset(rows=None), Answer(504)])
def test_an_answer_that_is_lost_makes_nothing_happen_twice(
    route: str, broken: Any, sandbox: Sandbox, to_courier: Writing
) -> None:
    to_courier(records("events", *ONE_OF_EACH), route=route)
    once = content(sandbox)
    for container in (sandbox.courier.profiles, sandbox.courier.tenant_users, sandbox.courier.list_subscriptions):
        container.clear()
    for rows in (sandbox.courier.tenants, sandbox.courier.lists, sandbox.courier.inbound, sandbox.courier.messages):
        rows.clear()
    sandbox.courier.inbound_ids.clear()
    fresh = [
        event | {"messageId": f"again-{event['messageId']}"} if "messageId" in event else event for event in ONE_OF_EACH
    ]
    sandbox.faults.add(Fault("/(inbound|profiles|tenants|users|lists)/", broken, times=3, has_effect=True))

    to_courier(records("events", *fresh), route=route, num_workers=1)

    again = content(sandbox)
    assert again | {"inbound": None} == once | {"inbound": None}
    assert len(again["inbound"]) == len(once["inbound"])


def test_a_trait_that_changes_back_within_a_day_is_changed_back(sandbox: Sandbox, to_courier: Writing) -> None:
    for plan in ("free", "pro", "free"):
        to_courier(records("events", identify("ada", plan=plan)), route="direct")

    assert content(sandbox)["profiles"] == {"ada": {"plan": "free"}}


@pytest.mark.parametrize("route", ["segment", "rudderstack", "direct"])
@pytest.mark.parametrize("broken_after", [0, 1, 2, 3, 5, 6])
def test_a_sync_that_breaks_half_way_and_its_repeat_are_as_good_as_one(
    route: str, broken_after: int, sandbox: Sandbox, to_courier: Writing
) -> None:
    lines = [*records("events", *ONE_OF_EACH[:4]), state(1), *records("events", *ONE_OF_EACH[4:]), state(2)]
    fault = Fault(".", Answer(401, {"message": "No"}), after=broken_after, times=None)
    sandbox.faults.add(fault)
    broken = to_courier(lines, route=route, fails=True, num_workers=1)
    sandbox.faults.clear()

    # The platform starts again behind the last state that was echoed.
    resumed = lines[lines.index(broken.states[-1]) + 1 :] if broken.states else lines
    to_courier(resumed, route=route)
    interrupted = content(sandbox)

    whole = Sandbox(anchor=sandbox.anchor, clock=sandbox.clock, seed=False)
    with mock.patch.multiple(sandbox, answer=whole.answer):
        to_courier(lines, route=route)
    assert interrupted == content(whole)


def test_rows_of_two_streams_may_have_the_same_ids(sandbox: Sandbox, to_courier: Writing) -> None:
    mappings = [
        {"stream": name, "call": "track", "userId": "user", "eventName": name, "messageId": "id"}
        for name in ("orders", "refunds")
    ]
    rows = [{"id": number, "user": "ada"} for number in range(3)]
    lines = [*records("orders", *rows), *records("refunds", *rows)]

    written = to_courier(lines, of=("orders", "refunds"), route="direct", streams=mappings)

    assert sorted(row["messageId"] for row in sandbox.courier.inbound) == [
        "orders:0", "orders:1", "orders:2", "refunds:0", "refunds:1", "refunds:2",
    ]  # fmt: skip
    assert written.counts == "6 delivered, 0 skipped, 0 rejected"


def test_events_that_courier_knew_already_are_counted_once_at_the_end(to_courier: Writing) -> None:
    events = [track("ada", "A"), track("bob", "B"), track("ada", "C")]
    to_courier(records("events", *events[:1]), route="direct")

    one = to_courier(records("events", *events[:2]), route="direct")
    three = to_courier(records("events", *events, {"type": "publish", "userId": "ada"}), route="direct", fails=True)

    known = "known to Courier by their messageId already"
    assert one.counts == f"2 delivered (1 {known}), 0 skipped, 0 rejected"
    assert three.counts == f"3 delivered (2 {known}), 0 skipped, 1 rejected"


# --- answers that Courier has stored -----------------------------------------

INVOKE = "/automations/welcome/invoke"
WELCOMED = track("ada", "Signed Up", properties={"courier": {"automation": {"template": "welcome"}}})


def invoke_calls(sandbox: Sandbox) -> list[int]:
    """The statuses of all invocations that were tried."""
    return [call.status for call in sandbox.calls if call.path == INVOKE]


def test_an_automation_that_was_missing_is_invoked_once_when_it_is_there_an_hour_later(
    sandbox: Sandbox, to_courier: Writing, clock: VirtualClock
) -> None:
    sandbox.courier.unknown_automation = "missing"
    to_courier(records("events", WELCOMED), route="direct", fails=True)

    sandbox.courier.automations = [{"id": "welcome"}]
    clock.advance(3600)
    to_courier(records("events", WELCOMED), route="direct")
    to_courier(records("events", WELCOMED), route="direct")

    # Courier repeats its 404 for the first key; the answer to the second is told again within the hour.
    assert invoke_calls(sandbox) == [404, 404, 404, 200, 404, 200]
    assert len(sandbox.courier.invocations) == len(sandbox.courier.inbound) == 1


def test_an_automation_that_stays_missing_is_asked_for_twice_and_its_row_is_told_once(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    sandbox.courier.unknown_automation = "missing"

    written = to_courier([*records("events", WELCOMED), state(1)], route="direct", on_invalid_record="skip")

    assert invoke_calls(sandbox) == [404, 404]
    assert len(sandbox.courier.inbound) == 1
    assert written.warnings == [
        "1 row of stream events was rejected and left out: its event was delivered, but its automation was not: "
        "Courier answered HTTP 404, “Not Found” (row 1)."
    ]
    assert written.states == [state(1)]


def test_a_user_who_cannot_be_added_to_a_tenant_is_told_beside_the_tenant_that_was(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    sandbox.faults.add(Fault("/users/", Answer(422, {"message": "No", "type": "x"})))

    written = to_courier(records("events", group("ada", "acme")), route="direct", fails=True)

    assert [row["id"] for row in sandbox.courier.tenants] == ["acme"]
    assert written.errors == [
        (
            "config_error",
            "Row 1 of stream events was rejected: its tenant is up to date, but its user was not added to it: Courier "
            "answered HTTP 422, “No” (mend it, or set `on_invalid_record` to skip to leave such rows out).",
        )
    ]


@pytest.mark.parametrize("status", [402, 403])
def test_what_courier_refused_is_asked_for_again_under_another_key(
    status: int, sandbox: Sandbox, to_courier: Writing
) -> None:
    sandbox.faults.add(Fault("/inbound/segment", Answer(status, {"message": "No"})))

    to_courier(records("events", track("ada", "E")))

    keys = [call.headers["idempotency-key"] for call in sandbox.calls]
    assert [call.status for call in sandbox.calls] == [status, 202]
    # The second key is the first one and the hour, here noon of 15 March 2026.
    assert keys == [keys[0], f"{keys[0]}-492660"]


def test_an_error_of_couriers_own_that_it_has_stored_is_passed_over_and_the_repeat_does_nothing_twice(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    sandbox.courier.crashes[INVOKE] = 1

    to_courier(records("events", WELCOMED), route="direct")
    assert invoke_calls(sandbox) == [500] * 11 + [200]

    to_courier(records("events", WELCOMED), route="direct")
    assert invoke_calls(sandbox) == ([500] * 11 + [200]) * 2
    assert len(sandbox.courier.invocations) == len(sandbox.courier.inbound) == 1


def test_a_call_without_a_key_is_not_tried_again_when_it_is_refused(sandbox: Sandbox, to_courier: Writing) -> None:
    sandbox.faults.add(Fault("/profiles/", Answer(403, {"message": "No"})))

    to_courier(records("events", identify("ada", plan="pro")), route="direct", fails=True)

    assert [call.status for call in sandbox.calls] == [403]


def test_the_last_try_waits_as_long_as_courier_asks(sandbox: Sandbox, to_courier: Writing, clock: VirtualClock) -> None:
    sandbox.faults.add(Fault("/inbound/segment", Answer(503, headers={"Retry-After": "90"}), times=11))

    to_courier(records("events", track("u", "E")))

    ats = [call.at for call in sandbox.calls]
    assert all(later - earlier >= 90 for earlier, later in pairwise(ats))
    assert [call.headers["idempotency-key"][40:] for call in sandbox.calls] == [""] * 11 + ["-492660"]


# --- states ------------------------------------------------------------------


def test_states_are_echoed_to_the_letter_and_in_their_order(to_courier: Writing) -> None:
    lines = [
        state(1), *records("events", identify("a"), identify("b")), state(2), state(3, "more"),
        *records("events", identify("a")), "  " + state(4) + " ",
    ]  # fmt: skip

    written = to_courier(lines)

    assert written.states == [state(1), state(2), state(3, "more"), state(4)]


def test_a_state_waits_for_every_row_before_it(sandbox: Sandbox, to_courier: Writing) -> None:
    slow = Fault("/profiles/slow", Answer(503), times=3)
    refused = Fault("/profiles/bad", Answer(401, {"message": "No"}))
    sandbox.faults.add(slow)
    sandbox.faults.add(refused)
    lines = [
        *records("events", identify("slow"), identify("a")), state(1),
        *records("events", identify("b"), identify("bad")), state(2), *records("events", identify("c")), state(3),
    ]  # fmt: skip

    written = to_courier(lines, route="direct", fails=True)

    # What came before the row that failed was waited for, though the failure was there first.
    assert written.states == [state(1)]
    assert {"slow", "a", "b"} <= set(sandbox.courier.profiles)
    assert "bad" not in sandbox.courier.profiles


def test_a_rejected_row_fails_the_sync_after_all_before_it_was_delivered(sandbox: Sandbox, to_courier: Writing) -> None:
    events = [identify("a"), identify("b"), {"type": "publish", "userId": "c"}, identify("d")]
    lines = [*records("events", *events[:2]), state(1), *records("events", *events[2:]), state(2)]

    written = to_courier(lines, route="direct", fails=True)

    assert written.states == [state(1)]
    assert written.errors == [
        (
            "config_error",
            "Row 3 of stream events was rejected: Event type must be either track, group or identify "
            "(mend it, or set `on_invalid_record` to skip to leave such rows out).",
        )
    ]
    assert set(sandbox.courier.profiles) == {"a", "b"}
    assert (written.warnings, written.counts) == ([], "2 delivered, 0 skipped, 1 rejected")


def test_rejected_rows_may_be_left_out_and_are_counted_by_stream_and_reason(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    bad = {"type": "publish", "userId": "c"}
    sandbox.faults.add(
        Fault("/profiles/strange", Answer(400, {"message": "ada@example.com is strange, says Ada L.", "type": "x"}))
    )
    lines = [
        *records("events", bad, identify("a"), *[bad] * 7, identify("strange", name="Ada L.")),
        record("more", bad), state(1), record("more", identify("")),
    ]  # fmt: skip

    written = to_courier(lines, of=("events", "more"), route="direct", on_invalid_record="skip")

    assert written.states == [state(1)]
    assert set(sandbox.courier.profiles) == {"a"}
    assert written.warnings == [
        "1 row of stream events was rejected and left out: Courier answered HTTP 400, “… is …, says …” (row 10).",
        "8 rows of stream events were rejected and left out: Event type must be either track, group or identify "
        "(rows 1, 3, 4, 5, 6, …).",
        "1 row of stream more was rejected and left out: Event type must be either track, group or identify (row 1).",
        "1 row of stream more was rejected and left out: neither userId nor anonymousId is given (row 2).",
    ]
    assert written.counts == "1 delivered, 0 skipped, 11 rejected"


def test_events_of_ignored_types_neither_end_a_sync_nor_hide_what_is_rejected(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    mixed = [{"type": kind, "userId": "u"} for kind in ("page", "screen", "alias", "Page", "page", "merge")]
    lines = [*records("events", mixed[0], identify("a"), *mixed[1:5]), state(1)]

    written = to_courier(lines)
    other = to_courier(lines, ignored_types=["identify"], fails=True)
    strict = to_courier([*lines, record("events", mixed[5])], on_invalid_record="skip")

    assert set(sandbox.courier.profiles) == {"a"}
    assert (written.states, written.warnings) == ([state(1)], [])
    assert written.counts == "1 delivered, 5 skipped (1 of type alias, 3 of type page, 1 of type screen), 0 rejected"
    assert other.counts == "0 delivered, 0 skipped, 1 rejected"
    assert strict.warnings == [
        "1 row of stream events was rejected and left out: Event type must be either track, group or identify (row 7)."
    ]


@pytest.mark.parametrize("bad", [{"userId": "u"}, {"id": 1}, {"type": None, "userId": "u"}, {}])
@pytest.mark.parametrize("place", [0, 1])
def test_a_row_without_type_is_a_bad_row_wherever_it_stands(
    place: int, bad: Event, sandbox: Sandbox, to_courier: Writing
) -> None:
    rows = [identify("a"), identify("b")]
    rows.insert(place, bad)

    written = to_courier([*records("events", *rows), state(1)], on_invalid_record="skip")

    assert (set(sandbox.courier.profiles), written.states) == ({"a", "b"}, [state(1)])
    assert written.counts == "2 delivered, 0 skipped, 1 rejected"


COUNTESS = "Ada King-Noel, Countess of Lovelace and Mrs"


@pytest.mark.parametrize(
    ("row", "answer", "quoted"),
    [
        # Traits that a database kept as text, of which Courier quotes one.
        ({"traits": '{"name": "Ada Lovelace", "langs": ["Welsh"]}'}, "Ada Lovelace speaks Welsh", "… speaks …"),
        # A value that would be cut in its middle, and so would not be known for one.
        ({"traits": {"name": COUNTESS}}, f"{'x' * 165} {COUNTESS}", f"{'x' * 165} …”"),
        # A value in several lines, quoted as it is.
        ({"traits": {"home": "12,  St James's\nSquare"}}, "12,  St James's\nSquare is odd", "… is odd"),
        ({"traits": {"home": "12, <b>St</b> James's"}}, "12, <b>St</b> James's is odd", "… is odd"),
        # Values as JSON spells them.
        ({"traits": {"home": "Ada\nJames"}}, 'got {"home": "Ada\\nJames"}', 'got {"home": "…"}'),
        ({"traits": {"home": "Ada née James"}}, 'got {"home": "Ada n\\u00e9e James"}', 'got {"home": "…"}'),
    ],
)
def test_no_value_of_a_row_is_in_what_is_said_about_it(
    row: Event, answer: str, quoted: str, sandbox: Sandbox, to_courier: Writing
) -> None:
    sandbox.faults.add(Fault("/profiles/ada", Answer(400, {"message": answer, "type": "x"}), times=None))
    event = {"type": "identify", "userId": "ada", "messageId": "m1", **row}

    failed = to_courier(records("events", event), route="direct", fails=True)
    skipped = to_courier(records("events", event), route="direct", on_invalid_record="skip")

    ((_, sentence),) = failed.errors
    assert sentence.startswith(f"Row 1 of stream events was rejected: Courier answered HTTP 400, “{quoted}")
    assert "Ada" not in failed.output
    assert "James" not in failed.output
    assert [warning.partition(", “")[2][: len(quoted)] for warning in skipped.warnings] == [quoted]
    assert "Ada" not in skipped.output
    assert "James" not in skipped.output


# --- waiting -----------------------------------------------------------------


def test_retry_after_is_honoured(sandbox: Sandbox, to_courier: Writing, clock: VirtualClock) -> None:
    sandbox.faults.add(Fault("/inbound/segment", Answer(429, "Slow down", headers={"Retry-After": "90"}), times=4))
    began = clock.now()

    # All four have asked before the first of them is told to wait.
    with mock.patch.object(sandbox, "answer", after_meeting(sandbox, 4)):
        to_courier(records("events", *[track(f"u{number}", "E") for number in range(20)]), num_workers=4)

    waited = [call.at - began for call in sandbox.calls]
    assert len(waited) == 24
    assert max(waited[:4]) < 1
    assert 90 <= min(waited[4:]) <= max(waited[4:]) < 91
    assert len(sandbox.courier.inbound) == 20


@pytest.mark.parametrize(
    "problem",
    [
        Answer(429), Answer(500), Answer(503), Answer(408), Answer(409), Reset(rows=None),
        # What a vendor asks for may be too little to be of use.
        Answer(503, headers={"Retry-After": "0"}),
        Answer(429, headers={"Retry-After": "Sun, 15 Mar 2026 11:59:00 GMT"}),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again_after_longer_and_longer_waits(
    problem: Any, sandbox: Sandbox, to_courier: Writing, clock: VirtualClock
) -> None:
    sandbox.faults.add(Fault("/inbound/segment", problem, times=8))
    began = clock.now()

    to_courier(records("events", track("u", "E")))

    ats = [call.at - began for call in sandbox.calls]
    waits = [later - earlier for earlier, later in pairwise(ats)]
    longest = [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(sandbox.courier.inbound) == 1
    assert all(0.74 * most <= wait <= most + 0.1 for wait, most in zip(waits, longest, strict=True))


def test_a_vendor_that_does_not_recover_fails_the_sync_as_one_that_may_later(
    sandbox: Sandbox, to_courier: Writing
) -> None:
    sandbox.faults.add(Fault("/inbound/segment", Answer(503), times=None))

    written = to_courier([state(1), *records("events", track("u", "E")), state(2)], fails=True)

    assert written.errors == [("transient_error", "Courier still answered HTTP 503 after 12 tries.")]
    assert written.states == [state(1)]
    assert len(sandbox.calls) == 12


@pytest.mark.parametrize("body", ["Not Found", {"message": "no Route matched"}, {"message": None, "type": "x"}])
def test_a_404_that_is_not_couriers_ends_no_subscription(body: Any, sandbox: Sandbox, to_courier: Writing) -> None:
    sandbox.courier.list_subscriptions["vip-aud_1"] = [{"recipientId": "ada"}]
    sandbox.faults.add(Fault("/subscriptions/", Answer(404, body), method="DELETE"))

    event = engage("ada", member=False) | {"type": "track", "properties": {"vip": False}}
    written = to_courier([*records("events", event), state(1)], fails=True, on_invalid_record="skip")

    ((kind, sentence),) = written.errors
    assert kind == "config_error"
    assert sentence.startswith("Courier does not answer as expected (HTTP 404, “")
    assert sentence.endswith("”): check `api_url` and `region`.")
    assert written.states == []


def test_whoever_is_no_subscriber_need_not_be_removed(sandbox: Sandbox, to_courier: Writing) -> None:
    event = engage("ada", member=False) | {"type": "track", "properties": {"vip": False}}

    written = to_courier([*records("events", event), state(1)])

    assert [(call.method, call.status) for call in sandbox.calls] == [("DELETE", 404)]
    assert written.states == [state(1)]


PAGE = "<html><h1>Sign in</h1></html>"


@pytest.mark.parametrize("setting", ["fail", "skip"])
@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, PAGE), (400, PAGE), (409, PAGE), (413, PAGE), (422, PAGE),
        (400, {"message": "Sign in"}), (413, {"message": "Sign in", "type": None}), (422, "Sign in"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_couriers_rejects_and_delivers_no_row(
    status: int, answer: Any, setting: str, sandbox: Sandbox, to_courier: Writing
) -> None:
    page = {"Content-Type": "text/html; charset=utf-8"} if answer == PAGE else {}
    sandbox.faults.add(Fault("/inbound/courier", Answer(status, answer, headers=page), times=None))
    lines = [*records("events", *[track(f"u{number}", "E") for number in range(4)]), state(1)]

    written = to_courier(lines, route="direct", on_invalid_record=setting, fails=True, num_workers=1)

    assert written.errors == [
        (
            "config_error",
            f"Courier does not answer as expected (HTTP {status}, “Sign in”): check `api_url` and `region`.",
        )
    ]
    assert (written.states, written.warnings) == ([], [])
    assert written.counts == "0 delivered, 0 skipped, 0 rejected"


def test_a_body_that_is_too_large_for_courier_is_the_rows_fault(sandbox: Sandbox, to_courier: Writing) -> None:
    sandbox.faults.add(Fault("/inbound/segment", Answer(413, {"message": "Too large", "type": "x"})))

    written = to_courier(records("events", track("a", "E"), track("b", "E")), fails=True, num_workers=1)

    assert written.errors[0][1].startswith(
        "Row 1 of stream events was rejected: Courier answered HTTP 413, “Too large”"
    )


# --- bounds ------------------------------------------------------------------


@pytest.mark.slow
def test_memory_is_bounded_however_much_comes(sandbox: Sandbox, tmp_path: Path, address: str) -> None:
    """A source that is faster than Courier is made to wait."""
    ahead: list[int] = []

    def endless() -> Any:
        for number in range(1200):
            ahead.append(number - len(sandbox.calls))
            yield record("events", track(f"u{number}", "E")).encode() + b"\n"

    config = {"api_key": "sandbox-courier-key", "route": "segment", "api_url": address, "num_workers": 4}
    with mock.patch("destinations.base._lines_of_stdin", endless), mock.patch("destinations.delivery.WINDOW", 50):
        written = run(tmp_path, DestinationCourier(), "write", config, catalog_of("events"))

    assert written.exit_code == 0
    assert len(sandbox.courier.inbound) == 1200
    assert max(ahead) <= 60
