"""`make sync` and `make demo`: what reaches the database and the state file, and what the user reads."""

import io
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scripts import demo
from scripts.connector import StopRequest
from scripts.console import Console
from scripts.loading import column_type, parse_line
from scripts.sync import STOPPED, run
from scripts.syncing import Job, Outcome, StreamResult

KEY = "a-key-nobody-may-see"
Message = dict[str, Any]

# A connector that prints what it is told to, and keeps the state it is given. "wait" lets it hang.
FAKE = """
import json, pathlib, sys, time
scenario = json.loads(pathlib.Path(sys.argv[1]).read_text())
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
if "--state" in options:
    pathlib.Path(sys.argv[1]).with_name("given.json").write_text(pathlib.Path(options["--state"]).read_text())
for message in scenario[sys.argv[2]]:
    sys.stdout.flush()
    if message == "wait":
        time.sleep(60)
    elif isinstance(message, str):
        print(message)
    else:
        print(json.dumps(message))
if scenario["stderr"]:
    print(scenario["stderr"], file=sys.stderr)
sys.exit(scenario["exit"])
"""


class Fake:
    """A sync with a connector that follows a script, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stop = StopRequest()
        self.streams: list[Message] = []
        self.check: list[Message] = [status("SUCCEEDED")]
        self.said = ""
        (folder / "fake.py").write_text(FAKE, encoding="utf-8")
        (folder / "config.json").write_text(json.dumps({"api_key": KEY}), encoding="utf-8")

    def sync(self, *read: Any, exit_code: int = 0, stderr: str = "", **job: Any) -> int:
        """Runs a sync whose `read` prints these messages; the exit code, the output being in `said`."""
        catalog = {"type": "CATALOG", "catalog": {"streams": self.streams}}
        scenario = {
            "check": self.check,
            "discover": [catalog],
            "read": read,
            "exit": exit_code,
            "stderr": stderr,
        }
        path = self.folder / "scenario.json"
        path.write_text(json.dumps(scenario), encoding="utf-8")
        paths = {"database": self.folder / "out.duckdb", "state": self.folder / "state.json"}
        out = io.StringIO()
        command = [sys.executable, "-E", "-S", str(self.folder / "fake.py"), str(path)]
        result = run(Job(**{"config": self.folder / "config.json"} | paths | job), self.stop, out, command)
        self.said = out.getvalue()
        return result

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "out.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    @property
    def states(self) -> dict[str, Any]:
        """The state file's cursors, by stream."""
        path = self.folder / "state.json"
        return by_stream(path) if path.exists() else {}

    @property
    def given(self) -> dict[str, Any]:
        """The cursors the connector was given last, by stream."""
        return by_stream(self.folder / "given.json")


