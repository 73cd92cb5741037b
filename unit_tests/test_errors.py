"""What may pass is retried with patience; what cannot is said at once, in a sentence; one failure stays one."""

import errno
import re
import time
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest
import requests

from components import WindowCopy, vendor_message
from sandbox import Sandbox, serve
from sandbox.faults import Answer, Cut, Fault
from unit_tests.conftest import Command, Syncing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.exports import (
    DAY,
    EXPORT,
    delivered,
    held,
    rows_every,
    windows,
)

LISTS = "/api/lists$"
GENERIC_ERROR = Answer(500, {"msg": "An error occurred.", "code": "GenericError", "params": None})
START = "2026-01-01T00:00:00+00:00"
DATE = "`start_date` must be a date in the past, spelled like YYYY-MM-DDTHH:mm:ssZ."
TEN_WAITS = [20, 40, 80, 160, 320, 400, 400, 400, 400, 400]


def waits(clock: VirtualClock) -> list[int]:
    """The back-offs, in whole seconds; waits for a share of the budget are shorter."""
    return [round(seconds) for seconds in clock.slept if seconds > 5]


@pytest.mark.parametrize(
    "answer",
    [
        GENERIC_ERROR,
        Answer(502, "<html><head><title>Bad Gateway</title></head></html>"),
        Answer(503, "try later"),
        Answer(504, ""),
        Answer(429, {"msg": "Exceeded rate limit", "code": "RateLimitExceeded", "params": {}}),
        Answer(429, "Rate limit exceeded. Please try again later."),
    ],
    ids=lambda answer: f"{answer.status}-{type(answer.body).__name__}",
)
def test_what_may_pass_is_retried_ten_times_over_20_to_400_seconds(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, answer: Answer
) -> None:
    sandbox.iterable.lists = [{"id": 7, "name": "VIP"}]
    sandbox.faults.add(Fault(LISTS, answer, times=10))

    synced = sync("lists")

    assert [record["id"] for record in synced.records["lists"]] == [7]
    assert waits(clock) == TEN_WAITS


def test_a_storm_of_429s_over_the_exports_is_waited_out_and_loses_nothing(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock
) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 1, 1), datetime(2026, 3, 15)))
    storm = Answer(429, {"msg": "Exceeded rate limit", "code": "RateLimitExceeded", "params": {}})
    sandbox.faults.add(Fault(EXPORT, storm, times=9))

    synced = sync("email_send")

    assert delivered(synced) == held(sandbox)
    asked = [call for call in sandbox.calls if re.search(EXPORT, call.path)]
    assert [call.status for call in asked[:9]] == [429] * 9
    assert {call.status for call in asked[9:]} == {200}
    for wait, (refused, repeated) in zip(TEN_WAITS[:9], pairwise(asked[:10]), strict=True):
        # Besides, a call waits for its share of the budget: for a minute at most.
        assert wait <= round(repeated.at - refused.at, 3) < wait + 61


def test_a_listing_whose_transfer_breaks_is_retried_and_emits_nothing_twice(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock
) -> None:
    sandbox.iterable.lists = [{"id": number} for number in range(500)]
    sandbox.faults.add(Fault(LISTS, Cut(rows=0)))

    synced = sync("lists")

    assert [record["id"] for record in synced.records["lists"]] == list(range(500))
    assert waits(clock) == [20]


def test_the_eleventh_failure_ends_the_stream_as_transient(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock
) -> None:
    sandbox.faults.add(Fault(LISTS, GENERIC_ERROR, times=None))

    synced = sync("lists", fails=True)

    assert synced.errors["lists"]["failure_type"] == "transient_error"
    assert "The API failed for stream lists: HTTP 500, “An error occurred.”." in synced.errors["lists"]["message"]
    assert len([call for call in sandbox.calls if call.path == "/api/lists"]) == 11
    assert waits(clock) == TEN_WAITS


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("600", 600), ("soon", 20)],
)
def test_retry_after_is_honoured(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, header: str, seconds: int
) -> None:
    sandbox.faults.add(Fault(LISTS, Answer(429, "Slow down.", headers={"Retry-After": header})))

    sync("lists")

    assert waits(clock) == [seconds]


