"""The benchmark counts right, serves what it says, and fails when a program does; its times are nobody's promise."""

import json
import os
import select
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.utils.yaml_loader import safe_load_yaml

from benchmarks import __main__ as command
from benchmarks import report
from benchmarks.data import LISTS, Period, RowFile, render
from benchmarks.environments import Environment, InstallError
from benchmarks.findings import NOTHING, Figures, Findings, Noise, measure
from benchmarks.outcomes import Outcome, read_outcomes
from benchmarks.peers import HERE, AirbyteIterable, Peer, TapIterable
from benchmarks.processes import RECORD, Cost, Program, ProgramError, cost_of
from benchmarks.report import RESULTS, Report
from benchmarks.sampling import Stack, stacks
from benchmarks.sampling import report as report_of
from benchmarks.source import MESSAGES_AS_LISTING, ROOT, copied
from benchmarks.stage import FULL
from benchmarks.vendor import PAGE, Vendor
from benchmarks.virtual import NOW, export_streams, least_windows
from benchmarks.works import (
    Line,
    Memory,
    Messages,
    Rate,
    Reading,
    Start,
    Virtual,
    floor_of,
    framework_of,
    peer_of,
    source_of,
)
from sandbox import Sandbox, serve
from sandbox.iterable.timestamps import epoch_seconds
from sandbox.messages import Request

PERIOD = Period(1_700_000_000)
MEGABYTE = 1 << 20
FLOOR = Program("floor", [sys.executable, "-c", ""])


def served(vendor: Vendor, target: str) -> bytes:
    return b"".join(vendor.answer(Request("GET", target)).as_lines())


def costs(*cpu: float, rows: int = 100, peak: int = 0, end: bytes = b"") -> Figures:
    return Figures([Cost(rows, seconds + 1, seconds, peak, end) for seconds in cpu])


def printing(text: str, **about: Any) -> Program:
    return Program("printer", [sys.executable, "-c", f"import sys; sys.stdout.write({text})"], **about)


# --- the whole


