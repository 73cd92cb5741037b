"""Courier's made-up data: deterministic, complete, hostile where it says so."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from urllib.parse import quote

import pytest

from sandbox import Sandbox
from sandbox.courier import seed
from sandbox.courier.api import READING
from sandbox.courier.seed import sent
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Request

ANCHOR = date(2026, 3, 15)
MIDNIGHT = 1773532800000  # of the anchor
DAY = 86_400_000
BEYOND_53_BITS = 2**53
WITH_CREDENTIALS = ("profiles", "history", "tenants", "tenant_users", "providers", "user_tokens")


@pytest.fixture(scope="module")
def space(seeded: Sandbox) -> CourierWorkspace:
    return seeded.courier


@pytest.fixture(scope="module")
def before(space: CourierWorkspace) -> list[Row]:
    """The messages enqueued before the anchor."""
    return [row for row in space.messages if row["enqueued"] < MIDNIGHT]


@pytest.fixture
def at_noon(empty: Sandbox) -> Sandbox:
    """Courier's made-up data alone, at the noon of the anchor."""
    seed.fill(empty.courier, ANCHOR)
    return empty


def get(sandbox: Sandbox, path: str) -> tuple[int, str]:
    reply = sandbox.answer(Request("GET", path, {"authorization": "Bearer sandbox-courier-key"}))
    return reply.status, reply.body.decode()


def held(workspace: CourierWorkspace) -> Row:
    return {name: value for name, value in vars(workspace).items() if isinstance(value, list | dict)}


def test_the_same_anchor_gives_the_same_data(space: CourierWorkspace) -> None:
    again = CourierWorkspace(space.clock)
    seed.fill(again, ANCHOR)
    assert held(again) == held(space)


def test_another_anchor_moves_the_messages_along(space: CourierWorkspace) -> None:
    later = sent.messages(ANCHOR + timedelta(days=1))
    assert [row["enqueued"] - DAY for row in later] == [row["enqueued"] for row in space.messages]


def test_120_messages_lie_in_the_40_days_before_the_anchor(before: list[Row]) -> None:
    assert len(before) == 120
    assert min(row["enqueued"] for row in before) >= MIDNIGHT - 40 * DAY
    assert len({row["id"] for row in before}) == 120
    assert all(re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", row["id"]) for row in before)


def test_a_message_comes_every_two_minutes_for_two_days_after_the_anchor(space: CourierWorkspace) -> None:
    after = [row["enqueued"] for row in space.messages if row["enqueued"] >= MIDNIGHT]
    assert (len(after), after[0]) == (1440, MIDNIGHT)
    assert {later - earlier for earlier, later in pairwise(after)} == {120_000}


def test_every_status_occurs_and_one_that_nobody_knows(before: list[Row]) -> None:
    counts = Counter(row["status"] for row in before)
    assert set(counts) == set(sent.STATUSES)
    assert len(sent.STATUSES) == 16
    assert min(counts.values()) >= 6


def test_some_messages_lack_an_event_a_template_or_a_user(before: list[Row]) -> None:
    assert sum("event" not in row for row in before) > 5
    assert sum("notification" not in row for row in before) > 5
    assert sum("recipientId" not in row for row in before) > 5
    assert any(row.get("recipientId", "").startswith("anon_") for row in before if row.get("recipientId"))
    assert any(row.get("sent", 0) is None for row in before)


def test_three_messages_share_a_millisecond(before: list[Row]) -> None:
    assert Counter(row["enqueued"] for row in before)[MIDNIGHT - 5 * DAY + 123] == 3


def test_some_messages_of_the_days_before_are_opened_in_the_afternoon_of_the_anchor(
    before: list[Row],
) -> None:
    late = [row for row in before if row.get("opened", 0) > MIDNIGHT + DAY / 2]
    assert len(late) == 3
    assert all(row["opened"] == row["providers"][0]["opened"] for row in late)


def test_histories_hold_several_events_in_a_millisecond_and_openings_that_repeat(
    space: CourierWorkspace, before: list[Row]
) -> None:
    opened = next(row for row in before if row["status"] == "OPENED")
    events = space.history[opened["id"]]
    assert [event["type"] for event in events][:3] == ["ENQUEUED", "PROFILE_LOADED", "MAPPED"]
    assert len({event["ts"] for event in events[:3]}) == 1
    openings = [event for event in events if event["type"] == "OPENED"]
    assert len(openings) == 3
    assert openings[0] == openings[1]
    assert openings[2]["channel"] == {"id": "", "label": ""}
    assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)


def test_a_message_that_no_channel_fits_has_an_empty_channel_and_no_output(
    space: CourierWorkspace, before: list[Row]
) -> None:
    row = next(row for row in before if row["status"] == "UNROUTABLE")
    assert space.history[row["id"]][-1]["channel"] == {}
    assert space.outputs[row["id"]] == []


def test_the_output_is_where_the_history_says(at_noon: Sandbox) -> None:
    row = next(row for row in at_noon.courier.messages if row["status"] == "SENT" and row["enqueued"] >= MIDNIGHT)
    rendered = next(event for event in at_noon.courier.history[row["id"]] if event["type"] == "RENDERED")
    parts = {part: get(at_noon, path) for part, path in rendered["output"].items()}
    content = at_noon.courier.outputs[row["id"]][0]["content"]
    assert {status for status, _ in parts.values()} == {200}
    assert {part: text for part, (_, text) in parts.items() if part != "blocks"} == {
        part: text for part, text in content.items() if part != "blocks"
    }


