"""What is measured, beside what, and what we want."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Final, NamedTuple

from benchmarks.findings import NOTHING, Findings
from benchmarks.outcomes import LISTINGS, Outcome, read_outcomes
from benchmarks.peers import AirbyteIterable, Peer, TapIterable
from benchmarks.processes import LINE, MEGABYTE, Program
from benchmarks.source import MESSAGES_AS_LISTING, ROOT, command, copied, read_command
from benchmarks.stage import Sizes, Stage
from source_messaging import GARBAGE_AFTER


class Line(NamedTuple):
    """A line of the table. `met` is None where nothing was wanted or nothing could be compared.

    rounds: whether each round by itself would have met it, where that can be said.
    """

    work: str
    measured: str
    beside: str
    wanted: str
    met: bool | None
    rounds: Sequence[bool] = ()


class Work(ABC):
    """One thing that is measured."""

    name: str

    @abstractmethod
    def programs(self, stage: Stage) -> Iterable[Program]:
        """The programs to run, ready to be run."""

    @abstractmethod
    def lines(self, found: Findings, sizes: Sizes, /) -> Iterable[Line]:
        """What their figures say."""


def source_of(stream: str, rows: int) -> str:
    """The name of the program that reads so many rows with this project's source."""
    return f"{stream} {rows:,} source"


def floor_of(stream: str) -> str:
    return f"{stream} floor"


def framework_of(stream: str) -> str:
    return f"{stream} framework alone"


def peer_of(stream: str, peer: str) -> str:
    return f"{stream} {peer}"


@dataclass(frozen=True)
class Reading(Work):
    """The reading of a stream: this source, the floor and the peers side by side, by CPU time."""

    name: str
    what: str
    times_the_peer: float

    def programs(self, stage: Stage) -> Iterator[Program]:
        rows = stage.sizes.rows[self.name]
        yield reading(stage, self.name, rows)
        yield floor(stage, self.name, rows)
        for peer in stage.peers:
            if self.name in peer.streams:
                yield peer_reading(stage, self.name, peer)

    def lines(self, found: Findings, sizes: Sizes) -> Iterator[Line]:
        rows = sizes.rows[self.name]
        ours = found.figures[source_of(self.name, rows)]
        beside = [f"floor {found.figures[floor_of(self.name)].rate:,.0f}"]
        for peer in (AirbyteIterable.name, TapIterable.name):
            theirs = found.get(peer_of(self.name, peer))
            if theirs:
                beside.append(f"{peer} {theirs.rate:,.0f} (× {ours.rate / theirs.rate:.1f})")
        replaced = found.get(peer_of(self.name, AirbyteIterable.name))
        yield Line(
            f"`{self.name}`, {rows:,} {self.what}",
            f"{ours.rate:,.0f} rows/s of CPU",
            "; ".join(beside),
            f"≥ {self.times_the_peer:g} × {AirbyteIterable.name}",
            None if replaced is None else ours.rate >= self.times_the_peer * replaced.rate,
            []
            if replaced is None
            else [one >= self.times_the_peer * other for one, other in zip(ours.rates, replaced.rates, strict=False)],
        )


@dataclass(frozen=True)
class Rate(Work):
    """The reading of a stream beside the least it can take: to parse rows, and to have the framework carry them."""

    name: str
    stream: str
    wanted: float

    def programs(self, stage: Stage) -> Iterator[Program]:
        rows = stage.sizes.rows[self.stream]
        yield reading(stage, self.stream, rows)
        yield floor(stage, self.stream, rows)
        yield framework_alone(stage, self.stream, rows)

    def lines(self, found: Findings, sizes: Sizes) -> Iterator[Line]:
        ours = found.figures[source_of(self.stream, sizes.rows[self.stream])]
        alone, parsed = found.figures[framework_of(self.stream)], found.figures[floor_of(self.stream)]
        possible = 1e6 / (alone.each + parsed.each)
        yield Line(
            f"`{self.stream}`, the rate",
            f"{ours.rate:,.0f} rows/s of CPU",
            f"the framework alone {alone.rate:,.0f}, after the floor {possible:,.0f}",
            f"≥ {self.wanted:,.0f} on a machine on which the framework after the floor reaches it",
            ours.rate >= self.wanted if possible >= self.wanted else None,
        )


def reading(stage: Stage, stream: str, rows: int, times: int | None = None) -> Program:
    name = source_of(stream, rows)
    config = stage.config(stream, rows)
    return Program(name, stage.read(stream, config, name), rows, times=times)


