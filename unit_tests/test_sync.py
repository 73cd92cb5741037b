"""`make sync`: what reaches the tables and the states from what a source says, and what the user reads.

The source is one that follows a script, so that the promises hold for any.
"""

import io
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from components import AdaptiveWindowSize
from messaging_sync.console import Console
from messaging_sync.estimate import FIRST_WINDOW, LONGEST_WINDOW, is_export, least_windows
from messaging_sync.source import Stream
from scripts import streams
from unit_tests.support import postgres
from unit_tests.support.connector import Sync as Discovered
from unit_tests.support.loading import Sync
from unit_tests.support.source import TEXT, WHEN, Message, became, failed, in_full, incremental, log, record, state

pytestmark = pytest.mark.slow  # each starts the source three times

NINE, TEN = "2026-03-02T09:00:00+00:00", "2026-03-02T10:00:00+00:00"


@pytest.fixture
def sync(tmp_path: Path) -> Sync:
    return Sync(tmp_path)


# ------------------------------------------------------------------------------------------------ rows and states


def test_the_next_sync_is_given_the_state_of_the_last_and_the_latest_record_of_a_key_wins(sync: Sync) -> None:
    sync.source.offers(incremental("opens", email=TEXT))

    first = (
        record("opens", id=1, createdAt=NINE, email="a@x.org"),
        record("opens", id=1, createdAt=NINE, email="b@x.org"),
        record("opens", id=2, createdAt=NINE, email="c@x.org"),
        state("opens", NINE),
        became("opens", "COMPLETE"),
    )
    assert sync(*first) == 0, sync.said
    assert sync.source.given == {}

    second = (record("opens", id=2, createdAt=TEN, email="d@x.org"), state("opens", TEN), became("opens", "COMPLETE"))
    assert sync(*second) == 0
    assert sync.source.given == {"opens": {"createdAt": NINE}}
    assert sync.query("SELECT id, email FROM opens ORDER BY id") == [(1, "b@x.org"), (2, "d@x.org")]

    assert sync(became("opens", "COMPLETE")) == 0
    assert sync.source.given == {"opens": {"createdAt": TEN}}


def test_rows_that_no_state_covers_are_not_loaded_when_the_source_breaks_off(sync: Sync) -> None:
    sync.source.offers(incremental("opens"))
    read = (record("opens", id=1, createdAt=NINE), state("opens", NINE), record("opens", id=2, createdAt=TEN))

    assert sync(*read, "exit 7 Killed: out of memory") == 1
    assert "opens failed: The source ended with exit code 7: Killed: out of memory\n" in sync.said
    assert sync.query("SELECT id FROM opens") == [(1,)]

    assert sync(became("opens", "COMPLETE")) == 0
    assert sync.source.given == {"opens": {"createdAt": NINE}}


def test_a_stream_read_in_full_is_replaced_when_it_is_complete_and_only_then(sync: Sync) -> None:
    sync.source.offers(in_full("lists"))
    assert sync(record("lists", id=1), record("lists", id=1), state("lists", NINE), became("lists", "COMPLETE")) == 0
    assert sync.query("SELECT id FROM lists") == [(1,), (1,)]

    broken = (record("lists", id=2), failed("lists", "The server is down."), became("lists", "INCOMPLETE"))
    assert sync(*broken, failed(None, "Some streams failed.")) == 1
    assert sync.source.given == {}
    assert sync.query("SELECT id FROM lists") == [(1,), (1,)]
    assert sync.said.splitlines()[-2] == "lists failed: The server is down."

    assert sync(record("lists", id=3, size=4), became("lists", "COMPLETE")) == 0
    assert sync.query("SELECT id, size FROM lists") == [(3, "4")]
    assert sync(became("lists", "COMPLETE")) == 0
    assert sync.query("SELECT id FROM lists") == []


def test_a_repeated_key_of_a_stream_read_in_full_is_one_row(sync: Sync) -> None:
    sync.source.offers(in_full("lists", name=TEXT) | {"source_defined_primary_key": [["id"]]})

    assert sync(record("lists", id=1, name="a"), record("lists", id=1, name="b"), became("lists", "COMPLETE")) == 0

    assert sync.query("SELECT id, name FROM lists") == [(1, "b")]