def test_history_and_output_of_some_messages_have_expired(at_noon: Sandbox) -> None:
    found: Counter[tuple[int, ...]] = Counter()
    for row in at_noon.courier.messages:
        if row["enqueued"] < MIDNIGHT:
            below = tuple(get(at_noon, f"/messages/{row['id']}{path}")[0] for path in ("", "/history", "/output"))
            found[below] += 1
    assert set(found) == {(200, 200, 200), (200, 404, 404), (404, 404, 404)}
    assert found[404, 404, 404] == 2
    assert found[200, 404, 404] > 10


def example(pattern: str) -> str:
    """A path of the pattern that the made-up data knows."""
    ids = {
        "audiences": "audience-0",
        "lists": "eu.beta",
        "tenants": "acme",
        "profiles": quote("crm/7 ü+ö?#%", safe=""),
        "users": "user-0",
        "automations": "automation-run-0",
        "journeys": "journey-run-0" if "/runs/" in pattern else "journey-0",
        "bulk": "job-1",
        "notifications": "nt_00",
        "preferences": "section-0",
        "audit-events": "audit-0",
        "digests": "daily",
        "events": "ORDER_SHIPPED",
    }
    path = pattern.replace("{topic}", "topic-0").replace("{submission}", "s-1").replace("{locale}", "fr_FR")
    return path.replace("{id}", ids.get(pattern.split("/")[1], ""))


@pytest.mark.parametrize("pattern", [route.pattern for route in READING if "/messages/" not in route.pattern])
def test_every_endpoint_has_something_to_tell(seeded: Sandbox, pattern: str) -> None:
    status, text = get(seeded, example(pattern))
    assert status == 200
    body = {} if pattern.startswith("/translations") else json.loads(text)
    assert [] not in [body.get(name) for name in ("items", "results", "templates", "runs", "versions", "steps")]


@pytest.mark.parametrize(
    "path",
    [
        "/messages",
        "/audiences",
        "/audiences/audience-0/members",
        "/lists",
        "/lists/eu.beta/subscriptions",
        "/tenants",
        "/tenants/acme/users",
        "/brands",
        "/notifications",
        "/audit-events",
        "/broadcasts",
        "/routing-strategies",
        "/automations",
        "/automations/runs",
        "/journeys",
        "/journeys/runs",
    ],
)
def test_listings_are_large_enough_to_be_paged(seeded: Sandbox, path: str) -> None:
    body = json.loads(get(seeded, path)[1])
    assert body.get("has_more") or body.get("cursor") or body.get("next_cursor") or body["paging"]["more"]


def test_rows_below_a_parent_belong_to_a_parent_that_exists(space: CourierWorkspace) -> None:
    ids = {name: {row["id"] for row in getattr(space, name)} for name in ("audiences", "lists", "tenants")}
    assert set(space.audience_members) < ids["audiences"]
    assert set(space.list_subscriptions) < ids["lists"]
    assert set(space.tenant_users) < ids["tenants"]
    assert {row.get("listId") for row in space.messages} - {None} <= ids["lists"]
    templates = {row["id"] for row in space.notifications}
    assert {row.get("notification") for row in space.messages} - {None} <= templates
    runs = {row["run_id"] for row in space.automation_runs}
    assert {row.get("runId") for row in space.messages} - {None} <= runs


def test_one_user_has_an_id_that_must_be_encoded(space: CourierWorkspace) -> None:
    odd = "crm/7 ü+ö?#%"
    assert odd in space.profiles
    assert odd in {row["member_id"] for row in space.audience_members["audience-0"]}
    assert odd in {row["recipientId"] for row in space.list_subscriptions["eu.beta"]}
    assert odd in {row.get("recipientId") for row in space.messages}


def test_some_recipients_have_no_profile(space: CourierWorkspace, before: list[Row]) -> None:
    users = {row["recipientId"] for row in before if row.get("recipientId")}
    known = {user for user in users if user in space.profiles}
    assert len(known) > 20
    assert {"user-27", "user-28", "user-29"} <= users - known


@pytest.mark.parametrize("container", WITH_CREDENTIALS)
def test_credentials_are_where_the_vendor_keeps_them_and_can_be_told_by_their_start(
    space: CourierWorkspace, container: str
) -> None:
    assert seed.CREDENTIAL in json.dumps(getattr(space, container))


def test_nothing_else_holds_credentials(space: CourierWorkspace) -> None:
    others = {name: value for name, value in held(space).items() if name not in WITH_CREDENTIALS}
    assert seed.CREDENTIAL not in json.dumps(others)


def test_data_is_hostile_in_places(space: CourierWorkspace) -> None:
    text = json.dumps(held(space))
    assert "\\ud83d" in text  # half of an emoji, as JSON spells it
    numbers = [int(number) for number in re.findall(r": (\d{16,})", text)]
    assert max(numbers) > BEYOND_53_BITS
    assert {type(row["target"]) for row in space.audit_events} == {str, dict}
    assert {type(row["tags"]) for row in space.notifications} == {list, dict}
    assert {row["filter"] is None for row in space.audiences} == {True, False}
    assert {"created_at" in row for row in space.automation_runs} == {True, False}
