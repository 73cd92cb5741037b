"""Many rows at a time, in order for each user, and states once all before them was accepted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

# What may be under way or waiting: from the oldest row that is not settled to the newest, and bytes of input.
WINDOW: Final = 2000
BYTES: Final = 32 * 1024 * 1024

GivenUp = Callable[[], bool]
Work = Callable[[GivenUp], None]
"""Delivers a row; is told whether an earlier row has failed, so that it need not go on trying."""


@dataclass(eq=False)
class _Task:
    place: int
    lanes: tuple[Hashable, ...]
    work: Work
    size: int
    # In how many of its lanes another task is still ahead of it.
    behind: int = 0


class Delivery:
    """Hands rows to a bounded pool of workers.

    Each row is in the lanes of the user, and of the tenant, it is about; it starts when it is the first in all of its
    lanes. So two rows of one user never overtake each other, and a slow user holds up nobody else.

    A row that fails ends the delivery: what came before it is still delivered and its states echoed; what came
    after it is dropped unless it is under way. Of several that fail, the first in the order of the input counts.
    Memory is bounded: `submit` waits while WINDOW or BYTES are under way.
    """

    def __init__(self, workers: int, echo: Callable[[str], None]) -> None:
        self._echo = echo
        self._changed = threading.Condition()
        self._ready: deque[_Task] = deque()
        self._lanes: dict[Hashable, deque[_Task]] = {}
        self._unsettled: dict[int, _Task] = {}
        self._states: deque[tuple[int, str]] = deque()
        self._failure: tuple[int, Exception] | None = None
        self._places = 0
        self._bytes = 0
        self._closed = False
        self._workers = [
            threading.Thread(target=self._work, name=f"delivery-{number}", daemon=True) for number in range(workers)
        ]

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            if error is not None and self._failure is None:
                self._failure = (-1, RuntimeError("broken off"))  # nothing is worth going on with
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    @property
    def failed(self) -> bool:
        return self._failure is not None

    def submit(self, lanes: Iterable[Hashable], work: Work, size: int) -> None:
        """Takes a row, as soon as there is room for it. lanes: what it must keep its order in; size: bytes."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(size))
            task = _Task(self._next_place(), tuple(dict.fromkeys(lanes)), work, size)
            self._unsettled[task.place] = task
            self._bytes += size
            for lane in task.lanes:
                queue = self._lanes.setdefault(lane, deque())
                task.behind += bool(queue)
                queue.append(task)
            if not task.behind:
                self._ready.append(task)
                self._changed.notify_all()

    def state(self, line: str) -> None:
        """Takes a state, which is echoed when every row before it is settled."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(len(line)))
            self._states.append((self._next_place(), line))
            self._bytes += len(line)
            self._echo_states()

    def fail(self, error: Exception) -> None:
        """Ends the delivery at this point of the input."""
        with self._changed:
            self._fail(self._next_place(), error)

    def finish(self) -> None:
        """Waits until everything is settled. Errors: what the first row that failed has failed with."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unsettled)
            if self._failure is not None:
                raise self._failure[1]

    def _has_room(self, size: int) -> bool:
        if self._failure is not None or not self._unsettled:
            return True
        waiting = self._places - next(iter(self._unsettled))
        return waiting < WINDOW and self._bytes + size <= BYTES

    def _next_place(self) -> int:
        self._places += 1
        return self._places

    def _fail(self, place: int, error: Exception) -> None:
        if self._failure is None or place < self._failure[0]:
            self._failure = place, error
            self._changed.notify_all()

    def _is_given_up(self, task: _Task) -> bool:
        return self._failure is not None and task.place > self._failure[0]

    def _work(self) -> None:
        while (task := self._take()) is not None:
            error: Exception | None = None
            try:
                if not self._is_given_up(task):
                    task.work(lambda task=task: self._is_given_up(task))  # type: ignore[misc]
            except Exception as caught:  # noqa: BLE001 - whatever it is, the main thread raises it
                error = caught
            self._settle(task, error)

    def _take(self) -> _Task | None:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._closed)
            return self._ready.popleft() if self._ready else None

    def _settle(self, task: _Task, error: Exception | None) -> None:
        with self._changed:
            if error is not None:
                self._fail(task.place, error)
            del self._unsettled[task.place]
            self._bytes -= task.size
            for lane in task.lanes:
                self._move_up(lane)
            self._echo_states()
            self._changed.notify_all()

    def _move_up(self, lane: Hashable) -> None:
        queue = self._lanes[lane]
        queue.popleft()
        if not queue:
            del self._lanes[lane]
            return
        queue[0].behind -= 1
        if not queue[0].behind:
            self._ready.append(queue[0])

    def _echo_states(self) -> None:
        reached = next(iter(self._unsettled), self._places + 1)
        if self._failure is not None:
            reached = min(reached, self._failure[0])
        while self._states and self._states[0][0] < reached:
            place, line = self._states.popleft()
            self._bytes -= len(line)
            try:
                self._echo(line)
            except OSError as error:  # nobody reads our output any more
                self._fail(place, error)
                return
