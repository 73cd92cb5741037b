"""The table, and the page it is written to."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.findings import Figures, Findings, Noise
from benchmarks.processes import MEGABYTE
from benchmarks.works import Line
from messaging_sync.console import table

HERE: Final = Path(__file__).resolve().parent
RESULTS: Final = HERE / "RESULTS.md"
COSTS: Final = HERE / "costs.md"  # kept by hand: the top costs a row, and what each change gained

HEADER: Final = ("work", "this source", "beside it", "we want", "met")
DETAILS: Final = (
    "program", "rows", "runs", "time (s)", "CPU (s)", "spread", "rows/s", "rows/s of CPU",
    "µs of CPU a row", "peak (MB)",
)  # fmt: skip

_MET: Final[Mapping[bool | None, str]] = {True: "yes", False: "**no**", None: "–"}


@dataclass(frozen=True)
class Report:
    """All there is to say about a run. peers: by name, their versions, or why they are missing."""

    lines: Sequence[Line]
    found: Findings
    noise: Noise
    peers: Mapping[str, str]

    def as_text(self) -> str:
        """The table alone, for a terminal."""
        return table(HEADER, [[cell.replace("*", "") for cell in _cells(line)] for line in self.lines], len(HEADER))

    def as_page(self) -> str:
        parts = [
            "# Results",
            "Written by `make bench`; everything but the last section is from one run on one machine. Figures of two "
            "machines, or of two runs, are not to be compared; ratios within this page are.",
            _markdown(("", ""), self._surroundings()),
            self.noise.verdict,
            _markdown(HEADER, [_cells(line) for line in self.lines]),
            METHOD,
            "## In detail",
            _markdown(DETAILS, [_details(name, one) for name, one in self.found.figures.items() if name != "virtual"]),
            *(f"`{name}` failed:\n\n```\n{said}\n```" for name, said in self.found.failures.items()),
        ]
        if COSTS.exists():
            parts += ["## Where the time goes", COSTS.read_text(encoding="utf-8").strip()]
        return "\n\n".join(parts) + "\n"

    def _surroundings(self) -> list[Sequence[str]]:
        return [
            ("date", f"{datetime.now(UTC):%Y-%m-%d}"),
            ("machine", f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.system()}"),
            ("this source", f"airbyte-cdk {version('airbyte-cdk')}, Python {platform.python_version()}"),
            ("floor", f"orjson {version('orjson')}, Python {platform.python_version()}"),
            *self.peers.items(),
        ]


METHOD: Final = """\
- Every program is a process of its own: the source as `python source_messaging.py read …`, the peers as they are
  installed from the package index for this run, their requests redirected from outside. They read rows of the same
  kind and length from a server in another process, which has them ready; their output goes into a pipe that is emptied,
  and a program that prints another number of rows than there are has failed.
- Rates and ratios are of CPU time, the system's included, over the whole run of a process, its start included; so a
  peer that sleeps loses nothing. Where a peer is slow it reads fewer rows, enough for its start to matter little.
- The floor parses the same lines with orjson, serialises them again and writes them. The framework alone is handed rows
  that are ready, and brings them from its worker to the output. Both together, the one after the other, are the least
  that a source can take which leaves the framework as it is.
- Programs take turns, round by round; figures are medians, peaks are the highest resident memory of any run. Where
  single rounds disagree with the medians' verdict, it says how many agree.
- The listing beside `messages` is the same stream without its cursor; what a sync of nothing takes is left out of both.
- Syncs at the real budgets run against the sandbox on a clock that skips the waiting. The least calls: what it takes
  to cover the time, stream by stream, in windows of 30 days at first, each at most twice the last, none over 180 days:
  longer ones are not tried, since a window that breaks off is asked for again.
- A peer's ratio is wanted of the connector that this source replaces; the other one is there to compare."""


def _cells(line: Line) -> Sequence[str]:
    return (line.work, line.measured, line.beside, line.wanted, _met(line))


def _met(line: Line) -> str:
    """The verdict; where single rounds say otherwise than the medians, how many say so."""
    agreeing = sum(met is line.met for met in line.rounds)
    doubt = "" if line.met is None or agreeing == len(line.rounds) else f" ({agreeing} of {len(line.rounds)} rounds)"
    return _MET[line.met] + doubt


def _details(name: str, figures: Figures) -> Sequence[str]:
    rows = figures.rows
    return (
        name,
        f"{rows:,}",
        str(len(figures.costs)),
        f"{figures.wall:.2f}",
        f"{figures.cpu:.2f}",
        f"{figures.spread:.0%}",
        f"{rows / figures.wall:,.0f}" if rows else "–",
        f"{figures.rate:,.0f}" if rows else "–",
        f"{figures.each:,.1f}" if rows else "–",
        f"{figures.peak / MEGABYTE:.0f}",
    )


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GB of memory"