@pytest.mark.slow
def test_a_smoke_run_measures_all_of_the_table_with_exact_counts_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = RESULTS.read_bytes() if RESULTS.exists() else None
    smoke = [sys.executable, "-m", "benchmarks", "--smoke", "--folder", str(tmp_path)]

    ended = subprocess.run(smoke, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    header, *lines = ended.stdout.splitlines()
    start = header.index("this source")
    assert [line[:start].rstrip() for line in lines] == [
        "`email_send`, 300 rows of 600 bytes",
        "`email_send`, the rate",
        "`users`, 100 profiles with custom fields",
        "`list_users`, 500 lines",
        "`messages` (Courier), 20 rows in pages of 10",
        "peak memory, 300 and 300 rows",
        "start: the command's `spec`, `discover`",
        "first sync of 2 empty export streams over 100 days, at the real budgets",
        "incremental sync of 2 export streams and 12 listings, at the real budgets",
        "first sync of 2 export streams over 100 days, `export_method: stream`",
        "first sync of 2 export streams over 100 days, `export_method: jobs`",
    ]
    assert {line.split()[-1] for line in lines} == {"–"}
    assert list(tmp_path.iterdir()) == []
    assert (RESULTS.read_bytes() if RESULTS.exists() else None) == before


# --- programs


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_every_row_of_a_program_is_counted_wherever_its_output_is_cut(size: int) -> None:
    row = RECORD.decode() + "x" * size + "}\\n"

    assert cost_of(printing(f"'{row}' * 1000", rows=1000)).rows == 1000


def test_a_program_that_prints_another_number_of_rows_fails_the_benchmark() -> None:
    with pytest.raises(ProgramError, match=r"^printer printed 3 rows instead of 4\.$"):
        cost_of(printing(f"'{RECORD.decode()}' * 3", rows=4))


def test_a_program_that_fails_is_quoted_without_its_rows() -> None:
    program = Program("failing", ["sh", "-c", f"echo '{RECORD.decode()}'; echo what went wrong >&2; exit 3"])

    with pytest.raises(ProgramError, match=r"^failing ended with exit code 3:\nwhat went wrong$"):
        cost_of(program)


def test_a_program_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    program = Program("hanging", ["sh", "-c", f"(echo started; sleep 600) > {pipe} & sleep 600"], limit=900)

    def monotonic() -> float:
        """The limit is over as soon as all of it runs."""
        return 1000.0 if select.select([reader], [], [], 0)[0] else 0.0

    monkeypatch.setattr("benchmarks.processes.time.monotonic", monotonic)
    with pytest.raises(ProgramError, match=r"^hanging has not ended within 900 seconds\.$"):
        cost_of(program)

    assert os.read(reader, 100) == b"started\n"
    assert select.select([reader], [], [], 60)[0]
    assert os.read(reader, 100) == b""  # the end, since nobody is left to write
    os.close(reader)


def test_the_peak_is_that_of_the_program_not_of_who_started_it() -> None:
    own = bytearray(200 * MEGABYTE)  # resident, since it is filled

    cost = cost_of(Program("small", [sys.executable, "-c", "import time; time.sleep(0.2)"]))

    assert cost.peak < len(own) / 4


def test_another_connector_that_loses_rows_is_left_out() -> None:
    lossy = printing(f"'{RECORD.decode()}'", rows=2, may_fail=True)

    found = measure([lossy], 1, 1, lambda _: None)

    assert (found.figures, found.failures) == ({}, {"printer": "printer printed 1 rows instead of 2."})


def test_programs_take_turns_and_those_that_may_fail_stop_nobody() -> None:
    said: list[str] = []
    broken = Program("peer", ["sh", "-c", "exit 1"], may_fail=True)
    once = Program("once", ["true"], times=1)
    twice = Program("twice", ["true"])

    found = measure([broken, once, twice, twice], 2, 1, said.append)

    assert {name: len(figures.costs) for name, figures in found.figures.items()} == {"once": 1, "twice": 2}
    assert found.failures == {"peer": "peer ended with exit code 1:\n"}
    assert [text.partition(":")[0] for text in said] == ["round 1", "peer", "once", "twice", "round 2", "twice"]


# --- rows


@pytest.mark.parametrize(("kind", "moment"), [("email_send", "createdAt"), ("users", "profileUpdatedAt")])
def test_windows_that_meet_bring_every_row_once_and_none_from_elsewhere(kind: str, moment: str, tmp_path: Path) -> None:
    rows = render(kind, 1_000, PERIOD, tmp_path)
    vendor = Vendor(kind, rows, PERIOD)
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


def test_pages_bring_every_message_once_the_newest_first(tmp_path: Path) -> None:
    vendor = Vendor("messages", render("messages", 25, PERIOD, tmp_path), PERIOD)
    cursor, got = "", []
    while True:
        page = json.loads(served(vendor, f"/messages?cursor={cursor}"))
        got += page["results"]
        assert len(page["results"]) <= PAGE
        if not page["paging"]["more"]:
            break
        cursor = page["paging"]["cursor"]

    assert len({row["id"] for row in got}) == 25
    assert [row["enqueued"] for row in got] == sorted((row["enqueued"] for row in got), reverse=True)


def test_lists_share_all_members_among_them(tmp_path: Path) -> None:
    vendor = Vendor("list_users", render("list_users", 123, PERIOD, tmp_path), PERIOD)
    ids = [row["id"] for row in json.loads(served(vendor, "/api/lists"))["lists"]]

    members = [served(vendor, f"/api/lists/getUsers?listId={number}").splitlines() for number in ids]

    assert len(ids) == LISTS
    assert len({line for lines in members for line in lines}) == sum(map(len, members)) == 123


def test_rows_in_a_file_are_the_same_when_it_is_opened_again(tmp_path: Path) -> None:
    lines = [b"a\n", b"bb\n", b"\n"]
    path = tmp_path / "rows.lines"
    RowFile.write(path, iter(lines))

    again = RowFile(path)

    assert (len(again), again.lines(0, 3), b"".join(again.pieces(1, 3))) == (3, lines, b"bb\n\n")


# --- the source, and the peers


def test_a_copy_of_the_source_has_another_table_and_the_rest_unchanged(tmp_path: Path) -> None:
    copied(tmp_path, only={"email_send", "messages"}, rows=MESSAGES_AS_LISTING)

    ours, theirs = (safe_load_yaml((folder / "manifest.yaml").read_text()) for folder in (ROOT, tmp_path))
    assert [row["$parameters"]["name"] for block in theirs.pop("streams") for row in block["streams"]] == [
        "email_send",
        "messages",
    ]
    del ours["streams"]
    assert theirs == ours


def test_a_copy_whose_table_has_no_such_stream_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^The manifest's table has no row for message\.$"):
        copied(tmp_path, rows={"message": ""})


def test_the_listing_beside_messages_is_the_same_stream_without_its_cursor() -> None:
    manifest = safe_load_yaml((ROOT / "manifest.yaml").read_text())
    (listing,) = safe_load_yaml(MESSAGES_AS_LISTING["messages"])
    messages = manifest["definitions"]["messages"]

    assert listing["$ref"] == messages["$ref"]
    assert listing["transformations"] == messages["transformations"]
    assert listing["schema_loader"] == messages["schema_loader"]
    assert "incremental_sync" not in manifest["definitions"]["courier_listing"]


def test_what_a_peer_asks_of_the_vendors_host_arrives_here() -> None:
    program = "import requests; print(requests.get('https://api.iterable.com/api/lists?a=b', timeout=120).status_code)"
    with serve(sandbox := Sandbox(seed=False)) as address:
        environment = {"PYTHONPATH": str(HERE / "redirect"), "REDIRECTED_TO": address}
        asking = [sys.executable, "-c", program]
        ended = subprocess.run(asking, env=environment, capture_output=True, text=True, check=False)

    assert ended.stdout == "401\n", ended.stderr
    assert [(call.path, call.query) for call in sandbox.calls] == [("/api/lists", {"a": ["b"]})]


def test_an_environment_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="no-such-python"):
        Environment(tmp_path / "peer", str(tmp_path / "no-such-python")).with_packages("anything")


