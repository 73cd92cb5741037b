"""A clock that stands still, an empty and a seeded sandbox, and a way to ask them without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

import pytest

from sandbox import Sandbox
from sandbox.messages import Request

ANCHOR = date(2026, 3, 15)
NOON = 1773576000.0  # 2026-03-15 12:00:00 UTC
KEYS = {"/api/": {"api-key": "sandbox-iterable-key"}, "/": {"authorization": "Bearer sandbox-courier-key"}}


class Clock:
    """Shows `now`, in epoch seconds, until it is set to another time."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Answered:
    """A reply, read to its end."""

    status: int
    content_type: str
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def empty(clock: Clock) -> Sandbox:
    """Without data and without rate limits."""
    return Sandbox(anchor=ANCHOR, clock=clock, budgets=False, seed=False)


@pytest.fixture(scope="session")
def seeded() -> Sandbox:
    """The made-up data, as seen when all of it has happened. Shared: tests only read it."""
    return Sandbox(anchor=ANCHOR, clock=Clock(NOON + 61 * 86400), budgets=False)


def asked(
    sandbox: Sandbox, path: str, method: str = "GET", body: Any = None, headers: Any = None, **query: Any
) -> Answered:
    """The reply to a call with the vendor's key; a body goes as JSON, a list repeats its parameter."""
    target = f"{path}{'&' if '?' in path else '?'}{urlencode(query, doseq=True)}" if query else path
    key = KEYS["/api/" if path.startswith("/api/") else "/"]
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    reply = sandbox.answer(Request(method, target, {"host": "127.0.0.1:8080", **key, **(headers or {})}, sent))
    text = b"".join(reply.as_lines()).decode()
    return Answered(reply.status, reply.content_type, dict(reply.headers), text)


@pytest.fixture
def ask() -> Callable[..., Answered]:
    return asked
