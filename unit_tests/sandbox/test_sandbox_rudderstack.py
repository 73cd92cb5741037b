"""RudderStack's data plane: the gateway's checks in their order, and the events as it hands them on."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.budgets import Budget
from sandbox.faults import Answer, Fault
from sandbox.messages import Reply, Request
from sandbox.rudderstack.plane import DataPlane

OK = (200, "ok")
EMPTY = (400, "empty batch payload\n")
NO_JSON = (400, "invalid json\n")
NO_EVENT = (400, "event is not a valid rudder event\n")
NOBODY = (400, "request neither has anonymousId nor userId\n")
TOO_LARGE = (413, "request size exceeds max limit\n")
TOO_MANY = (429, "max requests limit reached\n")
LIMIT = 4_096_000  # bytes

Post = Callable[..., tuple[int, str]]


def basic(user: str, password: str = "") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


KEY = basic("sandbox-rudderstack-key")


def reply_to(sandbox: Sandbox, path: str, body: Any, **headers: str) -> Reply:
    """The reply to a POST; a body that is not bytes goes as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in ({"authorization": KEY} | headers).items()}
    return sandbox.answer(Request("POST", path, given, sent, client_ip="198.51.100.7"))


@pytest.fixture
def plane(empty: Sandbox) -> DataPlane:
    return empty.rudderstack


@pytest.fixture
def post(empty: Sandbox) -> Post:
    """post(body, path="/v1/batch", header=value, …): the status and the text."""

    def posted(body: Any, path: str = "/v1/batch", **headers: str) -> tuple[int, str]:
        reply = reply_to(empty, path, body, **headers)
        return reply.status, reply.body.decode()

    return posted


def batch(*items: Any) -> dict[str, Any]:
    return {"batch": list(items)}


