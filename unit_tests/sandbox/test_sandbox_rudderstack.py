"""RudderStack's data plane: the gateway's checks in their order, and the events as it hands them on."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.messages import Reply, Request
from sandbox.rudderstack.plane import DataPlane

OK = (200, "ok")
NO_JSON = (400, "invalid json\n")
NO_EVENT = (400, "event is not a valid rudder event\n")
NOBODY = (400, "request neither has anonymousId nor userId\n")
TOO_LARGE = (413, "request size exceeds max limit\n")
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


@pytest.mark.parametrize(
    "header",
    ["", "Bearer sandbox-rudderstack-key", "Basic", "Basic !!!", "Basic " + b64encode(b"no colon").decode(), basic("")],
)
def test_a_request_without_a_readable_write_key_is_refused(post: Post, plane: DataPlane, header: str) -> None:
    assert post(batch(event()), authorization=header) == (401, "failed to read writekey from header\n")
    assert post(batch(event()), authorization=basic("another")) == (401, "invalid write key\n")
    assert plane.events == []


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_refused(post: Post, body: bytes) -> None:
    assert post(body) == NO_JSON


@pytest.mark.parametrize("ids", [{}, {"userId": ""}, {"userId": "  ", "anonymousId": None}])
def test_one_item_without_an_id_refuses_the_whole_batch(post: Post, plane: DataPlane, ids: Any) -> None:
    assert post(batch(event(), {"type": "track", **ids}, event())) == NOBODY
    assert plane.events == []


def test_a_body_may_come_compressed(post: Post, plane: DataPlane) -> None:
    body = gzip.compress(json.dumps(batch(event())).encode())
    assert post(body, content_encoding="gzip") == OK
    assert len(plane.events) == 1
    assert post(body) == NO_JSON
    assert post(body[:-9], content_encoding="gzip") == (500, "failed to read body from request\n")
    assert post(b"no gzip", content_encoding="gzip") == (500, "failed to read body from request\n")
    assert post(b"no gzip", content_encoding="gzip", authorization="")[0] == 401


def test_events_of_suppressed_users_are_confirmed_and_dropped(post: Post, plane: DataPlane) -> None:
    plane.suppressed = {"gone"}
    assert post(batch(event(userId="gone"))) == OK
    assert post(batch(event(userId="gone"), event(userId="u"))) == OK
    assert [row["userId"] for row in plane.events] == ["u"]


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
