"""What is checked before an endpoint answers: URL, route, key, rate limit; and the record of calls."""

from __future__ import annotations

import pytest

from sandbox import Sandbox
from sandbox.budgets import Budget, Limiter
from sandbox.core import Call
from sandbox.iterable.timestamps import epoch_seconds, spelt
from sandbox.messages import Request
from sandbox.routing import path_parts

READ_ONLY = "sandbox-iterable-read-only-key"
PERSONAL = [
    "/api/export/data.json",
    "/api/export/userEvents",
    "/api/lists/getUsers",
    "/api/users/getByEmail",
    "/api/users/forgotten",
    "/api/users/forgottenUserIds",
]


@pytest.mark.parametrize("key", ["", "another key"])
def test_a_wrong_key_is_told_its_address_and_the_endpoint(empty, ask, key):
    answer = ask(empty, "/api/lists", key=key)
    assert (answer.status, answer.json) == (
        401,
        {
            "msg": "Invalid API key",
            "code": "BadApiKey",
            "params": {"ip": "127.0.0.1", "endpoint": "/api/lists"},
        },
    )


@pytest.mark.parametrize("path", PERSONAL)
def test_a_read_only_key_reaches_no_personal_data(empty, ask, path):
    answer = ask(empty, path, key=READ_ONLY)
    assert (answer.status, answer.json["code"]) == (401, "BadApiKey")


@pytest.mark.parametrize("path", ["/api/lists", "/api/campaigns", "/api/users/getFields", "/api/metadata"])
def test_a_read_only_key_reaches_listings(empty, ask, path):
    assert ask(empty, path, key=READ_ONLY).status == 200


def test_the_older_spelling_of_the_key_header_is_accepted(empty):
    assert empty.answer(Request("GET", "/api/lists", {"api_key": "sandbox-iterable-key"})).status == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/nothing"), ("POST", "/api/lists"), ("GET", "/")])
def test_an_unknown_route_is_answered_with_a_page_of_html(empty, method, path):
    reply = empty.answer(Request(method, path, {"api-key": "sandbox-iterable-key"}))
    assert (reply.status, reply.content_type) == (404, "text/html; charset=utf-8")
    assert b"<title>Action not found</title>" in reply.body


def test_a_url_of_2048_characters_is_the_longest(empty, ask):
    spare = 2048 - len("https://api.iterable.com/api/lists?x=")
    assert ask(empty, "/api/lists", x="1" * spare).status == 200
    assert ask(empty, "/api/lists", x="1" * (spare + 1)).status == 414


@pytest.mark.parametrize(
    ("path", "calls", "seconds"),
    [
        ("/api/export/data.json?dataTypeName=emailSend", 4, 60),
        ("/api/lists/getUsers?listId=1", 5, 60),
        ("/api/campaigns/metrics", 10, 60),
        ("/api/users/getFields", 3, 1),
        ("/api/users/forgotten", 3, 1),
        ("/api/lists", 100, 1),
    ],
)
def test_calls_beyond_the_budget_are_turned_away_until_the_window_has_moved_on(clock, ask, path, calls, seconds):
    sandbox = Sandbox(clock=clock, seed=False)
    sandbox.iterable.lists = [{"id": 1}]
    begun = clock.now

    assert [ask(sandbox, path).status for _ in range(calls + 1)] == [200] * calls + [429]
    clock.now = begun + seconds - 0.001
    assert ask(sandbox, path).status == 429
    clock.now = begun + seconds
    assert ask(sandbox, path).status == 200


def test_an_exceeded_rate_limit_names_endpoint_and_project(clock, ask):
    sandbox = Sandbox(clock=clock, seed=False)
    for _ in range(4):
        ask(sandbox, "/api/export/data.json", dataTypeName="emailSend")

    answer = ask(sandbox, "/api/export/data.json", dataTypeName="emailSend")

    msg = "Exceeded rate limit for endpoint: /api/export/data.json, project: 4242 "
    assert answer.json == {"msg": msg, "code": "RateLimitExceeded", "params": {}}
    assert answer.headers == {}
    sandbox.iterable.retry_after = 9
    assert ask(sandbox, "/api/export/data.json").headers == {"Retry-After": "9"}


def test_calls_spaced_by_the_budget_are_all_admitted():
    limiter = Limiter()
    assert all(limiter.admits("export", Budget(4, 60), 15.0 * number) for number in range(20))


def test_every_call_is_recorded_in_order_with_its_status(empty, ask, clock):
    ask(empty, "/api/lists")
    clock.now += 2
    ask(empty, "/api/campaigns/metrics", key="wrong", campaignId=[1, 2])
    assert empty.calls == [
        Call(clock.now - 2, "GET", "/api/lists", {}, 200),
        Call(clock.now, "GET", "/api/campaigns/metrics", {"campaignId": ["1", "2"]}, 401),
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "parts"),
    [
        ("/api/lists", "/api/lists", {}),
        ("/api/lists", "/api/lists/1", None),
        ("/api/export/data.json", "/api/export/dataxjson", None),
        ("/api/lists/{listId}/size", "/api/lists/8/size", {"listId": "8"}),
        ("/api/metadata/{table}/{key}", "/api/metadata/t/k", {"table": "t", "key": "k"}),
        ("/api/metadata/{table}", "/api/metadata/t/k", None),
    ],
)
def test_a_path_fits_its_pattern_from_end_to_end(pattern, path, parts):
    assert path_parts(pattern, path) == parts


@pytest.mark.parametrize(
    ("value", "epoch"),
    [
        ("2026-03-02 09:15:04 +00:00", 1772442904.0),
        ("2026-03-02 09:15:04 +0000", 1772442904.0),
        ("2026-03-02 09:15:04", 1772442904.0),
        ("2026-03-02T11:45:04+02:30", 1772442904.0),
        ("2026-03-02T09:15:04.250Z", 1772442904.25),
        ("2026-03-02T09:15:04.250000.000Z", 1772442904.25),
        (1772442904250, 1772442904.25),
        ("2026-03-02", 1772409600.0),
    ],
)
def test_a_timestamp_is_read_in_any_spelling(value, epoch):
    assert epoch_seconds(value) == epoch


@pytest.mark.parametrize("value", ["", "yesterday", "2026-03-02 24:00:00", "2026-13-02", "2026-03-02 09:15"])
def test_what_is_not_a_timestamp_is_not_read(value):
    with pytest.raises(ValueError, match=r"not a timestamp|month must be"):
        epoch_seconds(value)


def test_a_timestamp_is_written_the_way_exports_do():
    assert spelt(1772442904.9) == "2026-03-02 09:15:04 +00:00"
