"""How long Iterable's call budget makes a sync take: its exports, a call for each window, share four a minute."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from messaging_sync.source import Result, Stream

EVENT_KEY: Final = [["event_id"]]
"""The key of exported events, and of nothing else."""
CALLS: Final = 4  # a minute
FIRST_WINDOW: Final = timedelta(days=30)
LONGEST_WINDOW: Final = timedelta(days=180)


def is_export(stream: Stream) -> bool:
    return stream.is_incremental and stream.key == EVENT_KEY


def least_windows(span: timedelta) -> int:
    """Return in how many windows an export reads a span of time, if no window breaks off: 8 for three years."""
    length, count = FIRST_WINDOW, 0
    while span > timedelta():
        span, length, count = span - length, min(2 * length, LONGEST_WINDOW), count + 1
    return count


class Estimate:
    """The time that the exports of a sync still take; nothing if they are read by jobs, or of another source."""

    def __init__(self, config: Path, streams: Sequence[Stream]) -> None:
        given = json.loads(config.read_text(encoding="utf-8"))
        self._start = _instant(given.get("start_date"))
        has_budget = self._start and given.get("export_method") != "jobs"
        self.exports = [stream.name for stream in streams if has_budget and is_export(stream)]
        self.rate = CALLS * float(given.get("budget_share", 1))

    def minutes(self, results: Mapping[str, Result]) -> int:
        """Return whole minutes, for the streams that are not complete from where their states are."""
        now, left = datetime.now(UTC), 0
        for result in (results[name] for name in self.exports if results[name].seconds is None):
            left += least_windows(now - (_instant(result.state.get("createdAt")) or self._start or now))
        return round(left / self.rate)


def _instant(text: Any) -> datetime | None:
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(text)
    return None
