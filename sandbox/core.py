"""The sandbox: one function from request to reply, with faults on the way and a record of the calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from threading import Lock

from sandbox.courier import seed as courier_seed
from sandbox.courier.api import CourierApi
from sandbox.courier.workspace import CourierWorkspace
from sandbox.faults import Faults
from sandbox.iterable import seed as iterable_seed
from sandbox.iterable.api import IterableApi
from sandbox.iterable.project import IterableProject
from sandbox.messages import Reply, Request, Undecodable, json_reply
from sandbox.rudderstack.api import RudderStackApi
from sandbox.rudderstack.plane import DataPlane

Clock = Callable[[], float]
"""Returns the time in seconds since 1970, UTC."""


RECEIVED = "/sandbox/rudderstack/events"
"""Where another process may see what the data plane received, without a key; such a look is not recorded."""


Vendor = IterableApi | CourierApi | RudderStackApi
"""Changes by a request are left to the reply's `effect`, so that a fault can prevent it."""


@dataclass(frozen=True)
class Call:
    """A request that arrived: when (epoch seconds), what, and the status it got; 0 when it got no answer.

    Header names are lower case; the body is without gzip, unless it cannot be read.
    """

    at: float
    method: str
    path: str
    query: dict[str, list[str]]
    status: int
    headers: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    body: bytes = field(default=b"", compare=False, repr=False)


class Sandbox:
    """Holds the vendors' data, answers requests about it, and lets them change it.

    anchor: the day the made-up data is arranged around, today (UTC) by default; seed=False starts empty.
    clock: what the vendors take for the present; sleep: waits on it. budgets=False lifts all rate limits.
    gzip: compress replies for clients that accept it; may be switched at any time.
    """

    def __init__(
        self,
        anchor: date | None = None,
        clock: Clock = time.time,
        budgets: bool = True,
        seed: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self.anchor = anchor or datetime.fromtimestamp(clock(), UTC).date()
        self.gzip = False
        self.calls: list[Call] = []
        self.faults = Faults()
        self.iterable = IterableProject(clock)
        self.courier = CourierWorkspace(clock)
        self.rudderstack = DataPlane(clock)
        if seed:
            iterable_seed.fill(self.iterable, self.anchor)
            courier_seed.fill(self.courier, self.anchor)
        self._one_at_a_time = Lock()  # what a request finds must still be so when it takes effect
        self._iterable_api = IterableApi(self.iterable, budgets)
        self._vendors: tuple[Vendor, ...] = (
            self._iterable_api,
            CourierApi(self.courier, budgets),
            RudderStackApi(self.rudderstack, budgets),
        )

    def answer(self, request: Request) -> Reply:
        """Answers and records a request; raises BrokenOff when a fault leaves it without any answer."""
        if request.path == RECEIVED:
            return json_reply({"events": self.rudderstack.events})
        with self._one_at_a_time:
            at = self.clock()
            status = 0
            try:
                reply = self.faults.strike(request, self._vendor(request.path).answer(request), at)
                status = reply.status
                return reply
            finally:
                self.calls.append(
                    Call(at, request.method, request.path, request.query, status, request.headers, _body(request))
                )

    def _vendor(self, path: str) -> Vendor:
        return next((vendor for vendor in self._vendors if vendor.serves(path)), self._iterable_api)


def _body(request: Request) -> bytes:
    try:
        return request.content
    except Undecodable:
        return request.body
