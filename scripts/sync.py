"""`make sync`: reads with your own configuration and loads the records into a DuckDB file.

    python -m scripts.sync --config secrets/config.json
        [--catalog FILE] [--streams NAME,NAME] [--state FILE] [--out FILE.duckdb]

Every stream of the connector is read, or those of a configured catalog, or those named. The state is kept
beside the database (`messaging.duckdb` → `messaging.state.json`), so the next sync reads what is new.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from scripts.connector import SOURCE, Connector, StopRequest
from scripts.console import Console
from scripts.syncing import FAILURES, Job, explained, read_json, report, secrets_of, sync

DATABASE: Final = Path("sync/messaging.duckdb")
STOPPED: Final = "Stopped. What was read is kept, and the next sync goes on from there."


def main() -> None:
    """The command; exits 0 when all went well, 1 when something failed, 130 when interrupted."""
    arguments = _parser().parse_args()
    job = Job(
        config=arguments.config,
        database=arguments.out,
        state=arguments.state or arguments.out.with_suffix(".state.json"),
        catalog=arguments.catalog,
        streams=tuple(filter(None, (name.strip() for name in arguments.streams.split(",")))),
        state_is_given=arguments.state is not None,
    )
    stop = StopRequest()
    stop.listen()
    sys.exit(run(job, stop, standard_output()))


def run(job: Job, stop: StopRequest, out: TextIO, command: Sequence[str] = SOURCE) -> int:
    """Runs one sync and reports it; the exit code."""
    console = Console(out)
    try:
        config = read_json(job.config, "config")
        console = Console(out, secrets_of(config))
        outcome = sync(job, Connector(stop, command), console)
    except FAILURES as error:
        console.say(explained(error))
        return 1
    report(outcome, console)
    if outcome.stopped:
        console.say(STOPPED)
    else:
        console.say(f"{outcome.records:,} records in {outcome.seconds:.0f} s, in {job.database}")
    return outcome.exit_code


def standard_output() -> TextIO:
    """stdout, which shows `?` for a character the terminal does not have."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts.sync", description="Reads the source into a DuckDB file.")
    parser.add_argument("--config", type=Path, required=True, help="the configuration, a JSON file")
    parser.add_argument("--catalog", type=Path, help="a configured catalog; without it every stream is read")
    parser.add_argument("--streams", default="", help="names of the streams to read, separated by commas")
    parser.add_argument("--state", type=Path, help="the state file; by default beside the database")
    parser.add_argument("--out", type=Path, default=DATABASE, help=f"the DuckDB file, {DATABASE} by default")
    return parser


if __name__ == "__main__":
    main()
