"""The connector as a process: starts it, yields its messages, ends it."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

from scripts.loading import parse_line

SOURCE: Final = (sys.executable, str(Path(__file__).resolve().parent.parent / "source_messaging.py"))
# Seconds without a message after which the reader gets a turn.
TICK: Final = 0.25
# Seconds the connector has to end when asked to.
PATIENCE: Final = 10.0


class StopRequest:
    """SIGINT and SIGTERM as something to look at between two steps, so that no step is left half done."""

    def __init__(self) -> None:
        self.times = 0

    def requested(self) -> bool:
        """Whether a signal has arrived."""
        return self.times > 0

    def listen(self) -> None:
        """Takes the signals over from Python."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self.times += 1


class Connector:
    """Runs one command of a source at a time."""

    def __init__(self, stop: StopRequest, command: Sequence[str] = SOURCE) -> None:
        self.stop = stop
        self.exit_code = 0
        self._command = command
        self._errors = b""

    def messages(self, *arguments: str) -> Iterator[dict[str, Any] | None]:
        """Every message of a run, and None whenever the reader may do something else.

        A stop request ends the run; what the connector has printed by then still comes.
        """
        with tempfile.TemporaryFile() as errors:
            # A session of its own: Ctrl-C reaches this process alone, which then ends the connector in order.
            process = subprocess.Popen(
                [*self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
            try:
                yield from self._parsed(process)
            finally:
                if process.poll() is None:
                    process.terminate()
                if process.stdout:
                    process.stdout.close()
                self.exit_code = process.wait()
                errors.seek(0)
                self._errors = errors.read()

    def last_words(self) -> str:
        """Why the last run ended, for a run that gave no error message."""
        lines = self._errors.decode("utf-8", "replace").strip().splitlines()
        end = f"The connector ended with exit code {self.exit_code}"
        return f"{end}: {lines[-1]}" if lines else f"{end}."

    def _parsed(self, process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any] | None]:
        for line in self._lines(process):
            if line is None:
                yield None
                continue
            try:
                message = parse_line(line)
            except ValueError:
                continue  # a stray print is no message
            if isinstance(message, dict):
                yield message

    def _lines(self, process: subprocess.Popen[bytes]) -> Iterator[bytes | None]:
        """Whole lines as they come; half a line at the end, of a process that was killed, is none."""
        output: IO[bytes] | None = process.stdout
        if output is None:
            return
        rest = b""
        asked_at = None
        while True:
            if self.stop.requested():
                asked_at = asked_at or time.monotonic()
                self._end(process, asked_at)
            if not select.select([output], [], [], TICK)[0]:
                yield None
                continue
            chunk = os.read(output.fileno(), 1 << 20)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            yield None

    def _end(self, process: subprocess.Popen[bytes], asked_at: float) -> None:
        if self.stop.times > 1 or time.monotonic() - asked_at > PATIENCE:
            process.kill()
        else:
            process.terminate()