def event(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u", "messageId": "m", **fields}


def sized(size: int, **fields: Any) -> bytes:
    """A batch of one event, of that many bytes."""
    body = json.dumps(batch(event(**fields))).encode()
    return body + b" " * (size - len(body))


# ---------------------------------------------------------------------------------------------------------- the key


@pytest.mark.parametrize(
    "header",
    ["", "Bearer sandbox-rudderstack-key", "Basic", "Basic !!!", "Basic " + b64encode(b"no colon").decode(), basic("")],
)
def test_a_request_without_a_readable_write_key_is_refused(post: Post, plane: DataPlane, header: str) -> None:
    assert post(batch(event()), authorization=header) == (401, "failed to read writekey from header\n")
    assert plane.events == []


def test_another_write_key_is_invalid(post: Post, plane: DataPlane) -> None:
    assert post(batch(event()), authorization=basic("another")) == (401, "invalid write key\n")
    assert plane.events == []


def test_the_password_does_not_matter(post: Post) -> None:
    assert post(batch(event()), authorization=basic("sandbox-rudderstack-key", "anything")) == OK


def test_a_disabled_source_is_not_found(post: Post, plane: DataPlane) -> None:
    plane.disabled = True
    assert post(b"no json") == (404, "source is disabled\n")
    assert post(b"no json", authorization=basic("another")) == (401, "invalid write key\n")


def test_errors_are_plain_text(empty: Sandbox) -> None:
    reply = reply_to(empty, "/v1/batch", batch())
    assert (reply.content_type, dict(reply.headers)) == (
        "text/plain; charset=utf-8",
        {"X-Content-Type-Options": "nosniff"},
    )


# --------------------------------------------------------------------------------------------------------- the body


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_refused(post: Post, body: bytes) -> None:
    assert post(body) == NO_JSON


@pytest.mark.parametrize("body", [{}, {"batch": []}, {"batch": None}, [], [event()], 5, None])
def test_a_batch_without_items_is_refused(post: Post, body: Any) -> None:
    assert post(body) == EMPTY


@pytest.mark.parametrize("item", [None, 5, "text", [], [event()]])
def test_an_item_that_is_not_an_object_is_refused(post: Post, plane: DataPlane, item: Any) -> None:
    assert post(batch(event(), item)) == NO_EVENT
    assert plane.events == []


@pytest.mark.parametrize("ids", [{}, {"userId": ""}, {"userId": "  ", "anonymousId": None}])
def test_one_item_without_an_id_refuses_the_whole_batch(post: Post, plane: DataPlane, ids: Any) -> None:
    assert post(batch(event(), {"type": "track", **ids}, event())) == NOBODY
    assert plane.events == []


def test_items_are_checked_one_after_the_other(post: Post) -> None:
    assert post(batch({"type": "track"}, 5)) == NOBODY
    assert post(batch(5, {"type": "track"})) == NO_EVENT


@pytest.mark.parametrize("ids", [{"anonymousId": "a"}, {"userId": 7}, {"userId": False}, {"userId": {}}])
def test_any_id_will_do(post: Post, plane: DataPlane, ids: Any) -> None:
    assert post(batch({"type": "track", **ids})) == OK
    assert [{name: row[name] for name in ids} for row in plane.events] == [ids]


def test_a_batch_that_is_an_event_is_its_only_item(post: Post, plane: DataPlane) -> None:
    assert post({"batch": event()}) == OK
    assert len(plane.events) == 1


def test_a_body_may_come_compressed(post: Post, plane: DataPlane) -> None:
    body = gzip.compress(json.dumps(batch(event())).encode())
    assert post(body, content_encoding="gzip") == OK
    assert len(plane.events) == 1
    assert post(body) == NO_JSON
    assert post(body[:-9], content_encoding="gzip") == (500, "failed to read body from request\n")
    assert post(b"no gzip", content_encoding="gzip") == (500, "failed to read body from request\n")
    assert post(b"no gzip", content_encoding="gzip", authorization="")[0] == 401


def test_a_body_has_a_largest_size_without_its_compression(post: Post, plane: DataPlane) -> None:
    assert post(sized(LIMIT)) == OK
    assert post(sized(LIMIT + 1)) == TOO_LARGE
    assert post(gzip.compress(sized(LIMIT + 1)), content_encoding="gzip") == TOO_LARGE
    assert post(sized(LIMIT + 1, type="audiencelist")) == OK
    plane.largest_body = 50
    assert post(sized(51, userId="v", messageId="")) == TOO_LARGE
    assert [row["type"] for row in plane.events] == ["track", "audiencelist"]


def test_the_size_is_looked_at_after_the_items_and_before_their_number(post: Post) -> None:
    assert post(sized(LIMIT + 1, userId=None)) == NOBODY
    assert post(b"{}" + b" " * LIMIT) == TOO_LARGE


def test_a_budget_is_looked_at_after_the_items_and_before_the_size(clock: Any) -> None:
    sandbox = Sandbox(clock=clock, seed=False)
    sandbox.rudderstack.budget = Budget(calls=1, seconds=60)

    def answers(body: Any) -> tuple[int, str]:
        reply = reply_to(sandbox, "/v1/batch", body)
        return reply.status, reply.body.decode()

    assert [answers(batch(event())), answers(batch(event())), answers(batch({}))] == [OK, TOO_MANY, NOBODY]
    assert answers(sized(LIMIT + 1)) == TOO_MANY
    assert "Retry-After" not in reply_to(sandbox, "/v1/batch", batch(event())).headers
    clock.now += 60
    assert answers(batch(event())) == OK
    assert len(sandbox.rudderstack.events) == 2


def test_events_of_suppressed_users_are_confirmed_and_dropped(post: Post, plane: DataPlane) -> None:
    plane.suppressed = {"gone"}
    assert post(batch(event(userId="gone"))) == OK
    assert post(batch(event(userId="gone"), event(userId="u"))) == OK
    assert [row["userId"] for row in plane.events] == ["u"]


# ---------------------------------------------------------------------------------------------------------- routes


@pytest.mark.parametrize("kind", ["identify", "track", "page", "screen", "group", "alias", "merge", "audiencelist"])
def test_a_single_event_has_the_type_of_its_path(post: Post, plane: DataPlane, kind: str) -> None:
    assert post(event(type="other", event="Paid"), f"/v1/{kind}") == OK
    assert [(row["type"], row["event"]) for row in plane.events] == [(kind, "Paid")]
    assert post([event()], f"/v1/{kind}") == NO_EVENT
    assert post({}, f"/v1/{kind}") == NOBODY
    assert post(b"", f"/v1/{kind}") == NO_JSON


def test_an_import_is_a_batch(post: Post, plane: DataPlane) -> None:
    assert post(batch(event(), event(type="page")), "/v1/import") == OK
    assert [row["type"] for row in plane.events] == ["track", "page"]


def test_what_is_around_the_batch_is_discarded(post: Post, plane: DataPlane) -> None:
    assert post({**batch(event()), "sentAt": "2026-03-15T12:00:00Z", "context": {"a": 1}}) == OK
    assert set(plane.events[0]) == {"type", "userId", "messageId", "receivedAt", "request_ip", "rudderId"}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/nothing", (404, "404 page not found\n")),
        ("GET", "/v1/batch", (405, "\n")),
        ("GET", "/v1/nothing", (404, "404 page not found\n")),
    ],
)
def test_other_routes_are_not_there(empty: Sandbox, method: str, path: str, expected: tuple[int, str]) -> None:
    reply = empty.answer(Request(method, path))
    assert (reply.status, reply.body.decode()) == expected


