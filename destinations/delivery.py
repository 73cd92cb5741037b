"""Many rows at a time, in order for each user and tenant, and states once all before them was accepted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

# What may be under way or waiting: rows and states since the oldest row that is under way, and their bytes.
WINDOW: Final = 2000
BYTES: Final = 32 * 1024 * 1024

IsCancelled = Callable[[], bool]
Work = Callable[[IsCancelled], None]
"""Delivers a row; is told whether an earlier row has failed, so that it need not go on trying."""


@dataclass(eq=False)
class _Entry:
    """A row with its work, or a state with its line. waits_for: how many earlier rows must be done first."""

    position: int
    size: int
    keys: frozenset[Hashable] = frozenset()
    work: Work | None = None
    line: str | None = None
    waits_for: int = 0
    followers: list[_Entry] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return self.work is None


class Delivery:
    """Hands rows to a pool of workers; each waits for the last row before it that shares one of its keys.

    Keys are the user and the tenant a row is about: their rows never overtake each other, and a slow user holds up
    nobody else.

    A row that fails ends the delivery: what came before it is still delivered and its states echoed; what came
    after it is dropped unless it is under way. Of several that fail, the first in the order of the input counts.
    Memory is bounded: `submit` and `state` wait while there is no room.
    """

    def __init__(self, workers: int, echo: Callable[[str], None]) -> None:
        self._echo = echo
        self._pool = ThreadPoolExecutor(workers, "delivery")
        self._changed = threading.Condition()
        self._entries: deque[_Entry] = deque()
        self._last: dict[Hashable, _Entry] = {}
        self._failure: tuple[int, Exception] | None = None
        self._submitted = 0
        self._under_way = 0
        self._bytes = 0

    def close(self) -> None:
        self._pool.shutdown()

    @property
    def failed(self) -> bool:
        return self._failure is not None

    def submit(self, keys: Iterable[Hashable], work: Work, size: int) -> None:
        """Take a row, as soon as there is room for it. size: bytes."""
        with self._changed:
            row = self._add(_Entry(self._next_position(), size, frozenset(keys), work))
            self._under_way += 1
            for key in row.keys:
                if key in self._last:
                    self._last[key].followers.append(row)
                    row.waits_for += 1
                self._last[key] = row
            if not row.waits_for:
                self._pool.submit(self._run, row)

    def state(self, line: str) -> None:
        """Take a state, which is echoed when every row before it is done."""
        with self._changed:
            self._add(_Entry(self._next_position(), len(line), line=line))
            self._echo_states()

    def fail(self, error: Exception) -> None:
        """End the delivery at this point of the input."""
        with self._changed:
            self._fail(self._next_position(), error)

    def finish(self) -> None:
        """Wait until everything is done. Errors: that of the first row that failed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)
            if self._failure is not None:
                raise self._failure[1]

    def _next_position(self) -> int:
        self._submitted += 1
        return self._submitted

    def _add(self, entry: _Entry) -> _Entry:
        self._changed.wait_for(lambda: self._has_room(entry.size))
        self._entries.append(entry)
        self._bytes += entry.size
        return entry

    def _has_room(self, size: int) -> bool:
        if self._failure is not None or not self._entries:
            return True
        return len(self._entries) < WINDOW and self._bytes + size <= BYTES

    def _fail(self, position: int, error: Exception) -> None:
        if self._failure is None or position < self._failure[0]:
            self._failure = position, error
            self._changed.notify_all()

    def _is_cancelled(self, row: _Entry) -> bool:
        return self._failure is not None and row.position > self._failure[0]

    def _run(self, row: _Entry) -> None:
        error: Exception | None = None
        try:
            if row.work is not None and not self._is_cancelled(row):
                row.work(lambda: self._is_cancelled(row))
        except Exception as caught:  # noqa: BLE001 - whatever it is, the main thread raises it
            error = caught
        with self._changed:
            if error is not None:
                self._fail(row.position, error)
            self._complete(row)

    def _complete(self, row: _Entry) -> None:
        row.work = None
        self._under_way -= 1
        for key in row.keys:
            if self._last[key] is row:
                del self._last[key]
        for follower in row.followers:
            follower.waits_for -= 1
            if not follower.waits_for:
                self._pool.submit(self._run, follower)
        self._echo_states()
        self._changed.notify_all()

    def _echo_states(self) -> None:
        while self._entries and self._entries[0].is_done:
            entry = self._entries[0]
            if self._failure is not None and entry.position >= self._failure[0]:
                return
            self._entries.popleft()
            self._bytes -= entry.size
            if entry.line is not None:
                try:
                    self._echo(entry.line)
                except OSError as error:  # nobody reads our output any more
                    self._fail(entry.position, error)
