"""Courier's other endpoints, by the way they are paged."""

from __future__ import annotations

import json
from typing import Any, Literal
from urllib.parse import quote, urlencode

import pytest

from sandbox import Sandbox
from sandbox.courier.workspace import Row
from sandbox.messages import Request

LAST_PAGE = {"cursor": None, "more": False}
NOT_FOUND: tuple[int, Row] = (404, {"message": "Not Found", "type": "invalid_request_error"})


def get(sandbox: Sandbox, path: str, **query: Any) -> tuple[int, Any]:
    target = f"{path}?{urlencode(query)}" if query else path
    reply = sandbox.answer(Request("GET", target, {"authorization": "Bearer sandbox-courier-key"}))
    return reply.status, json.loads(reply.body)


def rows(count: int, key: str = "id", **fields: Any) -> list[Row]:
    return [{key: f"r{number:03}", **fields} for number in range(count)]


def keys(page: list[Row], key: str = "id") -> list[str]:
    return [row[key] for row in page]


@pytest.mark.parametrize(
    ("path", "array", "key", "container"),
    [
        ("/audiences", "items", "id", "audiences"),
        ("/lists", "items", "id", "lists"),
        ("/brands", "results", "id", "brands"),
        ("/notifications", "results", "id", "notifications"),
        ("/audit-events", "results", "auditEventId", "audit_events"),
        ("/providers", "results", "id", "providers"),
    ],
)
def test_a_listing_with_paging_comes_ten_rows_a_page(
    empty: Sandbox, path: str, array: str, key: str, container: str
) -> None:
    held = rows(12, key)
    setattr(empty.courier, container, held)
    first = get(empty, path, limit=3)[1]
    second = get(empty, path, cursor=first["paging"]["cursor"])[1]
    assert (first[array], first["paging"]["more"]) == (held[:10], True)
    assert second == {"paging": LAST_PAGE, array: held[10:]}


@pytest.mark.parametrize(
    ("path", "container"), [("/broadcasts", "broadcasts"), ("/routing-strategies", "routing_strategies")]
)
def test_a_listing_with_a_limit_comes_twenty_rows_a_page_unless_asked(
    empty: Sandbox, path: str, container: str
) -> None:
    held = rows(120)
    setattr(empty.courier, container, held)
    sizes = [len(get(empty, path, **query)[1]["results"]) for query in _limits(1, 100, 500, 0, "many")]
    assert sizes == [20, 1, 100, 100, 1, 20]


def _limits(*limits: int | str) -> tuple[Row, ...]:
    return ({}, *({"limit": limit} for limit in limits))


def test_a_row_that_is_added_while_paging_hides_no_other(empty: Sandbox) -> None:
    empty.courier.brands = rows(15)
    cursor = get(empty, "/brands")[1]["paging"]["cursor"]
    empty.courier.brands.insert(0, {"id": "new"})
    assert keys(get(empty, "/brands", cursor=cursor)[1]["results"]) == keys(rows(15))[10:]


def test_a_cursor_of_another_listing_is_an_invalid_request(empty: Sandbox) -> None:
    empty.courier.brands, empty.courier.audiences = rows(11), rows(1)
    cursor = get(empty, "/brands")[1]["paging"]["cursor"]
    expected = {"message": "Invalid cursor", "type": "invalid_request_error"}
    assert get(empty, "/audiences", cursor=cursor) == (400, expected)


@pytest.mark.parametrize("name", ["items", "results"])
def test_the_array_of_lists_has_one_of_two_names(empty: Sandbox, name: Literal["items", "results"]) -> None:
    empty.courier.lists, empty.courier.lists_key = rows(1), name
    assert get(empty, "/lists") == (200, {"paging": LAST_PAGE, name: rows(1)})


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("eu.beta", ["eu.beta"]),
        ("eu.*", ["eu.beta"]),
        ("eu.**", ["eu.beta", "eu.beta.lyon"]),
        ("*.beta", ["eu.beta", "us.beta"]),
        ("**", ["eu.beta", "eu.beta.lyon", "us.beta"]),
    ],
)
def test_lists_can_be_chosen_by_pattern(empty: Sandbox, pattern: str, found: list[str]) -> None:
    empty.courier.lists = [{"id": name} for name in ("eu.beta", "eu.beta.lyon", "us.beta")]
    assert keys(get(empty, "/lists", pattern=pattern)[1]["items"]) == found