def test_a_stream_that_fails_takes_no_other_with_it(sync: Sync) -> None:
    sync.source.offers(incremental("opens"), incremental("clicks"))

    ended = sync(
        record("opens", id=1, createdAt=NINE),
        failed("opens", "HTTP 500"),
        became("opens", "INCOMPLETE"),
        record("clicks", id=1, createdAt=NINE),
        state("clicks", NINE),
        became("clicks", "COMPLETE"),
        failed(None, "Some streams failed."),
    )

    assert ended == 1
    assert [line for line in sync.said.splitlines() if "failed" in line] == ["opens failed: HTTP 500."]
    assert sync.query("SELECT count(*) FROM clicks") == [(1,)]
    assert sync(became("clicks", "COMPLETE"), streams=("clicks",)) == 0
    assert sync.source.given == {"clicks": {"createdAt": NINE}}


def test_a_stream_whose_table_is_gone_is_read_from_its_start(sync: Sync) -> None:
    sync.source.offers(incremental("opens"), incremental("clicks"))
    read = [
        line
        for name in ("opens", "clicks")
        for line in (record(name, id=1, createdAt=NINE), state(name, NINE), became(name, "COMPLETE"))
    ]
    assert sync(*read) == 0
    with duckdb.connect(str(sync.database)) as connection:
        connection.execute("DROP TABLE opens")

    assert sync(*read) == 0

    assert sync.source.given == {"clicks": {"createdAt": NINE}}
    assert sync.query("SELECT id FROM opens UNION ALL SELECT id FROM clicks") == [(1,), (1,)]


def test_every_stream_has_a_table_before_it_has_rows(sync: Sync) -> None:
    sync.source.offers(incremental("opens", email=TEXT), in_full("lists"))

    assert sync(became("opens", "COMPLETE"), became("lists", "COMPLETE")) == 0

    columns = "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = "
    assert sync.query(f"{columns}'opens'") == [
        (name,) for name in ("id", "createdAt", "email", "_dlt_id", "_dlt_row", "_dlt_load_id")
    ]
    assert sync.query("SELECT count(*) FROM lists") == [(0,)]


# --------------------------------------------------------------------------------------------------------- columns

SCHEMA: dict[str, Message] = {
    "id": {"type": "integer"},
    "big": {"type": ["null", "integer"]},
    "rate": {"type": ["null", "number"]},
    "ok": {"type": ["null", "boolean"]},
    "day": {"type": ["null", "string"], "format": "date"},
    "createdAt": WHEN,
    "name": TEXT,
    "data": {"type": ["null", "object"]},
    "ids": {"type": ["null", "array"]},
    "mixed": {"type": ["null", "string", "integer"]},
}


def test_columns_have_the_types_of_the_schema(sync: Sync) -> None:
    sync.source.offers(in_full("lists", **SCHEMA))
    data = {
        "id": 1,
        "big": 9007199254740993,
        "rate": 1,
        "ok": True,
        "day": "2026-03-02",
        "createdAt": "2026-03-02T09:15:04.250Z",
        "name": 'it\'s 👩‍🚀 "quoted"',
        "data": {"a": [1, {"b": None}]},
        "ids": [1, "2"],
        "mixed": 7,
    }

    assert sync(record("lists", **data), became("lists", "COMPLETE")) == 0

    types = sync.query(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = 'lists' "
        "AND NOT starts_with(column_name, '_dlt')"
    )
    assert dict(types) == {
        "id": "BIGINT",
        "big": "BIGINT",
        "rate": "DOUBLE",
        "ok": "BOOLEAN",
        "day": "DATE",
        "createdAt": "TIMESTAMP WITH TIME ZONE",
        "name": "VARCHAR",
        "data": "JSON",
        "ids": "JSON",
        "mixed": "JSON",
    }
    assert sync.query("SELECT big, rate, ok, day::VARCHAR, epoch_ms(createdAt), name, data, ids, mixed FROM lists") == [
        (9007199254740993, 1.0, True, "2026-03-02", 1772442904250, data["name"], '{"a":[1,{"b":null}]}', '[1,"2"]', "7")
    ]


