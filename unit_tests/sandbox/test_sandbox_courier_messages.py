"""Courier's messages: which are listed, in which order, how far each has come, and what is held below."""

from __future__ import annotations

import json
from typing import Any, Literal
from urllib.parse import urlencode

import pytest

from sandbox import Sandbox
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Reply, Request

NOW = 1773576000000  # noon of the clock, in milliseconds
DAY = 86_400_000
NOT_FOUND = (404, {"message": "Not Found", "type": "invalid_request_error"})


def reply_to(sandbox: Sandbox, path: str, **query: Any) -> Reply:
    target = f"{path}?{urlencode(query)}" if query else path
    return sandbox.answer(Request("GET", target, {"authorization": "Bearer sandbox-courier-key"}))


def get(sandbox: Sandbox, path: str, **query: Any) -> tuple[int, Any]:
    reply = reply_to(sandbox, path, **query)
    return reply.status, json.loads(reply.body)


def listed(sandbox: Sandbox, **query: Any) -> list[str]:
    """The ids on the page."""
    status, body = get(sandbox, "/messages", **query)
    assert status == 200, body
    return [row["id"] for row in body["results"]]


def message(number: int, **fields: Any) -> Row:
    return {"id": f"m{number:02}", "status": "SENT", "enqueued": NOW - 60_000 * number, **fields}


@pytest.fixture
def space(empty: Sandbox) -> CourierWorkspace:
    """A workspace with 25 messages, a minute apart, in no order; m00 is the newest."""
    empty.courier.messages = [message(number * 7 % 25) for number in range(25)]
    return empty.courier


def test_messages_come_in_pages_of_ten_newest_first(empty: Sandbox, space: CourierWorkspace) -> None:
    first = get(empty, "/messages", limit=25)[1]
    second = get(empty, "/messages", cursor=first["paging"]["cursor"])[1]
    third = get(empty, "/messages", cursor=second["paging"]["cursor"])[1]

    pages = [[row["id"] for row in page["results"]] for page in (first, second, third)]
    expected = [f"m{number:02}" for number in range(25)]
    assert pages == [expected[:10], expected[10:20], expected[20:]]
    assert [page["paging"]["more"] for page in (first, second, third)] == [True, True, False]
    assert third["paging"] == {"cursor": None, "more": False}


@pytest.mark.parametrize(
    ("last_cursor", "paging"),
    [
        ("null", {"cursor": None, "more": False}),
        ("absent", {"more": False}),
        ("repeated", {"cursor": "MTc3MzU3NjAwMDAwMCxtMDA=", "more": False}),
    ],
)
def test_the_last_page_says_in_one_of_three_ways_that_it_is_the_last(
    empty: Sandbox, last_cursor: Literal["null", "absent", "repeated"], paging: Row
) -> None:
    empty.courier.last_cursor, empty.courier.messages = last_cursor, [message(0)]
    assert get(empty, "/messages")[1]["paging"] == paging


def test_a_message_that_arrives_while_paging_neither_shifts_nor_hides_another(
    empty: Sandbox, space: CourierWorkspace, clock: Any
) -> None:
    cursor = get(empty, "/messages")[1]["paging"]["cursor"]
    clock.now += 1
    space.messages.append(message(99, enqueued=NOW + 500))
    space.messages.append(message(98, enqueued=NOW + 500))

    assert listed(empty, cursor=cursor) == [f"m{number:02}" for number in range(10, 20)]
    assert listed(empty)[:3] == ["m99", "m98", "m00"]


def test_messages_of_one_millisecond_are_all_found_across_pages(empty: Sandbox) -> None:
    empty.courier.messages = [message(number, enqueued=NOW) for number in range(12)]
    first = get(empty, "/messages")[1]
    rest = listed(empty, cursor=first["paging"]["cursor"])
    assert [row["id"] for row in first["results"]] + rest == [f"m{number:02}" for number in range(11, -1, -1)]


@pytest.mark.parametrize("cursor", ["not base64", "eA==", "LA==", "/////w=="])
def test_a_made_up_cursor_is_an_invalid_request(empty: Sandbox, space: CourierWorkspace, cursor: str) -> None:
    expected = {"message": "Invalid cursor", "type": "invalid_request_error"}
    assert get(empty, "/messages", cursor=cursor) == (400, expected)


