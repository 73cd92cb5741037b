"""Measures what the source costs on this machine, prints one table, and writes benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.data import Period, render
from benchmarks.peers import AirbyteIterable, InstallError, Peer, TapIterable
from benchmarks.programs import MEGABYTE, ROOT, Figures, Program, ProgramError, cost_of, floor, source
from benchmarks.vendor import serving
from benchmarks.virtual import LISTINGS, Outcome, Scenario, in_a_process_of_its_own
from messaging_sync.console import table

RESULTS: Final = ROOT / "benchmarks" / "RESULTS.md"
ROUNDS: Final = 3
# Of each stream: rows to read, what they are, how often the connector that this one replaces is to be beaten, and how
# many rows that one and the other read, which take minutes for more.
READINGS: Final[Mapping[str, tuple[int, str, int, tuple[int, int]]]] = {
    "email_send": (300_000, "rows of 600 bytes", 5, (40_000, 30_000)),
    "users": (100_000, "profiles with custom fields", 40, (2_500, 10_000)),
    "list_users": (500_000, "lines", 40, (5_000, 60_000)),
}
MANY_ROWS: Final = 3_000_000
FLAT, SMALL = 20 * MEGABYTE, 250 * MEGABYTE
EXPORTS, DAYS, ROWS_EACH = 52, 1096, 300
WASTE: Final = 1.05
HEADER: Final = ("work", "this source", "beside it", "we want", "met")
MET: Final[Mapping[bool | None, str]] = {True: "yes", False: "**no**", None: "–"}
DETAILS: Final = ("program", "rows", "runs", "time (s)", "CPU (s)", "rows/s of CPU", "peak (MB)")
METHOD: Final = """\
- Every program is a process of its own: the source as `python source_messaging.py read …`, the peers as they are
  installed from the package index for this run, their requests redirected from outside. They read rows of the same
  kind and length from a server in another process, which has them ready; their output goes into a pipe that is emptied,
  and a program that prints another number of rows than there are has failed.
- Rates and ratios are of CPU time, the system's included, over the whole run of a process, its start included. Where a
  peer is slow it reads fewer rows. The floor parses the same lines with orjson, serialises them again and writes them.
- Programs take turns, round by round; figures are medians, peaks are the highest resident memory of any run.
- To hand the framework finished messages in place of records would save a fifth. The source does not: threads share
  what carries messages, so that a state could overtake its rows.