MISFITS: list[tuple[str, Any, str]] = [
    ("big", "0012", "0012"),
    ("big", 1.5, "1.5"),
    ("big", True, "true"),
    ("big", 2**70, str(2**70)),
    ("rate", True, "true"),
    ("rate", 2**53 + 1, str(2**53 + 1)),
    ("ok", 1, "1"),
    ("day", "0000-01-01", "0000-01-01"),
    ("createdAt", "yesterday", "yesterday"),
    ("createdAt", "2026-02-30T00:00:00Z", "2026-02-30T00:00:00Z"),
    ("createdAt", "0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
    ("createdAt", "10000-01-01T00:00:00Z", "10000-01-01T00:00:00Z"),
    ("name", 7, "7"),
    ("name", {"a": None}, '{"a":null}'),
]


def test_a_value_that_does_not_fit_its_column_stands_beside_it(sync: Sync) -> None:
    sync.source.offers(in_full("lists", **SCHEMA))
    fitting = {"big": 1, "rate": 0.5, "ok": True, "day": "2026-03-02", "createdAt": NINE, "name": "a"}

    rows = [record("lists", id=number, **{column: value}) for number, (column, value, _) in enumerate(MISFITS)]
    assert sync(*rows, record("lists", id=-1, **fitting), became("lists", "COMPLETE")) == 0, sync.said

    for number, (column, value, text) in enumerate(MISFITS):
        found = sync.query(f"SELECT {column} IS NULL, {column}__v_text FROM lists WHERE id = {number}")
        assert found == [(True, text)], (column, value)
    counts = ", ".join(f"count({column})" for column in fitting)
    assert sync.query(f"SELECT {counts} FROM lists") == [(1,) * len(fitting)]


def test_a_key_may_be_of_any_type_or_missing(sync: Sync) -> None:
    sync.source.offers(incremental("opens", name=TEXT))
    rows = (record("opens", id="x", name="a"), record("opens", name="b"), record("opens", id=1, name="c"))
    read = (*rows, state("opens", NINE), became("opens", "COMPLETE"))

    assert [sync(*read), sync(*read)] == [0, 0]

    assert sync.query("SELECT id, id__v_text, name FROM opens ORDER BY name") == [
        (None, "x", "a"),
        (None, None, "b"),
        (1, None, "c"),
    ]


def test_a_field_may_have_any_name_and_fields_that_differ_in_case_are_two_columns(sync: Sync) -> None:
    columns = {
        "itblInternal.emailDomain": "itblInternal.emailDomain",
        "it's": "it_s",  # as dlt has it
        "with space": "with space",
        "🎉": "🎉",
        "Email": "Email",
        "email": "email_2b74c8",
    }
    others = {"EMAIL": "EMAIL_ae2b07", "": "_", "it_s": "it_s_63dd99", "a" * 80: "a" * 80}
    sync.source.offers(incremental("users", **dict.fromkeys(columns, TEXT)))
    values = {name: name for name in columns | others}

    for number in (1, 2):  # the second sync finds the columns that the first has made
        read = (record("users", id=number, **values), state("users", NINE), became("users", "COMPLETE"))
        assert sync(*read) == 0, sync.said

    with duckdb.connect(str(sync.database), read_only=True) as connection:
        found = connection.execute("FROM users")
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    own = {"id", "createdAt", "_dlt_id", "_dlt_row", "_dlt_load_id"}
    expected = {column: name for name, column in columns.items()}
    expected |= {column: json.dumps(name) for name, column in others.items()}
    assert [{name: row[name] for name in row.keys() - own} for row in rows] == [expected, expected]


def test_a_new_version_of_the_source_adds_its_columns_and_changes_no_type(sync: Sync) -> None:
    sync.source.offers(incremental("opens", size={"type": "integer"}))
    assert sync(record("opens", id=1, createdAt=NINE, size=1), state("opens", NINE), became("opens", "COMPLETE")) == 0

    sync.source.offers(incremental("opens", city=TEXT, size=TEXT))
    assert sync(record("opens", id=2, city="Köln", size="L"), became("opens", "COMPLETE")) == 0

    rows = sync.query("SELECT id, size, size__v_text, city FROM opens ORDER BY id")
    assert rows == [(1, 1, None, None), (2, None, "L", "Köln")]


def test_a_column_that_appears_after_many_rows_is_added_as_json(sync: Sync) -> None:
    sync.source.offers(incremental("opens"))
    rows = [record("opens", id=number, createdAt=NINE) for number in range(6_000)]
    later = [record("opens", id=-1, later=value) for value in ("x", [1])]

    for _ in range(2):  # the second sync finds the column
        assert sync(*rows, *later, state("opens", NINE), became("opens", "COMPLETE")) == 0

    assert sync.query("SELECT count(*), count(later), any_value(later) FROM opens") == [(6_001, 1, "[1]")]
    assert sync.query("SELECT typeof(later) FROM opens LIMIT 1") == [("JSON",)]


def test_what_no_database_can_hold_becomes_a_replacement_character(sync: Sync) -> None:
    sync.source.offers(in_full("lists", name=TEXT))
    name = "\ud83d|\0|\U0001f600"  # which JSON can spell

    assert sync(record("lists", id=1, name=name), became("lists", "COMPLETE")) == 0

    assert sync.query("SELECT name FROM lists") == [("�|�|😀",)]


# -------------------------------------------------------------------------------------------------- other warehouses


def test_parquet_files_are_appended_to_or_replaced_and_the_pages_query_finds_each_key_once(
    sync: Sync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "folder"))
    sync.source.offers(incremental("email_send", name=TEXT), in_full("lists"))

    for version, cursor in (("a", NINE), ("b", TEN)):
        rows = [record("email_send", id=number, createdAt=cursor, name=version) for number in (1, 2)]
        read = (*rows, record("lists", id=1), state("email_send", cursor))
        ends = (became("email_send", "COMPLETE"), became("lists", "COMPLETE"))
        assert sync(*read, *ends, destination="filesystem") == 0, sync.said

    assert sync.source.given == {"email_send": {"createdAt": NINE}}
    page = (streams.ROOT / "docs" / "loading.md").read_text(encoding="utf-8")
    (query,) = re.findall(r"  ```sql\n(.*?)  ```", page, re.DOTALL)
    with duckdb.connect() as connection:
        connection.execute(f"SELECT id, name FROM ({query}) ORDER BY id".replace("'folder/", f"'{tmp_path}/folder/"))
        assert connection.fetchall() == [(1, "b"), (2, "b")]
        connection.execute(f"SELECT id FROM read_parquet('{tmp_path}/folder/messaging/lists/*.parquet')")
        assert connection.fetchall() == [(1,)]