def floor(stage: Stage, stream: str, rows: int, times: int | None = None) -> Program:
    path = str(stage.rows(stream, rows).path)
    command = [sys.executable, "-m", "benchmarks.floor", path]
    return Program(floor_of(stream), command, rows, LINE, folder=ROOT, times=times)


def framework_alone(stage: Stage, stream: str, rows: int) -> Program:
    name = framework_of(stream)
    config = {"stream": stream, "path": str(stage.rows(stream, rows).path), "rows": rows}
    _, _, *arguments = read_command(stream, config, stage.place(name))
    return Program(name, [sys.executable, "-m", "benchmarks.framework", *arguments], rows, folder=ROOT)


def peer_reading(stage: Stage, stream: str, peer: Peer) -> Program:
    name = peer_of(stream, peer.name)
    rows = stage.sizes.peer_rows[peer.name, stream]
    return Program(
        name,
        peer.read(stream, stage.period.start_date, stage.place(name)),
        rows,
        row=peer.row,
        environment=peer.environment(stage.address(stream, rows)),
        folder=stage.place(name),
        may_fail=True,
    )


@dataclass(frozen=True)
class Messages(Work):
    """Courier's messages through their cursor, beside the same rows in a listing without one."""

    name: str = "messages"
    share: float = 0.2

    def programs(self, stage: Stage) -> Iterator[Program]:
        rows = stage.sizes.rows[self.name]
        config = stage.config(self.name, rows)
        place = stage.place(self._listing)
        listing = copied(place, stage.sizes.streams, MESSAGES_AS_LISTING)
        times = stage.sizes.pairs
        yield reading(stage, self.name, rows, times)
        yield Program(self._listing, read_command(self.name, config, place, listing), rows, times=times)
        yield floor(stage, self.name, rows, times)
        yield nothing(stage)

    def lines(self, found: Findings, sizes: Sizes) -> Iterator[Line]:
        rows = sizes.rows[self.name]
        each = [found.after_the_start(name) for name in (source_of(self.name, rows), self._listing)]
        ours, listing = map(median, each)
        more = ours / listing - 1
        yield Line(
            f"`{self.name}` (Courier), {rows:,} rows in pages of 10",
            f"{ours:,.0f} µs of CPU a row, {more:+.0%}",
            f"the same rows in a listing {listing:,.0f}; floor {found.figures[floor_of(self.name)].each:,.1f}",
            f"within {self.share:.0%} of the listing",
            more <= self.share,
            [one / other - 1 <= self.share for one, other in zip(*each, strict=True)],
        )

    @property
    def _listing(self) -> str:
        return f"{self.name} listing"


@dataclass(frozen=True)
class Memory(Work):
    """The most memory resident, for few rows and for many."""

    name: str = "memory"
    stream: str = "email_send"
    apart: int = 20 * MEGABYTE
    below: int = 250 * MEGABYTE

    def programs(self, stage: Stage) -> Iterator[Program]:
        yield reading(stage, self.stream, stage.sizes.rows[self.stream])
        yield reading(stage, self.stream, stage.sizes.many_rows, times=1)

    def lines(self, found: Findings, sizes: Sizes) -> Iterator[Line]:
        counts = (sizes.rows[self.stream], sizes.many_rows)
        few, many = (found.figures[source_of(self.stream, count)].peak for count in counts)
        yield Line(
            f"peak memory, {counts[0]:,} and {counts[1]:,} rows",
            f"{few / MEGABYTE:.0f} MB and {many / MEGABYTE:.0f} MB",
            "",
            f"the same within {self.apart // MEGABYTE} MB, below {self.below // MEGABYTE} MB",
            abs(many - few) <= self.apart and max(few, many) < self.below,
        )


@dataclass(frozen=True)
class Start(Work):
    """The CPU time of commands that read nothing."""

    name: str = "start"
    spec: float = 3.0
    discover: float = 5.0

    def programs(self, stage: Stage) -> Iterator[Program]:
        times = stage.sizes.starts
        place = stage.place(self.name)
        config = {"api_key": "k", "start_date": stage.period.start_date, "courier": {"api_key": "k"}}
        framework = f"import gc; gc.set_threshold({GARBAGE_AFTER}); import {FRAMEWORK}"
        yield Program("spec", command("spec", place), 1, SPEC, times=times)
        yield Program("discover", command("discover", place, config=config), 1, CATALOG, times=times)
        yield nothing(stage)
        yield Program("framework", [sys.executable, "-c", framework], 0, times=times)

    def lines(self, found: Findings, _sizes: Sizes) -> Iterator[Line]:
        spec, discover, empty, framework = (found.figures[name] for name in ("spec", "discover", NOTHING, "framework"))
        yield Line(
            "start: the command's `spec`, `discover`",
            f"{spec.cpu:.2f} s and {discover.cpu:.2f} s of CPU",
            f"importing the framework {framework.cpu:.2f} s; a sync of nothing {empty.cpu:.2f} s",
            f"below {self.spec:g} s and {self.discover:g} s",
            spec.cpu < self.spec and discover.cpu < self.discover,
            [
                one.cpu < self.spec and other.cpu < self.discover
                for one, other in zip(spec.costs, discover.costs, strict=True)
            ],
        )


