"""`make demo`: a sync against the sandbox, without a key or an account.

    python -m scripts.demo

The first run reads the sandbox's history, a later one what has happened since. All it writes is in `.demo/`,
also the date that the sandbox's history hangs on, so that a later run meets the same data and more of it.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

from scripts.connector import Connector, StopRequest
from scripts.console import Console
from scripts.sync import standard_output
from scripts.syncing import FAILURES, Job, Outcome, SyncError, explained, report, sync, write_atomically

FOLDER: Final = Path(".demo")
API_KEY: Final = "sandbox-iterable-key"
COURIER_KEY: Final = "sandbox-courier-key"
HISTORY: Final = timedelta(days=400)
LISTENING: Final = re.compile(r"listening on (http://\S+)\n")
# Seconds the sandbox has to start, and to end.
PATIENCE: Final = 20.0


@dataclass(frozen=True)
class History:
    """What the demo remembers from run to run."""

    anchor: str  # the sandbox's date, YYYY-MM-DD
    runs: int = 0
    finished: float = 0.0  # when the last run ended, seconds since 1970

    @classmethod
    def load(cls, path: Path) -> "History":
        """The history of earlier runs, or that of a demo which starts today."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls(anchor=datetime.now(UTC).date().isoformat())

    def after(self, finished: float) -> "History":
        """The history with one more run."""
        return History(self.anchor, self.runs + 1, finished)


def main() -> None:
    """The command; exits 0 when all went well, 1 when something failed, 130 when interrupted."""
    stop = StopRequest()
    stop.listen()
    sys.exit(run(FOLDER, os.environ.get("SANDBOX_PORT", ""), stop, standard_output()))


def run(folder: Path, port: str, stop: StopRequest, out: TextIO) -> int:
    """Runs the demo in a folder; the exit code.

    `port` is the sandbox's, as text; an empty one means any that is free.
    """
    console = Console(out, [API_KEY, COURIER_KEY])
    folder.mkdir(parents=True, exist_ok=True)
    memory = folder / "demo.json"
    history = History.load(memory)
    _save(memory, history)
    try:
        number = port_number(port)
        console.say("Starting the sandbox, a local stand-in for Iterable and Courier with data up to now …")
        with sandbox(number, history.anchor, folder / "sandbox.log") as url:
            outcome = sync(_job(folder, url, history.anchor), Connector(stop), console)
    except FAILURES as error:
        console.say(explained(error))
        return 1
    report(outcome, console)
    console.say(closing_words(outcome, history, time.time(), folder))
    if not outcome.exit_code:
        _save(memory, history.after(time.time()))
    return outcome.exit_code


def port_number(text: str) -> int:
    """The port that SANDBOX_PORT names, 0 for none; SyncError when it is taken or is no port."""
    if not text:
        return 0
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 65536:
        raise SyncError(f"SANDBOX_PORT is {text}, which is no port: choose a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            raise SyncError(
                f"Port {text} cannot be used ({error.strerror}); set SANDBOX_PORT to another, or to none."
            ) from error
    return int(text)


@contextmanager
def sandbox(port: int, anchor: str, log: Path, *options: str) -> Iterator[str]:
    """The sandbox's URL; its process ends with the block, what it prints goes to a file."""
    command = [sys.executable, "-u", "-m", "sandbox", "--port", str(port), "--anchor", anchor, "--no-budgets", *options]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C must not take the sandbox from a connector that is still being ended.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield _url(process, log)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def closing_words(outcome: Outcome, history: History, now: float, folder: Path) -> str:
    """What the run means and what to try next."""
    if outcome.stopped:
        return f"Stopped, and the sandbox too. What was read is in {folder}/; `make demo` goes on from there."
    if outcome.exit_code:
        return f"The demo did not go as it should. What was read is in {folder}/."
    database = folder / "messaging.duckdb"
    if not history.runs:
        return (
            f"First run: {outcome.records:,} records in {outcome.seconds:.0f} s, in {database}.\n"
            "Run `make demo` again: it goes on from its state and adds only what has happened since."
        )
    ordinal = "Second run" if history.runs == 1 else f"Run {history.runs + 1}"
    rows = f"{outcome.new_rows:,} new record{'s' * (outcome.new_rows != 1)}"
    return f"{ordinal}: {rows}, {duration(now - history.finished)} after the last run, in {database}."


def duration(seconds: float) -> str:
    """A length of time in words, in the largest unit of which there are two."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}s"
    return f"{seconds:.0f} second{'s' * (round(seconds) != 1)}"


def _job(folder: Path, url: str, anchor: str) -> Job:
    config = {
        "api_key": API_KEY,
        "start_date": f"{date.fromisoformat(anchor) - HISTORY}T00:00:00Z",
        "api_url": url,
        "courier": {"api_key": COURIER_KEY, "api_url": url},
        # The sandbox is told to have no limits; a first sync at Iterable's takes an hour.
        "budget_share": 1000,
    }
    path = folder / "config.json"
    write_atomically(path, json.dumps(config, indent=2) + "\n")
    return Job(config=path, database=folder / "messaging.duckdb", state=folder / "state.json")


def _save(path: Path, history: History) -> None:
    write_atomically(path, json.dumps(asdict(history)) + "\n")


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the sandbox says it listens; SyncError when it ends or says nothing in time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ended = process.poll() is not None  # asked first, so that its last words are in the file
        said = log.read_text(encoding="utf-8", errors="replace")
        found = LISTENING.search(said)
        if found:
            return found[1]
        if ended:
            break
        time.sleep(0.05)
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    raise SyncError(f"The sandbox did not start: {last[0].rstrip('.')}.")


if __name__ == "__main__":
    main()
