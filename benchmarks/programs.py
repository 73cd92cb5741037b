"""Programs to measure, and what they cost: the rows they print, and the time and memory that takes."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from messaging_sync.source import Json, Stream

ROOT: Final = Path(__file__).resolve().parent.parent
MEGABYTE: Final = 1 << 20
RECORD: Final = b'{"type":"RECORD"'
LIMIT: Final = 900  # seconds after which a program counts as hanging
LIFTED: Final = 100_000  # times the vendor's call budgets, which leaves none
# The least that any program can do with rows: parse each, serialise it, write it.
FLOOR: Final = """\
import sys, orjson
for line in open(sys.argv[1], "rb"):
    row = orjson.loads(line) if line.startswith(b"{") else {"line": line.decode().rstrip()}
    sys.stdout.buffer.write(orjson.dumps(row) + b"\\n")
"""


@dataclass(frozen=True)
class Program:
    """A command to measure, which has to print so many rows. `row` is what each of them holds once."""

    name: str
    command: Sequence[str]
    rows: int
    row: bytes = RECORD
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """Costs of a run: seconds, seconds of CPU (its own and the system's for it), bytes of memory at its peak."""

    rows: int
    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Figures:
    """The costs of a program's runs: medians, and the highest peak."""

    costs: Sequence[Cost]

    @property
    def cpu(self) -> float:
        return statistics.median(cost.cpu for cost in self.costs)

    @property
    def wall(self) -> float:
        return statistics.median(cost.wall for cost in self.costs)

    @property
    def peak(self) -> int:
        return max(cost.peak for cost in self.costs)

    @property
    def rate(self) -> float:
        """Rows a second of CPU time."""
        return self.costs[0].rows / self.cpu


class ProgramError(Exception):
    """A program failed or printed the wrong number of rows; the message says what it said last."""


def floor(stream: str, path: Path, rows: int) -> Program:
    return Program(f"{stream} floor", [sys.executable, "-c", FLOOR, str(path)], rows, b"\n")


def source(stream: str, address: str, start_date: str, rows: int, folder: Path) -> Program:
    """This project's source, which reads one stream, incrementally where it can, without call budgets."""
    mode = "full_refresh" if stream == "list_users" else "incremental"
    config = {"api_key": "benchmark", "api_url": address, "start_date": start_date, "budget_share": LIFTED}
    catalog = {"streams": [configured(stream, mode)]}
    command = [sys.executable, str(ROOT / "source_messaging.py"), "read"]
    command += ["--config", written(folder / "config.json", config)]
    command += ["--catalog", written(folder / "catalog.json", catalog)]
    return Program(f"{stream} {rows:,} source", command, rows)


def configured(name: str, mode: str = "incremental") -> Json:
    """A stream of this source as a catalog asks for it."""
    modes = ["full_refresh", mode]
    return Stream(
        {"name": name, "json_schema": {}, "supported_sync_modes": modes, "source_defined_cursor": True}
    ).configured()


def written(path: Path, content: Any) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def cost_of(program: Program) -> Cost:
    """Runs a program to its end, its output drained and counted. Raises ProgramError."""
    began = time.perf_counter()
    rows, peak, end = 0, 0, b""
    environment = {**os.environ, **program.environment}
    # Users have it not: without compiled modules, every start takes a second more.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - the commands are this package's own
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
        # With all that it has started itself: its session is a group of its own.
        limit = threading.Timer(LIMIT, os.killpg, (process.pid, signal.SIGKILL))
        limit.start()
        try:
            with process.stdout or errors as output:
                while chunk := os.read(output.fileno(), MEGABYTE):
                    cut = end[1 - len(program.row) :] if len(program.row) > 1 else b""
                    rows += (cut + chunk).count(program.row)
                    end = (end + chunk)[-4096:]
                    peak = max(peak, _peak_so_far(process.pid))
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if process.returncode:
            lines = (end + errors.read()).decode("utf-8", "replace").splitlines()
            said = [line for line in lines if '"RECORD"' not in line]
            raise ProgramError(f"{program.name} ended with exit code {process.returncode}:\n" + "\n".join(said[-8:]))
    if rows != program.rows:
        raise ProgramError(f"{program.name} printed {rows:,} rows instead of {program.rows:,}.")
    return Cost(rows, time.perf_counter() - began, usage.ru_utime + usage.ru_stime, peak or usage.ru_maxrss * 1024)


def _peak_so_far(pid: int) -> int:
    """The most memory that a running program has had resident, in bytes; 0 where the system does not say.

    The figure that comes with its end is no use: it counts the memory of whoever started it, too.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
