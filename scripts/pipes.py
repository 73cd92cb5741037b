"""Connectors as in a shell: `source read … | destination write …`, each a process of its own."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from messaging_sync.source import SyncError

ROOT: Final = Path(__file__).resolve().parent.parent
PROGRAMS: Final = {
    "source-messaging": "source_messaging",
    "destination-courier": "destinations.courier.__main__",
    "destination-rudderstack": "destinations.rudderstack.__main__",
}
"""The modules behind the installed commands, so that a checkout needs no installation."""
# Seconds a process has to end when asked to.
PATIENCE: Final = 10.0

Message = dict[str, Any]


@dataclass(frozen=True)
class Command:
    """One program of a pipe; its options hold paths."""

    program: str
    action: str
    options: tuple[tuple[str, Path], ...]

    def __str__(self) -> str:
        pairs = [word for name, path in self.options for word in (name, str(path))]
        return shlex.join([self.program, self.action, *pairs])

    def words(self) -> list[str]:
        """What is started; paths hold wherever that is."""
        pairs = [word for name, path in self.options for word in (name, str(path.absolute()))]
        return [sys.executable, "-m", PROGRAMS[self.program], self.action, *pairs]


@dataclass(frozen=True)
class Pipe:
    """Programs of which each reads what the one before it prints; the first reads `fed_from`, or nothing."""

    commands: Sequence[Command]
    fed_from: Path | None = None

    def __str__(self) -> str:
        fed = f" < {self.fed_from}" if self.fed_from else ""
        return " | ".join(str(command) for command in self.commands) + fed

    def messages(self, log: Path) -> list[Message]:
        """What the last program prints, once all have ended; `log` takes what they print as errors.

        Errors: SyncError that says which program failed, and why if it said so.
        """
        with log.open("ab") as errors, self._feed() as feed, _running() as processes:
            for command in self.commands:
                processes.append(_started(command, processes[-1].stdout if processes else feed, errors))
                _let_go(processes[:-1])
            printed = processes[-1].communicate()[0]
            codes = [process.wait() for process in processes]
        messages = list(_messages(printed))
        for command, code in zip(self.commands, codes, strict=True):
            if code:
                reason = _error(messages) or f"see {log}"
                raise SyncError(f"{command.program} ended with exit code {code}: {reason.rstrip('.')}.")
        return messages

    @contextmanager
    def _feed(self) -> Iterator[IO[bytes]]:
        with Path(self.fed_from or os.devnull).open("rb") as feed:
            yield feed


@contextmanager
def _running() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that do not outlive the block."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            _end(process)


def _started(command: Command, feed: IO[bytes] | None, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - it starts this project's own programs
        command.words(), cwd=ROOT, stdin=feed, stdout=subprocess.PIPE, stderr=errors
    )


def _let_go(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Closes our end of their output, so that a program notices when its reader has ended."""
    for process in processes:
        if process.stdout:
            process.stdout.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    _let_go([process])
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _messages(printed: bytes) -> Iterator[Message]:
    for line in printed.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue  # a stray print is no message
        if isinstance(message, dict):
            yield message


def _error(messages: Sequence[Message]) -> str | None:
    """The last error that a program reported."""
    errors = [message["trace"]["error"]["message"] for message in messages if _is_error(message)]
    return errors[-1] if errors else None


def _is_error(message: Message) -> bool:
    return message.get("type") == "TRACE" and message["trace"].get("type") == "ERROR"
