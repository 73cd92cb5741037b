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


@pytest.fixture
def ask() -> Callable[..., Answered]:
    """ask(sandbox, path, key=…, name=value, …); a list repeats its parameter."""

    def answered(sandbox: Sandbox, path: str, key: str = "sandbox-iterable-key", **query: Any) -> Answered:
        target = f"{path}?{urlencode(query, doseq=True)}" if query else path
        reply = sandbox.answer(Request("GET", target, {"api-key": key}))
        text = b"".join(reply.as_lines()).decode()
        return Answered(reply.status, reply.content_type, dict(reply.headers), text)

    return answered
