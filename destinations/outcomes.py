"""The ends of rows: delivered, skipped, or rejected, which fails the sync or is counted."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from typing import Final

from connector_process import config_error
from destinations.redaction import presentable
from destinations.rows import Row

logger = logging.getLogger("airbyte")

# How many rows of a kind are named, and how many kinds are told apart; the rest is counted only.
ROWS_NAMED: Final = 5
KINDS_TOLD: Final = 50
OTHER_REASONS: Final = "other reasons"


class Outcomes:
    """Counts rows by what became of them. Workers share it.

    skip_rejected: rejected rows are counted too, else the first one fails the sync, as `on_invalid_record` says.
    """

    def __init__(self, skip_rejected: bool) -> None:
        self._skip_rejected = skip_rejected
        self._lock = threading.Lock()
        self._delivered: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._rejected: Counter[tuple[str, str]] = Counter()
        self._named: defaultdict[tuple[str, str], list[int]] = defaultdict(list)

    def deliver(self, rows: int = 1, remark: str = "") -> None:
        with self._lock:
            self._delivered[remark] += rows

    def skip(self, remark: str) -> None:
        """Count a row that there is nothing to send of."""
        with self._lock:
            self._skipped[remark] += 1

    def reject(self, row: Row, reason: str) -> None:
        """Errors: config_error, unless rejected rows are to be skipped."""
        reason = presentable(reason)
        with self._lock:
            kind = self._kind(row.stream, reason)
            self._rejected[kind] += 1
            if len(self._named[kind]) < ROWS_NAMED:
                self._named[kind].append(row.position)
        if not self._skip_rejected:
            raise config_error(
                f"Row {row.position} of stream {row.stream} was rejected: {reason} (mend it, or set "
                "`on_invalid_record` to skip to leave such rows out)."
            )

    def report(self) -> None:
        """Log one warning for each stream and reason, and the counts."""
        with self._lock:
            if self._skip_rejected:
                for (stream, reason), count in sorted(self._rejected.items()):
                    positions = ", ".join(map(str, sorted(self._named[stream, reason])))
                    more = ", …" if count > ROWS_NAMED else ""
                    rows, were = ("row", "was") if count == 1 else ("rows", "were")
                    logger.warning(
                        f"{count} {rows} of stream {stream} {were} rejected and left out: {reason} ({rows} "
                        f"{positions}{more})."
                    )
            logger.info(
                f"Rows: {self._delivered.total()} delivered{_remarks(self._delivered)}, {self._skipped.total()} skipped"
                f"{_remarks(self._skipped)}, {self._rejected.total()} rejected."
            )

    def _kind(self, stream: str, reason: str) -> tuple[str, str]:
        kind = stream, reason
        return kind if kind in self._rejected or len(self._rejected) < KINDS_TOLD else (stream, OTHER_REASONS)


def _remarks(counts: Counter[str]) -> str:
    remarks = ", ".join(f"{count} {remark}" for remark, count in sorted(counts.items()) if remark)
    return f" ({remarks})" if remarks else ""
