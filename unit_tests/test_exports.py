"""Exports deliver what the project holds, whatever the network does half-way.

The oracle of every test is what the sandbox holds: delivered rows, keyed, equal held rows; and as many rows come out as
are held, unless the test says why not.
"""

import logging
import re
import threading
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from sandbox import Sandbox
from sandbox.faults import Cut, Fault, Mangle, Reset, Stall
from unit_tests.conftest import Syncing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.exports import DAY, EXPORT, Engine, delivered, held, over_both_engines, rows_every, windows

HISTORY = (datetime(2026, 1, 1), datetime(2026, 3, 15))


@pytest.fixture
def a_row_a_day(sandbox: Sandbox) -> Sandbox:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, *HISTORY))
    return sandbox


@pytest.fixture
def impatient(manifest: dict[str, Any]) -> None:
    """The source with a read time-out that a test can wait for."""
    manifest["definitions"]["iterable_requester"]["read_timeout_in_seconds"] = 0.2


@over_both_engines
def test_each_row_of_a_long_history_comes_out_once(a_row_a_day: Sandbox, sync: Syncing, engine: Engine) -> None:
    synced = sync("email_send")

    assert delivered(synced) == held(a_row_a_day)
    assert windows(a_row_a_day) == [
        ("2026-01-01 00:00:00", "2026-01-31 00:00:00"),
        ("2026-01-31 00:00:00", "2026-03-15 11:55:00"),
    ]


@over_both_engines
def test_windows_over_an_empty_history_grow_twofold_up_to_half_a_year(
    sandbox: Sandbox, sync: Syncing, engine: Engine
) -> None:
    sync("email_send", config={"start_date": "2024-01-01T00:00:00Z"})

    lengths = [(datetime.fromisoformat(end) - datetime.fromisoformat(start)).days for start, end in windows(sandbox)]
    assert lengths == [30, 60, 120, 180, 180, 180, 54]


@over_both_engines
def test_a_slow_window_makes_the_next_one_shorter_in_proportion(
    a_row_a_day: Sandbox, sync: Syncing, engine: Engine
) -> None:
    with mock.patch("components.AdaptiveWindowSize.AIM_LINES", 15):
        synced = sync("email_send")

    # 30 lines where 15 are wanted: half as long.
    assert windows(a_row_a_day)[:3] == [
        ("2026-01-01 00:00:00", "2026-01-31 00:00:00"),
        ("2026-01-31 00:00:00", "2026-02-15 00:00:00"),
        ("2026-02-15 00:00:00", "2026-03-02 00:00:00"),
    ]
    assert delivered(synced) == held(a_row_a_day)


@pytest.mark.parametrize(
    "fault",
    [
        Cut(rows=10, at="chunk"),
        Cut(rows=10, at="line"),
        Cut(rows=10, at="line_end"),
        Cut(rows=10, at="unframed"),
        Reset(rows=10),
    ],
    ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'at', '')}-{fault.rows}",
)
def test_a_transfer_that_breaks_off_is_read_again_in_halves_and_nothing_twice(
    a_row_a_day: Sandbox, sync: Syncing, fault: Any
) -> None:
    a_row_a_day.faults.add(Fault(EXPORT, fault))

    synced = sync("email_send")

    assert windows(a_row_a_day)[:2] == [
        ("2026-01-01 00:00:00", "2026-01-31 00:00:00"),
        ("2026-01-01 00:00:00", "2026-01-16 00:00:00"),
    ]
    assert delivered(synced) == held(a_row_a_day)


@pytest.mark.parametrize("fault", [Cut(rows=None), Reset(rows=None)], ids=str)
def test_a_connection_that_closes_without_a_byte_is_waited_for_like_any_outage(
    a_row_a_day: Sandbox, sync: Syncing, clock: VirtualClock, fault: Any
) -> None:
    a_row_a_day.faults.add(Fault(EXPORT, fault, times=3))

    synced = sync("email_send")

    assert windows(a_row_a_day)[:4] == 4 * [("2026-01-01 00:00:00", "2026-01-31 00:00:00")]
    assert [round(seconds) for seconds in clock.slept if seconds > 5][:3] == [20, 40, 80]
    assert delivered(synced) == held(a_row_a_day)


@pytest.mark.parametrize("rows", [0, 10])
def test_a_compressed_transfer_that_breaks_off_is_read_again_in_halves(
    a_row_a_day: Sandbox, sync: Syncing, rows: int
) -> None:
    a_row_a_day.gzip = True
    a_row_a_day.faults.add(Fault(EXPORT, Cut(rows=rows)))

    synced = sync("email_send")

    assert windows(a_row_a_day)[1] == ("2026-01-01 00:00:00", "2026-01-16 00:00:00")
    assert delivered(synced) == held(a_row_a_day)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("rows", [None, 0, 10])
def test_a_reply_that_stalls_past_the_read_time_out_is_read_again_in_halves(
    a_row_a_day: Sandbox, sync: Syncing, rows: int | None
) -> None:
    a_row_a_day.faults.add(Fault(EXPORT, Stall(rows=rows)))

    synced = sync("email_send")

    assert windows(a_row_a_day)[1] == ("2026-01-01 00:00:00", "2026-01-16 00:00:00")
    assert delivered(synced) == held(a_row_a_day)


