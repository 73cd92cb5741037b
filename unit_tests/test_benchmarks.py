"""The benchmark counts right, serves what it says, and fails when a program does; its times are nobody's promise."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks.data import LISTS, Period, render
from benchmarks.peers import REDIRECT
from benchmarks.programs import MEGABYTE, RECORD, ROOT, Cost, Figures, Program, ProgramError, cost_of
from benchmarks.vendor import Vendor
from benchmarks.virtual import Outcome
from sandbox import Sandbox, serve
from sandbox.iterable.timestamps import epoch_seconds
from sandbox.messages import Request

PERIOD = Period(1_700_000_000)


def served(vendor: Vendor, target: str) -> bytes:
    return b"".join(vendor.answer(Request("GET", target)).as_lines())


def costs(*cpu: float, rows: int = 100, peak: int = 0) -> Figures:
    return Figures([Cost(rows, seconds + 1, seconds, peak) for seconds in cpu])


def printing(text: str, rows: int) -> Program:
    return Program("printer", [sys.executable, "-c", f"import sys; sys.stdout.write({text})"], rows)


@pytest.mark.slow
def test_a_smoke_run_measures_the_source_and_the_floor_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = command.RESULTS.read_bytes()
    smoke = [sys.executable, "-m", "benchmarks", "--smoke"]

    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ended = subprocess.run(smoke, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    header, *lines = ended.stdout.splitlines()
    assert [line[: header.index("this source")].rstrip() for line in lines] == [
        "`email_send`, 300 rows",
        "peak memory, 300 and 300 rows",
        "first sync of 2 empty exports over 100 days, at the real budgets",
    ]
    assert [path.name for path in tmp_path.iterdir()] == []
    assert command.RESULTS.read_bytes() == before


# --- programs


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_every_row_of_a_program_is_counted_wherever_its_output_is_cut(size: int) -> None:
    row = RECORD.decode() + "x" * size + "}\\n"

    assert cost_of(printing(f"'{row}' * 1000", rows=1000)).rows == 1000


@pytest.mark.slow
def test_a_program_that_prints_another_number_of_rows_fails_the_benchmark() -> None:
    with pytest.raises(ProgramError, match=r"^printer printed 3 rows instead of 4\.$"):
        cost_of(printing(f"'{RECORD.decode()}' * 3", rows=4))


@pytest.mark.slow
def test_programs_keep_their_compiled_modules_as_they_do_for_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    line = f"'' if __import__('os').getenv('PYTHONDONTWRITEBYTECODE') else '{RECORD.decode()}'"

    assert cost_of(printing(line, rows=1)).rows == 1


@pytest.mark.slow
def test_a_program_that_fails_is_quoted_without_its_rows() -> None:
    program = Program("failing", ["sh", "-c", f"echo '{RECORD.decode()}'; echo what went wrong >&2; exit 3"], 0)

    with pytest.raises(ProgramError, match=r"^failing ended with exit code 3:\nwhat went wrong$"):
        cost_of(program)


@pytest.mark.slow
def test_a_program_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    left: list[str] = []

    class Limit(threading.Thread):
        """Is over as soon as all of the program runs, and sees it end."""

        def __init__(self, _seconds: float, end: Callable[..., None], arguments: tuple[Any, ...]) -> None:
            super().__init__()
            self._end, self._arguments = end, arguments

        def run(self) -> None:
            with pipe.open() as output:
                left.append(output.readline())
                self._end(*self._arguments)
                left.append(output.read())  # ends once nobody is left to write

        cancel = threading.Thread.join

    monkeypatch.setattr("benchmarks.programs.threading.Timer", Limit)
    hanging = Program("hanging", ["sh", "-c", f"(echo started; sleep 600) > {pipe} & sleep 600"], 0)

    with pytest.raises(ProgramError, match=r"^hanging ended with exit code -9:"):
        cost_of(hanging)

    assert left == ["started\n", ""]


@pytest.mark.slow
def test_the_peak_is_that_of_the_program_not_of_who_started_it() -> None:
    own = bytearray(200 * MEGABYTE)  # resident, since it is filled

    cost = cost_of(printing("'a line'", rows=0))

    assert cost.peak < len(own) / 4


@pytest.mark.slow
def test_programs_take_turns_and_a_peer_that_fails_stops_nobody() -> None:
    broken = Program("users peer", ["sh", "-c", "exit 1"], 0)
    run = command.Run([broken, Program("ours", ["true"], 0)])

    run.measure(2, ["peer"])

    assert {name: len(figures.costs) for name, figures in run.figures.items()} == {"ours": 2}
    assert run.failures == {"users peer": "users peer ended with exit code 1:\n"}
    with pytest.raises(ProgramError):
        command.Run([broken]).measure(1, [])


# --- rows


@pytest.mark.parametrize(("kind", "moment"), [("email_send", "createdAt"), ("users", "profileUpdatedAt")])
def test_windows_that_meet_bring_every_row_once_and_none_from_elsewhere(kind: str, moment: str, tmp_path: Path) -> None:
    vendor = Vendor(kind, render(kind, 1_000, PERIOD, tmp_path), PERIOD)
    got = []
    cuts = [PERIOD.first + seconds for seconds in (-5, 0, 1, 3_456_789, PERIOD.seconds + 9)]
    for start, end in pairwise(cuts):
        window = [f"{datetime.fromtimestamp(cut, UTC):%Y-%m-%d %H:%M:%S}" for cut in (start, end)]
        target = "/api/export/data.json?startDateTime={}&endDateTime={}".format(*window).replace(" ", "+")
        found = [json.loads(line) for line in served(vendor, target).splitlines()]
        assert all(start <= epoch_seconds(row[moment]) < end for row in found)
        got += found

    assert len(got) == 1_000
    assert max(Counter(json.dumps(row) for row in got).values()) == 1


def test_rows_of_an_export_are_as_long_as_the_table_says(tmp_path: Path) -> None:
    rows = render("email_send", 4_000, PERIOD, tmp_path)

    assert 590 < rows.path.stat().st_size / len(rows) < 610


def test_lists_share_all_members_among_them(tmp_path: Path) -> None:
    vendor = Vendor("list_users", render("list_users", 123, PERIOD, tmp_path), PERIOD)
    ids = [row["id"] for row in json.loads(served(vendor, "/api/lists"))["lists"]]

    members = [served(vendor, f"/api/lists/getUsers?listId={number}").splitlines() for number in ids]

    assert len(ids) == LISTS
    assert len({line for lines in members for line in lines}) == sum(map(len, members)) == 123


# --- peers


@pytest.mark.slow
def test_what_a_peer_asks_of_the_vendors_host_arrives_here() -> None:
    program = "import requests; print(requests.get('https://api.iterable.com/api/lists?a=b', timeout=120).status_code)"
    with serve(sandbox := Sandbox(seed=False)) as address:
        environment = {"PYTHONPATH": str(REDIRECT), "REDIRECTED_TO": address}
        asking = [sys.executable, "-c", program]
        ended = subprocess.run(asking, env=environment, capture_output=True, text=True, check=False)

    assert ended.stdout == "401\n", ended.stderr
    assert [(call.path, call.query) for call in sandbox.calls] == [("/api/lists", {"a": ["b"]})]


@pytest.mark.slow
def test_a_peer_that_cannot_be_had_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers.shutil.which", lambda _: str(tmp_path / "no-such-python"))
    versions: dict[str, str] = {}

    assert command._peers(tmp_path, versions) == []
    assert list(versions) == ["airbyte-source-iterable", "tap-iterable"]
    assert all(said.startswith("could not be installed: ") and "no-such-python" in said for said in versions.values())


def test_figures_are_medians_and_the_highest_peak() -> None:
    figures = Figures([Cost(60, 9.0, 2.0, 5), Cost(60, 4.0, 3.0, 9), Cost(60, 5.0, 4.0, 7)])

    assert (figures.cpu, figures.wall, figures.peak, figures.rate) == (3.0, 5.0, 9, 20.0)


@pytest.mark.parametrize(
    ("ours", "peers", "beside", "met"),
    [
        (
            10.0,
            {"airbyte-source-iterable": 200, "tap-iterable": 5_000},
            "floor 100,000; airbyte-source-iterable 200 (× 50.0); tap-iterable 5,000 (× 2.0)",
            "yes",
        ),
        (15.0, {"airbyte-source-iterable": 200}, "floor 100,000; airbyte-source-iterable 200 (× 33.3)", "**no**"),
        (10.0, {}, "floor 100,000", "–"),
    ],
)
def test_a_reading_is_judged_by_the_connector_it_replaces_and_shown_beside_the_other(
    ours: float, peers: dict[str, int], beside: str, met: str
) -> None:
    rates = {"100,000 source": 100_000 / ours, "floor": 100_000, **peers}
    run = command.Run(figures={f"users {name}": costs(100_000 / rate, rows=100_000) for name, rate in rates.items()})

    run.judge_reading("users", 100_000, "profiles", 40)

    page = run.page({"peer": "1.0"}).splitlines()
    rate = f"{100_000 / ours:,.0f} rows/s of CPU"
    assert f"| `users`, 100,000 profiles | {rate} | {beside} | ≥ 40 × airbyte-source-iterable | {met} |" in page
    assert "| users floor | 100,000 | 1 | 2.00 | 1.00 | 100,000 | 0 |" in page
    assert "| peer | 1.0 |" in page


@pytest.mark.parametrize(
    ("few", "many", "met"), [(100, 120, True), (100, 121, False), (249, 249, True), (240, 251, False)]
)
def test_memory_is_flat_and_small_or_it_is_not(few: int, many: int, met: bool) -> None:
    peaks = {300: few, 3_000: many}
    figures = {f"users {rows:,} source": costs(1, peak=peak * MEGABYTE) for rows, peak in peaks.items()}
    run = command.Run(figures=figures)

    run.judge_memory("users", 300, 3_000)

    assert run.lines == [("peak memory, 300 and 3,000 rows", f"{few} MB and {many} MB", "", run.lines[0][3], met)]


GOOD = Outcome(calls=300, exports=272, least=272, refused=0, minutes=68.1, last_listing=0.0, rows=15_600)
AGAIN = replace(GOOD, exports=52, least=52, minutes=12.2)


@pytest.mark.parametrize(
    ("first", "again", "met"),
    [
        ({}, {}, [True, True]),
        ({"minutes": 72.0}, {"last_listing": 61.0}, [False, False]),
        ({"last_listing": None}, {"last_listing": None}, [True, False]),
        ({"refused": 1}, {"refused": 1}, [False, False]),
        ({}, {"exports": 53}, [True, False]),
        ({}, {"minutes": 13.1}, [True, False]),
    ],
)
def test_syncs_are_judged_by_the_vendors_budget(
    first: dict[str, Any], again: dict[str, Any], met: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = iter([replace(GOOD, **first), replace(AGAIN, **again), GOOD, replace(GOOD, least=0, rows=15_599)])
    monkeypatch.setattr(command, "in_a_process_of_its_own", lambda _: next(outcomes))
    run = command.Run()

    command._virtual(run, smoke=False)

    assert [line[-1] for line in run.lines] == [*met, True, False]
    assert (run.lines[0][2], run.lines[-1][2]) == ("at least 272 calls, 67.0 minutes", "")