def test_its_health_is_told_without_a_key(empty: Sandbox) -> None:
    reply = empty.answer(Request("GET", "/health"))
    assert (reply.status, json.loads(reply.body)["server"]) == (200, "UP")


# ------------------------------------------------------------------------------------------------- what is handed on


def test_an_event_gains_what_the_gateway_knows(post: Post, plane: DataPlane) -> None:
    sent = event(event="Paid", properties={"a": None}, originalTimestamp="2026-03-15T11:00:00Z")
    assert post(batch(sent)) == OK
    assert plane.events == [
        {
            **sent,
            "receivedAt": "2026-03-15T12:00:00.000Z",
            "request_ip": "198.51.100.7",
            "rudderId": "61763869-6114-4ab2-bdac-9ba13af24508",
        }
    ]


def test_what_an_event_says_itself_about_its_receipt_stays(post: Post, plane: DataPlane) -> None:
    own = {"receivedAt": "2026-03-01T00:00:00.000Z", "request_ip": "203.0.113.9", "rudderId": "made up"}
    post(batch(event(**own)))
    row = plane.events[0]
    assert (row["receivedAt"], row["request_ip"]) == (own["receivedAt"], own["request_ip"])
    assert row["rudderId"] != "made up"


def test_the_same_two_ids_have_the_same_rudder_id(post: Post, plane: DataPlane) -> None:
    ids: list[dict[str, Any]] = [
        {"userId": "7"},
        {"userId": 7},
        {"userId": " 7 ", "anonymousId": ""},
        {"userId": "7", "anonymousId": "a"},
        {"userId": None, "anonymousId": "7"},
    ]
    post(batch(*ids))
    names = [row["rudderId"] for row in plane.events]
    assert names[0] == names[1] == names[2]
    assert len(set(names)) == 3


@pytest.mark.parametrize(("given", "kept"), [(" m-1 ", "m-1"), ("m-1", "m-1")])
def test_a_message_id_is_trimmed(post: Post, plane: DataPlane, given: str, kept: str) -> None:
    post(batch(event(messageId=given)))
    assert plane.events[0]["messageId"] == kept


@pytest.mark.parametrize("given", [None, "", "  ", 5])
def test_a_missing_message_id_is_made_up(post: Post, plane: DataPlane, given: Any) -> None:
    post(batch(event(messageId=given), event(messageId=given)))
    made = [row["messageId"] for row in plane.events]
    assert [len(name) for name in made] == [36, 36]
    assert made[0] != made[1]


def test_events_are_not_deduplicated(post: Post, plane: DataPlane) -> None:
    assert [post(batch(event(), event())), post(batch(event()))] == [OK, OK]
    assert [row["messageId"] for row in plane.events] == ["m", "m", "m"]


# ------------------------------------------------------------------------------------------------------- inspection


def test_another_process_may_see_what_was_received(empty: Sandbox, plane: DataPlane, post: Post) -> None:
    def seen() -> Any:
        reply = empty.answer(Request("GET", "/sandbox/rudderstack/events"))
        return reply.status, json.loads(reply.body)

    empty.faults.add(Fault("rudderstack/events", Answer(500), times=None))
    assert seen() == (200, {"events": []})
    post(batch(event()))
    assert seen() == (200, {"events": plane.events})
    assert len(plane.events) == 1
    assert [call.path for call in empty.calls] == ["/v1/batch"]