def nothing(stage: Stage) -> Program:
    """A sync that finds no rows: what every other pays before its first one."""
    config = {**stage.config("email_send", NEXT_TO_NOTHING), "start_date": stage.period.end_date}
    return Program(NOTHING, stage.read("email_send", config, NOTHING), 0, times=stage.sizes.starts)


NEXT_TO_NOTHING: Final = 10
SPEC: Final = b'{"type":"SPEC"'
CATALOG: Final = b'{"type":"CATALOG"'
FRAMEWORK: Final = "airbyte_cdk.entrypoint, airbyte_cdk.sources.declarative.concurrent_declarative_source"


@dataclass(frozen=True)
class Virtual(Work):
    """Syncs at the vendor's real budgets, on a clock that skips the waiting."""

    name: str = "virtual"

    def programs(self, stage: Stage) -> Iterator[Program]:
        sizes = stage.sizes
        scenarios = [f"empty:{sizes.empty}", f"incremental:{sizes.incremental}"]
        scenarios += [f"{engine}:{sizes.first}" for engine in ENGINES]
        module = [sys.executable, "-m", "benchmarks.virtual"]
        yield Program(self.name, [*module, *scenarios], times=1, row=LINE, folder=ROOT)

    def lines(self, found: Findings, sizes: Sizes) -> Iterator[Line]:
        outcomes = read_outcomes(found.figures[self.name].costs[0].end.splitlines())
        yield _empty_line(outcomes["empty"], *sizes.empty.split(":"))
        yield _incremental_line(outcomes["incremental"])
        yield from (_engine_line(outcomes[engine], *sizes.first.split(":")) for engine in ENGINES)


ENGINES: Final = ("stream", "jobs")
WASTE: Final = 1.05
UNNOTICED: Final = 60.0  # seconds


def _empty_line(outcome: Outcome, streams: str, days: str) -> Line:
    least = f"{outcome.least_exports} calls, {outcome.least_minutes:.1f} minutes"
    return Line(
        f"first sync of {streams} empty export streams over {days} days, at the real budgets",
        f"{outcome.exports} calls, {outcome.minutes:.1f} minutes, {outcome.refused} × 429",
        f"the least: {least}",
        f"within {WASTE - 1:.0%} of the least calls ÷ 4 a minute, no 429",
        outcome.minutes <= WASTE * outcome.least_minutes and not outcome.refused,
    )


def _incremental_line(outcome: Outcome) -> Line:
    waited = inf if outcome.last_listing is None else outcome.last_listing
    return Line(
        f"incremental sync of {outcome.least_exports} export streams and {len(LISTINGS)} listings, at the real budgets",
        f"{outcome.exports} calls, {outcome.minutes:.1f} minutes, {outcome.refused} × 429",
        f"the last listing was read after {waited:.0f} s",
        f"{outcome.least_exports} calls, {outcome.least_minutes:g} minutes, nothing else waits",
        outcome.exports == outcome.least_exports
        and outcome.minutes <= outcome.least_minutes
        and waited < UNNOTICED
        and not outcome.refused,
    )


def _engine_line(outcome: Outcome, streams: str, days: str, rows: str) -> Line:
    return Line(
        f"first sync of {streams} export streams over {days} days, `export_method: {outcome.name}`",
        f"{outcome.calls:,} calls, {outcome.minutes:.1f} minutes, {outcome.refused} × 429",
        "",
        f"every one of {int(streams) * int(rows):,} rows",
        outcome.rows == int(streams) * int(rows),
    )


WORKS: Final[Sequence[Work]] = (
    Reading("email_send", "rows of 600 bytes", times_the_peer=5),
    Rate("rate", "email_send", wanted=25_000),
    Reading("users", "profiles with custom fields", times_the_peer=40),
    Reading("list_users", "lines", times_the_peer=40),
    Messages(),
    Memory(),
    Start(),
    Virtual(),
)