- Syncs at the real budgets run against the sandbox on a clock that skips the waiting. The least calls cover the time,
  stream by stream, in windows of 30 days at first, each at most twice the last, none over 180 days."""


@dataclass
class Run:
    """Programs, their figures once they ran, and the lines of the table."""

    programs: list[Program] = field(default_factory=list)
    figures: dict[str, Figures] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[str, str, str, str, bool | None]] = field(default_factory=list)

    def measure(self, rounds: int, peers: Sequence[str]) -> None:
        """Runs each program once a round, so that what slows the machine slows all. A peer may fail."""
        for number in range(rounds):
            for program in self.programs:
                if program.name in self.failures:
                    continue
                _say(f"round {number + 1}: {program.name}")
                try:
                    cost = cost_of(program)
                except ProgramError as failure:
                    if not program.name.endswith(tuple(peers)):
                        raise
                    self.failures[program.name] = str(failure)
                    continue
                earlier = self.figures[program.name].costs if program.name in self.figures else []
                self.figures[program.name] = Figures([*earlier, cost])

    def judge_reading(self, stream: str, rows: int, what: str, times: int) -> None:
        ours = self.figures[f"{stream} {rows:,} source"].rate
        others = {name: self.figures.get(f"{stream} {name}") for name in (AirbyteIterable.name, TapIterable.name)}
        beside = [f"{name} {other.rate:,.0f} (× {ours / other.rate:.1f})" for name, other in others.items() if other]
        replaced = others[AirbyteIterable.name]
        shown = "; ".join([f"floor {self.figures[f'{stream} floor'].rate:,.0f}", *beside])
        wanted, met = f"≥ {times} × {AirbyteIterable.name}", None if replaced is None else ours >= times * replaced.rate
        self.lines.append((f"`{stream}`, {rows:,} {what}", f"{ours:,.0f} rows/s of CPU", shown, wanted, met))

    def judge_memory(self, stream: str, few: int, many: int) -> None:
        peaks = [self.figures[f"{stream} {rows:,} source"].peak for rows in (few, many)]
        measured = " and ".join(f"{peak / MEGABYTE:.0f} MB" for peak in peaks)
        wanted = f"the same within {FLAT // MEGABYTE} MB, below {SMALL // MEGABYTE} MB"
        met = abs(peaks[1] - peaks[0]) <= FLAT and max(peaks) < SMALL
        self.lines.append((f"peak memory, {few:,} and {many:,} rows", measured, "", wanted, met))

    def judge_sync(self, title: str, outcome: Outcome, wanted: str, *, met: bool) -> None:
        measured = f"{outcome.calls:,} calls, {outcome.minutes:.1f} minutes, {outcome.refused} × 429"
        least = f"at least {outcome.least} calls, {outcome.least_minutes:.1f} minutes" if outcome.least else ""
        self.lines.append((f"{title}, at the real budgets", measured, least, wanted, met and not outcome.refused))

    def page(self, peers: Mapping[str, str]) -> str:
        """RESULTS.md."""
        about = [
            ("date", f"{datetime.now(UTC):%Y-%m-%d}"),
            ("machine", f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"),
            ("this source", f"airbyte-cdk {version('airbyte-cdk')}, Python {platform.python_version()}"),
            *peers.items(),
        ]
        failed = [f"`{name}` failed:\n\n```\n{said}\n```" for name, said in self.failures.items()]
        parts = [
            "# Results",
            "Written by `make bench`, from one run on one machine: compare ratios here, not figures of two runs.",
            _markdown(("", ""), about),
            _markdown(HEADER, [(*cells, MET[met]) for *cells, met in self.lines]),
            METHOD,
            "## In detail",
            _markdown(DETAILS, [_details(name, figures) for name, figures in self.figures.items()]),
        ]
        return "\n\n".join([*parts, *failed]) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 1 when a program that is ours fails; never because of a figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="see that it works: next to no rows, no peers, no page")
    smoke = parser.parse_args(words).smoke
    run, versions = Run(), dict[str, str]()
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
            peers = [] if smoke else _peers(folder, versions)
            _measure(run, stack, folder, peers, smoke=smoke)
        _virtual(run, smoke=smoke)
    except ProgramError as failure:
        print(failure, file=sys.stderr)
        return 1
    print(table(HEADER, [(*cells, MET[met]) for *cells, met in run.lines], len(HEADER)))
    if not smoke:
        RESULTS.write_text(run.page(versions), encoding="utf-8")
    return 0


def _measure(run: Run, stack: ExitStack, folder: Path, peers: Sequence[Peer], *, smoke: bool) -> None:
    period = Period.until_yesterday()

    def served(stream: str, rows: int) -> tuple[Path, str]:
        file = render(stream, rows, period, folder)
        return file.path, stack.enter_context(serving(stream, file, period))

    readings = {"email_send": (300, "rows", 5, (0, 0))} if smoke else READINGS
    for stream, (rows, _, _, fewer) in readings.items():
        path, address = served(stream, rows)
        run.programs += [
            source(stream, address, period.start_date, rows, folder / f"{stream}-source"),
            floor(stream, path, rows),
        ]
        for peer, count in zip(peers, fewer, strict=False):
            if stream in peer.streams:
                place = folder / f"{stream}-{peer.name}"
                run.programs.append(peer.read(stream, count, period.start_date, served(stream, count)[1], place))
    run.measure(1 if smoke else ROUNDS, [peer.name for peer in peers])
    for stream, (rows, what, times, _) in readings.items():
        run.judge_reading(stream, rows, what, times)
    stream, few, many = ("email_send", 300, 300) if smoke else ("email_send", READINGS["email_send"][0], MANY_ROWS)
    if not smoke:
        many_rows = Run([source(stream, served(stream, many)[1], period.start_date, many, folder / "many")])
        many_rows.measure(1, [])
        run.figures |= many_rows.figures
    run.judge_memory(stream, few, many)


def _virtual(run: Run, *, smoke: bool) -> None:
    exports, days, rows = (2, 100, 3) if smoke else (EXPORTS, DAYS, ROWS_EACH)
    first = in_a_process_of_its_own(Scenario(exports, days))
    wanted = f"within {WASTE - 1:.0%} of the least"
    met = first.minutes <= WASTE * first.least_minutes
    run.judge_sync(f"first sync of {exports} empty exports over {days} days", first, wanted, met=met)
    if smoke:
        return
    again = in_a_process_of_its_own(Scenario(exports))
    in_time = again.exports == again.least and again.last_listing is not None and again.last_listing < 60
    title, wanted = f"{exports} exports and {len(LISTINGS)} listings", "the least exports; no listing waits a minute"
    met = in_time and again.minutes <= WASTE * again.least_minutes
    run.judge_sync(f"incremental sync of {title}", again, wanted, met=met)
    for method in ("stream", "jobs"):
        outcome = in_a_process_of_its_own(Scenario(exports, days, rows, {"export_method": method}))
        title, wanted = f"first sync of {exports} exports over {days} days", f"every one of {exports * rows:,} rows"
        run.judge_sync(f"{title}, `export_method: {method}`", outcome, wanted, met=outcome.rows == exports * rows)


def _peers(folder: Path, versions: dict[str, str]) -> list[Peer]:
    """Those that could be installed; `versions` takes what to say of each."""
    peers: list[Peer] = []
    for peer in (AirbyteIterable(folder), TapIterable(folder)):
        _say(f"installing {peer.name}")
        try:
            versions[peer.name] = f"{peer.versions}, {len(peer.streams)} streams"
            peers.append(peer)
        except InstallError as reason:
            versions[peer.name] = f"could not be installed: {reason}"
    return peers


def _details(name: str, figures: Figures) -> Sequence[str]:
    counts = (f"{figures.costs[0].rows:,}", str(len(figures.costs)), f"{figures.wall:.2f}", f"{figures.cpu:.2f}")
    return (name, *counts, f"{figures.rate:,.0f}", f"{figures.peak / MEGABYTE:.0f}")


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    # As an exception it reaches what has to be ended and removed.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    sys.exit(main())
