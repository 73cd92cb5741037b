"""How much is measured, and where programs are made ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from benchmarks.data import Period, RowFile, render
from benchmarks.peers import AirbyteIterable, Peer, TapIterable
from benchmarks.source import PROGRAM, Json, config_of, copied, read_command
from benchmarks.vendor import serving


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    rows: by stream. peer_rows: by peer and stream; fewer, where a peer takes minutes. streams: those that the source
    that reads them has; all if None, while with few it starts in half the time. pairs: how often two programs run whose
    difference matters.
    """

    rows: Mapping[str, int]
    peer_rows: Mapping[tuple[str, str], int]
    many_rows: int
    starts: int
    pairs: int
    empty: str
    incremental: str
    first: str
    streams: frozenset[str] | None = None


FULL: Final = Sizes(
    rows={"email_send": 300_000, "users": 100_000, "list_users": 500_000, "messages": 20_000},
    peer_rows={
        (AirbyteIterable.name, "email_send"): 40_000,
        (AirbyteIterable.name, "users"): 2_500,
        (AirbyteIterable.name, "list_users"): 5_000,
        (TapIterable.name, "email_send"): 30_000,
        (TapIterable.name, "users"): 10_000,
        (TapIterable.name, "list_users"): 60_000,
    },
    many_rows=3_000_000,
    starts=5,
    pairs=9,
    empty="34:1096",
    incremental="52",
    first="52:1096:300",
)
SMOKE: Final = Sizes(
    rows={"email_send": 300, "users": 100, "list_users": 500, "messages": 20},
    peer_rows={},
    many_rows=300,
    starts=1,
    pairs=1,
    empty="2:100",
    incremental="2",
    first="2:100:3",
    streams=frozenset({"email_send", "users", "list_users", "lists", "messages"}),
)


@dataclass
class Stage:
    """Where programs are made ready: rows rendered and served once for all that read them, until `stack` closes."""

    folder: Path
    sizes: Sizes
    peers: Sequence[Peer]
    stack: ExitStack
    period: Period = field(default_factory=Period.until_yesterday)
    _rows: dict[tuple[str, int], RowFile] = field(default_factory=dict)
    _addresses: dict[tuple[str, int], str] = field(default_factory=dict)

    def rows(self, stream: str, count: int) -> RowFile:
        key = (stream, count)
        if key not in self._rows:
            self._rows[key] = render(stream, count, self.period, self.folder)
        return self._rows[key]

    def address(self, stream: str, count: int) -> str:
        key = (stream, count)
        if key not in self._addresses:
            vendor = serving(stream, self.rows(stream, count), self.period)
            self._addresses[key] = self.stack.enter_context(vendor)
        return self._addresses[key]

    def place(self, name: str) -> Path:
        """A folder for one program's files."""
        folder = self.folder / name.replace(" ", "-")
        folder.mkdir(exist_ok=True)
        return folder

    @cached_property
    def program(self) -> Path:
        """The source that reads."""
        streams = self.sizes.streams
        return PROGRAM if streams is None else copied(self.place("source"), streams)

    def read(self, stream: str, config: Json, name: str) -> list[str]:
        """The command of the program of that name, which reads a stream."""
        return read_command(stream, config, self.place(name), self.program)

    def config(self, stream: str, count: int) -> Json:
        return config_of(self.address(stream, count), self.period.start_date)
