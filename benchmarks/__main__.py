"""Measures what the source costs on this machine, prints one table, and writes benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks import sampling
from benchmarks.environments import InstallError
from benchmarks.findings import Noise, Say, load_average, measure
from benchmarks.peers import AirbyteIterable, Peer, TapIterable
from benchmarks.processes import ProgramError
from benchmarks.report import RESULTS, Report
from benchmarks.source import ROOT
from benchmarks.stage import FULL, SMOKE, Sizes, Stage
from benchmarks.works import WORKS, Work, floor_of, reading

LEAST_ROUNDS: Final = 3  # of which a median can be taken


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 1 when a program that is ours fails; never because of a figure."""
    arguments = _arguments(words)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    works = [work for work in WORKS if not arguments.only or work.name in arguments.only]
    try:
        with ExitStack() as stack:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder, prefix="data-")))
            if arguments.profile:
                _profile(works, Stage(data, _sizes(arguments), (), stack))
            else:
                _measure(works, data, stack, arguments)
    except ProgramError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    names = [work.name for work in WORKS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, metavar="WORK", help=f"one of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=3, help="times that each program is run (default: 3)")
    parser.add_argument("--rows", type=int, help="rows to read of each stream, in place of the usual number")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="measure this source alone")
    parser.add_argument("--profile", action="store_true", help="say in which functions the source spends its time")
    parser.add_argument("--smoke", action="store_true", help="see that all of it works, with next to no rows")
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / "build" / "bench",
        help="where rows and peers go for the time (build/bench)",
    )
    return parser.parse_args(words)


def _sizes(arguments: argparse.Namespace) -> Sizes:
    if arguments.smoke:
        return SMOKE
    return FULL if arguments.rows is None else replace(FULL, rows=dict.fromkeys(FULL.rows, arguments.rows))


def _measure(works: Sequence[Work], data: Path, stack: ExitStack, arguments: argparse.Namespace) -> None:
    load = load_average()
    say = _clock()
    sizes = _sizes(arguments)
    peers, versions = _peers(data, say) if arguments.peers and not arguments.smoke else ([], {})
    stage = Stage(data, sizes, peers, stack)
    programs = [program for work in works for program in work.programs(stage)]
    if arguments.smoke:  # all at once, the longest first
        found = measure(reversed(programs), 1, os.cpu_count() or 1, say)
    else:
        found = measure(programs, arguments.rounds, 1, say)
    floors = [figures for work in works if (figures := found.get(floor_of(work.name)))]
    lines = [line for work in works for line in work.lines(found, sizes)]
    if arguments.smoke:
        lines = [line._replace(met=None) for line in lines]
    report = Report(lines, found, Noise.of(load, floors), versions)
    print(report.as_text())
    if arguments.smoke:
        return
    print("\n".join(["", report.noise.verdict, *found.failures.values()]))
    _write(report, arguments)


def _write(report: Report, arguments: argparse.Namespace) -> None:
    """The page, if it is what the page says it is: everything, in three rounds or more, beside both peers."""
    lacking = [f"without {name}" for name, _ in report.found.failures.items()]
    lacking += [f"without {name}" for name, version in report.peers.items() if "could not be installed" in version]
    if arguments.only or not arguments.peers or arguments.rows is not None or arguments.rounds < LEAST_ROUNDS:
        lacking.append("measured in part")
    if lacking:
        print(f"{RESULTS.name} stays as it is: this was {', '.join(lacking)}.")
    else:
        RESULTS.write_text(report.as_page(), encoding="utf-8")


def _peers(folder: Path, say: Say) -> tuple[list[Peer], dict[str, str]]:
    """Those that could be installed, and what to say of each."""
    peers: list[Peer] = []
    versions = {}
    for peer in (AirbyteIterable(folder), TapIterable(folder)):
        say(f"installing {peer.name}")
        try:
            versions[peer.name] = f"{peer.versions}, {len(peer.streams)} streams"
            peers.append(peer)
        except InstallError as reason:
            versions[peer.name] = f"could not be installed: {reason}"
            say(f"{peer.name} {versions[peer.name]}")
    return peers, versions


def _profile(works: Sequence[Work], stage: Stage) -> None:
    for work in works:
        if work.name in stage.sizes.rows:
            program = reading(stage, work.name, stage.sizes.rows[work.name])
            samples = sampling.profile(program, stage.place(f"profile {work.name}"))
            print(f"{program.name}: {sampling.report(*samples)}\n", flush=True)


def _clock() -> Say:
    """Says things with the seconds since the start."""
    began = time.monotonic()
    return lambda text: print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    # As an exception it reaches what has to be ended and removed.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    sys.exit(main())