def by_stream(path: Path) -> dict[str, Any]:
    states = json.loads(path.read_text(encoding="utf-8"))
    return {state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"] for state in states}


def status(result: str, message: str | None = None) -> Message:
    return {"type": "CONNECTION_STATUS", "connectionStatus": {"status": result, "message": message}}


def incremental(stream: str, /, **properties: Any) -> Message:
    return {
        "name": stream,
        "json_schema": {"properties": {"id": {"type": "integer"}, "createdAt": WHEN} | properties},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["createdAt"],
        "source_defined_primary_key": [["id"]],
    }


def in_full(stream: str, /, **properties: Any) -> Message:
    return {
        "name": stream,
        "json_schema": {"properties": {"id": {"type": ["null", "integer"]}} | properties},
        "supported_sync_modes": ["full_refresh"],
    }


def record(stream: str, /, **data: Any) -> Message:
    return {"type": "RECORD", "record": {"stream": stream, "data": data, "emitted_at": 1}}


def state(stream: str, cursor: str) -> Message:
    descriptor = {"stream_descriptor": {"name": stream}, "stream_state": {"createdAt": cursor}}
    return {
        "type": "STATE",
        "state": {"type": "STREAM", "stream": descriptor, "sourceStats": {"recordCount": 1.0}},
    }


def became(stream: str, what: str) -> Message:
    descriptor = {"stream_descriptor": {"name": stream}, "status": what}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": descriptor}}


def failed(stream: str | None, message: str) -> Message:
    error: Message = {"message": message, "failure_type": "system_error", "stack_trace": "Traceback …"}
    if stream:
        error["stream_descriptor"] = {"name": stream}
    return {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": error}}


def log(level: str, message: str) -> Message:
    return {"type": "LOG", "log": {"level": level, "message": message}}


WHEN = {"type": ["null", "string"], "format": "date-time"}
NINE, TEN = "2026-03-02T09:00:00+00:00", "2026-03-02T10:00:00+00:00"


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_the_next_sync_is_given_the_state_of_the_last_and_the_latest_record_of_a_key_wins(fake: Fake) -> None:
    fake.streams = [incremental("opens", email={"type": "string"})]

    assert (
        fake.sync(
            record("opens", id=1, createdAt=NINE, email="a@x.org"),
            record("opens", id=1, createdAt=NINE, email="b@x.org"),
            record("opens", id=2, createdAt=NINE, email="c@x.org"),
            state("opens", NINE),
            became("opens", "COMPLETE"),
        )
        == 0
    )
    assert fake.given == {}
    assert fake.states == {"opens": {"createdAt": NINE}}

    assert (
        fake.sync(
            record("opens", id=2, createdAt=TEN, email="d@x.org"),
            state("opens", TEN),
            became("opens", "COMPLETE"),
        )
        == 0
    )
    assert fake.given == {"opens": {"createdAt": NINE}}
    assert fake.states == {"opens": {"createdAt": TEN}}
    assert fake.query("SELECT id, email FROM opens ORDER BY id") == [(1, "b@x.org"), (2, "d@x.org")]


def test_the_table_at_the_end_says_what_is_new_and_how_far_it_goes(fake: Fake) -> None:
    fake.streams = [incremental("opens"), in_full("lists"), in_full("webhooks")]
    read = (became("lists", "COMPLETE"), became("webhooks", "COMPLETE"), became("opens", "COMPLETE"))

    fake.sync(record("opens", id=1, createdAt="2026-03-02T10:15:04.250+01:00"), record("lists", id=5), *read)
    lines = [line.rsplit("  ", 1)[0].rstrip() for line in fake.said.splitlines()]
    assert lines[-7:-1] == [
        "stream  records  rows in table  newest cursor",
        "opens         1              1  2026-03-02T09:15:04Z",
        "lists         1              1",
        "",
        "Without rows: webhooks.",
        "",
    ]

    fake.sync(*read)
    assert "Nothing new: opens." in fake.said
    assert "Without rows: lists, webhooks." in fake.said


def test_a_crash_keeps_the_state_of_what_is_in_the_database(fake: Fake) -> None:
    fake.streams = [incremental("opens")]

    ended = fake.sync(
        record("opens", id=1, createdAt=NINE),
        state("opens", NINE),
        record("opens", id=2, createdAt=TEN),
        '{"type": "STATE", "state": {"type": "STR',
        exit_code=7,
        stderr="Killed: out of memory",
    )

    assert ended == 1
    assert "opens failed: The connector ended with exit code 7: Killed: out of memory\n" in fake.said
    assert fake.states == {"opens": {"createdAt": NINE}}
    assert fake.query("SELECT id FROM opens ORDER BY id") == [(1,), (2,)]


def test_no_state_is_written_before_its_rows(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.streams = [incremental("opens")]

    def full(_: object) -> None:
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr("scripts.loading.Table.write", full)
    ended = fake.sync(record("opens", id=1, createdAt=NINE), state("opens", NINE), became("opens", "COMPLETE"))

    assert ended == 1
    assert fake.said.splitlines()[-1] == "The records cannot be written: No space left on device."
    assert fake.states == {}


def test_a_stream_read_in_full_is_replaced_when_it_is_complete_and_only_then(fake: Fake) -> None:
    fake.streams = [in_full("lists")]
    assert fake.sync(record("lists", id=1), record("lists", id=1), became("lists", "COMPLETE")) == 0
    assert fake.query("FROM lists") == [(1,), (1,)]

    broken = (record("lists", id=2), failed("lists", "The server is down."), became("lists", "INCOMPLETE"))
    assert fake.sync(*broken, failed(None, "Some streams failed."), exit_code=1) == 1
    assert fake.query("FROM lists") == [(1,), (1,)]
    assert fake.said.splitlines()[-2] == "lists failed: The server is down."

    assert fake.sync(record("lists", id=3, size=4), became("lists", "COMPLETE")) == 0
    assert fake.query("SELECT id, size FROM lists") == [(3, "4")]


def test_a_stream_that_fails_takes_no_other_with_it(fake: Fake) -> None:
    fake.streams = [incremental("opens"), incremental("clicks")]

    ended = fake.sync(
        record("opens", id=1, createdAt=NINE),
        failed("opens", "HTTP 500"),
        became("opens", "INCOMPLETE"),
        record("clicks", id=1, createdAt=NINE),
        state("clicks", NINE),
        became("clicks", "COMPLETE"),
        failed(None, "Some streams failed."),
        exit_code=1,
    )

    assert ended == 1
    assert [line for line in fake.said.splitlines() if "failed" in line] == ["opens failed: HTTP 500."]
    assert fake.states == {"clicks": {"createdAt": NINE}}
    assert fake.query("SELECT count(*) FROM clicks") == [(1,)]


def test_a_stream_the_connector_passes_over_is_a_failure(fake: Fake) -> None:
    fake.streams = [in_full("messages")]

    assert fake.sync(became("messages", "INCOMPLETE")) == 1
    assert "messages failed: The connector has no such stream with this configuration.\n" in fake.said


def test_the_state_of_a_stream_read_in_full_is_not_kept(fake: Fake) -> None:
    fake.streams = [in_full("lists")]

    fake.sync(record("lists", id=1), state("lists", NINE), became("lists", "COMPLETE"))

    assert fake.states == {}


def test_a_state_is_not_used_for_a_table_that_is_gone_unless_it_is_the_users_own(fake: Fake) -> None:
    fake.streams = [incremental("opens")]
    fake.sync(record("opens", id=1, createdAt=NINE), state("opens", NINE), became("opens", "COMPLETE"))
    (fake.folder / "out.duckdb").unlink()

    fake.sync(became("opens", "COMPLETE"), database=fake.folder / "new.duckdb")
    assert fake.given == {}

    fake.sync(became("opens", "COMPLETE"), database=fake.folder / "newer.duckdb", state_is_given=True)
    assert fake.given == {"opens": {"createdAt": NINE}}


def test_states_of_streams_that_are_not_read_stay_in_the_file(fake: Fake) -> None:
    fake.streams = [incremental("opens"), incremental("clicks")]
    fake.sync(state("opens", NINE), state("clicks", NINE), became("opens", "COMPLETE"), became("clicks", "COMPLETE"))

    assert fake.sync(state("clicks", TEN), became("clicks", "COMPLETE"), streams=("clicks",)) == 0

    assert fake.states == {"opens": {"createdAt": NINE}, "clicks": {"createdAt": TEN}}
    assert fake.given == {"clicks": {"createdAt": NINE}}


def test_columns_have_the_types_of_the_schema(fake: Fake) -> None:
    schema: dict[str, Message] = {
        "id": {"type": "integer"},
        "big": {"type": ["null", "integer"]},
        "rate": {"type": ["null", "number"]},
        "ok": {"type": ["null", "boolean"]},
        "day": {"type": ["null", "string"], "format": "date"},
        "createdAt": WHEN,
        "name": {"type": ["null", "string"]},
        "data": {"type": ["null", "object"]},
        "ids": {"type": ["null", "array"]},
        "mixed": {"type": ["null", "string", "integer"]},
    }
    fake.streams = [in_full("lists", **schema)]
    data = {
        "id": 1,
        "big": 9007199254740993,
        "rate": 0.5,
        "ok": True,
        "day": "2026-03-02",
        "createdAt": "2026-03-02T09:15:04.250Z",
        "name": 'it\'s \U0001f469‍\U0001f680 "quoted"',
        "data": {"a": [1, {"b": None}]},
        "ids": [1, "2"],
        "mixed": 7,
    }

    fake.sync(record("lists", **data), became("lists", "COMPLETE"))

    types = fake.query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'lists'")
    assert [kind for _, kind in types] == [
        "BIGINT",
        "BIGINT",
        "DOUBLE",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP WITH TIME ZONE",
        "VARCHAR",
        "JSON",
        "JSON",
        "VARCHAR",
    ]
    assert [name for name, _ in types] == list(schema)
    assert fake.query("SELECT big, rate, ok, day::VARCHAR, epoch_ms(createdAt), name, data, ids, mixed FROM lists") == [
        (
            9007199254740993,
            0.5,
            True,
            "2026-03-02",
            1772442904250,
            data["name"],
            '{"a":[1,{"b":null}]}',
            '[1,"2"]',
            "7",
        )
    ]


def test_a_value_that_does_not_fit_turns_its_column_into_text_and_nothing_is_lost(fake: Fake) -> None:
    fake.streams = [incremental("opens", campaignId={"type": "integer"}, rate={"type": "number"})]

    ended = fake.sync(
        record("opens", id=1, campaignId=12, createdAt=NINE, rate=1),
        state("opens", NINE),
        record("opens", id=2, campaignId="0012", createdAt="yesterday", rate=1.5),
        record("opens", id=3, campaignId=1.5, createdAt=NINE, rate=2),
        became("opens", "COMPLETE"),
    )

    assert ended == 0
    assert "  opens.campaignId has values that are no BIGINT; it is text now.\n" in fake.said
    assert fake.query("SELECT id, campaignId, rate FROM opens ORDER BY id") == [
        (1, "12", 1.0),
        (2, "0012", 1.5),
        (3, "1.5", 2.0),
    ]
    assert fake.query("SELECT createdAt FROM opens WHERE id = 2") == [("yesterday",)]
    assert fake.sync(record("opens", id=4, campaignId=4, createdAt=NINE), became("opens", "COMPLETE")) == 0
    assert fake.query("SELECT campaignId FROM opens WHERE id = 4") == [("4",)]


def test_a_field_may_have_any_name_and_fields_that_differ_in_case_are_two_columns(fake: Fake) -> None:
    text = {"type": "string"}
    odd = {
        "itblInternal.emailDomain": text,
        'say "hi"': text,
        "with space": text,
        "🎉": text,
        "n": text,
        "c0": text,
        "zero\0": text,
    }
    fake.streams = [incremental("users", Email=text, email=text, **odd)]
    values = {name: name for name in (*odd, "Email", "email", "EMAIL", "new.Field", "")}

    assert fake.sync(record("users", id=1, **values), became("users", "COMPLETE")) == 0, fake.said
    fake.sync(record("users", id=2, **values), became("users", "COMPLETE"))

    columns = fake.query("SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'users'")
    assert columns == [
        ("id", None),
        ("createdAt", None),
        ("Email", None),
        ("email_2", "field: email"),
        *((name, None) for name in odd),
        ("EMAIL_3", "field: EMAIL"),
        ("new.Field", None),
        ("_", "field: "),
    ]
    rows = fake.query("SELECT * EXCLUDE (id, createdAt) FROM users ORDER BY id")
    expected = ("Email", "email", *odd, '"EMAIL"', '"new.Field"', '""')
    assert rows == [expected, expected]


def test_a_new_version_of_the_connector_adds_its_columns(fake: Fake) -> None:
    fake.streams = [incremental("opens")]
    fake.sync(record("opens", id=1, createdAt=NINE), became("opens", "COMPLETE"))

    fake.streams = [incremental("opens", city={"type": "string"})]
    fake.sync(record("opens", id=2, createdAt=NINE, city="Köln"), became("opens", "COMPLETE"))

    assert fake.query("SELECT id, city FROM opens ORDER BY id") == [(1, None), (2, "Köln")]


def test_half_an_emoji_becomes_a_question_mark() -> None:
    assert parse_line(rb'{"a": "\ud83d", "b": "\ud83d\ude00"}') == {"a": "?", "b": "😀"}


def test_a_schema_without_one_plain_type_is_json() -> None:
    schemas: tuple[Any, ...] = ({}, None, True, {"type": "null"}, {"anyOf": []})
    assert [column_type(schema) for schema in schemas] == ["JSON"] * 5
    assert column_type({"type": ["integer", "number", "null"]}) == "DOUBLE"
    assert column_type({"type": ["object", "string"]}) == "JSON"
    timestamp = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}
    assert column_type(timestamp) == "TIMESTAMP"


def test_a_connection_that_fails_is_told_in_the_connectors_words(fake: Fake) -> None:
    fake.check = [log("ERROR", "Check failed"), status("FAILED", "'The key lacks the right to export'")]

    assert fake.sync() == 1
    assert fake.said == "Checking the connection …\nThe key lacks the right to export.\n"


def test_a_connector_that_ends_without_a_word_is_told_with_its_last_one(fake: Fake) -> None:
    fake.check = []

    assert fake.sync(exit_code=3, stderr="Traceback\nModuleNotFoundError: No module named 'yaml'") == 1
    assert fake.said.splitlines()[-1] == (
        "The connector ended with exit code 3: ModuleNotFoundError: No module named 'yaml'"
    )


@pytest.mark.parametrize(
    ("given", "content", "sentence"),
    [
        ("config", None, "The config file {} does not exist."),
        ("config", "{", "The config file {} is not valid JSON: "),
        ("catalog", None, "The catalog file {} does not exist."),
        ("catalog", '{"streams": [{"name": "lists"}]}', "The catalog file {} is not a configured catalog."),
        ("state", '{"opens": {}}', "The state file {} is not a list of stream states."),
        ("database", "no database", "The database {} cannot be opened: "),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(given: str, content: str | None, sentence: str, fake: Fake) -> None:
    fake.streams = [incremental("opens")]
    path = fake.folder / "given"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    job: dict[str, Any] = {given: path}
    assert fake.sync(**job) == 1
    assert fake.said.splitlines()[-1].startswith(sentence.format(path))


def test_a_stream_that_is_not_there_is_named_with_those_that_are(fake: Fake) -> None:
    fake.streams = [in_full("lists"), incremental("opens")]

    assert fake.sync(streams=("opens", "clicks")) == 1
    assert fake.said.splitlines()[-1] == "There is no stream clicks; there are lists, opens."


def test_a_catalog_says_what_is_read_and_how(fake: Fake) -> None:
    configured = {
        "stream": incremental("opens"),
        "sync_mode": "full_refresh",
        "destination_sync_mode": "append",
    }
    catalog = fake.folder / "catalog.json"
    catalog.write_text(json.dumps({"streams": [configured]}), encoding="utf-8")
    read = (record("opens", id=1, createdAt=NINE), state("opens", NINE), became("opens", "COMPLETE"))

    assert [fake.sync(*read, catalog=catalog), fake.sync(*read, catalog=catalog)] == [0, 0]

    assert fake.query("SELECT id FROM opens") == [(1,), (1,)]
    assert fake.states == {}


def test_the_key_is_masked_wherever_the_connector_says_it(fake: Fake) -> None:
    fake.streams = [in_full("lists")]

    fake.sync(
        log("WARN", f"called with {KEY}"),
        failed("lists", f"The key {KEY} is wrong."),
        became("lists", "INCOMPLETE"),
        exit_code=1,
    )

    assert "  warn: called with ****\n" in fake.said
    assert "lists failed: The key **** is wrong.\n" in fake.said
    assert KEY not in fake.said


def test_warnings_are_shown_once_and_the_frameworks_routine_never(fake: Fake) -> None:
    fake.streams = [in_full("lists")]
    routine = [log("INFO", text) for text in ("Starting syncing", "Marking stream lists as STARTED")]

    fake.sync(
        *routine,
        log("WARN", "slow\nTraceback"),
        log("WARN", "slow"),
        "no message",
        became("lists", "COMPLETE"),
    )

    assert fake.said.count("slow") == 1
    assert [word for word in ("syncing", "STARTED", "Traceback", "no message") if word in fake.said] == []


def test_an_interrupt_keeps_what_was_read_and_a_state_to_go_on_from(fake: Fake) -> None:
    fake.streams = [incremental("opens"), in_full("lists")]
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    fake.stop.listen()

    def interrupt() -> None:
        deadline = time.monotonic() + 60
        while not (fake.folder / "state.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    try:
        ended = fake.sync(
            record("opens", id=1, createdAt=NINE),
            state("opens", NINE),
            record("lists", id=1),
            record("opens", id=2, createdAt=TEN),
            "wait",
        )
    finally:
        interrupter.join()
        for number, handler in before.items():
            signal.signal(number, handler)

    assert ended == 130
    assert fake.said.splitlines()[-1] == STOPPED
    assert "failed" not in fake.said
    assert fake.states == {"opens": {"createdAt": NINE}}
    assert fake.query("SELECT id FROM opens ORDER BY id") == [(1,), (2,)]
    assert fake.query("SELECT count(*) FROM lists") == [(0,)]


def test_a_batch_of_many_wide_records_is_loaded_in_seconds(fake: Fake) -> None:
    columns = {f"column_{number}": {"type": "string"} for number in range(100)}
    fake.streams = [incremental("opens", **columns)]
    values = dict.fromkeys(list(columns)[::5], "some text")
    read = [record("opens", id=number, createdAt=NINE, **values) for number in range(20_000)]

    began = time.process_time()
    assert fake.sync(*read, state("opens", NINE), became("opens", "COMPLETE")) == 0

    assert fake.query("SELECT count(*), count(column_95) FROM opens") == [(20_000, 20_000)]
    assert time.process_time() - began < 20


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The console's clock, set by its only element."""
    now = [100.0]
    monkeypatch.setattr("scripts.console.time.monotonic", lambda: now[0])
    return now


def test_progress_in_a_file_is_a_line_every_two_seconds_and_only_when_there_is_some(
    ticks: list[float],
) -> None:
    out = io.StringIO()
    console = Console(out)

    for second, text in ((0.0, "a"), (1.9, "b"), (2.0, "c"), (10.0, "c"), (31.9, "c"), (32.0, "c")):
        ticks[0] = 100.0 + second
        console.progress(second, text)

    assert out.getvalue() == "     0 s  a\n     2 s  c\n    32 s  c\n"


def test_progress_on_a_terminal_stays_in_one_line_that_other_lines_replace(
    ticks: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    console = Console(out)

    console.progress(0, "first")
    ticks[0] += 1
    console.progress(1, "a text of more than a line")
    console.say("done")

    assert out.getvalue() == "     0 s  first\r\x1b[2K     1 s  a text of\r\x1b[2Kdone\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http", "SANDBOX_PORT is http, which is no port: choose a number from 1 to 65535."),
        ("70000", "SANDBOX_PORT is 70000, which is no port: choose a number from 1 to 65535."),
        (
            "taken",
            "Port {} cannot be used (Address already in use); set SANDBOX_PORT to another, or to none.",
        ),
    ],
)
def test_the_demo_says_which_port_it_cannot_have(text: str, sentence: str, tmp_path: Path) -> None:
    out = io.StringIO()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1]) if text == "taken" else text

        assert demo.run(tmp_path / "demo", port, StopRequest(), out) == 1

    assert out.getvalue() == sentence.format(port) + "\n"


def test_the_demo_keeps_its_date_and_counts_its_runs(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    first = demo.History.load(path)
    demo._save(path, demo.History("2026-03-02").after(100.0))

    assert (len(first.anchor), first.runs) == (10, 0)
    assert demo.History.load(path) == demo.History("2026-03-02", runs=1, finished=100.0)


def test_the_demo_ends_with_what_is_new() -> None:
    result = StreamResult(records=40, rows=531, rows_before=500, complete=True)
    outcome = Outcome({"opens": result, "lists": StreamResult(records=5, rows=5, rows_before=5)}, seconds=9.6)
    once, twice = demo.History("2026-03-02", 1, 1000.0), demo.History("2026-03-02", 2, 1000.0)
    folder = Path(".demo")

    assert demo.closing_words(outcome, demo.History("2026-03-02"), 0.0, folder).splitlines()[0] == (
        "First run: 45 records in 10 s, in .demo/messaging.duckdb."
    )
    assert demo.closing_words(outcome, once, 1012.0, folder) == (
        "Second run: 31 new records, 12 seconds after the last run, in .demo/messaging.duckdb."
    )
    assert demo.closing_words(outcome, twice, 8200.0, folder).startswith("Run 3: 31 new records, 2 hours after")
    stopped = demo.closing_words(Outcome(stopped=True), once, 0.0, folder)
    assert stopped.startswith("Stopped, and the sandbox too.")


def test_the_connector_itself_is_synced_from_the_sandbox_and_resumes(tmp_path: Path) -> None:
    out = io.StringIO()
    with demo.sandbox(0, "2026-03-15", tmp_path / "sandbox.log") as url:
        job = demo._job(tmp_path, url, "2026-03-15")
        job = Job(job.config, job.database, job.state, streams=("lists", "templates"))

        assert run(job, StopRequest(), out) == 0, out.getvalue()

    with duckdb.connect(str(job.database), read_only=True) as connection:
        rows = connection.execute("SELECT (SELECT count(*) FROM lists), (SELECT count(*) FROM templates)").fetchone()
    assert rows
    assert min(rows) > 0
    assert list(by_stream(job.state)) == ["templates"]
