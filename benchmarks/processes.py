"""A program's cost: the rows it prints, and the time and memory that took."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

LOOK: Final = 0.05  # seconds between two looks at the memory
MEGABYTE: Final = 1 << 20
KEPT: Final = 1 << 16  # bytes of the output's end that are kept

RECORD: Final = b'{"type":"RECORD"'
SPACED_RECORD: Final = b'{"type": "RECORD"'
LINE: Final = b"\n"


@dataclass(frozen=True)
class Program:
    """A command to run and measure. `name` is unique among those measured together.

    rows: how many it has to print; None where that is not known. row: what each of them holds once.
    times: how often it is run; None is once a round. may_fail: whether the others go on without it.
    limit: seconds after which it counts as hanging.
    """

    name: str
    command: Sequence[str]
    rows: int | None = None
    row: bytes = RECORD
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    times: int | None = None
    may_fail: bool = False
    limit: float = 900


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds, seconds of CPU (its own and the system's for it), bytes of memory at its peak.

    end: the last it printed.
    """

    rows: int
    wall: float
    cpu: float
    peak: int
    end: bytes = b""


class ProgramError(Exception):
    """A program ended with an error or printed the wrong number of rows; the message says what it said last."""


def cost_of(program: Program) -> Cost:
    """Run a program to its end, its output drained and counted. Raises ProgramError."""
    with tempfile.TemporaryFile() as errors:
        cost, code = _run(program, errors)
        errors.seek(0)
        if code:
            raise ProgramError(f"{program.name} ended with exit code {code}:\n{_last_words(cost.end, errors.read())}")
    if program.rows not in (None, cost.rows):
        raise ProgramError(f"{program.name} printed {cost.rows:,} rows instead of {program.rows:,}.")
    return cost


def _run(program: Program, errors: IO[bytes]) -> tuple[Cost, int]:
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 — the commands are this package's own
        program.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, **program.environment},
        cwd=program.folder,
        start_new_session=True,
    )
    try:
        output = _drained(process, program)
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        # With all that it has started itself: its session is a group of its own.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = output.peak or usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Cost(output.rows, wall, usage.ru_utime + usage.ru_stime, peak, output.end), process.returncode


@dataclass
class _Output:
    rows: int = 0
    peak: int = 0
    end: bytes = b""


def _drained(process: subprocess.Popen[bytes], program: Program) -> _Output:
    output = _Output()
    if process.stdout is None:
        return output
    with process.stdout as pipe:
        end = time.monotonic() + program.limit
        look_at = 0.0
        rest = b""
        while (now := time.monotonic()) < end:
            if now >= look_at:
                output.peak = max(output.peak, _peak_so_far(process.pid))
                look_at = now + LOOK
            if not select.select([pipe], [], [], LOOK)[0]:
                continue
            chunk = os.read(pipe.fileno(), MEGABYTE)
            if not chunk:
                return output
            fresh = rest + chunk
            output.rows += fresh.count(program.row)
            rest = fresh[1 - len(program.row) :] if len(program.row) > 1 else b""
            output.end = (output.end + chunk)[-KEPT:]
    raise ProgramError(f"{program.name} has not ended within {program.limit:g} seconds.")


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


def _last_words(output: bytes, errors: bytes) -> str:
    lines = [*output.split(b"\n"), *errors.split(b"\n")]
    said = [line.decode("utf-8", "replace")[:2000] for line in lines if line.strip() and RECORD not in line]
    return "\n".join(said[-8:])