def test_a_message_shows_once_the_clock_has_passed_its_enqueuing(empty: Sandbox, clock: Any) -> None:
    empty.courier.messages = [message(1, enqueued=NOW + 1000)]
    assert (listed(empty), get(empty, "/messages/m01")) == ([], NOT_FOUND)
    clock.now += 1
    assert listed(empty) == ["m01"]


def test_the_listing_may_lag_behind_a_message_that_is_there_already(empty: Sandbox, clock: Any) -> None:
    empty.courier.messages, empty.courier.search_lag = [message(1)], 90
    assert (listed(empty), get(empty, "/messages/m01")[0]) == ([], 200)
    clock.now += 30
    assert listed(empty) == ["m01"]


@pytest.mark.parametrize(
    "after",
    [NOW - 120_000, "2026-03-15T11:58:00Z", "2026-03-15T11:58:00.000+00:00", "2026-03-15T13:58:00+02:00"],
)
def test_enqueued_after_takes_milliseconds_or_iso_and_includes_that_instant(
    empty: Sandbox, space: CourierWorkspace, after: int | str
) -> None:
    assert listed(empty, enqueued_after=after) == ["m00", "m01", "m02"]


def test_enqueued_after_can_exclude_its_instant(empty: Sandbox, space: CourierWorkspace) -> None:
    space.after_is_inclusive = False
    assert listed(empty, enqueued_after=NOW - 120_000) == ["m00", "m01"]


def test_enqueued_after_holds_on_every_page(empty: Sandbox, space: CourierWorkspace) -> None:
    after = NOW - 12 * 60_000
    cursor = get(empty, "/messages", enqueued_after=after)[1]["paging"]["cursor"]
    assert listed(empty, enqueued_after=after, cursor=cursor) == ["m10", "m11", "m12"]


def test_an_instant_that_cannot_be_read_is_an_invalid_request(empty: Sandbox) -> None:
    expected = {"message": "Invalid enqueued_after: yesterday", "type": "invalid_request_error"}
    assert get(empty, "/messages", enqueued_after="yesterday") == (400, expected)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "SENT"}, ["m01", "m04"]),
        ({"status": "OPENED,DELIVERED"}, ["m02", "m03"]),
        ({"event": "SHIPPED"}, ["m01"]),
        ({"notification": "nt_1"}, ["m02"]),
        ({"recipient": "user-7"}, ["m01", "m03"]),
        ({"recipient": "ada@example.com"}, ["m02"]),
        ({"list": "eu.beta"}, ["m03"]),
        ({"messageId": "m04"}, ["m04"]),
        ({"provider": "twilio,sendgrid"}, ["m01", "m02"]),
        ({"tenant_id": "acme"}, ["m04"]),
        ({"traceId": "t-1"}, ["m02", "m04"]),
        ({"tag": "shop"}, ["m01", "m02"]),
        ({"tags": "vip,shop"}, ["m01", "m02", "m03"]),
        ({"archived": "true", "status": "CLICKED"}, ["m05"]),
        ({"status": "CLICKED"}, []),
    ],
)
def test_messages_can_be_chosen_by(empty: Sandbox, query: Row, found: list[str]) -> None:
    empty.courier.messages = [
        message(1, event="SHIPPED", recipientId="user-7", providers=[{"provider": "sendgrid"}], tags=["shop"]),
        message(
            2,
            status="OPENED",
            notification="nt_1",
            recipient="ada@example.com",
            providers=[{"provider": "twilio"}],
            tags=["shop", "x"],
            traceId="t-1",
        ),
        message(3, status="DELIVERED", recipientId="user-7", listId="eu.beta", tags=["vip"]),
        message(4, tenantId="acme", traceId="t-1"),
        message(5, status="CLICKED", archived=True),
    ]
    assert listed(empty, **query) == found


def test_the_listing_leaves_out_providers_and_what_only_filters(empty: Sandbox) -> None:
    hidden = {"archived": False, "tags": ["shop"], "tenantId": "acme", "traceId": "t-1"}
    empty.courier.messages = [message(0, providers=[{"provider": "twilio"}], **hidden)]
    assert get(empty, "/messages")[1]["results"] == [message(0)]
    assert get(empty, "/messages/m00") == (200, message(0, providers=[{"provider": "twilio"}]))