@pytest.mark.parametrize(
    ("path", "parents", "container", "key"),
    [
        ("/audiences/a b/members", "audiences", "audience_members", "member_id"),
        ("/lists/a b/subscriptions", "lists", "list_subscriptions", "recipientId"),
    ],
)
def test_members_are_paged_below_what_they_belong_to(
    empty: Sandbox, path: str, parents: str, container: str, key: str
) -> None:
    setattr(empty.courier, parents, [{"id": "a b"}])
    setattr(empty.courier, container, {"a b": rows(11, key)})
    first = get(empty, quote(path))[1]
    second = get(empty, quote(path), cursor=first["paging"]["cursor"])[1]
    assert keys(first["items"] + second["items"], key) == keys(rows(11, key), key)
    assert get(empty, path.replace("a b", "other")) == NOT_FOUND


def test_what_has_no_members_has_an_empty_page(empty: Sandbox) -> None:
    empty.courier.audiences = [{"id": "a1"}]
    assert get(empty, "/audiences/a1/members") == (200, {"paging": LAST_PAGE, "items": []})


def test_tenants_say_whether_there_are_more_and_where(empty: Sandbox) -> None:
    empty.courier.tenants = rows(3)
    assert get(empty, "/tenants", limit=2) == (
        200,
        {
            "items": rows(2),
            "type": "list",
            "url": "/tenants",
            "has_more": True,
            "next_url": "/tenants?cursor=cjAwMQ%3D%3D&limit=2",
            "cursor": "cjAwMQ==",
        },
    )
    assert get(empty, "/tenants?cursor=cjAwMQ%3D%3D&limit=2") == (
        200,
        {"items": rows(3)[2:], "type": "list", "url": "/tenants", "has_more": False},
    )


def test_tenants_come_twenty_a_page_and_a_hundred_at_most(empty: Sandbox) -> None:
    empty.courier.tenants = rows(120, parent_tenant_id="acme")
    sizes = [len(get(empty, "/tenants", **query)[1]["items"]) for query in _limits(1, 100, 101)]
    assert sizes == [20, 1, 100, 100]
    assert get(empty, "/tenants", parent_tenant_id="other")[1]["items"] == []


def test_the_users_of_a_tenant_and_the_tenants_of_a_user_are_the_same_rows(empty: Sandbox) -> None:
    ada = {"user_id": "ada", "tenant_id": "acme", "type": "user", "profile": {"title": "CTO"}}
    empty.courier.tenants, empty.courier.tenant_users = (
        [{"id": "acme"}, {"id": "b"}],
        {"acme": [ada], "b": []},
    )
    expected = {"items": [ada], "type": "list", "has_more": False}
    assert get(empty, "/tenants/acme/users") == (200, {**expected, "url": "/tenants/acme/users"})
    assert get(empty, "/users/ada/tenants") == (200, {**expected, "url": "/users/ada/tenants"})
    assert get(empty, "/tenants/other/users") == NOT_FOUND


@pytest.mark.parametrize("path", ["/automations", "/journeys"])
def test_templates_are_published_ones_or_drafts_with_a_cursor_beside_them(empty: Sandbox, path: str) -> None:
    published, drafts = rows(11, version="published"), rows(1, version="draft")
    empty.courier.automations = empty.courier.journeys = [*drafts, *published]
    first = get(empty, path)[1]
    assert first == {"templates": published[:10], "cursor": "cjAwOQ=="}
    assert get(empty, path, cursor="cjAwOQ==") == (200, {"templates": published[10:]})
    assert get(empty, path, version="draft") == (200, {"templates": drafts})