@pytest.mark.environments
@pytest.mark.skipif(
    not postgres.INSTALLED and not os.environ.get("CI"), reason="`make test-all` installs PostgreSQL on Debian"
)
def test_postgresql_takes_every_type_misfit_and_name(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = {"itblInternal.emailDomain": TEXT, "with space": TEXT, "🎉": TEXT, "Email": TEXT, "email": TEXT}
    sync.source.offers(incremental("Users", **SCHEMA, **odd))
    fitting = {"big": 9007199254740993, "rate": 1, "ok": True, "day": "2026-03-02", "createdAt": NINE, "name": "\0|'"}
    values = {name: name for name in (*odd, "EMAIL", "later", "")} | {"data": {"a": [1]}, "ids": [1, "2"], "mixed": 7}
    rows = [record("Users", id=number, **{column: value}) for number, (column, value, _) in enumerate(MISFITS)]
    read = (*rows, record("Users", id=-1, **fitting, **values), state("Users", NINE), became("Users", "COMPLETE"))

    with postgres.postgres() as server:
        monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", server.url.replace("@", ":unused@"))
        assert [sync(*read, destination="postgres") for _ in range(2)] == [0, 0], sync.said
        found = {row["id"]: row for row in server.rows('SELECT * FROM messaging."Users"')}

    assert len(found) == len(MISFITS) + 1
    for number, (column, _, text) in enumerate(MISFITS):
        assert (found[number][column], found[number][f"{column}__v_text"]) == (None, text)
    expected = fitting | values | {"name": "\ufffd|'", "_": "", "EMAIL_ae2b07": "EMAIL", "email_2b74c8": "email"}
    shown = expected.keys() - {"", "EMAIL", "email"}
    assert {name: found[-1][name] for name in shown} == {name: expected[name] for name in shown}


# ------------------------------------------------------------------------------------------------ what the user reads


def test_the_table_at_the_end_says_what_was_read(sync: Sync) -> None:
    sync.source.offers(incremental("opens"), in_full("lists"), in_full("webhooks"))
    ends = [became(name, "COMPLETE") for name in ("lists", "webhooks", "opens")]

    assert sync(record("opens", id=1, createdAt=NINE), record("lists", id=5), *ends) == 0

    assert [line.rsplit("  ", 1)[0].rstrip() for line in sync.said.splitlines()] == [
        "Checking the connection …",
        f"Reading 3 streams into {sync.database}, dataset main …",
        "",
        "stream  records",
        "opens         1",
        "lists         1",
        "",
        "Nothing new: webhooks.",
        "",
        sync.said.splitlines()[-1],
    ]
    assert sync.said.splitlines()[-1].startswith("2 records in ")


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (
            [
                log("ERROR", "Check failed"),
                {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": "'No such key'"}},
            ],
            "No such key.",
        ),
        (["exit 3 ModuleNotFoundError: No module named 'yaml'"], "The source ended with exit code 3: ModuleNotFound"),
        ([failed(None, "The config file is not valid JSON."), "exit 1 "], "The config file is not valid JSON."),
    ],
)
def test_a_source_that_cannot_connect_is_told_in_its_own_words(check: list[Any], said: str, sync: Sync) -> None:
    sync.source.says("check", check)

    assert sync() == 1
    assert sync.said.splitlines()[-1].startswith(said)


