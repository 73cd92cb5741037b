"""The sandbox: one function from request to reply, with faults on the way and a record of the calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

from sandbox.courier import seed as courier_seed
from sandbox.courier.api import CourierApi
from sandbox.courier.workspace import CourierWorkspace
from sandbox.faults import Faults
from sandbox.iterable import seed as iterable_seed
from sandbox.iterable.api import IterableApi
from sandbox.iterable.project import IterableProject
from sandbox.messages import Reply, Request

Clock = Callable[[], float]
"""Returns the time in seconds since 1970, UTC."""


class Vendor(Protocol):
    """One vendor's HTTP API."""

    def serves(self, path: str) -> bool: ...

    def answer(self, request: Request) -> Reply: ...


@dataclass(frozen=True)
class Call:
    """A request that arrived: when (epoch seconds), what, and the status it got; 0 when it got no answer."""

    at: float
    method: str
    path: str
    query: dict[str, list[str]]
    status: int


class Sandbox:
    """Holds the vendors' data and answers requests about it.

    anchor: the day the made-up data is arranged around, today (UTC) by default; seed=False starts empty.
    clock: what the vendors take for the present. budgets=False lifts all rate limits.
    gzip: compress replies for clients that accept it; may be switched at any time.
    """

    def __init__(
        self,
        anchor: date | None = None,
        clock: Clock = time.time,
        budgets: bool = True,
        seed: bool = True,
    ) -> None:
        self.clock = clock
        self.anchor = anchor or datetime.fromtimestamp(clock(), UTC).date()
        self.gzip = False
        self.calls: list[Call] = []
        self.faults = Faults()
        self.iterable = IterableProject(clock)
        self.courier = CourierWorkspace(clock)
        if seed:
            iterable_seed.fill(self.iterable, self.anchor)
            courier_seed.fill(self.courier, self.anchor)
        self._iterable_api = IterableApi(self.iterable, budgets)
        self._vendors: tuple[Vendor, ...] = (self._iterable_api, CourierApi(self.courier, budgets))

    def answer(self, request: Request) -> Reply:
        """Answers and records a request; raises BrokenOff when a fault leaves it without any answer."""
        at = self.clock()
        status = 0
        try:
            reply = self.faults.strike(request, self._vendor(request.path).answer(request))
            status = reply.status
            return reply
        finally:
            self.calls.append(Call(at, request.method, request.path, request.query, status))

    def _vendor(self, path: str) -> Vendor:
        return next((vendor for vendor in self._vendors if vendor.serves(path)), self._iterable_api)
