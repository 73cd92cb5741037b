"""Exports by jobs deliver what the project holds, whatever becomes of a job, a file or its address.

What both ways to export have in common is in test_exports.py and test_resuming.py.
"""

import json
from datetime import datetime
from typing import Any
from unittest import mock

import pytest

import components
from sandbox import Sandbox
from sandbox.faults import Answer, Cut, Fault, Mangle, Reset, Stall
from sandbox.iterable.jobs import Cancelled, Failed, Fate, Jobs, Paused, Restarted, Stuck, Truncated
from sandbox.messages import Request
from unit_tests.conftest import Command, Syncing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.exports import DAY, JOBS, delivered, held, rows_every, windows

HISTORY = (datetime(2026, 1, 1), datetime(2026, 3, 15))
FILES = "/export-storage/"
LOOKS = "/api/export/[0-9]+/files$"


@pytest.fixture(autouse=True)
def _by_jobs(config: dict[str, Any]) -> None:
    config["export_method"] = JOBS.method


@pytest.fixture
def a_row_a_day(sandbox: Sandbox) -> Sandbox:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, *HISTORY))
    sandbox.iterable.jobs.rows_per_file = 4
    return sandbox


@pytest.fixture
def jobs(a_row_a_day: Sandbox) -> Jobs:
    return a_row_a_day.iterable.jobs


def states(sandbox: Sandbox) -> list[str]:
    return [job.state(sandbox.clock()) for job in sandbox.iterable.jobs.started]


def test_rows_keys_and_states_are_those_of_the_other_engine(seeded: Sandbox, sync: Syncing) -> None:
    streams = ("email_send", "email_open", "custom_event", "push_bounce")
    by_jobs = sync(*streams)
    streamed = sync(*streams, config={"export_method": "stream"})

    for name in streams:
        *whole, last = [state["createdAt"] for state in by_jobs.states[name]]
        until_then = [row for row in streamed.records[name] if row["createdAt"] < last]
        assert in_order(by_jobs.records[name]) == in_order(until_then)
        assert len(until_then) > 2
        assert [end for end in whole if end < last] == ["2026-01-31T00:00:00+00:00"]
        assert streamed.states[name][0] == {"createdAt": "2026-01-31T00:00:00+00:00"}


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row) for row in rows)


@pytest.mark.parametrize("methods", [("stream", "jobs"), ("jobs", "stream")], ids="-then-".join)
def test_the_method_may_change_between_two_syncs(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, methods: tuple[str, str]
) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY / 2, HISTORY[0], datetime(2026, 4, 1)))
    first = sync("email_send", config={"export_method": methods[0]})
    clock.advance(30 * 86_400)
    second = sync("email_send", state=first.final_state, config={"export_method": methods[1]})

    assert len(delivered(first)) > 100
    assert len(delivered(second)) > 20
    assert sorted(delivered(first) + delivered(second)) == held(sandbox)


def test_files_are_taken_once_the_job_is_done_page_by_page_and_each_once(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing
) -> None:
    jobs.rows_per_file, jobs.seconds_per_file = 1, 20

    synced = sync("email_send")

    fetched = [call for call in a_row_a_day.calls if call.path.startswith(FILES)]
    assert delivered(synced) == held(a_row_a_day)
    assert len(fetched) == len({call.path for call in fetched}) == 73
    assert [call for call in fetched if call.at < jobs.started[0].ends_at] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", [1, 3, 10, 25])
def test_pages_of_any_size_are_read_to_their_end(a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, page: int) -> None:
    jobs.rows_per_file, jobs.files_per_page, jobs.seconds_per_file = 1, page, 0.1

    assert delivered(sync("email_send")) == held(a_row_a_day)


@pytest.mark.parametrize("spelling", ["lower", "title", "queued"])
@pytest.mark.parametrize("empty_file", [False, True])
def test_states_count_in_any_spelling_and_an_empty_window_is_an_answer(
    sandbox: Sandbox, sync: Syncing, spelling: Any, empty_file: bool
) -> None:
    sandbox.iterable.jobs.spelling, sandbox.iterable.jobs.empty_file = spelling, empty_file

    synced = sync("email_send")

    assert states(sandbox) == ["completed", "completed"]
    assert delivered(synced) == []
    assert synced.states["email_send"][-1] == {"createdAt": "2026-03-15T11:55:00+00:00"}


@pytest.mark.parametrize("fate", [Failed(), Failed(files=3), Cancelled(), Cancelled(files=3)], ids=str)
def test_a_job_the_vendor_gives_up_is_started_again(a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, fate: Any) -> None:
    jobs.fates.append(Fate(fate, times=3))

    synced = sync("email_send")

    assert windows(a_row_a_day) == 4 * [("2026-01-01 00:00:00", "2026-01-31 00:00:00")] + [
        ("2026-01-31 00:00:00", "2026-03-15 11:55:00")
    ]
    assert delivered(synced) == held(a_row_a_day)