def run(number: int, **fields: Any) -> Row:
    minute = f"2026-03-15T11:{59 - number:02}:00.000Z"
    return {"run_id": f"run-{number:02}", "source": [], "created_at": minute, **fields}


def test_runs_come_newest_first_with_the_cursor_of_the_next_page(empty: Sandbox) -> None:
    empty.courier.automation_runs = [run(number * 7 % 25) for number in range(25)]
    first = get(empty, "/automations/runs")[1]
    second = get(empty, "/automations/runs", cursor=first["next_cursor"])[1]
    assert first["runs"] == [run(number) for number in range(20)]
    assert second == {"runs": [run(number) for number in range(20, 25)]}
    sizes = [len(get(empty, "/automations/runs", **query)[1]["runs"]) for query in _limits(0, 3, 500, "x")]
    assert sizes == [20, 1, 3, 25, 20]


def test_runs_of_journeys_can_be_paged_back(empty: Sandbox) -> None:
    empty.courier.journey_runs = [run(number) for number in range(5)]
    pages = [get(empty, "/journeys/runs", limit=2)[1]]
    while "next_cursor" in pages[-1]:
        pages.append(get(empty, "/journeys/runs", limit=2, cursor=pages[-1]["next_cursor"])[1])
    assert [len(page["runs"]) for page in pages] == [2, 2, 1]
    back = [get(empty, "/journeys/runs", limit=2, cursor=page["prev_cursor"])[1] for page in pages[1:]]
    assert [page["runs"] for page in back] == [page["runs"] for page in pages[:-1]]
    assert "prev_cursor" not in pages[0]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"status": "ERROR,WAITING"}, [1, 2]),
        ({"template_id": "t1"}, [0, 2]),
        ({"start_date": "2026-03-15T11:58:00Z"}, [0, 1]),
        ({"end_date": "2026-03-15T11:57:00.000Z"}, [2, 3]),
        ({"start_date": "2026-03-15", "end_date": "2026-03-16"}, [0, 1, 2]),
    ],
)
def test_runs_can_be_chosen_by(empty: Sandbox, query: Row, found: list[int]) -> None:
    empty.courier.automation_runs = [
        run(0, status="PROCESSED", template_id="t1"),
        run(1, status="ERROR", template_id="t2"),
        run(2, status="WAITING", template_id="t1"),
        {"run_id": "run-03", "source": []},
    ]
    runs = get(empty, "/automations/runs", **query)[1]["runs"]
    assert keys(runs, "run_id") == [f"run-{number:02}" for number in found]


@pytest.mark.parametrize("value", ["1773576000000", "15 March 2026", "2026"])
def test_a_date_of_runs_in_another_format_is_an_invalid_request(empty: Sandbox, value: str) -> None:
    expected = {"message": f"Invalid start_date: {value}", "type": "invalid_request_error"}
    assert get(empty, "/journeys/runs", start_date=value) == (400, expected)


def test_a_run_shows_once_it_has_begun(empty: Sandbox, clock: Any) -> None:
    empty.courier.journey_runs = [run(0, created_at="2026-03-15T12:00:01.000Z")]
    assert get(empty, "/journeys/runs") == (200, {"runs": []})
    clock.now += 1
    assert len(get(empty, "/journeys/runs")[1]["runs"]) == 1


def test_only_a_single_run_says_when_it_was_updated(empty: Sandbox) -> None:
    full = run(0, updated_at="2026-03-15T11:59:30.000Z")
    empty.courier.journey_runs, empty.courier.run_steps = [full], {"run-00": [{"step_id": "s1"}]}
    assert get(empty, "/journeys/runs") == (200, {"runs": [run(0)]})
    assert get(empty, "/journeys/runs/run-00") == (200, {"run": full})
    assert get(empty, "/journeys/runs/run-00/steps") == (200, {"steps": [{"step_id": "s1"}]})
    assert get(empty, "/automations/runs/run-00/steps") == NOT_FOUND