@pytest.mark.parametrize("peer", [AirbyteIterable, TapIterable])
@pytest.mark.parametrize("said", ["no JSON", '{"type": "LOG"}', "[]"])
def test_a_peer_that_cannot_be_understood_is_not_measured(
    peer: type[Peer], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "_output", lambda *_: said)

    with pytest.raises(InstallError, match=r"^what it says of its streams cannot be understood"):
        _ = peer(tmp_path).streams


def test_a_peer_that_cannot_be_had_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(environment: Environment, *packages: str) -> Path:
        raise InstallError(f"no {packages[0]} here")

    monkeypatch.setattr(Environment, "with_packages", refuse)
    said: list[str] = []

    peers, versions = command._peers(tmp_path, said.append)

    assert peers == []
    assert versions == {
        "airbyte-source-iterable": "could not be installed: no airbyte-source-iterable==1.0.1 here",
        "tap-iterable": "could not be installed: no tap-iterable here",
    }
    assert said[1::2] == [f"{name} {reason}" for name, reason in versions.items()]


# --- figures


def test_figures_are_medians_and_the_highest_peak() -> None:
    figures = Figures([Cost(60, 9.0, 2.0, 5), Cost(60, 4.0, 3.0, 9), Cost(60, 5.0, 4.0, 7)])

    assert (figures.cpu, figures.wall, figures.peak, figures.rate) == (3.0, 5.0, 9, 20.0)
    assert figures.spread == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("load", "floors", "verdict"),
    [
        (0.5, [(1.0, 1.1)], "The machine was quiet: load average 0.5 on 2 cores, the floor's CPU time within 10% "),
        (0.5, [(1.0,)], "The machine was quiet: load average 0.5 on 2 cores."),
        (2.5, [(1.0, 1.0)], "The machine was noisy: the load average was 2.5 on 2 cores at the start. Measure again"),
        (0.0, [(1.0, 1.0), (1.0, 1.4)], "The machine was noisy: the floor's CPU time varied by 33% between rounds. "),
    ],
)
def test_the_verdict_on_the_machine_names_what_was_noisy(
    load: float, floors: list[tuple[float, ...]], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)

    assert Noise.of(load, [costs(*cpu) for cpu in floors]).verdict.startswith(verdict)


def line_of(reading: Reading, peers: dict[str, Figures], ours: float = 10.0) -> Line:
    figures = {source_of("users", 100_000): costs(ours, rows=100_000), floor_of("users"): costs(1, rows=100_000)}
    figures |= {peer_of("users", name): found for name, found in peers.items()}
    (line,) = reading.lines(Findings(figures), FULL)
    return line._replace(rounds=list(line.rounds))


def test_a_reading_is_judged_by_the_connector_it_replaces_and_shown_beside_the_other() -> None:
    reading = Reading("users", "profiles", times_the_peer=40)
    peers = {AirbyteIterable.name: costs(1, rows=200), TapIterable.name: costs(1, rows=5_000)}

    assert line_of(reading, peers) == Line(
        "`users`, 100,000 profiles",
        "10,000 rows/s of CPU",
        "floor 100,000; airbyte-source-iterable 200 (× 50.0); tap-iterable 5,000 (× 2.0)",
        "≥ 40 × airbyte-source-iterable",
        True,
        [True],
    )
    assert line_of(reading, peers, ours=15.0).met is False