@pytest.mark.slow
def test_a_dense_stream_is_read_whole_in_few_calls(sandbox: Sandbox, sync: Syncing) -> None:
    """200 rows a day, and a server that hangs up after 500: where halving alone took 308 calls and repeated rows."""
    sandbox.iterable.add_events("emailSend", rows_every(DAY / 200, datetime(2025, 12, 1), datetime(2026, 3, 2)))
    sandbox.iterable.cut_after_rows = 500

    synced = sync("email_send", config={"start_date": "2025-12-01T00:00:00Z"})

    assert len(delivered(synced)) == 18_200
    assert delivered(synced) == held(sandbox)
    calls = len([start for start, _ in windows(sandbox) if start < "2026-03-02"])
    assert calls <= 60, calls


def test_a_single_second_denser_than_any_reply_fails_in_one_sentence_and_keeps_what_came_before(
    sandbox: Sandbox, sync: Syncing
) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(timedelta(0), datetime(2026, 2, 1), count=6))
    sandbox.iterable.cut_after_rows = 5

    synced = sync("email_send", fails=True)

    assert synced.errors["email_send"]["message"] == (
        "Stream email_send could not be read beyond 2026-02-01T00:00:00+00:00: even a window of one second broke off "
        "(the transfer broke off (ChunkedEncodingError)). What came before is saved; the next sync goes on there. If "
        "that second holds more rows than a reply delivers, `export_method: jobs` can read it."
    )
    assert synced.errors["email_send"]["failure_type"] == "transient_error"
    assert synced.states["email_send"][-1] == {"createdAt": "2026-02-01T00:00:00+00:00"}


