"""An outage is waited out, odd lines are rows, and late events come: nothing of it stops a stream or costs a row."""

import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components import AdaptiveWindowSize
from sandbox import Sandbox
from sandbox.faults import Answer, Cut, Fault, Mangle, Reset
from unit_tests.conftest import NOW, Syncing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import State
from unit_tests.support.exports import (
    DAY,
    JOBS,
    STREAM,
    Engine,
    delivered,
    held,
    over_both_engines,
    rows_every,
    windows,
)

HISTORY = (datetime(2026, 1, 1), datetime(2026, 3, 15))
HOUR = timedelta(hours=1)
NOON = NOW.timestamp()
ERROR = {"msg": "An error occurred.", "code": "GenericError", "params": None}
closing = pytest.mark.parametrize("kind", [Cut(rows=None), Reset(rows=None)], ids=["closed", "reset"])


@pytest.fixture
def a_row_a_day(sandbox: Sandbox) -> Sandbox:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, *HISTORY))
    return sandbox


def lengths(sandbox: Sandbox) -> list[timedelta]:
    return [datetime.fromisoformat(end) - datetime.fromisoformat(start) for start, end in windows(sandbox)]


# -------------------------------------------------------------------------------------------------------------- outages


@closing
@over_both_engines
@pytest.mark.parametrize("minutes", [5, 10])
def test_minutes_without_an_answer_are_waited_out_and_windows_stay_long(
    a_row_a_day: Sandbox, sync: Syncing, engine: Engine, kind: Any, minutes: int
) -> None:
    a_row_a_day.faults.add(Fault("/api/export/", kind, times=None, during=(NOON, NOON + 60 * minutes)))

    synced = sync("email_send")

    assert delivered(synced) == held(a_row_a_day)
    assert min(lengths(a_row_a_day)[:-1]) >= (15 * DAY if engine is STREAM and minutes == 10 else 30 * DAY)
    answered = [call.at for call in a_row_a_day.calls if re.search(engine.asks, call.path) and call.status]
    assert answered[0] - NOON <= 60 * minutes + 400


@closing
@over_both_engines
def test_an_hourly_sync_outlives_ten_minutes_without_an_answer(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, engine: Engine, kind: Any
) -> None:
    sandbox.iterable.add_events(
        "emailSend", rows_every(HOUR / 30, datetime(2026, 3, 14, 12), datetime(2026, 3, 15, 12))
    )
    first = sync("email_send", config={"start_date": "2026-03-14T12:00:00Z"})
    clock.advance(3600)
    sandbox.iterable.add_events("emailSend", rows_every(HOUR / 30, datetime(2026, 3, 15, 12), count=25, prefix="new"))
    sandbox.faults.add(Fault("/api/export/", kind, times=None, during=(clock.now(), clock.now() + 600)))

    second = sync("email_send", state=first.final_state)

    assert sorted(delivered(first) + delivered(second)) == held(sandbox)


@pytest.mark.slow
@over_both_engines
def test_three_hang_ups_in_ten_end_no_stream(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, engine: Engine
) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY / 4, datetime(2025, 1, 1), datetime(2026, 3, 17)))
    sandbox.iterable.lists = [{"id": number} for number in range(20)]
    sandbox.iterable.list_members = {number: [f"{number}@example.com"] for number in range(20)}
    sandbox.faults.add(Fault("/", Cut(rows=None), times=None, share=0.3))
    found: list[str] = []
    state: State | None = None

    for _ in range(6):
        synced = sync("email_send", state=state, config={"start_date": "2025-01-01T00:00:00Z"})
        found += delivered(synced)
        state = synced.final_state
        clock.advance(3600)

    visible = [event.row["messageId"] for event in sandbox.iterable.events["emailSend"] if event.at < last_end(sandbox)]
    assert sorted(found) == sorted(visible)
    assert sorted(row["listId"] for row in sync("list_users").records["list_users"]) == [*range(20)]


def last_end(sandbox: Sandbox) -> float:
    return datetime.fromisoformat(windows(sandbox)[-1][1]).replace(tzinfo=UTC).timestamp()


def test_an_hour_without_an_answer_fails_in_one_sentence_and_keeps_the_state(
    a_row_a_day: Sandbox, sync: Syncing
) -> None:
    a_row_a_day.faults.add(Fault("/api/export/", Cut(rows=None), times=None, after=1))

    synced = sync("email_send", fails=True)

    assert synced.states["email_send"][-1] == {"createdAt": "2026-01-31T00:00:00+00:00"}
    assert synced.errors["email_send"]["failure_type"] == "transient_error"
    assert "(No answer for stream email_send (ConnectionError)" in synced.errors["email_send"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["short", "long", "dense", "broken now and then", "all of them"])
