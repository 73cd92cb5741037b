"""Idempotency-Key: a POST that was answered gets the same answer again, and does nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sandbox.courier.timestamps import milliseconds
from sandbox.messages import Reply, Request, no_effect
from sandbox.routing import Rejection

UNKEPT = frozenset((400, 413, 429))
"""Answers to requests that failed validation, or were never looked at."""

Endpoint = Callable[[Request], Reply]


class Replays:
    """Answers by endpoint and key, on the sandbox's clock; errors are kept, too."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[float, Reply]] = {}

    def answer(self, request: Request, endpoint: Endpoint, now: int, kept_for: float) -> Reply:
        """now: the present; kept_for: how long an answer is replayed unless the request says so. In milliseconds."""
        key = request.headers.get("idempotency-key")
        if request.method != "POST" or not key:
            return _answered(request, endpoint)
        place = request.path, key
        until, known = self._kept.get(place, (0, None))
        if known is not None and now < until:
            return known
        reply = _answered(request, endpoint)
        if reply.status in UNKEPT:
            return reply

        def effect() -> None:
            reply.effect()
            self._kept[place] = _expiration(request, now + kept_for), replace(reply, effect=no_effect)

        return replace(reply, effect=effect)


def _expiration(request: Request, otherwise: float) -> float:
    """The moment from which an answer is not replayed any more, in milliseconds."""
    asked = request.headers.get("x-idempotency-expiration")
    return otherwise if asked is None else milliseconds(asked)


def _answered(request: Request, endpoint: Endpoint) -> Reply:
    try:
        return endpoint(request)
    except Rejection as rejection:
        return rejection.reply