def test_six_halvings_then_an_hour_a_minute_and_a_second_are_tried(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.faults.add(Fault(EXPORT, Cut(rows=0), times=None))

    sync("email_send", fails=True, config={"start_date": "2026-03-01T00:00:00Z"})

    seconds = [
        (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() for start, end in windows(sandbox)
    ]
    whole = 14 * 86_400 + 11 * 3600 + 55 * 60
    assert seconds == [*(whole // 2**halvings for halvings in range(7)), 3600, 60, 1]


@over_both_engines
def test_rows_on_every_boundary_second_come_out_once(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, engine: Engine
) -> None:
    """A row in the last second of each window, in its first, and in between with a fraction."""
    for boundary in (datetime(2026, 1, 31), datetime(2026, 3, 15, 11, 55)):
        sandbox.iterable.add_events("emailSend", rows_every(timedelta(seconds=1), boundary - 2 * SECOND, count=4))
    sandbox.iterable.add_events(
        "emailSend", [{"createdAt": "2026-01-30 23:59:59.400 +00:00", "messageId": "between", "email": "a@b.example"}]
    )

    first = sync("email_send")
    clock.advance(3600)
    second = sync("email_send", state=first.final_state)

    assert sorted(delivered(first) + delivered(second)) == held(sandbox)


SECOND = timedelta(seconds=1)


@over_both_engines
def test_a_row_of_the_windows_end_second_is_left_to_the_next_window_even_if_the_vendor_sends_it(
    sandbox: Sandbox, sync: Syncing, engine: Engine
) -> None:
    """Should the vendor's end be inclusive after all, nothing comes twice."""
    row = {"createdAt": "2026-01-31 00:00:00 +00:00", "messageId": "on-the-edge", "email": "a@b.example"}
    sandbox.iterable.add_events("emailSend", [row])
    inclusive = sandbox.iterable.events["emailSend"][0]
    held_earlier = type(inclusive)(inclusive.row, inclusive.at - 1, inclusive.indexed_at)
    sandbox.iterable.events["emailSend"] = [held_earlier, inclusive]

    synced = sync("email_send")

    assert delivered(synced) == ["on-the-edge"]


@over_both_engines
def test_rows_dated_outside_their_window_are_kept_and_reported(sandbox: Sandbox, sync: Syncing, engine: Engine) -> None:
    """Should the vendor select by another date than the row shows, no other window would bring them."""
    row = {"createdAt": "2025-11-11 11:11:11 +00:00", "messageId": "offline-phone", "email": "a@b.example"}
    sandbox.iterable.add_events("emailSend", [row])
    event = sandbox.iterable.events["emailSend"][0]
    selected_late = type(event)(event.row, datetime.fromisoformat("2026-02-02T00:00:00Z").timestamp(), 0.0)
    sandbox.iterable.events["emailSend"] = [selected_late]

    synced = sync("email_send")

    assert delivered(synced) == ["offline-phone"]
    assert synced.states["email_send"][-1] == {"createdAt": "2026-03-15T11:55:00+00:00"}
    assert (
        "email_send: 1 rows of the window 2026-01-31T00:00:00 – 2026-03-15T11:55:00 are kept, though their `createdAt` "
        "is not in it."
    ) in synced.logs


@pytest.mark.parametrize("minutes", [0, 5, 90])
@over_both_engines
def test_a_row_indexed_within_the_lookback_window_is_never_lost(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, minutes: int, engine: Engine
) -> None:
    created = [datetime(2026, 3, 15, 12) - timedelta(minutes=minutes, seconds=second) for second in (-1, 0, 1)]
    for moment in created:
        late = rows_every(DAY, moment, count=1, prefix=f"{moment:%H%M%S}")
        sandbox.iterable.add_events("emailSend", late, indexed_after=60 * minutes)
    found: list[str] = []
    state = None
    for _ in range(4):
        synced = sync("email_send", state=state, config={"lookback_window": minutes})
        found += delivered(synced)
        state = synced.final_state
        clock.advance(60 * minutes + 7)

    assert sorted(found) == held(sandbox)


@over_both_engines
def test_a_line_that_is_no_json_is_a_row_that_holds_its_text(
    a_row_a_day: Sandbox, sync: Syncing, engine: Engine
) -> None:
    a_row_a_day.faults.add(
        Fault(engine.rows, Mangle(garbage_every=29, blank_every=3, last_newline=False, garbage=b'{"email": "ana@exa'))
    )

    records = sync("email_send").records["email_send"]

    whole = [row for row in records if "messageId" in row]
    (odd,) = [row for row in records if "messageId" not in row]
    assert len(set(held(a_row_a_day)) - {row["messageId"] for row in whole}) == 1
    assert odd == {"event_id": odd["event_id"], "data": {"unparsed_line": '{"email": "ana@exa'}}
    assert len({row["event_id"] for row in records}) == len(records)


@over_both_engines
def test_lines_that_are_no_json_are_counted_and_their_content_is_not_logged(
    a_row_a_day: Sandbox, sync: Syncing, engine: Engine
) -> None:
    a_row_a_day.faults.add(Fault(engine.rows, Mangle(garbage_every=2, garbage=b'{"email": "ana@exa'), after=1))

    synced = sync("email_send")

    assert "email_send: 21 lines are not JSON, and kept as `unparsed_line`." in synced.logs
    assert not [line for line in synced.logs if "ana@exa" in line]
    assert len(synced.records["email_send"]) == len(held(a_row_a_day))


@over_both_engines
def test_a_reply_without_a_row_fails_the_stream_and_leaves_the_state(
    a_row_a_day: Sandbox, sync: Syncing, engine: Engine
) -> None:
    a_row_a_day.faults.add(Fault(engine.rows, Mangle(garbage_every=1, garbage=b"no healthy upstream"), after=1))
    a_row_a_day.iterable.jobs.rows_per_file = 1000

    synced = sync("email_send", fails=True)

    assert synced.states["email_send"][-1] == {"createdAt": "2026-01-31T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("spelled", "means"),
    [
        ("2026-02-03 04:05:06 +00:00", "2026-02-03T04:05:06+00:00"),
        ("2026-02-03 04:05:06 +0000", "2026-02-03T04:05:06+00:00"),
        ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06+00:00"),
        ("2026-02-03 06:05:06 +02:00", "2026-02-03T04:05:06+00:00"),
        ("2026-02-03T04:05:06.500Z", "2026-02-03T04:05:06.500000+00:00"),
        ("2026-02-03T04:05:06.134105.000Z", "2026-02-03T04:05:06.134105+00:00"),
        (1_770_091_506_000, "2026-02-03T04:05:06+00:00"),
        ("1770091506000", "2026-02-03T04:05:06+00:00"),
    ],
)
def test_the_cursor_is_read_in_every_spelling(sandbox: Sandbox, sync: Syncing, spelled: str | int, means: str) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 2, 3, 4, 5, 6), count=1))
    sandbox.iterable.events["emailSend"][0].row["createdAt"] = spelled

    synced = sync("email_send")

    assert [record["createdAt"] for record in synced.records["email_send"]] == [means]


@over_both_engines
def test_a_row_without_a_cursor_is_kept_and_reported(sandbox: Sandbox, sync: Syncing, engine: Engine) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 2, 3), count=1))
    del sandbox.iterable.events["emailSend"][0].row["createdAt"]

    synced = sync("email_send")

    assert delivered(synced) == ["message-0"]
    assert [line for line in synced.logs if "1 rows of the window" in line and "is not in it" in line]


def test_a_waiting_stream_gives_a_sign_of_life(a_row_a_day: Sandbox, sync: Syncing) -> None:
    answer, said = a_row_a_day.answer, threading.Event()

    def answer_late(request: Any) -> Any:
        if request.path.endswith("data.json"):
            said.wait(60)
        return answer(request)

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if ": waiting for" in record.getMessage():
                said.set()

    listener = Listener()
    logging.getLogger("airbyte").addHandler(listener)
    try:
        with (
            mock.patch("components.HEARTBEAT_SECONDS", 0.05),
            mock.patch.object(a_row_a_day, "answer", answer_late),
        ):
            synced = sync("email_send")
    finally:
        logging.getLogger("airbyte").removeHandler(listener)

    waiting = re.compile(r"email_send: waiting for 2026-01-01 00:00:00 – 2026-01-31 00:00:00 for \d+ s now\.")
    assert [line for line in synced.logs if waiting.fullmatch(line)]
