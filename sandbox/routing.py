"""Endpoints, and how a request finds its own by a pattern with named parts: `/api/lists/{listId}/size`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Generic, TypeVar
from urllib.parse import unquote

from sandbox.budgets import Budget
from sandbox.messages import Reply, Request

Space = TypeVar("Space")
"""A vendor's data."""


class Rejection(Exception):
    """Ends the handling of a request with an error reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True)
class Route(Generic[Space]):
    """An endpoint. Calls that differ in the parts of the path share its budget; `personal` needs the full key."""

    path: str
    answer: Callable[[Space, Request], Reply]
    method: str = "GET"
    budget: Budget | None = None
    personal: bool = False


def routed(routes: Sequence[Route[Space]], request: Request) -> tuple[Route[Space], Request] | None:
    """The first endpoint that fits, and the request with the decoded parts of its path; None without any."""
    for route in routes:
        match = _expression(route.path).fullmatch(request.path)
        if match is not None and request.method == route.method:
            return route, replace(request, parts={name: unquote(part) for name, part in match.groupdict().items()})
    return None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", pattern)
    literals = [re.escape(piece) for piece in pieces[::2]]
    names = [f"(?P<{name}>[^/]+)" for name in pieces[1::2]]
    return re.compile("".join(a + b for a, b in zip(literals, [*names, ""], strict=True)))
