"""What the commands print: lines, one line of progress that refreshes itself, and the closing table."""

import shutil
import time
from collections.abc import Iterable, Sequence
from typing import Final, TextIO

# Seconds between two states of the progress line: on a terminal, and where a line cannot be overwritten.
REFRESH_INTERVAL: Final = 0.1
PLAIN_INTERVAL: Final = 2.0
# Seconds after which a line is repeated there although only time has passed.
QUIET_INTERVAL: Final = 30.0
MASK: Final = "****"
SHORTEST_SECRET: Final = 4  # characters; masking less would only garble the text


class Console:
    """Writes to a terminal or a file; a secret never passes."""

    def __init__(self, out: TextIO, secrets: Iterable[str] = ()) -> None:
        self._out = out
        self._secrets = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        self._refreshes = out.isatty()
        self._progress = ""
        self._progress_at = float("-inf")

    def say(self, text: str = "") -> None:
        """Prints a text of one or more lines, which stays."""
        self._clear()
        self._out.write(self._masked(text) + "\n")
        self._out.flush()

    def progress(self, seconds: float, text: str) -> None:
        """Shows how far things are after `seconds`: in place on a terminal, else in a line now and then."""
        waited = time.monotonic() - self._progress_at
        if self._refreshes:
            due = waited >= REFRESH_INTERVAL
        else:
            due = waited >= (PLAIN_INTERVAL if text != self._progress else QUIET_INTERVAL)
        if not due:
            return
        self._clear()
        line = self._masked(f"{seconds:6.0f} s  {text}")
        self._out.write(line[: shutil.get_terminal_size().columns - 1] if self._refreshes else f"{line}\n")
        self._out.flush()
        self._progress, self._progress_at = text, time.monotonic()

    def _clear(self) -> None:
        if self._refreshes and self._progress:
            self._out.write("\r\x1b[2K")
            self._progress = ""

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int]) -> str:
    """An aligned table; `right` holds the indices of the columns that hold numbers."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    )