PAGES = [
    Answer(200, "<html><title>Maintenance</title></html>"),
    Answer(200, "<!doctype html>Log in", headers={"Content-Type": "text/html; charset=utf-8"}),
]


@pytest.mark.parametrize("page", PAGES, ids=["as-text", "as-html"])
@pytest.mark.parametrize("stream", ["lists", "campaigns_metrics", "list_users", "templates"])
def test_somebody_elses_page_is_no_data_and_waited_out(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, stream: str, page: Answer
) -> None:
    project = sandbox.iterable
    project.lists, project.list_members = [{"id": 7}], {7: ["ana@example.com", "u-1"]}
    created = {"createdAt": 1_770_000_000_000}
    project.campaigns = [{"id": 1, **created}]
    project.templates = [{"templateId": 2, "templateType": "Base", "messageMedium": "Email", **created}]
    expected = sync(stream).records[stream]
    assert expected
    before = len(waits(clock))
    path = {"lists": LISTS, "campaigns_metrics": "/metrics$", "list_users": "/getUsers$", "templates": "/templates$"}
    sandbox.faults.add(Fault(path[stream], page, times=2))

    synced = sync(stream)

    assert synced.records[stream] == expected
    assert waits(clock)[before:][:2] == [20, 40]


@pytest.mark.parametrize("body", ['{"lists": [{"id": 7}', "no healthy upstream", ""], ids=["cut", "words", "nothing"])
def test_a_listing_that_is_no_json_is_no_data(sandbox: Sandbox, sync: Syncing, clock: VirtualClock, body: str) -> None:
    sandbox.iterable.lists = [{"id": 7}]
    sandbox.faults.add(Fault(LISTS, Answer(200, body, headers={"Content-Type": "application/json"})))

    assert [row["id"] for row in sync("lists").records["lists"]] == [7]
    assert waits(clock) == [20]


def test_a_page_that_stays_fails_the_stream_and_says_what_it_is(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.faults.add(Fault(LISTS, PAGES[0], times=None))

    synced = sync("lists", fails=True, config={"max_retries": 1})

    assert synced.errors["lists"]["failure_type"] == "transient_error"
    assert (
        "What came for stream lists is not the API's data (HTTP 200, text/plain; charset=utf-8): something between "
        "this machine and the API answers in its place."
    ) in synced.errors["lists"]["message"]


@pytest.mark.parametrize("page", [*PAGES, Answer(200, "no healthy upstream")], ids=["as-text", "as-html", "words"])
def test_a_page_in_place_of_an_export_moves_no_state_and_emits_nothing(
    sandbox: Sandbox, sync: Syncing, page: Answer
) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 1, 1), datetime(2026, 3, 15)))
    sandbox.faults.add(Fault(EXPORT, page, times=None))

    failed = sync("email_send", fails=True, config={"max_retries": 1})
    sandbox.faults.clear()
    again = sync("email_send", state=failed.final_state)

    assert delivered(failed) == []
    assert delivered(again) == held(sandbox)