@pytest.mark.parametrize(
    ("ours", "alone", "parsed", "met"),
    [(4.0, 4.0, 0.1, None), (4.0, 3.0, 1.0, True), (4.1, 3.0, 1.0, False), (4.1, 1.0, 0.5, False)],
)
def test_a_rate_is_asked_of_machines_on_which_the_framework_after_the_floor_reaches_it(
    ours: float, alone: float, parsed: float, met: bool | None
) -> None:
    figures = {
        source_of("users", 100_000): costs(ours, rows=100_000),
        framework_of("users"): costs(alone, rows=100_000),
        floor_of("users"): costs(parsed, rows=100_000),
    }

    (line,) = Rate("rate", "users", wanted=25_000).lines(Findings(figures), FULL)

    assert line.beside == (
        f"the framework alone {100_000 / alone:,.0f}, after the floor {100_000 / (alone + parsed):,.0f}"
    )
    assert line.met is met


@pytest.mark.parametrize(
    ("met", "rounds", "said"),
    [
        (True, [True, True, True], "yes"),
        (True, [True, False, True], "yes (2 of 3 rounds)"),
        (False, [True, False, False], "**no** (2 of 3 rounds)"),
        (True, [], "yes"),
        (None, [], "–"),
    ],
)
def test_a_verdict_says_how_many_rounds_it_holds_for(met: bool | None, rounds: list[bool], said: str) -> None:
    line = Line("work", "fast", "slower", "faster", met, rounds)

    page = Report([line], Findings(), Noise(0.1, 2, []), {}).as_page()

    assert f"| work | fast | slower | faster | {said} |" in page.splitlines()


def test_a_reading_whose_peer_is_missing_is_not_judged() -> None:
    line = line_of(Reading("users", "profiles", 40), {})

    assert (line.beside, line.met) == ("floor 100,000", None)


@pytest.mark.parametrize(("listing", "more", "met"), [(5.0, "+25%", False), (5.5, "+11%", True)])
def test_messages_are_held_against_a_listing_without_the_start_of_either(listing: float, more: str, met: bool) -> None:
    names = [source_of("messages", 20_000), "messages listing", floor_of("messages"), NOTHING]
    figures = [costs(cpu, rows=20_000) for cpu in (6.0, listing, 0.1, 1.0)]

    (line,) = Messages().lines(Findings(dict(zip(names, figures, strict=True))), FULL)

    assert (line.measured, line.met) == (f"250 µs of CPU a row, {more}", met)


@pytest.mark.parametrize(
    ("few", "many", "met"), [(100, 120, True), (100, 121, False), (249, 249, True), (240, 251, False)]
)
def test_memory_is_flat_and_small_or_it_is_not(few: int, many: int, met: bool) -> None:
    figures = {
        source_of("email_send", rows): costs(1, peak=peak * MEGABYTE)
        for rows, peak in ((300_000, few), (3_000_000, many))
    }

    (line,) = Memory().lines(Findings(figures), FULL)

    assert (line.measured, line.met) == (f"{few} MB and {many} MB", met)


@pytest.mark.parametrize(("spec", "discover", "met"), [(2.9, 4.9, True), (3.1, 4.9, False), (2.9, 5.1, False)])
def test_a_start_is_judged_by_both_commands(spec: float, discover: float, met: bool) -> None:
    names = ("spec", "discover", NOTHING, "framework")
    found = Findings({name: costs(cpu, rows=0) for name, cpu in zip(names, (spec, discover, 2, 1), strict=True)})

    (line,) = Start().lines(found, FULL)

    assert line.met is met


# --- virtual time


def test_an_outcome_is_the_same_when_it_is_read_again_among_other_lines() -> None:
    outcome = Outcome("empty", 10, 8, 8, 0, 2.5, None, 0)

    assert read_outcomes([b'{"type":"LOG"}', outcome.as_line().encode()]) == {"empty": outcome}


