"""Jobs, from the queue to their end.

What a job has come to depends on the moment it is looked at and on nothing that happens in between: a request
first lets those run whose turn came since the last one, each as of the moment it came. The sandbox handles one
request at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from math import inf
from typing import Literal
from zlib import crc32

from sandbox.iterable.events import Event
from sandbox.iterable.jobs.plan import CANCELLED, CANCELLING, COMPLETED, ENQUEUED, OVER, STATES, Fate, Plan, usual
from sandbox.iterable.timestamps import milliseconds

CANCELLING_SECONDS = 1
"""How long a job is on its way from a DELETE to its end."""

UNTERMINATED_SHARE = 4
"""One in so many files lacks the newline after its last line."""

Rows = Callable[["Job", float], Iterable[Event]]
"""The events that a job exports which begins to run at that moment."""

Lines = list[bytes]


@dataclass(frozen=True)
class File:
    """A file of a job; names sort by the moment of appearance."""

    name: str
    lines: Lines

    @property
    def body(self) -> bytes:
        whole = b"".join(self.lines)
        unterminated = crc32(self.name.encode()) % UNTERMINATED_SHARE == 0
        return whole.removesuffix(b"\n") if unterminated else whole


@dataclass(frozen=True)
class Run:
    """A job from the moment it runs: its plan, and the files that appear by it."""

    at: float
    plan: Plan
    files: Sequence[File]


@dataclass
class Job:
    """An export asked for, in [start, end). Times are epoch seconds."""

    id: int
    data_type: str
    start: float
    end: float
    asked_at: float
    fate: Fate | None = None
    run: Run | None = field(default=None, repr=False)
    cancelled_at: float | None = None

    @property
    def ends_at(self) -> float:
        """Infinite as long as no end is in sight."""
        if self.cancelled_at is not None:
            return self.cancelled_at + CANCELLING_SECONDS
        return inf if self.run is None else self.run.at + self.run.plan.length

    def state(self, now: float) -> str:
        """In lower case, whatever the spelling in replies."""
        if self.cancelled_at is not None:
            return CANCELLING if now < self.ends_at else CANCELLED
        return ENQUEUED if self.run is None else self.run.plan.state(now - self.run.at)

    def is_over(self, now: float) -> bool:
        return self.state(now) in OVER

    def is_truncated(self, now: float) -> bool:
        return self.run is not None and self.run.plan.truncated and self.state(now) == COMPLETED

    def files(self, now: float) -> Sequence[File]:
        """Those that have appeared, in order; a cancelled job writes no more."""
        if self.run is None:
            return []
        until = now if self.cancelled_at is None else self.cancelled_at
        return self.run.files[: self.run.plan.files_at(until - self.run.at)]


@dataclass
class Jobs:
    """The jobs of a project: settings, which take effect on jobs that have not begun to run, and a record.

    queue_seconds: from the start of a job until it runs, when its turn has come. at_once: how many run at a time.
    seconds_per_file: from one file to the next, and what an empty job takes.
    rows_per_file: what a file holds at most. files_per_page: of a listing.
    empty_file: a job without rows leaves one file without bytes, instead of none.
    truncate_rows: a job with more rows completes with so many, and says so; None never truncates.
    spelling: of states in replies: `running`, `Running`, or `running` with `queued` for enqueued.
    url_seconds: how long the address of a file is good for.
    fates: what befalls jobs to come, in the order in which they are used up.
    started, by_id: every job asked for, in order and by id. cancelled: ids of those cancelled by DELETE, in order.
    leaked_keys: paths of files that were asked for with credentials of the API, in order.
    """

    queue_seconds: float = 2
    at_once: int = 4
    seconds_per_file: float = 1
    rows_per_file: int = 1000
    files_per_page: int = 10
    empty_file: bool = False
    truncate_rows: int | None = None
    spelling: Literal["lower", "title", "queued"] = "lower"
    url_seconds: int = 30 * 60
    fates: list[Fate] = field(default_factory=list)
    started: list[Job] = field(default_factory=list)
    by_id: dict[int, Job] = field(default_factory=dict, repr=False)
    cancelled: list[int] = field(default_factory=list)
    leaked_keys: list[str] = field(default_factory=list)
    _ids: count[int] = field(default_factory=lambda: count(3562), repr=False)
    _waiting: list[Job] = field(default_factory=list, repr=False)
    _running: list[Job] = field(default_factory=list, repr=False)

    def new(self, data_type: str, start: float, end: float, now: float) -> Job:
        """A job with an id of its own, which is not started yet."""
        return Job(next(self._ids), data_type, start, end, now)

    def start(self, job: Job) -> None:
        job.fate = self._fate(job.data_type)
        self.started.append(job)
        self.by_id[job.id] = job
        self._waiting.append(job)

    def advance(self, rows: Rows, now: float) -> None:
        """Lets the jobs run whose turn has come by now, first come, first served."""
        while self._waiting and (turn := self._turn(self._waiting[0])) <= now:
            self._run(self._waiting.pop(0), turn, rows)
        self._running = [job for job in self._running if job.ends_at > now]

    def cancel(self, job: Job, now: float) -> None:
        job.cancelled_at = now
        self.cancelled.append(job.id)
        self._waiting = [waiting for waiting in self._waiting if waiting is not job]

    def spelt(self, state: str) -> str:
        """A state the way replies spell it; an unheard-of one is never respelt."""
        if state not in STATES or self.spelling == "lower":
            return state
        if self.spelling == "queued":
            return "queued" if state == ENQUEUED else state
        return state.title()

    def _fate(self, data_type: str) -> Fate | None:
        fate = next((fate for fate in self.fates if fate.data_type in (None, data_type)), None)
        if fate is not None and fate.times is not None:
            fate.times -= 1
            if fate.times == 0:
                self.fates.remove(fate)
        return fate

    def _turn(self, job: Job) -> float:
        """When the job may run: it has been in the queue for long enough, and a place is free."""
        ends = sorted(running.ends_at for running in self._running)
        free = ends[-self.at_once] if len(ends) >= self.at_once else -inf
        return max(job.asked_at + self.queue_seconds, free)

    def _run(self, job: Job, at: float, rows: Rows) -> None:
        events = list(rows(job, at))
        kept = list(islice(events, self.truncate_rows))
        lines = [event.line for event in kept]
        files = [lines[first : first + self.rows_per_file] for first in range(0, len(lines), self.rows_per_file)]
        contents = files or [[]] * self.empty_file
        plan = usual(len(contents), self.seconds_per_file, truncated=len(kept) < len(events))
        plan = plan if job.fate is None else job.fate.kind.apply(plan)
        # Named by the millisecond at which they appear, or a later one.
        names = [f"file-{milliseconds(at + appears) + number}.json" for number, appears in enumerate(plan.files)]
        job.run = Run(at, plan, list(map(File, names, contents)))
        self._running.append(job)