@pytest.mark.parametrize("switch", ["missing", "empty"])
def test_a_user_without_a_profile_is_not_found_or_has_an_empty_one(
    empty: Sandbox, switch: Literal["missing", "empty"]
) -> None:
    empty.courier.profiles = {"ada": {"profile": {"plan": "pro"}, "preferences": {"notifications": {}}}}
    empty.courier.unknown_profile = switch
    assert get(empty, "/profiles/ada")[1] == empty.courier.profiles["ada"]
    expected: tuple[int, Row] = NOT_FOUND if switch == "missing" else (200, {"profile": {}})
    assert get(empty, "/profiles/bob") == expected


def test_the_lists_of_a_user_come_with_the_preferences_given_there(empty: Sandbox) -> None:
    empty.courier.lists = [{"id": "l1", "name": "L"}, {"id": "l2"}]
    empty.courier.list_subscriptions = {"l1": [{"recipientId": "ada", "preferences": {"x": 1}}]}
    expected = [{"id": "l1", "name": "L", "preferences": {"x": 1}}]
    assert get(empty, "/profiles/ada/lists") == (200, {"paging": LAST_PAGE, "results": expected})


def test_sections_hold_their_topics_which_are_also_told_alone(empty: Sandbox) -> None:
    empty.courier.preference_sections = [{"id": "s1"}, {"id": "s2"}]
    empty.courier.preference_topics = {"s1": rows(2)}
    sections = [{"id": "s1", "topics": rows(2)}, {"id": "s2", "topics": []}]
    assert get(empty, "/preferences/sections") == (200, {"results": sections})
    assert get(empty, "/preferences/sections/s1/topics") == (200, {"results": rows(2)})
    assert get(empty, "/preferences/sections/s3/topics") == NOT_FOUND


def test_what_a_user_chose_is_told_by_topic(empty: Sandbox) -> None:
    choice = {"topic_id": "t1", "status": "OPTED_IN"}
    empty.courier.user_preferences, empty.courier.user_tokens = {"ada": [choice]}, {"ada": [{"token": "x"}]}
    assert get(empty, "/users/ada/preferences") == (200, {"paging": LAST_PAGE, "items": [choice]})
    assert get(empty, "/users/ada/preferences/t1") == (200, {"topic": choice})
    assert get(empty, "/users/ada/preferences/t2") == NOT_FOUND
    assert get(empty, "/users/ada/tokens") == (200, {"tokens": [{"token": "x"}]})


@pytest.mark.parametrize(
    ("path", "container", "key"),
    [
        ("/audiences/r001", "audiences", "id"),
        ("/lists/r001", "lists", "id"),
        ("/tenants/r001", "tenants", "id"),
        ("/audit-events/r001", "audit_events", "auditEventId"),
    ],
)
def test_a_row_can_be_had_by_its_id(empty: Sandbox, path: str, container: str, key: str) -> None:
    setattr(empty.courier, container, rows(2, key))
    assert get(empty, path) == (200, rows(2, key)[1])
    assert get(empty, path.replace("r001", "other")) == NOT_FOUND


def test_notifications_can_be_chosen_by_event(empty: Sandbox) -> None:
    empty.courier.notifications = [{"id": "n1", "event_ids": ["SHIPPED"]}, {"id": "n2"}]
    assert keys(get(empty, "/notifications", event_id="SHIPPED")[1]["results"]) == ["n1"]


def test_what_has_no_container_is_held_by_path(empty: Sandbox) -> None:
    versions = [{"version": "v1"}]
    empty.courier.collections = {"/notifications/n1/versions": versions}
    empty.courier.objects = {"/notifications/n1": {"id": "n1"}}
    assert get(empty, "/notifications/n1") == (200, {"id": "n1"})
    assert get(empty, "/notifications/n1/versions") == (200, {"paging": LAST_PAGE, "versions": versions})
    assert get(empty, "/notifications/n2") == NOT_FOUND
