"""Rate limits: so many calls within a moving window, on the sandbox's clock."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class Budget:
    """`calls` within any `seconds`."""

    calls: int
    seconds: float


class Limiter:
    """Counts admitted calls by key; a call that is turned away does not count."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._admitted: defaultdict[str, deque[float]] = defaultdict(deque)

    def admits(self, key: str, budget: Budget, now: float) -> bool:
        with self._lock:
            admitted = self._admitted[key]
            while admitted and admitted[0] <= now - budget.seconds:
                admitted.popleft()
            if len(admitted) >= budget.calls:
                return False
            admitted.append(now)
            return True
