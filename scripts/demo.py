"""`make demo`: a sync against the sandbox, without a key or an account.

    python -m scripts.demo

The first run reads the sandbox's history, a later one what has happened since. All it writes is in `.demo/`,
also the date that the sandbox's history hangs on, so that a later run meets the same data and more of it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from messaging_sync.__main__ import Job, run
from messaging_sync.console import Console
from messaging_sync.source import SyncError

FOLDER: Final = Path(".demo")
API_KEY: Final = "sandbox-iterable-key"
COURIER_KEY: Final = "sandbox-courier-key"
HISTORY: Final = timedelta(days=400)
LISTENING: Final = re.compile(r"listening on (http://\S+)\n")

LOOK: Final = Path("scripts/funnel.sql")


def main() -> int:
    """Runs the demo; the exit code is 0 when all went well, 1 when something failed, 130 when interrupted."""
    console = Console(sys.stdout)
    FOLDER.mkdir(exist_ok=True)
    database = FOLDER / "messaging.duckdb"
    before = rows(database)
    console.say("Starting the sandbox, a local stand-in for Iterable and Courier with data up to now …")
    anchor = first_day(FOLDER / "first-day")
    try:
        with sandbox(anchor, FOLDER / "sandbox.log", "--port", os.environ.get("SANDBOX_PORT", "0")) as url:
            code = run(Job(config_file(FOLDER, url, anchor), str(database)), console)
    except SyncError as error:
        console.say(str(error))
        return 1
    if code == 0:
        console.say(f"{rows(database) - before:,} rows are new; run `make demo` again for what happens from now on.\n")
        look = f"import duckdb; print(duckdb.connect('{database}').sql(open('{LOOK}').read()))"
        console.say(f'$ .venv/bin/python -c "{look}"')
        with duckdb.connect(str(database), read_only=True) as connection:
            console.say(str(connection.sql(LOOK.read_text(encoding="utf-8"))))
    return code


def first_day(path: Path) -> str:
    """The day of the first demo, YYYY-MM-DD: the sandbox's history hangs on it."""
    if not path.exists():
        path.write_text(datetime.now(UTC).date().isoformat(), encoding="utf-8")
    return path.read_text(encoding="utf-8")


@contextmanager
def sandbox(anchor: str, log: Path, *options: str) -> Iterator[str]:
    """Yields the sandbox's URL; its process ends with the block, what it prints goes to a file."""
    words = [sys.executable, "-u", "-m", "sandbox", "--anchor", anchor, "--no-budgets", *options]
    try:
        with log.open("wb") as told:
            # A session of its own: Ctrl-C must not take the sandbox from a source that is still being ended.
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told, text=True, start_new_session=True
            )
    except OSError as error:
        raise SyncError(f"{error.filename} cannot be used: {error.strerror}.") from error
    with process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            listening = LISTENING.search(said)
            if not listening:
                printed = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise SyncError(f"The sandbox did not start: {['it said nothing', *printed][-1].rstrip('.')}.")
            yield listening[1]
        finally:
            process.terminate()


def config_file(folder: Path, url: str, anchor: str) -> Path:
    """Writes the configuration that reads the sandbox."""
    config = {
        "api_key": API_KEY,
        "start_date": f"{date.fromisoformat(anchor) - HISTORY}T00:00:00Z",
        "api_url": url,
        "courier": {"api_key": COURIER_KEY, "api_url": url},
        # The sandbox is told to have no limits; a first sync at Iterable's takes an hour.
        "budget_share": 1000,
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return path


def rows(database: Path) -> int:
    """The rows of all tables of streams."""
    if not database.exists():
        return 0
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SHOW TABLES").fetchall() if not name.startswith("_dlt")]
        return sum(connection.table(name).count("*").fetchall()[0][0] for name in tables)


if __name__ == "__main__":
    sys.exit(main())
