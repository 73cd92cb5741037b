"""Measurements: programs run side by side, in rounds, and what comes of their costs."""

from __future__ import annotations

import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from benchmarks.processes import Cost, Program, ProgramError, cost_of

Say = Callable[[str], None]

NOISY_SPREAD: Final = 0.15
NOTHING: Final = "sync of nothing"


@dataclass(frozen=True)
class Figures:
    """The costs of a program's runs: medians, the highest peak, and how far apart its CPU times were."""

    costs: Sequence[Cost]

    @property
    def rows(self) -> int:
        return self.costs[0].rows

    @property
    def cpu(self) -> float:
        """Seconds."""
        return statistics.median(cost.cpu for cost in self.costs)

    @property
    def wall(self) -> float:
        """Seconds."""
        return statistics.median(cost.wall for cost in self.costs)

    @property
    def peak(self) -> int:
        """Bytes."""
        return max(cost.peak for cost in self.costs)

    @property
    def spread(self) -> float:
        """Between the least and the most CPU time, as a share of the median."""
        times = [cost.cpu for cost in self.costs]
        return (max(times) - min(times)) / self.cpu

    @property
    def rate(self) -> float:
        """Rows a second of CPU time."""
        return self.rows / self.cpu

    @property
    def rates(self) -> Sequence[float]:
        """Rows a second of CPU time, run by run."""
        return [cost.rows / cost.cpu for cost in self.costs]

    @property
    def each(self) -> float:
        """Microseconds of CPU time a row."""
        return 1e6 / self.rate


@dataclass
class Findings:
    """Figures by the name of the program; why, for one that failed."""

    figures: dict[str, Figures] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> Figures | None:
        return self.figures.get(name)

    def after_the_start(self, name: str) -> Sequence[float]:
        """Microseconds of CPU time a row, run by run, beyond what a sync of nothing takes."""
        start = self.figures[NOTHING].cpu
        return [1e6 * (cost.cpu - start) / cost.rows for cost in self.figures[name].costs]


def measure(programs: Iterable[Program], rounds: int, at_once: int, say: Say) -> Findings:
    """Run each program once a round, one after the other, so that what slows the machine down slows down all.

    A program with `times` of its own takes part in so many rounds, be there more or fewer of the others'.
    at_once: how many may run at a time; more than one is for those who want no times. Raises ProgramError.
    """
    unique = list({program.name: program for program in programs}.values())
    costs: defaultdict[str, list[Cost]] = defaultdict(list)
    findings = Findings()

    def run(program: Program) -> None:
        if program.name in findings.failures:
            return
        try:
            cost = cost_of(program)
        except ProgramError as failure:
            if not program.may_fail:
                raise
            findings.failures[program.name] = str(failure)
            say(f"{program.name}: failed, left out")
            return
        costs[program.name].append(cost)
        say(f"{program.name}: {cost.wall:.1f} s, {cost.cpu:.1f} s of CPU, {cost.peak >> 20} MB")

    times = {program.name: rounds if program.times is None else program.times for program in unique}
    with ThreadPoolExecutor(at_once) as executor:
        # One at a time they run in this thread, where an interrupt reaches them.
        apply = map if at_once == 1 else executor.map
        for number in range(max(times.values(), default=0)):
            say(f"round {number + 1}")
            list(apply(run, (program for program in unique if times[program.name] > number)))
    findings.figures = {name: Figures(found) for name, found in costs.items() if name not in findings.failures}
    return findings


@dataclass(frozen=True)
class Noise:
    """How quiet the machine was: the processes that wanted to run at the start, and the floors' spreads."""

    load: float
    cores: int
    spreads: Sequence[float]

    @classmethod
    def of(cls, load: float, floors: Iterable[Figures]) -> Noise:
        """From the load average at the start and what the floors took, of which a single run says nothing."""
        return cls(load, os.cpu_count() or 1, [floor.spread for floor in floors if len(floor.costs) > 1])

    @property
    def verdict(self) -> str:
        reasons = []
        if self.load > self.cores:
            reasons.append(f"the load average was {self.load:.1f} on {self.cores} cores at the start")
        if max(self.spreads, default=0) > NOISY_SPREAD:
            reasons.append(f"the floor's CPU time varied by {max(self.spreads):.0%} between rounds")
        if reasons:
            return f"The machine was noisy: {' and '.join(reasons)}. Measure again before believing a figure."
        spread = f", the floor's CPU time within {max(self.spreads):.0%} between rounds" if self.spreads else ""
        return f"The machine was quiet: load average {self.load:.1f} on {self.cores} cores{spread}."


def load_average() -> float:
    """Processes that wanted to run in the last minute."""
    return os.getloadavg()[0]
