"""The course of a job once it runs; times are seconds since then.

A fate is a failure on demand, such as `Failed(files=2)`. It befalls the next job started, of its data type if it names
one, and is used up.

`files` beyond those of the job mean all of them. A job that is restarted or paused keeps its place among those
that run at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

ENQUEUED = "enqueued"
RUNNING = "running"
COMPLETED = "completed"
FAILED = "failed"
CANCELLING = "cancelling"
CANCELLED = "cancelled"

STATES = (ENQUEUED, RUNNING, COMPLETED, FAILED, CANCELLING, CANCELLED)
OVER = (COMPLETED, FAILED, CANCELLED)


@dataclass(frozen=True)
class Plan:
    """The states a job goes through, each with its first second, and the second at which each file appears."""

    states: tuple[tuple[float, str], ...]
    files: tuple[float, ...]
    truncated: bool = False

    def state(self, second: float) -> str:
        return next(state for since, state in reversed(self.states) if since <= second)

    def files_at(self, second: float) -> int:
        """How many there are by then."""
        return sum(appears <= second for appears in self.files)

    @property
    def length(self) -> float:
        """Seconds until the job is over; infinite when it never is."""
        since, state = self.states[-1]
        return since if state in OVER else inf

    def reached(self, files: int) -> float:
        """The second at which so many files are there, or all."""
        return max(self.files[:files], default=0)


def usual(files: int, seconds_per_file: float, truncated: bool) -> Plan:
    """One file after the other; completed with the last, or after the time of one when there is none."""
    appears = tuple(seconds_per_file * number for number in range(1, files + 1))
    return Plan(((0, RUNNING), (seconds_per_file * max(files, 1), COMPLETED)), appears, truncated)


@dataclass(frozen=True)
class Failed:
    """Over once `files` files are there."""

    files: int = 0
    end: str = FAILED
    truncated: bool = False

    def apply(self, plan: Plan) -> Plan:
        states = ((0.0, RUNNING), (plan.reached(self.files), self.end))
        return Plan(states, plan.files[: self.files], self.truncated)


@dataclass(frozen=True)
class Cancelled(Failed):
    """Cancelled by someone else once `files` files are there."""

    end: str = CANCELLED


@dataclass(frozen=True)
class Truncated(Failed):
    """Completed with the first `files` files, and said to be truncated."""

    files: int = 1
    end: str = COMPLETED
    truncated: bool = True


@dataclass(frozen=True)
class Stuck:
    """Running for ever, with `files` files."""

    files: int = 0

    def apply(self, plan: Plan) -> Plan:
        return Plan(((0, RUNNING),), plan.files[: self.files])


@dataclass(frozen=True)
class Paused:
    """In `state` for `seconds`, between two spells of running. The state is spelt as given, whatever others are."""

    files: int = 0
    seconds: float = 30
    state: str = "paused"

    def apply(self, plan: Plan) -> Plan:
        begins = plan.reached(self.files)
        ends = begins + self.seconds
        later = tuple(appears + self.seconds for appears in plan.files[self.files :])
        states = ((0, RUNNING), (begins, self.state), (ends, RUNNING), (plan.length + self.seconds, COMPLETED))
        return Plan(states, plan.files[: self.files] + later, plan.truncated)


@dataclass(frozen=True)
class Restarted(Paused):
    """Back in the queue for `seconds`, from which it returns by itself."""

    state: str = ENQUEUED


@dataclass
class Fate:
    """The course of the next `times` jobs of a data type, any by default; None is every one from now on."""

    kind: Failed | Stuck | Paused
    data_type: str | None = None
    times: int | None = 1