@pytest.mark.parametrize("stream", ["lists", "email_send", "messages"])
def test_a_redirect_to_another_host_gets_neither_key_nor_trust(
    sandbox: Sandbox, sync: Syncing, config: dict[str, Any], stream: str
) -> None:
    other = Sandbox(seed=False)
    with serve(other) as elsewhere:
        path = {"lists": LISTS, "email_send": EXPORT, "messages": "^/messages$"}[stream]
        moved = Answer(302, "", headers={"Location": f"{elsewhere}{path.strip('^$')}"})
        sandbox.faults.add(Fault(path, moved, times=None))
        courier = {"api_key": sandbox.courier.api_key, "api_url": config["api_url"]}
        synced = sync(stream, fails=True, config={"courier": courier})

    keys = [value for call in other.calls for value in call.headers.values() if "sandbox" in value]
    assert keys == []
    assert synced.records == {}
    assert [state for state in synced.states.get(stream, []) if state.get("createdAt", START) != START] == []
    assert synced.errors[stream]["failure_type"] == "config_error"
    assert synced.errors[stream]["message"] == (
        f"The API refused stream {stream}: HTTP 302, “no explanation given”: it sends the request on to another "
        "address, which does not get the key; check `api_url` and what stands between this machine and the API."
    )


def test_an_error_that_breaks_off_is_waited_for_like_any_other(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock
) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 1, 1), datetime(2026, 3, 15)))
    half = Answer(503, "half", headers={"Content-Length": "1000"})
    sandbox.faults.add(Fault(EXPORT, half, times=2))

    assert delivered(sync("email_send")) == held(sandbox)
    assert waits(clock)[:2] == [20, 40]


def test_a_long_message_takes_no_time() -> None:
    reply = requests.Response()
    for text in ("a" * 200_000, "<" * 200_000, "<script" * 30_000, "a@" * 100_000):
        reply._content, began = text.encode(), time.process_time()
        assert len(vendor_message(reply)) <= 200
        assert time.process_time() - began < 5


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_keeps_giving_up_waiting_shortens_the_window(
    sandbox: Sandbox, sync: Syncing, status: int
) -> None:
    """As it does for windows of more than ten days."""
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 1, 1), datetime(2026, 3, 15)))
    answer = sandbox.answer

    def give_up(request: Any) -> Any:
        reply = answer(request)
        start, end = (request.parameter(f"{edge}DateTime") for edge in ("start", "end"))
        long = datetime.fromisoformat(end) - datetime.fromisoformat(start) > timedelta(days=10)
        return Answer(status, "").apply(reply) if long else reply

    with mock.patch.object(sandbox, "answer", give_up):
        synced = sync("email_send")

    assert delivered(synced) == held(sandbox)
    assert windows(sandbox)[:6] == [("2026-01-01 00:00:00", "2026-01-31 00:00:00")] * 5 + [
        ("2026-01-01 00:00:00", "2026-01-16 00:00:00")
    ]


def test_a_full_disk_shortens_the_window(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 1, 1), datetime(2026, 3, 15)))
    append = WindowCopy._append

    def full(copy: WindowCopy, response: requests.Response, whole_lines: bool) -> int:
        lines = append(copy, response, whole_lines)
        if lines > 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return lines

    with mock.patch.object(WindowCopy, "_append", full):
        synced = sync("email_send")

    assert delivered(synced) == held(sandbox)
    assert any("No space left on device; trying 15 days" in line for line in synced.logs)


def test_a_disk_that_is_full_for_a_second_says_so(sandbox: Sandbox, sync: Syncing) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    with mock.patch.object(WindowCopy, "_append", side_effect=full):
        synced = sync("email_send", fails=True)

    assert synced.errors["email_send"]["message"].startswith(
        "Stream email_send could not be read beyond 2026-01-01T00:00:00+00:00: even a window of one second broke off "
        "([Errno 28] No space left on device)."
    )


def test_a_host_that_cannot_be_reached_is_retried_not_split(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock
) -> None:
    synced = sync("email_send", fails=True, config={"api_url": "http://127.0.0.1:9", "max_retries": 2})

    assert waits(clock) == [20, 40]
    assert synced.errors["email_send"]["failure_type"] == "transient_error"
    assert "No answer for stream email_send (ConnectionError)" in synced.errors["email_send"]["message"]