def test_a_warning_is_a_line_once_and_the_routine_none(sync: Sync) -> None:
    sync.source.offers(in_full("lists"))
    routine = [log("INFO", text) for text in ("Starting syncing", "lists: 1 left out so far.")]

    assert sync(*routine, log("WARN", "slow\nTraceback"), log("WARN", "slow"), became("lists", "COMPLETE")) == 0

    assert sync.said.count("slow") == 1
    assert [word for word in ("syncing", "left out", "Traceback") if word in sync.said] == []


@pytest.mark.parametrize(
    ("config", "given", "said"),
    [
        ({}, None, "About 68 minutes: 34 exports at 4 calls a minute."),
        ({"budget_share": 0.5}, None, "About 136 minutes: 34 exports at 2 calls a minute."),
        ({}, "2026-03-15T11:00:00+00:00", "About 66 minutes: 34 exports at 4 calls a minute."),
        ({"export_method": "jobs"}, None, None),
        ({"budget_share": 1000}, None, None),
    ],
)
def test_a_first_sync_says_how_long_iterables_budget_makes_it_and_what_is_left(
    config: Message, given: str | None, said: str | None, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging_sync.console.PLAIN_INTERVAL", 0.0)
    names = [f"export_{number}" for number in range(34)]
    sync.source.offers(*(incremental(name) | {"source_defined_primary_key": [["event_id"]]} for name in names))
    sync.source.config.write_text(json.dumps({"start_date": "2023-03-16T00:00:00Z"} | config))
    if given:
        assert sync(state(names[0], given), *(became(name, "COMPLETE") for name in names)) == 0

    assert sync(*(became(name, "COMPLETE") for name in names)) == 0

    assert [line for line in sync.said.splitlines() if line.startswith("About")] == ([said] if said else [])
    left = re.findall(r"(\d+) of 34 streams, 0 records(?: \| about (\d+) minutes left)?$", sync.said, re.MULTILINE)
    assert [count for count, _ in left] == [str(number) for number in range(1, 35)]
    assert left[-2] == ("33", "4" if config.get("budget_share") == 0.5 else "2" if said else "")


def older_file(folder: Path) -> str:
    with duckdb.connect(str(folder / "older.duckdb")) as connection:
        connection.execute("CREATE TABLE opens (id BIGINT)")
    return str(folder / "older.duckdb")


def no_database(folder: Path) -> str:
    (folder / "no.duckdb").write_text("no database")
    return str(folder / "no.duckdb")


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (
            {"destination": older_file},
            "{folder}/older.duckdb was written by an earlier version, whose tables cannot be ",
        ),
        ({"destination": no_database}, "{folder}/no.duckdb cannot be loaded: IO Error: "),
        ({"destination": "postgres"}, "postgres cannot be loaded: credentials missing: set DESTINATION__POSTGRES__C"),
        ({"destination": "filesystem"}, "filesystem cannot be loaded: bucket_url missing: set DESTINATION__FILES"),
        ({"destination": "nowhere"}, "nowhere cannot be loaded: it is neither a DuckDB file (….duckdb) nor a "),
        ({"destination": "README.md"}, "README.md cannot be loaded: it is neither a DuckDB file (….duckdb) nor a "),
        ({"streams": ["opens", "clicks"]}, "There is no stream clicks; there are lists, opens."),
        ({"command": ["/no/such/source"]}, "/no/such/source cannot be started: No such file or directory."),
    ],
)
def test_what_cannot_be_is_one_sentence(job: dict[str, Any], said: str, sync: Sync) -> None:
    sync.source.offers(in_full("lists"), incremental("opens"))
    folder = sync.source.folder

    assert sync(**{name: value(folder) if callable(value) else value for name, value in job.items()}) == 1
    assert sync.said.splitlines()[-1].startswith(said.format(folder=folder))


