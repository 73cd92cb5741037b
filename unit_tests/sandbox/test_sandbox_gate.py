"""Checks before an endpoint answers: URL, route, key, rate limit; and the record of calls."""

from __future__ import annotations

import pytest

from sandbox import Sandbox
from sandbox.budgets import Budget
from sandbox.core import Call
from sandbox.courier.timestamps import milliseconds
from sandbox.iterable.timestamps import epoch_seconds
from sandbox.messages import Request

UNAUTHORIZED = {"message": "Unauthorized", "type": "authentication_error"}
NO_SUCH_ROUTE = {"message": "Not Found", "type": "invalid_request_error"}


@pytest.mark.parametrize("key", ["", "another key"])
def test_a_wrong_key_is_told_in_the_vendors_words(empty, ask, key):
    iterable = ask(empty, "/api/lists", headers={"api-key": key})
    params = {"ip": "127.0.0.1", "endpoint": "/api/lists"}
    assert (iterable.status, iterable.json) == (
        401,
        {"msg": "Invalid API key", "code": "BadApiKey", "params": params},
    )
    courier = ask(empty, "/messages", headers={"authorization": f"Bearer {key}"})
    assert (courier.status, courier.json) == (401, UNAUTHORIZED)


@pytest.mark.parametrize(
    "path",
    ["/api/export/data.json", "/api/export/userEvents", "/api/lists/getUsers"],
)
def test_a_read_only_key_reaches_no_personal_data(empty, ask, path):
    read_only = {"api-key": "sandbox-iterable-read-only-key"}
    assert ask(empty, path, headers=read_only).status == 401
    assert ask(empty, "/api/lists", headers=read_only).status == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/nothing"), ("POST", "/api/lists"), ("GET", "/")])
def test_an_unknown_route_is_answered_with_a_page_of_html(empty, ask, method, path):
    reply = empty.answer(Request(method, path, {"api-key": "sandbox-iterable-key"}))
    assert (reply.status, reply.content_type) == (404, "text/html; charset=utf-8")
    assert b"<title>Action not found</title>" in reply.body


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/messages/m1/nothing"), ("POST", "/messages"), ("GET", "/lists/")]
)
def test_an_unknown_route_of_courier_is_not_found(empty, ask, method, path):
    answer = ask(empty, path, method)
    assert (answer.status, answer.json) == (404, NO_SUCH_ROUTE)


def test_an_id_is_decoded_from_the_path(empty, ask):
    empty.courier.profiles["crm/7 ü+ö?#%"] = {"profile": {"plan": "pro"}}
    assert ask(empty, "/profiles/crm%2F7%20%C3%BC%2B%C3%B6%3F%23%25").json == {"profile": {"plan": "pro"}}


@pytest.mark.parametrize(
    ("path", "calls", "seconds"),
    [
        ("/api/export/data.json?dataTypeName=emailSend&startDateTime=2026-03-15 00:00:00", 4, 60),
        ("/api/lists/getUsers?listId=1", 5, 60),
        ("/api/campaigns/metrics", 10, 60),
        ("/api/users/getFields", 3, 1),
        ("/api/users/forgotten", 3, 1),
        ("/api/lists", 100, 1),
        ("/brands", 2, 60),
    ],
)
def test_calls_beyond_the_budget_are_turned_away_until_the_window_has_moved_on(clock, ask, path, calls, seconds):
    sandbox = Sandbox(clock=clock, seed=False)
    sandbox.iterable.lists = [{"id": 1}]
    sandbox.courier.budget = Budget(calls=2, seconds=60)
    begun = clock.now

    assert [ask(sandbox, path).status for _ in range(calls + 1)] == [200] * calls + [429]
    clock.now = begun + seconds - 0.001
    assert ask(sandbox, path).status == 429
    clock.now = begun + seconds
    assert ask(sandbox, path).status == 200


def test_an_exceeded_rate_limit_is_told_in_the_vendors_words(clock, ask):
    sandbox = Sandbox(clock=clock, seed=False)
    sandbox.courier.budget = Budget(calls=0, seconds=1)
    for _ in range(10):
        ask(sandbox, "/api/campaigns/metrics")

    iterable, courier = ask(sandbox, "/api/campaigns/metrics"), ask(sandbox, "/brands")

    msg = "Exceeded rate limit for endpoint: /api/campaigns/metrics, project: 4242 "
    assert (iterable.headers, iterable.json) == ({}, {"msg": msg, "code": "RateLimitExceeded", "params": {}})
    assert (courier.headers, courier.json) == ({}, {"message": "Rate limit exceeded", "type": "rate_limit_error"})
    sandbox.iterable.retry_after = sandbox.courier.retry_after = 9
    assert ask(sandbox, "/api/campaigns/metrics").headers == ask(sandbox, "/brands").headers == {"Retry-After": "9"}


def test_every_call_is_recorded_in_order_with_its_status(empty, ask, clock):
    ask(empty, "/api/lists")
    clock.now += 2
    ask(empty, "/messages", headers={"authorization": ""}, status=["SENT", "OPENED"])
    assert empty.calls == [
        Call(clock.now - 2, "GET", "/api/lists", {}, 200),
        Call(clock.now, "GET", "/messages", {"status": ["SENT", "OPENED"]}, 401),
    ]


@pytest.mark.parametrize(
    ("value", "epoch"),
    [
        ("2026-03-02 09:15:04 +00:00", 1772442904.0),
        ("2026-03-02T11:45:04+02:30", 1772442904.0),
        ("2026-03-02T09:15:04.250000.000Z", 1772442904.25),
        (1772442904250, 1772442904.25),
        ("2026-03-02", 1772409600.0),
    ],
)
def test_a_timestamp_is_read_in_any_spelling(value, epoch):
    assert epoch_seconds(value) == epoch
    if isinstance(value, str) and value.count(".") < 2:
        assert milliseconds(value.replace(" +", "+")) == epoch * 1000


@pytest.mark.parametrize("value", ["", "yesterday", "2026-03-02 24:00:00", "2026-13-02", "2026-03-02 09:15"])
def test_what_is_not_a_timestamp_is_not_read(value):
    with pytest.raises(ValueError, match=r"not a timestamp|month must be"):
        epoch_seconds(value)