@pytest.mark.parametrize("stream", ["lists", "email_send"])
@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            Answer(400, {"msg": "Invalid startDateTime", "code": "BadParams", "params": None}),
            "HTTP 400, “Invalid startDateTime”: if this project has no such data, remove the stream from the "
            "connection.",
        ),
        (
            Answer(400, "No user with that id exists!"),
            "HTTP 400, “No user with that id exists!”: if this project has no such data, remove the stream from the "
            "connection.",
        ),
        (
            Answer(401, {"msg": "Invalid API key", "code": "BadApiKey", "params": {"ip": "203.0.113.7"}}),
            "HTTP 401, “Invalid API key”: `api_key` must be a server-side key of this project (read-only, mobile and "
            "web keys cannot export), and `region` the data centre it was created in.",
        ),
        (
            Answer(403, {"msg": "Not allowed for ana@example.com", "code": "Forbidden", "params": None}),
            "HTTP 403, “Not allowed for …”: this type of key is not allowed to read it: use a server-side key with "
            "standard permissions.",
        ),
        (
            Answer(404, "<html><head><title>Action not found</title></head><body><p>Action not found</body></html>"),
            "HTTP 404, “Action not found Action not found”: check `api_url` and `region`; if they are right, the "
            "project does not offer this data.",
        ),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_what_cannot_pass_fails_at_once_as_a_configuration_error_in_one_sentence(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, stream: str, answer: Answer, sentence: str
) -> None:
    sandbox.faults.add(Fault("/api/", answer, times=None))

    synced = sync(stream, fails=True)

    assert synced.errors[stream]["message"] == f"The API refused stream {stream}: {sentence}"
    assert synced.errors[stream]["failure_type"] == "config_error"
    assert waits(clock) == []
    assert len(sandbox.calls) == 1


def test_generic_error_in_an_export_fails_the_stream_and_never_moves_its_state(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock
) -> None:
    sandbox.faults.add(Fault(EXPORT, GENERIC_ERROR, times=None))

    synced = sync("email_send", fails=True)

    assert synced.states["email_send"] == [{"createdAt": "2026-01-01T00:00:00+00:00"}]
    assert synced.errors["email_send"]["failure_type"] == "transient_error"