def test_a_source_with_one_state_for_all_streams_is_refused(sync: Sync) -> None:
    sync.source.offers(incremental("opens"))

    assert sync({"type": "STATE", "state": {"type": "GLOBAL", "global": {}}}) == 1
    assert sync.said.splitlines()[-1].startswith("The source keeps one state for all of its streams")


@pytest.mark.parametrize(
    ("days", "windows"), [(0, 0), (1, 1), (30, 1), (31, 2), (90, 2), (210, 3), (390, 4), (391, 5), (1096, 8)]
)
def test_the_least_windows_start_at_thirty_days_and_double_up_to_180(days: int, windows: int) -> None:
    assert least_windows(timedelta(days=days)) == windows


def test_the_estimate_takes_the_exports_of_events_for_what_they_are(discovered: Discovered) -> None:
    known = streams.streams_of(streams.resolve(streams.MANIFEST.read_text(encoding="utf-8")))
    exports = {stream.name for stream in known if stream.kind == "exports"} - {"users"}

    offered = [Stream(definition) for definition in discovered.of_type("CATALOG")[0]["streams"]]
    assert {stream.name for stream in offered if is_export(stream)} == exports
    assert (FIRST_WINDOW.days, LONGEST_WINDOW) == (30, AdaptiveWindowSize.LONGEST)


def test_progress_stays_in_one_line_of_a_terminal_that_other_lines_replace(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr("messaging_sync.console.time.monotonic", iter([100.0, 101.0, 101.1, 103.0]).__next__)
    console = Console(out := Terminal())

    console.progress(lambda: "first")
    console.progress(lambda: "not yet due")
    console.progress(lambda: "a text of more than a line")
    console.say("done")

    assert out.getvalue() == "     1 s  first\r\x1b[2K     3 s  a text of\r\x1b[2Kdone\n"


def test_progress_shows_what_the_read_said_last_and_nothing_of_the_check(
    sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging_sync.console.PLAIN_INTERVAL", 0.0)
    sync.source.offers(incremental("opens"))
    succeeded = {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
    sync.source.says("check", [log("INFO", "One stream answers."), succeeded])

    sync(became("opens", "STARTED"), log("INFO", "opens: March is read."), became("opens", "COMPLETE"))

    shown = [line.split("  ")[-1] for line in sync.said.splitlines() if " of 1 streams" in line]
    assert shown == [
        "0 of 1 streams, 0 records",
        "0 of 1 streams, 0 records | opens: March is read.",
        "1 of 1 streams, 0 records | opens: March is read.",
    ]


def test_what_the_extra_brings_is_said_to_be_missing() -> None:
    without = "import sys; sys.modules['dlt'] = None; import messaging_sync; messaging_sync.main()"

    ended = subprocess.run(
        [sys.executable, "-c", without], cwd=streams.ROOT, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (1, 'dlt is missing: pip install "messaging-connectors[load]"\n')