@pytest.mark.parametrize(
    ("empty", "incremental", "met"),
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
    empty: dict[str, Any], incremental: dict[str, Any], met: list[bool]
) -> None:
    good = Outcome("empty", 300, 272, 272, refused=0, minutes=68.1, last_listing=0.0, rows=15_600)
    later = replace(good, name="incremental", exports=52, least_exports=52, minutes=12.2)
    engines = [replace(good, name=name) for name in ("stream", "jobs")]
    outcomes = [replace(good, **empty), replace(later, **incremental), *engines]
    end = "\n".join(outcome.as_line() for outcome in outcomes).encode()

    lines = list(Virtual().lines(Findings({"virtual": costs(1, end=end)}), FULL))

    assert [line.met for line in lines] == [*met, True, True]
    assert lines[0].beside == "the least: 272 calls, 68.0 minutes"


@pytest.mark.parametrize(
    ("days", "windows"), [(0, 0), (1, 1), (30, 1), (31, 2), (90, 2), (210, 3), (390, 4), (391, 5), (1096, 8)]
)
def test_the_least_windows_start_at_thirty_days_and_double_up_to_180(days: int, windows: int) -> None:
    assert least_windows(timedelta(days=days)) == windows


def test_there_are_as_many_export_streams_as_the_benchmark_reads() -> None:
    streams = export_streams()

    assert len(streams) == int(FULL.incremental) == int(FULL.first.partition(":")[0])
    assert "users" not in streams
    assert NOW.tzinfo is UTC


# --- the page, and the profile


def page(monkeypatch: pytest.MonkeyPatch, costs_page: Path) -> str:
    monkeypatch.setattr(report, "COSTS", costs_page)
    line = Line("work", "fast", "slow | slower", "faster", False)
    found = Findings({"program": costs(2.0, peak=5 * MEGABYTE)}, {"peer": "it fell over"})
    return Report([line], found, Noise(0.1, 2, []), {"peer": "1.0"}).as_page()


def test_the_page_holds_the_table_the_figures_and_what_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = page(monkeypatch, tmp_path / "absent.md").splitlines()

    assert "| work | fast | slow \\| slower | faster | **no** |" in lines
    assert "| program | 100 | 1 | 3.00 | 2.00 | 0% | 33 | 50 | 20,000.0 | 5 |" in lines
    assert "| peer | 1.0 |" in lines
    assert "it fell over" in lines
    assert "## Where the time goes" not in lines


@pytest.mark.parametrize(
    ("words", "failures", "peers", "lacking"),
    [
        ([], {}, {}, None),
        (["--rounds", "2"], {}, {}, "measured in part"),
        (["--only", "users"], {}, {}, "measured in part"),
        (["--rows", "9"], {}, {}, "measured in part"),
        (["--no-peers"], {}, {}, "measured in part"),
        ([], {"users tap": "users tap printed 1 rows instead of 2."}, {}, "without users tap"),
        ([], {}, {"tap": "could not be installed: offline"}, "without tap"),
    ],
)
def test_the_page_is_written_by_whole_runs_only(
    words: list[str],
    failures: dict[str, str],
    peers: dict[str, str],
    lacking: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path / "RESULTS.md")
    (tmp_path / "RESULTS.md").write_text("earlier")
    whole = Report([], Findings({}, failures), Noise(0.1, 2, []), peers)

    command._write(whole, command._arguments(words))

    assert ((tmp_path / "RESULTS.md").read_text() == "earlier") is (lacking is not None)
    assert capsys.readouterr().out == (f"RESULTS.md stays as it is: this was {lacking}.\n" if lacking else "")


def test_the_page_ends_with_the_costs_that_are_kept_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "costs.md"
    kept.write_text("Hashing: 1 µs.\n")

    assert page(monkeypatch, kept).endswith("\n\n## Where the time goes\n\nHashing: 1 µs.\n")


def test_a_profile_names_costs_a_row_and_leaves_the_start_out() -> None:
    lines = [
        "thread (12): MainThread;main (a.py);_find_and_load (b.py) 50",
        "thread (13): worker;read (c.py);parse (d.py) 30",
        "thread (13): worker;read (c.py) 20",
        "thread (14) 7",
    ]
    found = list(stacks(lines))

    text = report_of(Cost(1_000, 2.0, 1.0, 0), found)

    assert found[1] == Stack("worker", ("read (c.py)", "parse (d.py)"), 30)
    assert text.splitlines()[0] == "1,000 rows, 1.0 s of CPU, of which 50% the start; 500.0 µs a row without it"
    assert "300.00  parse (d.py)" in text
    assert "500.00  read (c.py)" in text
    assert "_find_and_load" not in text