def test_check_needs_a_listing_and_an_export_of_one_second(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    checked = command("check", config)

    assert checked.of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
    assert [(call.path, call.query.get("startDateTime"), call.query.get("endDateTime")) for call in sandbox.calls] == [
        ("/api/lists", None, None),
        ("/api/export/data.json", ["2026-03-15 11:54:59"], ["2026-03-15 11:55:00"]),
    ]


def test_check_with_a_read_only_key_says_which_key_is_needed(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    checked = command("check", config | {"api_key": sandbox.iterable.read_only_key})

    (status,) = checked.of_type("CONNECTION_STATUS")
    assert status["status"] == "FAILED"
    assert "Stream email_send is not available: The API refused stream email_send: HTTP 401" in status["message"]
    assert "`api_key` must be a server-side key of this project" in status["message"]


def test_check_of_a_host_that_is_down_does_not_wait_for_ten_retries(
    config: dict[str, Any], command: Command, clock: VirtualClock
) -> None:
    checked = command("check", config | {"api_url": "http://127.0.0.1:9"})

    assert checked.of_type("CONNECTION_STATUS")[0]["status"] == "FAILED"
    assert waits(clock) == [20]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"api_key": ""},
            "No API key: fill in `api_key` to read Iterable, `courier.api_key` to read Courier, or both.",
        ),
        ({"start_date": None}, DATE),
        ({"start_date": "2025-13-01T00:00:00Z"}, DATE),
        ({"start_date": "2025-02-30T00:00:00Z"}, DATE),
        ({"start_date": "0000-01-01T00:00:00Z"}, DATE),
        ({"start_date": "yesterday"}, DATE),
        ({"start_date": "2027-01-01T00:00:00Z"}, DATE),
        ({"region": "APAC"}, "`region` must be US or EU."),
        ({"lookback_window": -1}, "`lookback_window` must be a whole number from 0 to 525600."),
        ({"lookback_window": "5"}, "`lookback_window` must be a whole number from 0 to 525600."),
        ({"lookback_window": 5.5}, "`lookback_window` must be a whole number from 0 to 525600."),
        ({"lookback_window": 10**9}, "`lookback_window` must be a whole number from 0 to 525600."),
        ({"late_events_days": 31}, "`late_events_days` must be a whole number from 0 to 30."),
        ({"num_workers": 0}, "`num_workers` must be a whole number from 1 to 200."),
        ({"num_workers": "x"}, "`num_workers` must be a whole number from 1 to 200."),
        ({"num_workers": 201}, "`num_workers` must be a whole number from 1 to 200."),
        ({"max_retries": 11}, "`max_retries` must be a whole number from 0 to 10."),
        ({"max_retries": None}, "`max_retries` must be a whole number from 0 to 10."),
        ({"export_method": "job"}, "`export_method` must be stream or jobs."),
        ({"budget_share": 0}, "`budget_share` must be a number above 0."),
        ({"api_key": 5}, "`api_key` must be a text."),
        ({"api_key": "k\u00e9y"}, "`api_key` holds characters that no key has: copy it again."),
        ({"api_key": "two\nlines"}, "`api_key` holds characters that no key has: copy it again."),
        ({"courier": {"api_key": ["k"]}}, "`courier.api_key` must be a text."),
        ({"courier": "k"}, "`courier` must be an object."),
        (
            {"courier": {"api_key": "k", "lookback_days": -1}},
            "`courier.lookback_days` must be a whole number from 0 to 3650.",
        ),
        *(
            (
                {"api_url": address},
                "`api_url` must be an address that starts with https://, or http:// on this machine.",
            )
            for address in (
                "http://api.iterable.com",
                "https://",
                "https://exa mple",
                "https://example.com:99999",
                "https://[::1",
                "https://example.com?a=b",
            )
        ),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_one_sentence(
    config: dict[str, Any], command: Command, change: dict[str, Any], sentence: str
) -> None:
    refused = command("check", config | change)

    assert str(refused.crash) == sentence


@pytest.mark.parametrize(
    ("region", "host"), [("US", "api.iterable.com"), ("EU", "api.eu.iterable.com"), (None, "api.iterable.com")]
)
def test_the_region_decides_the_host(command: Command, clock: VirtualClock, region: str | None, host: str) -> None:
    asked: list[str | None] = []

    def unreachable(adapter: Any, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        asked.append(request.url)
        raise requests.exceptions.ConnectTimeout

    config = {"api_key": "k", "start_date": "2026-01-01T00:00:00Z"} | ({"region": region} if region else {})
    with mock.patch("requests.adapters.HTTPAdapter.send", unreachable):
        command("check", config)

    assert set(asked) == {f"https://{host}/api/lists"}


@pytest.mark.parametrize(
    "keys", [[f"12e{number}" for number in range(10, 40)], [f"{n:02}" for n in range(9)] + ["None", "x"]]
)
def test_a_marker_that_looks_like_python_leads_to_the_next_page(
    sandbox: Sandbox, sync: Syncing, keys: list[str]
) -> None:
    items = [{"key": key, "size": 1, "lastModified": 1, "value": {"a": 1}} for key in keys]
    sandbox.iterable.metadata["sku"] = items

    synced = sync("metadata_items")

    assert sorted(row["key"] for row in synced.records["metadata_items"]) == sorted(keys)


def test_a_state_without_an_instant_is_none(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 1, 1), datetime(2026, 3, 15)))
    state = {"stream_descriptor": {"name": "email_send"}, "stream_state": {"createdAt": None}}

    synced = sync("email_send", state=[{"type": "STREAM", "stream": state}])

    assert delivered(synced) == held(sandbox)