def test_sizes_stay_finite_over_100_000_windows(kind: str) -> None:
    chance, size = random.Random(kind), AdaptiveWindowSize(30 * DAY)
    grown = []
    for number in range(100_000):
        asked = size.length
        what = chance.choice(["short", "long", "dense", "broken now and then"]) if kind == "all of them" else kind
        if (what == "broken now and then" and chance.random() < 0.1) or (what == "dense" and asked > HOUR):
            assert size.broke(asked) == (asked > timedelta(seconds=1))
        else:
            seconds, lines = {"long": (600.0, 5_000_000), "short": (0.1, 0)}.get(what, (1.0, 1000))
            size.succeeded(asked, seconds, lines)
        assert timedelta(seconds=1) <= size.length <= min(180 * DAY, 2 * max(asked, timedelta(minutes=1)))
        assert size.length % timedelta(seconds=1) == timedelta(0)
        if number >= 90_000:
            grown.append(size.length)
    largest = {"short": 180 * DAY, "long": timedelta(minutes=1), "dense": 2 * HOUR, "broken now and then": 180 * DAY}
    assert max(grown) <= largest.get(kind, 180 * DAY)
    assert kind != "short" or min(grown) == 180 * DAY


def test_a_second_denser_than_any_reply_is_read_by_jobs(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(timedelta(0), datetime(2026, 2, 1), count=6))
    sandbox.iterable.cut_after_rows = 5

    failed = sync("email_send", fails=True)
    synced = sync("email_send", state=failed.final_state, config={"export_method": "jobs"})

    assert "`export_method: jobs` can read it" in failed.errors["email_send"]["message"]
    assert sorted(delivered(failed) + delivered(synced)) == held(sandbox)


@pytest.mark.parametrize("words", ["Invalid dataTypeName: rcsSend", "Unknown value for parameter dataTypeName"])
@over_both_engines
def test_a_data_type_that_the_project_does_not_offer_is_empty_and_leaves_the_state(
    a_row_a_day: Sandbox, sync: Syncing, engine: Engine, words: str
) -> None:
    unknown = Answer(400, {"msg": words, "code": "BadParams", "params": None})
    a_row_a_day.faults.add(Fault(engine.asks, unknown, times=None))
    state = {"createdAt": "2026-02-01T00:00:00+00:00"}
    saved = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "rcs_send"}, "stream_state": state}}]

    synced = sync("rcs_send", state=saved)

    assert synced.statuses == {"rcs_send": "COMPLETE"}
    assert synced.records == {}
    assert synced.states["rcs_send"][-1] == state
    assert [
        line
        for line in synced.logs
        if line.startswith(f"rcs_send: nothing is read. The API refused stream rcs_send: HTTP 400, “{words}”")
    ]


@over_both_engines
def test_any_other_400_about_an_export_fails_the_stream(a_row_a_day: Sandbox, sync: Syncing, engine: Engine) -> None:
    a_row_a_day.faults.add(Fault(engine.asks, Answer(400, {**ERROR, "msg": "Invalid startDateTime"}), times=None))

    synced = sync("email_send", fails=True)

    assert synced.errors["email_send"]["failure_type"] == "config_error"
    assert len([call for call in a_row_a_day.calls if re.search(engine.asks, call.path)]) == 1


