"""Where the source's time goes, by sampling it from outside with py-spy: what `--profile` prints."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.environments import Environment
from benchmarks.processes import Cost, Program, cost_of
from messaging_sync.console import table

PROFILER: Final = "py-spy==0.4.3"
RATE: Final = 250  # samples a second
TOP: Final = 30
# A stack with one of these is the start, not the reading of rows.
START: Final = ("_find_and_load ", "create_source ", "parse_arguments ")


class Stack(NamedTuple):
    """The functions of a thread at work, the outermost first, and in how many samples it was so."""

    thread: str
    functions: tuple[str, ...]
    samples: int

    @property
    def is_start(self) -> bool:
        return any(function.startswith(START) for function in self.functions)


def profile(program: Program, folder: Path) -> tuple[Cost, list[Stack]]:
    """Run a program twice: once to measure it, once to sample it."""
    profiler = Environment(folder / "profiler").with_packages(PROFILER) / "py-spy"
    recorded = folder / "samples.txt"
    # With the interpreter's lock alone: a thread that waits for its turn, or sleeps, takes no time.
    options = ["--gil", "--format", "raw", "--function", "--threads", "--rate", str(RATE), "--output", str(recorded)]
    cost = cost_of(program)
    sampled: list[str | Path] = [profiler, "record", *options, "--", *program.command]
    subprocess.run(sampled, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 — a command of this package
    return cost, list(stacks(recorded.read_text(encoding="utf-8").splitlines()))


def stacks(lines: Sequence[str]) -> Iterator[Stack]:
    """Reads `thread;function;function 12`, as the profiler writes it."""
    for line in lines:
        trace, _, samples = line.rpartition(" ")
        thread, *functions = trace.split(";")
        if functions:
            yield Stack(thread.partition("): ")[2] or thread, tuple(functions), int(samples))


def report(cost: Cost, found: Sequence[Stack]) -> str:
    """The top costs a row: of each function by itself, and with all that it calls."""
    reading = [stack for stack in found if not stack.is_start]
    samples = sum(stack.samples for stack in found)
    each = 1e6 * cost.cpu / cost.rows / samples
    itself: Counter[str] = Counter()
    with_calls: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    for stack in reading:
        itself[stack.functions[-1]] += stack.samples
        threads[stack.thread] += stack.samples
        for function in set(stack.functions):
            with_calls[function] += stack.samples
    start = samples - sum(threads.values())
    parts = [
        f"{cost.rows:,} rows, {cost.cpu:.1f} s of CPU, of which {start / samples:.0%} the start; "
        f"{each * sum(threads.values()):.1f} µs a row without it"
    ]
    for title, counted in (("by itself", itself), ("with what it calls", with_calls), ("thread", threads)):
        rows = [[f"{each * count:.2f}", name] for name, count in counted.most_common(TOP)]
        parts.append(table(("µs/row", title), rows, 0))
    return "\n\n".join(parts)