def test_the_fourth_failure_of_a_window_ends_the_stream_as_transient(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing
) -> None:
    jobs.fates.append(Fate(Failed(files=1), times=None))

    synced = sync("email_send", fails=True)

    assert synced.errors["email_send"]["message"] == (
        "The export of stream email_send for 2026-01-01 00:00:00 – 2026-01-31 00:00:00 failed 4 times. What came "
        "before is saved; the next sync goes on there."
    )
    assert synced.errors["email_send"]["failure_type"] == "transient_error"
    assert len(jobs.started) == 4
    assert delivered(synced) == []


@pytest.mark.parametrize(
    "fate",
    [Restarted(files=2, seconds=600), Paused(files=1, seconds=500), Paused(state="ARCHIVING", seconds=60)],
    ids=str,
)
def test_a_job_that_is_queued_again_or_in_an_unknown_state_is_waited_for(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, fate: Any
) -> None:
    jobs.fates.append(Fate(fate))

    synced = sync("email_send")

    assert delivered(synced) == held(a_row_a_day)
    assert len(jobs.started) == 2


@pytest.mark.parametrize("fate", [None, Truncated(files=1)], ids=str)
def test_a_truncated_export_halves_the_window(a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, fate: Any) -> None:
    if fate:
        jobs.fates.append(Fate(fate))
    else:
        jobs.truncate_rows = 20

    synced = sync("email_send")

    assert windows(a_row_a_day)[:2] == [
        ("2026-01-01 00:00:00", "2026-01-31 00:00:00"),
        ("2026-01-01 00:00:00", "2026-01-16 00:00:00"),
    ]
    assert delivered(synced) == held(a_row_a_day)


@pytest.mark.slow
def test_a_job_that_never_ends_is_called_off_after_a_day(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, clock: VirtualClock
) -> None:
    jobs.fates.append(Fate(Stuck(files=1)))
    began = clock.now()

    synced = sync("email_send", fails=True)

    assert synced.errors["email_send"]["message"] == (
        "The export of stream email_send for 2026-01-01 00:00:00 – 2026-01-31 00:00:00 was not done after a day. "
        "What came before is saved; the next sync goes on there."
    )
    assert 86_400 <= clock.now() - began < 86_400 + 600
    assert jobs.cancelled == [jobs.started[0].id]
    assert delivered(synced) == []


def test_looks_begin_after_a_second_and_double_up_to_five_minutes(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, clock: VirtualClock
) -> None:
    jobs.queue_seconds = 3000

    sync("email_send", config={"start_date": "2026-03-10T00:00:00Z"})

    waits = [seconds for seconds in clock.slept if seconds >= 1]
    assert waits[:12] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


@pytest.mark.parametrize("fault", [Cut(rows=2), Cut(rows=None), Reset(rows=2), Reset(rows=None)], ids=str)
def test_a_file_that_breaks_off_is_fetched_again_and_nothing_twice(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, fault: Any
) -> None:
    a_row_a_day.faults.add(Fault(FILES, fault, times=2, after=1))

    synced = sync("email_send")

    assert delivered(synced) == held(a_row_a_day)
    assert len(jobs.started) == 2


def test_a_file_that_stalls_is_fetched_again(a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing) -> None:
    a_row_a_day.faults.add(Fault(FILES, Stall(rows=2)))

    with mock.patch.object(components.ExportJobs, "TIMEOUTS", (0.2, 0.2)):
        synced = sync("email_send")

    assert delivered(synced) == held(a_row_a_day)


def test_a_file_that_cannot_be_had_ends_the_stream_without_a_word_of_its_address(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, capfd: pytest.CaptureFixture[str]
) -> None:
    a_row_a_day.faults.add(Fault(FILES, Answer(503, "Slow down"), times=None))

    synced = sync("email_send", fails=True)

    assert synced.errors["email_send"]["message"] == (
        "The export of stream email_send has a file that could not be had (HTTP 503). What came before is saved; "
        "the next sync goes on there."
    )
    assert synced.errors["email_send"]["failure_type"] == "transient_error"
    assert jobs.cancelled == []  # it was completed
    said = json.dumps(synced.messages) + "".join(synced.logs) + "".join(capfd.readouterr())
    assert "export-storage" not in said
    assert "signature" not in said


def test_a_file_that_really_ends_in_a_line_of_garbage_is_kept_with_it(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing
) -> None:
    jobs.rows_per_file = 30
    a_row_a_day.faults.add(Fault(FILES, Mangle(garbage_every=30), times=None))

    records = sync("email_send").records["email_send"]

    assert [row["data"] for row in records if "messageId" not in row] == 2 * [
        {"unparsed_line": "<upstream connect error>"}
    ]
    assert len(records) == len(held(a_row_a_day))


