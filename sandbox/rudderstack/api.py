"""The gateway's routes, and its checks in its order: key, source, body, events, rate, size, emptiness."""

from __future__ import annotations

from base64 import b64decode

from sandbox.budgets import Limiter
from sandbox.messages import TEXT, Effect, Reply, Request, Undecodable, json_reply, no_effect
from sandbox.rudderstack import events
from sandbox.rudderstack.plane import DataPlane, Event

BATCHES = ("batch", "import")
SINGLES = ("identify", "track", "page", "screen", "group", "alias", "merge", "audiencelist")
ROUTES = {f"/v1/{name}": None for name in BATCHES} | {f"/v1/{name}": name for name in SINGLES}
"""The kind of event that each path takes; None takes a batch of any."""

HEALTH = {"server": "UP", "db": "UP", "acceptingEvents": "TRUE", "routingEvents": "TRUE", "mode": "NORMAL"}


class Refusal(Exception):
    """Ends the handling of a request with a line of text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status)
        self.reply = Reply(status, TEXT, f"{text}\n".encode(), headers={"X-Content-Type-Options": "nosniff"})


class RudderStackApi:
    """A data plane behind its gateway."""

    def __init__(self, plane: DataPlane, budgets: bool) -> None:
        self._plane = plane
        self._limiter = Limiter() if budgets else None

    def serves(self, path: str) -> bool:
        return path.startswith("/v1/") or path == "/health"

    def answer(self, request: Request) -> Reply:
        if request.path == "/health" and request.method == "GET":
            return json_reply(HEALTH)
        try:
            _check_route(request)
            self._authenticate(request)
            return self._taken(request)
        except Refusal as refusal:
            return refusal.reply

    def _authenticate(self, request: Request) -> None:
        key = _write_key(request.headers.get("authorization", ""))
        if not key:
            raise Refusal(401, "failed to read writekey from header")
        if key != self._plane.write_key:
            raise Refusal(401, "invalid write key")
        if self._plane.disabled:
            raise Refusal(404, "source is disabled")

    def _taken(self, request: Request) -> Reply:
        plane, body = self._plane, _body(request)
        batch = _batch(body, ROUTES[request.path])
        for item in batch:
            _check(item)
        if not self._has_left():
            raise Refusal(429, "max requests limit reached")
        wanted: list[Event] = [item for item in batch if events.user_of(item) not in plane.suppressed]
        if batch and not wanted:
            return _ok()
        if len(body) > plane.largest_body and all(item.get("type") != "audiencelist" for item in wanted):
            raise Refusal(413, "request size exceeds max limit")
        if not batch:
            raise Refusal(400, "empty batch payload")
        taken = [events.handed_on(item, plane.clock(), request.client_ip) for item in wanted]
        return _ok(lambda: plane.events.extend(taken))

    def _has_left(self) -> bool:
        plane = self._plane
        if self._limiter is None or plane.budget is None:
            return True
        return self._limiter.admits(plane.write_key, plane.budget, plane.clock())


def _check_route(request: Request) -> None:
    if request.path not in ROUTES:
        raise Refusal(404, "404 page not found")
    if request.method != "POST":
        raise Refusal(405, "")


def _write_key(authorization: str) -> str:
    """The user name of HTTP Basic; empty when it is missing. The password does not matter."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        user, colon, _ = b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        return ""
    return user if colon else ""


def _body(request: Request) -> bytes:
    try:
        return request.content
    except Undecodable:
        raise Refusal(500, "failed to read body from request") from None


def _batch(body: bytes, kind: str | None) -> list[Event]:
    try:
        return events.batch_of(body, kind)
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid json") from None


def _check(item: object) -> None:
    if not isinstance(item, dict):
        raise Refusal(400, "event is not a valid rudder event")
    if events.is_anonymous(item):
        raise Refusal(400, "request neither has anonymousId nor userId")


def _ok(effect: Effect = no_effect) -> Reply:
    return Reply(200, TEXT, b"ok", effect=effect)