def test_a_message_changes_as_time_goes_by(empty: Sandbox, clock: Any) -> None:
    course = {"sent": NOW + 1000, "delivered": NOW + 2000, "opened": NOW + 3000, "clicked": NOW + 4000}
    delivery = {"provider": "sendgrid", "status": "CLICKED", **course}
    empty.courier.messages = [message(0, status="CLICKED", **course, providers=[delivery])]
    seen = []
    for _ in range(5):
        row = get(empty, "/messages/m00")[1]
        seen.append((row["status"], [one["status"] for one in row["providers"]], len(row)))
        clock.now += 1
    assert seen == [
        ("ENQUEUED", [], 4),
        ("SENT", ["SENT"], 5),
        ("DELIVERED", ["DELIVERED"], 6),
        ("OPENED", ["OPENED"], 7),
        ("CLICKED", ["CLICKED"], 8),
    ]


def test_a_failure_is_not_told_before_it_happened(empty: Sandbox, clock: Any) -> None:
    failure = {"error": "bounced", "reason": "BOUNCED", "reasonCode": "HARD"}
    empty.courier.messages = [message(0, status="UNDELIVERABLE", sent=NOW + 1000, **failure)]
    assert get(empty, "/messages")[1]["results"] == [message(0, status="ENQUEUED")]
    clock.now += 1
    expected = message(0, status="UNDELIVERABLE", sent=NOW + 1000, **failure)
    assert get(empty, "/messages")[1]["results"] == [expected]


def test_the_history_is_what_has_happened_so_far_and_can_be_chosen_by_type(empty: Sandbox, clock: Any) -> None:
    events = [{"ts": NOW, "type": "ENQUEUED"}, {"ts": NOW, "type": "MAPPED"}, {"ts": NOW + 1, "type": "SENT"}]
    empty.courier.messages, empty.courier.history = [message(0)], {"m00": events}
    assert get(empty, "/messages/m00/history") == (200, {"results": events[:2]})
    assert get(empty, "/messages/m00/history", type="MAPPED") == (200, {"results": events[1:2]})
    clock.now += 1
    assert get(empty, "/messages/m00/history") == (200, {"results": events})


def test_output_is_told_as_a_whole_and_part_by_part(empty: Sandbox) -> None:
    content = {"html": "<p>☕</p>", "text": "☕", "blocks": []}
    rendered = {"channel": "email", "channel_id": "c1", "content": content}
    empty.courier.messages, empty.courier.outputs = [message(0)], {"m00": [rendered]}

    assert get(empty, "/messages/m00/output") == (200, {"results": [rendered]})
    html = reply_to(empty, "/messages/m00/output/c1/html")
    assert (html.body.decode(), html.content_type) == ("<p>☕</p>", "text/html; charset=utf-8")
    assert reply_to(empty, "/messages/m00/output/c1/text").content_type == "text/plain; charset=utf-8"
    assert get(empty, "/messages/m00/output/c1/blocks") == (200, [])
    assert get(empty, "/messages/m00/output/c1/title") == NOT_FOUND
    assert get(empty, "/messages/m00/output/c2/html") == NOT_FOUND


@pytest.mark.parametrize("below", ["", "/history", "/output", "/output/c1/html"])
def test_an_unknown_message_is_not_found(empty: Sandbox, below: str) -> None:
    assert get(empty, f"/messages/m00{below}") == NOT_FOUND


def test_history_and_output_end_with_their_retention_but_the_message_stays(empty: Sandbox) -> None:
    space = empty.courier
    space.messages = [message(0, enqueued=NOW - 30 * DAY), message(1, enqueued=NOW - 30 * DAY - 1)]
    space.history = space.outputs = {"m00": [], "m01": []}
    space.retention_days = 30

    assert listed(empty) == ["m00", "m01"]
    for below in ("history", "output"):
        assert get(empty, f"/messages/m00/{below}") == (200, {"results": []})
        assert get(empty, f"/messages/m01/{below}") == NOT_FOUND
    assert get(empty, "/messages/m01")[0] == 200


def test_an_expired_message_is_listed_but_has_nothing_below_it(empty: Sandbox) -> None:
    space = empty.courier
    space.messages, space.expired = [message(0)], {"m00"}
    space.history = space.outputs = {"m00": []}
    assert listed(empty) == ["m00"]
    for below in ("", "/history", "/output"):
        assert get(empty, f"/messages/m00{below}") == NOT_FOUND


def test_a_message_without_an_entry_has_no_history(empty: Sandbox, space: CourierWorkspace) -> None:
    assert get(empty, "/messages/m00/history") == NOT_FOUND