def test_an_expired_address_is_asked_for_again(a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing) -> None:
    a_row_a_day.faults.add(Fault(FILES, Answer(403, "<Error>Request has expired</Error>"), times=1, after=3))

    synced = sync("email_send")

    (refused,) = [place for place, call in enumerate(a_row_a_day.calls) if call.status == 403]
    after = a_row_a_day.calls[refused + 1 : refused + 3]
    assert after[0].path == f"/api/export/{jobs.started[0].id}/files"
    assert after[1].path == a_row_a_day.calls[refused].path
    assert delivered(synced) == held(a_row_a_day)


def test_the_key_never_leaves_for_the_host_of_the_files(a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing) -> None:
    assert delivered(sync("email_send")) == held(a_row_a_day)

    files = [call for call in a_row_a_day.calls if call.path.startswith(FILES)]
    assert len(files) == 19
    assert jobs.leaked_keys == []
    for call in files:
        assert not [value for value in call.headers.values() if "sandbox-iterable-key" in value]
        assert call.headers["host"].startswith("localhost:")


@pytest.mark.slow
def test_no_more_jobs_than_the_vendor_runs_are_started_at_a_time_over_all_streams(
    sandbox: Sandbox, sync: Syncing
) -> None:
    sandbox.iterable.jobs.at_once = 100
    sandbox.iterable.jobs.queue_seconds = 30

    synced = sync("email_send", "email_open", "email_click", "push_send", "push_open", "sms_send", "users")

    ran = [(job.asked_at, job.ends_at) for job in sandbox.iterable.jobs.started]
    assert max(sum(start <= moment < end for start, end in ran) for moment, _ in ran) == 4
    assert set(synced.statuses.values()) == {"COMPLETE"}


def test_a_job_that_waits_for_its_place_in_the_vendors_queue_is_no_failure(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, clock: VirtualClock
) -> None:
    """Another connection of the organisation holds all four places for an hour."""
    for _ in range(4):
        jobs.fates.append(Fate(Paused(state="running", seconds=3600), data_type="smsSend"))
        _someone_elses(a_row_a_day, "smsSend")
        clock.advance(2)

    synced = sync("email_send")

    assert delivered(synced) == held(a_row_a_day)
    assert jobs.started[4].ends_at - jobs.started[4].asked_at > 3000
    assert len([job for job in jobs.started if job.data_type == "emailSend"]) == 2


def _someone_elses(sandbox: Sandbox, data_type: str, start: str = "2025-01-01 00:00:00") -> int:
    asked = {"dataTypeName": data_type, "outputFormat": "application/x-json-stream", "startDateTime": start}
    body = json.dumps(asked | {"endDateTime": "2026-01-31 00:00:00"}).encode()
    sandbox.answer(Request("POST", "/api/export/start", {"api-key": "sandbox-iterable-key"}, body=body))
    return sandbox.iterable.jobs.started[-1].id


def test_a_sync_that_fails_calls_its_running_job_off(a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing) -> None:
    jobs.fates.append(Fate(Stuck()))
    a_row_a_day.faults.add(
        Fault(LOOKS, Answer(401, {"msg": "Invalid API key", "code": "BadApiKey"}), times=None, after=1)
    )

    synced = sync("email_send", fails=True)

    assert synced.errors["email_send"]["failure_type"] == "config_error"
    assert jobs.cancelled == [jobs.started[0].id]


@pytest.mark.parametrize("path", ["/api/export/start$", LOOKS])
def test_what_may_pass_is_retried_on_the_way_to_the_files(
    a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing, path: str
) -> None:
    a_row_a_day.faults.add(Fault(path, Answer(503, "Slow down"), times=3))

    assert delivered(sync("email_send")) == held(a_row_a_day)


def test_no_budget_is_exceeded(seeded: Sandbox, sync: Syncing) -> None:
    synced = sync("email_send", "email_open", "email_click", "push_send", "push_open", "sms_send", "users")

    assert [call for call in seeded.calls if call.status == 429] == []
    assert set(synced.statuses.values()) == {"COMPLETE"}


def test_check_does_not_queue_for_a_job(sandbox: Sandbox, config: dict[str, Any], command: Command) -> None:
    checked = command("check", config)

    assert checked.of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
    assert windows(sandbox) == [("2026-03-15 11:54:59", "2026-03-15 11:55:00")]
    assert sandbox.iterable.jobs.started == []


def test_a_job_that_the_vendor_knows_no_more_is_started_again(a_row_a_day: Sandbox, jobs: Jobs, sync: Syncing) -> None:
    jobs.queue_seconds = 10
    a_row_a_day.faults.add(Fault(LOOKS, Answer(404, {"msg": "No such job", "code": "NotFound"}), after=1))

    synced = sync("email_send")

    assert delivered(synced) == held(a_row_a_day)
    assert windows(a_row_a_day)[:2] == 2 * [("2026-01-01 00:00:00", "2026-01-31 00:00:00")]
