"""Courier: what is checked before an endpoint answers, and who answers which path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.budgets import Budget
from sandbox.core import Call
from sandbox.courier.timestamps import iso, midnight, milliseconds
from sandbox.faults import Answer, Fault
from sandbox.messages import Request

KEY = {"authorization": "Bearer sandbox-courier-key"}


def get(sandbox: Sandbox, path: str, headers: Mapping[str, str] = KEY, method: str = "GET") -> tuple[int, Any]:
    reply = sandbox.answer(Request(method, path, headers))
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer another-key"},
        {"authorization": "sandbox-courier-key"},
        {"api-key": "sandbox-iterable-key"},
    ],
)
def test_a_missing_or_wrong_key_is_an_authentication_error(empty: Sandbox, headers: dict[str, str]) -> None:
    expected = {"message": "Unauthorized", "type": "authentication_error"}
    assert get(empty, "/messages", headers) == (401, expected)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/messages/m1/nothing"), ("POST", "/messages"), ("GET", "/lists/"), ("GET", "/users/u1")],
)
def test_an_unknown_route_is_not_found(empty: Sandbox, method: str, path: str) -> None:
    assert get(empty, path, method=method) == (
        404,
        {"message": "Not Found", "type": "invalid_request_error"},
    )


def test_each_vendor_answers_its_own_paths_only(empty: Sandbox) -> None:
    assert get(empty, "/lists") == (200, {"paging": {"cursor": None, "more": False}, "items": []})
    assert get(empty, "/api/lists", {"api-key": "sandbox-iterable-key"}) == (200, {"lists": []})
    assert get(empty, "/api/lists")[0] == 401


def test_nothing_is_rate_limited_unless_a_budget_is_set(clock: Any) -> None:
    sandbox = Sandbox(clock=clock, seed=False)
    assert {get(sandbox, "/brands")[0] for _ in range(200)} == {200}


def test_calls_beyond_the_budget_are_turned_away_until_the_window_has_moved_on(clock: Any) -> None:
    sandbox = Sandbox(clock=clock, seed=False)
    sandbox.courier.budget = Budget(calls=2, seconds=60)

    assert [get(sandbox, path)[0] for path in ("/brands", "/lists", "/messages")] == [200, 200, 429]
    clock.now += 60
    assert get(sandbox, "/messages")[0] == 200


@pytest.mark.parametrize(("retry_after", "headers"), [(None, {}), (7, {"Retry-After": "7"})])
def test_a_rate_limit_error_may_say_how_long_to_wait(
    clock: Any, retry_after: int | None, headers: dict[str, str]
) -> None:
    sandbox = Sandbox(clock=clock, seed=False)
    sandbox.courier.budget, sandbox.courier.retry_after = Budget(calls=0, seconds=1), retry_after
    reply = sandbox.answer(Request("GET", "/messages", KEY))
    assert (reply.status, dict(reply.headers)) == (429, headers)
    assert json.loads(reply.body) == {"message": "Rate limit exceeded", "type": "rate_limit_error"}


def test_a_sandbox_without_budgets_lifts_this_one_too(empty: Sandbox) -> None:
    empty.courier.budget = Budget(calls=0, seconds=1)
    assert get(empty, "/messages")[0] == 200


def test_an_id_is_decoded_from_the_path(empty: Sandbox) -> None:
    empty.courier.profiles["crm/7 ü+ö?#%"] = {"profile": {"plan": "pro"}}
    expected = (200, {"profile": {"plan": "pro"}})
    assert get(empty, "/profiles/crm%2F7%20%C3%BC%2B%C3%B6%3F%23%25") == expected


def test_faults_strike_its_calls_and_calls_are_recorded(empty: Sandbox, clock: Any) -> None:
    down = {"message": "Internal Server Error", "type": "api_error"}
    empty.faults.add(Fault("^/messages$", Answer(500, down)))
    assert [get(empty, "/messages?status=SENT") for _ in range(2)] == [
        (500, down),
        (200, {"paging": {"cursor": None, "more": False}, "results": []}),
    ]
    assert empty.calls == [
        Call(clock.now, "GET", "/messages", {"status": ["SENT"]}, 500),
        Call(clock.now, "GET", "/messages", {"status": ["SENT"]}, 200),
    ]


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-03-02T09:15:04.250Z", 1772442904250),
        ("2026-03-02T11:45:04.250+02:30", 1772442904250),
        ("2026-03-02T09:15:04", 1772442904000),
        ("2026-03-02", 1772409600000),
    ],
)
def test_an_instant_is_read_in_any_iso_spelling(value: str, at: int) -> None:
    assert milliseconds(value) == at


def test_an_instant_is_written_with_milliseconds() -> None:
    assert iso(1772442904050) == "2026-03-02T09:15:04.050Z"
    assert midnight(Sandbox(clock=lambda: 1772442904.0, seed=False).anchor) == 1772409600000
