"""The terminal: lines that stay, and one line of progress that refreshes itself."""

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TextIO

# Seconds between two states of the progress line: on a terminal, and where a line cannot be overwritten.
REFRESH_INTERVAL: Final = 0.2
PLAIN_INTERVAL: Final = 5.0


class Console:
    """Writes to a terminal or a file, from any thread."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._interval = REFRESH_INTERVAL if out.isatty() else PLAIN_INTERVAL
        self._began = self._shown_at = time.monotonic()
        self._has_progress = False

    def say(self, text: str = "") -> None:
        """Prints a text of one or more lines, which stays."""
        with self._lock:
            self._write(f"{text}\n")

    def progress(self, text: Callable[[], str]) -> None:
        """Shows how far things are, in place on a terminal; the text is asked for when one is due."""
        now = time.monotonic()
        if now - self._shown_at < self._interval:
            return
        self._shown_at = now
        line = f"{now - self._began:6.0f} s  {text()}"
        with self._lock:
            if self._out.isatty():
                self._write(line[: shutil.get_terminal_size().columns - 1])
                self._has_progress = True
            else:
                self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        if self._has_progress:
            self._out.write("\r\x1b[2K")
            self._has_progress = False
        self._out.write(text)
        self._out.flush()


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return an aligned table; all columns but the first `left` hold numbers."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    )