def test_catalogs_are_asked_for_a_hundred_at_a_time_and_their_items_a_thousand(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.iterable.catalogs = {f"c{number}": [] for number in range(250)}
    sandbox.iterable.catalogs["c0"] = [{"itemId": str(number), "value": {}} for number in range(1500)]

    synced = sync("catalogs", "catalog_items")

    assert len({row["name"] for row in synced.records["catalogs"]}) == 250
    assert len({row["itemId"] for row in synced.records["catalog_items"]}) == 1500
    asked = {(call.path.rpartition("/")[2], call.query["pageSize"][0]) for call in sandbox.calls}
    assert asked == {("catalogs", "100"), ("items", "1000")}


# --------------------------------------------------------------------------------------------------------------- bodies


@over_both_engines
def test_lines_that_are_no_json_become_rows_with_the_same_key_at_every_sync(
    sandbox: Sandbox, sync: Syncing, engine: Engine
) -> None:
    start = datetime(2026, 2, 14)
    sandbox.iterable.add_events("emailSend", rows_every(timedelta(hours=4), start, count=152))
    sandbox.iterable.jobs.rows_per_file = 1000
    sandbox.faults.add(Fault(engine.rows, Mangle(garbage_every=60, garbage=b'{"email": "ana@ex'), times=None))

    first, second = (sync("email_send", config={"start_date": "2026-02-14T00:00:00Z"}) for _ in range(2))

    rows = first.records["email_send"]
    assert len(rows) == 152
    assert len([row for row in rows if "messageId" in row]) == 150
    odd = [row for row in rows if "messageId" not in row]
    assert odd == 2 * [{"event_id": odd[0]["event_id"], "data": {"unparsed_line": '{"email": "ana@ex'}}]
    assert sorted(row["event_id"] for row in rows) == sorted(row["event_id"] for row in second.records["email_send"])
    assert "email_send: 2 lines are not JSON, and kept as `unparsed_line`." in first.logs


@over_both_engines
def test_an_invalid_byte_is_replaced_and_the_row_is_read(a_row_a_day: Sandbox, sync: Syncing, engine: Engine) -> None:
    line = b'{"email": "ana@example.com", "createdAt": "2026-01-05 00:00:00 +00:00", "messageId": "caf\xff"}'
    a_row_a_day.iterable.jobs.rows_per_file = 1000
    a_row_a_day.faults.add(Fault(engine.rows, Mangle(garbage_every=20, garbage=line)))

    synced = sync("email_send")

    assert "caf\ufffd" in delivered(synced)
    assert len(delivered(synced)) == len(held(a_row_a_day))
    assert not [line for line in synced.logs if "not JSON" in line]


REPORT = '{"msg": "An error occurred.", "code": "GenericError", "params": null}'


@pytest.mark.parametrize("before", ["", '{"createdAt": "2026-01-05 00:00:00 +00:00", "messageId": "half"}\n'])
@pytest.mark.parametrize("newline", ["", "\n"])
@over_both_engines
def test_the_apis_report_of_an_error_is_no_event_of_an_export(
    a_row_a_day: Sandbox, sync: Syncing, engine: Engine, before: str, newline: str
) -> None:
    a_row_a_day.faults.add(Fault(engine.rows, Answer(200, before + REPORT + newline)))

    assert delivered(sync("email_send")) == held(a_row_a_day)


def test_the_apis_report_of_an_error_in_place_of_a_job_is_waited_out(a_row_a_day: Sandbox, sync: Syncing) -> None:
    for path in (JOBS.asks, "/api/export/[0-9]+/files$"):
        a_row_a_day.faults.add(Fault(path, Answer(200, REPORT)))

    assert delivered(sync("email_send", config={"export_method": "jobs"})) == held(a_row_a_day)


@pytest.mark.parametrize("before", ["", "first\n", '{"_type": "emailSend", "messageId": "half"}\n'])
@pytest.mark.parametrize(
    ("stream", "path"), [("list_users", "/api/lists/getUsers$"), ("events", "/api/export/userEvents$")]
)
def test_the_apis_report_of_an_error_is_no_member_and_no_event(
    sandbox: Sandbox, sync: Syncing, stream: str, path: str, before: str
) -> None:
    sandbox.iterable.lists = [{"id": 1}]
    sandbox.iterable.list_members = {1: ["u-1"]}
    sandbox.iterable.add_events("emailSend", [{"userId": "u-1", "createdAt": "2026-03-01 00:00:00 +00:00"}])
    sandbox.faults.add(Fault(path, Answer(200, f"{before}{REPORT}\n"), times=2))

    (row,) = sync(stream).records[stream]

    assert row["userId"] == "u-1"


# ---------------------------------------------------------------------------------------------------------- late events


@over_both_engines
def test_late_events_come_with_the_rows_of_the_days_before_and_change_no_key_state_or_number_of_calls(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, engine: Engine
) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, *HISTORY))
    late = rows_every(HOUR, datetime(2026, 3, 13, 6), count=3, prefix="late")
    first = sync("email_send", config={"late_events_days": 3})
    clock.advance(3600)
    sandbox.iterable.add_events("emailSend", late)
    asked = len(windows(sandbox))

    second = sync("email_send", state=first.final_state, config={"late_events_days": 3})
    plain = sync("email_send", state=first.final_state)

    with_late, without = windows(sandbox)[asked:]
    assert (with_late[0], without[0]) == ("2026-03-12 11:55:00", "2026-03-15 11:55:00")
    for synced, window in ((second, with_late), (plain, without)):
        assert synced.states["email_send"][-1] == {"createdAt": window[1].replace(" ", "T") + "+00:00"}
    again = [f"message-{number}" for number in (71, 72)]
    assert delivered(second) == sorted(["late-0", "late-1", "late-2", *again])
    keys = {row["messageId"]: row["event_id"] for row in first.records["email_send"]}
    assert {row["event_id"] for row in second.records["email_send"] if row["messageId"] in keys} == {
        keys[message] for message in again
    }


def test_late_events_never_go_back_before_the_start_date(a_row_a_day: Sandbox, sync: Syncing) -> None:
    sync("email_send", config={"late_events_days": 30})

    assert windows(a_row_a_day)[0] == ("2026-01-01 00:00:00", "2026-01-31 00:00:00")


@over_both_engines
def test_a_sync_that_fails_among_late_events_leaves_the_state_where_it_was(
    a_row_a_day: Sandbox, sync: Syncing, clock: VirtualClock, manifest: dict[str, Any], engine: Engine
) -> None:
    manifest["definitions"]["export"]["retriever"]["first_window_days"] = 1
    first = sync("email_send")
    clock.advance(3600)
    a_row_a_day.faults.add(Fault(engine.asks, Answer(400, ERROR), times=None, after=1))

    failed = sync("email_send", state=first.final_state, config={"late_events_days": 3}, fails=True)

    assert delivered(failed) == ["message-71"]
    assert failed.final_state == first.final_state
