"""Time that stands still while anything works, and jumps when everything waits."""

import heapq
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import requests
import time_machine
from requests.adapters import HTTPAdapter

# The folder of `sitecustomize.py`, by which a Python that a test starts gets its clock from the test.
INSTANT = Path(__file__).with_name("instant")


class VirtualClock:
    """Stands in for the system's clock and for `time.sleep` of the whole process.

    A thread that sleeps waits for its moment. Once no thread has worked for a little while, so that all of them sleep
    or wait for one that does, time jumps to the moment the first of them wakes. Waits of hours are over at once, in
    the order and at the instants they would really have had. A request under way counts as work, unless its server
    holds it; a reply that is then later than the client's limit is a time-out.
    `time.monotonic` keeps running.
    Units: seconds since the epoch; QUIET and IDLE in real seconds, of waiting and of CPU time.
    """

    QUIET = 0.002
    IDLE = 0.0005
    TICK = 0.001
    PRECISION = 0.00001  # the clock cannot be set to every fraction of a second; it may end up a little before

    def __init__(self, start: datetime) -> None:
        self._traveller = time_machine.travel(start, tick=False)
        self._coordinates: Any = None
        self._sleepers: list[tuple[float, int]] = []
        self._changed = threading.Condition()
        self._requests_under_way = 0
        self.slept: list[float] = []

    @contextmanager
    def running(self) -> Iterator["VirtualClock"]:
        send = HTTPAdapter.send

        def counted_send(adapter: HTTPAdapter, *arguments: Any, **keywords: Any) -> requests.Response:
            began = self.now()
            with self._under_way():
                response = send(adapter, *arguments, **keywords)
            timeout = keywords.get("timeout")
            limit = timeout[1] if isinstance(timeout, tuple) else timeout
            if limit is not None and self.now() - began > limit:
                response.close()
                raise requests.ReadTimeout(f"Read timed out. (read timeout={limit})", request=response.request)
            return response

        with mock.patch.object(time, "sleep", self.sleep), mock.patch.object(HTTPAdapter, "send", counted_send):
            self._coordinates = self._traveller.start()
            try:
                yield self
            finally:
                self._traveller.stop()

    def now(self) -> float:
        return time.time()

    def advance(self, seconds: float) -> None:
        """Let time pass between two syncs."""
        self._coordinates.shift(seconds)

    def sleep(self, seconds: float) -> None:
        with self._changed:
            self.slept.append(seconds)
            # A limiter that polls with no wait at all would otherwise poll for ever.
            sleeper = (self.now() + max(seconds, self.TICK), len(self.slept))
            heapq.heappush(self._sleepers, sleeper)
            while self.now() < sleeper[0] - self.PRECISION:
                # Only the first to wake looks after the clock: many that look would keep the process busy.
                if self._sleepers[0] != sleeper:
                    self._changed.wait()
                elif self._nothing_works() and self._sleepers[0] == sleeper:
                    self._coordinates.move_to(sleeper[0])
            self._sleepers.remove(sleeper)
            heapq.heapify(self._sleepers)
            self._changed.notify_all()

    def hold(self, seconds: float) -> None:
        """Let a server wait before it answers a request that is under way."""
        with self._under_way(-1):
            self.sleep(seconds)

    @contextmanager
    def _under_way(self, count: int = 1) -> Iterator[None]:
        with self._changed:
            self._requests_under_way += count
        try:
            yield
        finally:
            with self._changed:
                self._requests_under_way -= count

    def _nothing_works(self) -> bool:
        before = _cpu_time_of_others()
        self._changed.wait(self.QUIET)
        # Twice, and CPU time last: a thread that slept when it was looked at, or was not there yet, may have been woken
        # or started by one that was looked at later.
        asleep = not self._requests_under_way and all(_others_are_asleep() for _ in range(2))
        return asleep and _cpu_time_of_others() - before < self.IDLE


def _cpu_time_of_others() -> float:
    return time.process_time() - time.thread_time()


def _others_are_asleep() -> bool:
    """Return True if no other thread runs or would like to: on a busy machine one may get no CPU for a long while.

    True where the system does not say; then only CPU time tells.
    """
    own = str(threading.get_native_id())
    threads = Path("/proc/self/task")
    return not threads.exists() or all(
        _state(thread / "stat") == "S" for thread in threads.iterdir() if thread.name != own
    )


def _state(about: Path) -> str:
    """Linux' letter for what a thread does; `S` also of one that has ended meanwhile."""
    try:
        return about.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return "S"
