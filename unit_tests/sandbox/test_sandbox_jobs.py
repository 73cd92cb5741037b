"""Asynchronous exports: jobs, the states they go through, and the files they leave on another host."""

from __future__ import annotations

import csv
import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from sandbox import Sandbox, serve
from sandbox.faults import Answer, Cut, Fault, Reset
from sandbox.iterable import data_types
from sandbox.iterable.jobs import Cancelled, Failed, Fate, Job, Paused, Restarted, Stuck, Truncated
from sandbox.iterable.seed.hostile import TWIN
from sandbox.messages import BrokenOff, Reply, Request
from unit_tests.sandbox.conftest import NOON, Clock

KEY = {"api-key": "sandbox-iterable-key"}
READ_ONLY = {"api-key": "sandbox-iterable-read-only-key"}
DAY = {"startDateTime": "2026-03-15 00:00:00", "endDateTime": "2026-03-16 00:00:00"}
JSON_LINES = "application/x-json-stream"


@dataclass
class Client:
    """Asks the job endpoints of a sandbox, as from a connection to port 8080."""

    sandbox: Sandbox
    clock: Clock

    def send(self, method: str, target: str, headers: Mapping[str, str] = KEY, body: bytes = b"") -> Reply:
        return self.sandbox.answer(Request(method, target, {"host": "127.0.0.1:8080", **headers}, body))

    def post(self, body: Any, headers: Mapping[str, str] = KEY) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", "/api/export/start", headers, content)

    def start(self, data_type: str = "emailSend", **fields: Any) -> int:
        body = {"dataTypeName": data_type, "outputFormat": JSON_LINES, **DAY, **fields}
        job_id: int = read(self.post(body))["jobId"]
        return job_id

    def page(self, job_id: int, after: str | None = None) -> Any:
        query = "" if after is None else f"?startAfter={quote(after)}"
        return read(self.send("GET", f"/api/export/{job_id}/files{query}"))

    def state(self, job_id: int) -> str:
        state: str = self.page(job_id)["jobState"]
        return state

    def states(self, *job_ids: int) -> list[str]:
        return [self.state(job_id) for job_id in job_ids]

    def timeline(self, job_id: int, seconds: int) -> list[tuple[str, int]]:
        """State and number of files on the first page, now and at each of the seconds to come."""
        seen = []
        for _ in range(seconds + 1):
            page = self.page(job_id)
            seen.append((page["jobState"], len(page["files"])))
            self.clock.now += 1
        return seen

    def files(self, job_id: int) -> list[dict[str, str]]:
        """All that are there, page by page up to the first that is not full."""
        found: list[dict[str, str]] = []
        while len(page := self.page(job_id, found[-1]["file"] if found else None)["files"]) == 10:
            found += page
        return found + page

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self.send("GET", urlsplit(url)._replace(scheme="", netloc="").geturl(), headers or {})

    def bodies(self, job_id: int) -> list[bytes]:
        return [self.fetch(file["url"]).body for file in self.files(job_id)]

    def lines(self, job_id: int) -> list[bytes]:
        return [line for body in self.bodies(job_id) for line in body.removesuffix(b"\n").split(b"\n")]

    def rows(self, job_id: int) -> list[Any]:
        return [json.loads(line) for line in self.lines(job_id)]

    def exported(self, data_type: str = "emailSend", **fields: Any) -> list[Any]:
        """The rows of a job, waited for."""
        job_id = self.start(data_type, **fields)
        self.clock.now += 1000
        return self.rows(job_id)


def read(reply: Reply) -> Any:
    """JSON, of a request that is expected to succeed."""
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def refusal(reply: Reply) -> tuple[int, str, str]:
    envelope = json.loads(reply.body)
    return reply.status, envelope["code"], envelope["msg"]


def sends(count: int) -> list[dict[str, Any]]:
    return [{"createdAt": f"2026-03-15 10:00:{n % 60:02} +00:00", "campaignId": n, "name": "Zoë"} for n in range(count)]


@pytest.fixture
def client(empty: Sandbox, clock: Clock) -> Client:
    """With six sent e-mails of today, a file for every two."""
    empty.iterable.add_events("emailSend", sends(6))
    empty.iterable.jobs.rows_per_file = 2
    return Client(empty, clock)


@pytest.fixture
def jobs(client: Client) -> Any:
    return client.sandbox.iterable.jobs


@pytest.fixture(scope="module")
def made_up() -> Client:
    """The made-up data, all of it past, in files of 50 rows."""
    clock = Clock(NOON + 61 * 86400)
    sandbox = Sandbox(anchor=date(2026, 3, 15), clock=clock, budgets=False)
    sandbox.iterable.jobs.rows_per_file = 50
    return Client(sandbox, clock)


# Starting


def test_what_was_asked_for_is_kept_in_order_with_ids_and_times(client, clock, jobs):
    first = client.start("emailSend", campaignId=3)
    clock.now += 5
    second = client.start("USER")

    assert [job.id for job in jobs.started] == [first, second]
    assert second == first + 1
    assert [job.asked_at for job in jobs.started] == [NOON, NOON + 5]
    assert [job.data_type for job in jobs.started] == ["emailSend", "user"]
    assert jobs.started[0].asked == {
        "dataTypeName": "emailSend",
        "outputFormat": JSON_LINES,
        **DAY,
        "campaignId": 3,
    }
    assert (jobs.started[0].selection.start, jobs.started[0].selection.end) == (NOON - 43200, NOON + 43200)


@pytest.mark.parametrize(
    ("change", "msg"),
    [
        ({"dataTypeName": None}, "Missing required parameter: dataTypeName"),
        ({"dataTypeName": "emailSent"}, "Invalid dataTypeName: emailSent"),
        ({"outputFormat": None}, "Missing required parameter: outputFormat"),
        ({"outputFormat": "application/json"}, "Invalid value for outputFormat: application/json"),
        ({"startDateTime": "yesterday"}, "Invalid date time for startDateTime: yesterday"),
        (
            {"endDateTime": "2026-03-16"},
            "Invalid date time for endDateTime: expected yyyy-MM-dd HH:mm:ss [ZZ]",
        ),
        ({"endDateTime": "2026-03-14 00:00:00"}, "endDateTime is before startDateTime"),
        ({"delimiter": ";;"}, "Invalid value for delimiter: ;;"),
        ({"delimiter": '"'}, 'Invalid value for delimiter: "'),
    ],
)
def test_a_job_that_makes_no_sense_is_rejected_with_bad_params(client, jobs, change, msg):
    reply = client.post({"dataTypeName": "emailSend", "outputFormat": "text/csv", **DAY, **change})
    assert refusal(reply) == (400, "BadParams", msg)
    assert jobs.started == []


@pytest.mark.parametrize(
    ("body", "msg"),
    [
        (b"", "Invalid JSON"),
        (b"dataTypeName=emailSend", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        ([], "Expected a JSON object"),
        ({"dataTypeName": 7}, "Invalid value for dataTypeName"),
        ({"dataTypeName": "user", "campaignId": "7"}, "Invalid value for campaignId"),
        ({"dataTypeName": "user", "campaignId": True}, "Invalid value for campaignId"),
        ({"dataTypeName": "user", "onlyFields": ["email"]}, "Invalid value for onlyFields"),
    ],
)
def test_a_body_of_another_form_is_rejected_with_bad_json_body(client, jobs, body, msg):
    assert refusal(client.post(body)) == (400, "BadJsonBody", msg)
    assert jobs.started == []


@pytest.mark.parametrize("headers", [{}, {"api-key": "another key"}, READ_ONLY])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/export/start"),
        ("GET", "/api/export/jobs"),
        ("GET", "/api/export/3562/files"),
        ("DELETE", "/api/export/3562"),
    ],
)
def test_jobs_need_the_server_side_key(client, headers, method, path):
    client.start()
    reply = client.send(method, path, headers)
    assert refusal(reply) == (401, "BadApiKey", "Invalid API key")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/export/start"),
        ("POST", "/api/export/jobs"),
        ("DELETE", "/api/export/latest"),
        ("GET", "/api/export/latest/files"),
        ("POST", "/export-storage/3562/file-1.json"),
    ],
)
def test_another_method_or_an_id_that_is_no_number_is_an_unknown_route(client, method, path):
    reply = client.send(method, path)
    assert (reply.status, reply.content_type) == (404, "text/html; charset=utf-8")


def test_an_unknown_id_is_not_found(client):
    expected = (404, "NotFound", "No export job found with id 99")
    assert refusal(client.send("GET", "/api/export/99/files")) == expected
    assert refusal(client.send("DELETE", "/api/export/99")) == expected


def test_a_start_that_fails_starts_nothing_and_one_whose_reply_is_lost_leaves_a_job(client, clock, jobs):
    body = {"dataTypeName": "emailSend", "outputFormat": JSON_LINES}
    client.sandbox.faults.add(Fault("/api/export/start$", Answer(500)))
    assert client.post(body).status == 500
    assert jobs.started == []

    client.sandbox.faults.add(Fault("/api/export/start$", Reset(rows=None)))
    with pytest.raises(BrokenOff):
        client.post(body)
    clock.now += 60
    assert [job["jobState"] for job in read(client.send("GET", "/api/export/jobs"))["jobs"]] == ["completed"]


# States and files


def test_a_job_waits_runs_and_leaves_one_file_after_the_other(client):
    job_id = client.start()
    assert client.timeline(job_id, 7) == [
        ("enqueued", 0),
        ("enqueued", 0),
        ("running", 0),
        ("running", 1),
        ("running", 2),
        ("completed", 3),
        ("completed", 3),
        ("completed", 3),
    ]


def test_the_times_of_a_job_are_settings(client, jobs):
    jobs.queue_seconds, jobs.seconds_per_file = 0, 2
    assert client.timeline(client.start(), 6) == [
        ("running", 0),
        ("running", 0),
        ("running", 1),
        ("running", 1),
        ("running", 2),
        ("running", 2),
        ("completed", 3),
    ]


def test_a_page_names_its_job_and_says_whether_it_is_truncated(client):
    job_id = client.start()
    assert client.page(job_id) == {
        "exportTruncated": False,
        "files": [],
        "jobId": job_id,
        "jobState": "enqueued",
    }


def test_an_empty_window_completes_without_a_file(client):
    job_id = client.start("emailOpen")
    assert client.timeline(job_id, 3) == [("enqueued", 0), ("enqueued", 0), ("running", 0), ("completed", 0)]


def test_an_empty_window_may_leave_an_empty_file(client, clock, jobs):
    jobs.empty_file = True
    empty, filled = client.start("emailOpen"), client.start()
    clock.now += 10
    assert client.bodies(empty) == [b""]
    assert len(client.files(filled)) == 3


def test_more_than_ten_files_come_in_pages_after_the_name_asked_for(client, clock, jobs):
    jobs.rows_per_file = 1
    client.sandbox.iterable.add_events("emailSend", sends(19))
    job_id = client.start()
    clock.now += 100

    first = client.page(job_id)
    second = client.page(job_id, first["files"][-1]["file"])
    third = client.page(job_id, second["files"][-1]["file"])
    pages = [[file["file"] for file in page["files"]] for page in (first, second, third)]
    names = [name for page in pages for name in page]

    assert [len(page) for page in pages] == [10, 10, 5]
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"file-\d{13}\.json", name) for name in names)
    assert client.page(job_id, names[-1])["files"] == []
    assert client.page(job_id, "file")["files"] == first["files"]
    assert [file["file"] for file in client.page(job_id, f"{names[6]}-")["files"]] == names[7:17]


def test_a_page_that_was_not_full_is_longer_when_asked_for_again(client, clock, jobs):
    jobs.rows_per_file, jobs.queue_seconds, jobs.files_per_page = 1, 0, 3
    job_id = client.start()
    clock.now += 2
    assert len(client.page(job_id)["files"]) == 2
    clock.now += 3
    seen = [file["file"] for file in client.page(job_id)["files"]]
    assert len(seen) == 3
    assert len(client.page(job_id, seen[-1])["files"]) == 2


def test_names_sort_by_appearance_even_when_all_appear_at_once(client, clock, jobs):
    jobs.rows_per_file, jobs.seconds_per_file = 1, 0
    job_id = client.start()
    clock.now += 2
    names = [file["file"] for file in client.files(job_id)]
    assert (len(names), names) == (6, sorted(set(names)))


LINE = len(b'{"createdAt":"2026-03-15 10:00:00 +00:00","campaignId":0,"name":"Zo\xc3\xab"}\n')


@pytest.mark.parametrize(
    ("size", "rows"),
    [(3 * LINE, [3, 3]), (4 * LINE - 1, [3, 3]), (4 * LINE, [4, 2]), (9 * LINE, [4, 2]), (1, [1] * 6)],
)
def test_a_file_holds_no_more_rows_and_no_more_bytes_than_it_may(client, clock, jobs, size, rows):
    jobs.rows_per_file, jobs.max_file_bytes = 4, size
    job_id = client.start()
    clock.now += 100
    assert [len(body.splitlines()) for body in client.bodies(job_id)] == rows


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("lower", ["enqueued", "running", "completed", "cancelling", "cancelled"]),
        ("title", ["Enqueued", "Running", "Completed", "Cancelling", "Cancelled"]),
        ("queued", ["queued", "running", "completed", "cancelling", "cancelled"]),
    ],
)
def test_states_are_spelt_in_one_of_three_ways(client, clock, jobs, spelling, expected):
    jobs.spelling = spelling
    job_id = client.start()
    seen = [client.state(job_id)]
    for seconds in (2, 3):
        clock.now += seconds
        seen.append(client.state(job_id))
    cancelled = client.start()
    client.send("DELETE", f"/api/export/{cancelled}")
    seen.append(client.state(cancelled))
    clock.now += 1
    assert [*seen, client.state(cancelled)] == expected
    assert jobs.started[0].state(clock.now) == "completed"


# How many run at a time


def test_four_jobs_run_at_a_time_and_the_others_wait_for_their_turn(client, clock):
    ids = [client.start() for _ in range(6)]
    clock.now += 4
    assert client.states(*ids) == ["running"] * 4 + ["enqueued"] * 2
    clock.now += 1
    assert client.states(*ids) == ["completed"] * 4 + ["running"] * 2
    clock.now += 3
    assert client.states(*ids) == ["completed"] * 6


def test_those_that_wait_come_first_in_first_out_at_the_moment_a_place_is_free(client, clock, jobs):
    jobs.at_once = 1
    ids = [client.start(), client.start("emailOpen"), client.start()]
    clock.now += 100
    assert client.states(*ids) == ["completed"] * 3
    assert [(job.runs_at, job.ends_at) for job in jobs.started] == [
        (NOON + 2, NOON + 5),
        (NOON + 5, NOON + 6),
        (NOON + 6, NOON + 9),
    ]


def test_what_a_job_has_come_to_does_not_depend_on_how_often_it_was_looked_at(client, clock, jobs):
    jobs.at_once = 2
    jobs.fates += [Fate(Restarted(1, seconds=7)), Fate(Failed(2)), Fate(Stuck(1)), Fate(Paused(files=2, seconds=5))]

    def lives(looks: int) -> list[tuple[float, float]]:
        begun = clock.now
        ids = [client.start() for _ in range(5)]
        client.send("GET", f"/api/export/{ids[0]}/files")
        for _ in range(looks):
            clock.now += 60 / looks
            client.states(*ids)
        client.send("DELETE", f"/api/export/{ids[2]}")
        clock.now += 60
        client.states(*ids)
        return [(job.runs_at - begun, job.ends_at - begun) for job in jobs.started[-5:]]

    often = lives(60)
    jobs.fates += [Fate(Restarted(1, seconds=7)), Fate(Failed(2)), Fate(Stuck(1)), Fate(Paused(files=2, seconds=5))]
    assert lives(1) == often
    assert often == [(2, 12), (2, 4), (4, 61), (12, 20), (20, 23)]


def test_a_job_that_falls_back_keeps_its_place(client, clock, jobs):
    jobs.at_once = 1
    jobs.fates.append(Fate(Restarted(1, seconds=7)))
    restarted, waiting = client.start(), client.start()
    clock.now += 5
    assert client.states(restarted, waiting) == ["enqueued", "enqueued"]
    clock.now += 7
    assert client.states(restarted, waiting) == ["completed", "running"]


def test_a_stuck_job_keeps_its_place_until_it_is_cancelled(client, clock, jobs):
    jobs.at_once = 1
    jobs.fates.append(Fate(Stuck()))
    stuck, waiting = client.start(), client.start()
    clock.now += 86400
    assert client.states(stuck, waiting) == ["running", "enqueued"]
    read(client.send("DELETE", f"/api/export/{stuck}"))
    assert client.states(stuck, waiting) == ["cancelling", "enqueued"]
    clock.now += 1
    assert client.states(stuck, waiting) == ["cancelled", "running"]


# Rows


@pytest.mark.parametrize("data_type", data_types.ALL)
def test_a_job_delivers_the_lines_of_the_synchronous_export(made_up, ask, data_type):
    window = {"startDateTime": "2025-01-01 00:00:00", "endDateTime": "2026-05-14 00:00:00"}
    job_id = made_up.start(data_type, **window)
    made_up.clock.now += 1000

    synchronous = ask(made_up.sandbox, "/api/export/data.json", dataTypeName=data_type, **window).text.encode()

    assert made_up.lines(job_id) == synchronous.removesuffix(b"\n").split(b"\n")
    assert made_up.page(job_id)["jobState"] == "completed"


def test_a_window_without_rows_is_empty_in_both_exports(made_up, ask):
    window = {"startDateTime": "2020-01-01 00:00:00", "endDateTime": "2020-01-02 00:00:00"}
    assert made_up.exported("emailSend", **window) == []
    assert ask(made_up.sandbox, "/api/export/data.json", dataTypeName="emailSend", **window).text == ""


def test_identical_looking_twins_are_both_delivered(made_up):
    second = {"startDateTime": "2026-03-13 09:21:04", "endDateTime": "2026-03-13 09:21:05"}
    twins = [row for row in made_up.exported("emailOpen", **second) if row["messageId"] == TWIN]
    assert sorted(row["ip"] for row in twins) == ["198.51.100.1", "198.51.100.2"]


def test_identical_rows_are_all_delivered(client):
    client.sandbox.iterable.add_events("smsSend", sends(1) * 3)
    assert client.exported("smsSend") == sends(1) * 3


def test_a_window_takes_its_first_second_and_leaves_its_last(client):
    window = {"startDateTime": "2026-03-15 10:00:01", "endDateTime": "2026-03-15 10:00:03"}
    assert sorted(row["campaignId"] for row in client.exported(**window)) == [1, 2]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-15 10:00:01 +00:00", "2026-03-15 10:00:03 +00:00"),
        ("2026-03-15T10:00:01.000Z", "2026-03-15T10:00:03.000Z"),
        ("2026-03-15T10:00:01.900Z", "2026-03-15T10:00:03.900Z"),
        ("2026-03-15 11:00:01 +01:00", "2026-03-15 05:00:03 -05:00"),
    ],
)
def test_the_same_window_may_be_spelt_in_many_ways(client, start, end):
    rows = client.exported(startDateTime=start, endDateTime=end)
    assert sorted(row["campaignId"] for row in rows) == [1, 2]


def test_a_window_is_open_where_it_has_no_bound(client):
    def campaigns(**window: Any) -> list[int]:
        return sorted(row["campaignId"] for row in client.exported(**window))

    assert campaigns(startDateTime=None, endDateTime=None) == [0, 1, 2, 3, 4, 5]
    assert campaigns(startDateTime="2026-03-15 10:00:04", endDateTime=None) == [4, 5]
    assert campaigns(startDateTime=None, endDateTime="2026-03-15 10:00:02") == [0, 1]


def test_rows_can_be_limited_to_a_campaign_and_to_fields(client):
    stamp = {"createdAt": "2026-03-15 10:00:02 +00:00"}
    assert client.exported(campaignId=2, onlyFields="name") == [stamp | {"name": "Zoë"}]
    assert client.exported(campaignId=2, omitFields="name, createdAt") == [stamp | {"campaignId": 2}]


def test_a_job_delivers_what_is_there_when_it_begins_to_run(client, clock):
    client.sandbox.iterable.add_events("smsSend", [{"createdAt": "2026-03-15 12:00:02 +00:00", "n": "just now"}])
    client.sandbox.iterable.add_events("smsSend", [{"createdAt": "2026-03-15 12:00:03 +00:00", "n": "too new"}])
    client.sandbox.iterable.add_events("smsSend", [{"createdAt": "2026-03-15 11:00:00 +00:00", "n": "late"}], 3602)
    client.sandbox.iterable.add_events("smsSend", [{"createdAt": "2026-03-15 11:00:00 +00:00", "n": "too late"}], 3603)

    assert sorted(row["n"] for row in client.exported("smsSend")) == ["just now", "late"]
    assert sorted(row["n"] for row in client.exported("smsSend")) == ["just now", "late", "too late", "too new"]


def test_a_profile_that_changes_later_is_delivered_as_it_was(client, clock):
    person = {"email": "a@x.org", "plan": "free", "profileUpdatedAt": "2026-03-15 11:00:00 +00:00"}
    client.sandbox.iterable.add_user(person)
    job_id = client.start("user")
    clock.now += 2
    assert client.state(job_id) == "running"
    client.sandbox.iterable.add_user(person | {"plan": "pro", "profileUpdatedAt": "2026-03-15 12:00:01 +00:00"})
    clock.now += 2
    assert client.rows(job_id) == [person]


def test_some_files_lack_the_newline_after_the_last_line(made_up):
    job_id = made_up.start("emailSend", startDateTime="2025-01-01 00:00:00")
    made_up.clock.now += 1000
    bodies = made_up.bodies(job_id)
    assert 0 < sum(body.endswith(b"\n") for body in bodies) < len(bodies)
    assert made_up.bodies(job_id) == bodies


def test_a_job_with_too_many_rows_completes_with_some_of_them_and_says_so(client, clock, jobs):
    jobs.truncate_rows = 5
    job_id, whole = client.start(), client.start(campaignId=1)
    clock.now += 4
    assert (client.page(job_id)["jobState"], client.page(job_id)["exportTruncated"]) == ("running", False)
    clock.now += 1
    assert (client.page(job_id)["jobState"], client.page(job_id)["exportTruncated"]) == ("completed", True)
    assert len(client.rows(job_id)) == 5
    assert client.page(whole)["exportTruncated"] is False
    jobs.truncate_rows = 6
    exact = client.start()
    clock.now += 5
    assert (client.page(exact)["exportTruncated"], len(client.rows(exact))) == (False, 6)


def test_csv_has_a_header_in_each_file_and_json_in_cells_that_hold_more_than_a_value(client, clock):
    at = "2026-03-15 10:00:00 +00:00"
    rows = [
        {"createdAt": at, "name": 'Zoë "Z"', "n": 1, "items": [{"a": 1}]},
        {"name": "line\nbreak", "createdAt": at, "open": True},
        {"createdAt": at, "a,b": None},
    ]
    client.sandbox.iterable.add_events("purchase", rows)
    job_id = client.start("purchase", outputFormat="text/csv", delimiter=";")
    clock.now += 10

    files = client.files(job_id)
    replies = [client.fetch(file["url"]) for file in files]
    tables = [list(csv.DictReader(reply.body.decode().splitlines(keepends=True), delimiter=";")) for reply in replies]

    assert [reply.content_type for reply in replies] == ["text/csv", "text/csv"]
    assert all(re.fullmatch(r"file-\d{13}\.csv", file["file"]) for file in files)
    assert {reply.body.split(b"\n")[0] for reply in replies} == {b"createdAt;a,b;name;open;n;items"}
    assert [len(table) for table in tables] == [2, 1]
    cells = sorted((row for table in tables for row in table), key=lambda row: row["name"])
    blank = dict.fromkeys(("a,b", "name", "n", "items", "open"), "")
    assert cells == [
        {"createdAt": at, **blank},
        {"createdAt": at, **blank, "name": 'Zoë "Z"', "n": "1", "items": '[{"a":1}]'},
        {"createdAt": at, **blank, "name": "line\nbreak", "open": "true"},
    ]
    assert b'"2026-03-15 10:00:00 +00:00"' in replies[0].body


def test_the_header_of_a_csv_counts_among_its_bytes(client, clock, jobs):
    header, row = b"createdAt,campaignId,name\n", '"2026-03-15 10:00:00 +00:00",0,"Zoë"\n'.encode()
    jobs.rows_per_file, jobs.max_file_bytes = 9, len(header) + 3 * len(row) - 1
    job_id = client.start(outputFormat="text/csv")
    clock.now += 10
    bodies = client.bodies(job_id)
    assert [len(body.splitlines()) for body in bodies] == [3, 3, 3]
    assert {body.splitlines(keepends=True)[0] for body in bodies} == {header}


# Failures on demand


@pytest.mark.parametrize(
    ("kind", "timeline"),
    [
        (Failed(), [("failed", 0), ("failed", 0), ("failed", 0)]),
        (Failed(2), [("running", 0), ("running", 1), ("failed", 2), ("failed", 2)]),
        (Failed(9), [("running", 0), ("running", 1), ("running", 2), ("failed", 3)]),
        (Cancelled(), [("cancelled", 0), ("cancelled", 0)]),
        (Cancelled(1), [("running", 0), ("cancelled", 1), ("cancelled", 1)]),
        (Stuck(), [("running", 0)] * 8),
        (Stuck(2), [("running", 0), ("running", 1)] + [("running", 2)] * 6),
        (
            Restarted(1, seconds=2),
            [("running", 0)]
            + [("enqueued", 1)] * 2
            + [("running", 1), ("running", 2), ("completed", 3), ("completed", 3)],
        ),
        (
            Restarted(0, seconds=1),
            [("enqueued", 0), ("running", 0), ("running", 1), ("running", 2), ("completed", 3)],
        ),
        (
            Paused(files=2, seconds=2),
            [("running", 0), ("running", 1), ("paused", 2), ("paused", 2), ("running", 2), ("completed", 3)],
        ),
        (
            Paused(files=9, seconds=1, state="Paused"),
            [("running", 0), ("running", 1), ("running", 2), ("Paused", 3), ("completed", 3)],
        ),
        (Truncated(2), [("running", 0), ("running", 1), ("completed", 2), ("completed", 2)]),
    ],
)
def test_a_fate_decides_what_becomes_of_a_running_job(client, clock, jobs, kind, timeline):
    jobs.fates.append(Fate(kind))
    job_id = client.start()
    clock.now += 2
    assert client.timeline(job_id, len(timeline) - 1) == timeline
    assert client.page(job_id)["exportTruncated"] is isinstance(kind, Truncated)


@pytest.mark.parametrize("kind", [Restarted(1), Paused(files=1)])
def test_a_job_that_falls_back_for_a_while_delivers_every_row_once(client, jobs, kind):
    jobs.fates.append(Fate(kind))
    assert sorted(row["campaignId"] for row in client.exported()) == [0, 1, 2, 3, 4, 5]


def test_a_truncated_job_keeps_what_its_first_files_hold(client, clock, jobs):
    whole = client.exported()
    jobs.fates.append(Fate(Truncated(2)))
    assert client.exported() == whole[:4]


def test_a_job_may_fall_back_and_be_truncated_too(client, clock, jobs):
    jobs.truncate_rows = 3
    jobs.fates.append(Fate(Restarted(1)))
    job_id = client.start()
    clock.now += 100
    assert (client.page(job_id)["exportTruncated"], len(client.rows(job_id))) == (True, 3)


def test_an_unheard_of_state_is_spelt_as_given(client, clock, jobs):
    jobs.spelling = "title"
    jobs.fates.append(Fate(Paused(state="on-hold")))
    job_id = client.start()
    clock.now += 2
    assert client.state(job_id) == "on-hold"


def test_fates_are_used_up_in_order_by_the_jobs_of_their_data_type(client, clock, jobs):
    jobs.fates += [Fate(Failed(), "emailOpen"), Fate(Cancelled(), times=2), Fate(Stuck(), "emailSend", times=None)]
    ids = [client.start(name) for name in ("emailSend", "emailOpen", "emailOpen", "emailOpen", "emailSend")]
    jobs.at_once = 9
    clock.now += 60
    assert client.states(*ids) == ["cancelled", "failed", "cancelled", "completed", "running"]
    assert [fate.kind for fate in jobs.fates] == [Stuck()]


def test_a_file_breaks_off_by_an_ordinary_fault(client, clock):
    job_id = client.start()
    clock.now += 10
    url = client.files(job_id)[0]["url"]
    client.sandbox.faults.add(Fault("^/export-storage/", Cut(rows=1)))
    with pytest.raises(BrokenOff):
        list(client.fetch(url).as_lines())
    assert client.fetch(url).status == 200


# Cancelling, and the listing of jobs


def test_a_cancelled_job_that_waited_never_runs(client, clock, jobs):
    jobs.at_once = 1
    first, second, third = (client.start() for _ in range(3))
    assert read(client.send("DELETE", f"/api/export/{second}")) == {
        "msg": f"Export job {second} is being cancelled",
        "code": "Success",
        "params": None,
    }
    assert client.state(second) == "cancelling"
    clock.now += 1
    assert client.state(second) == "cancelled"
    clock.now += 99
    assert client.states(first, second, third) == ["completed", "cancelled", "completed"]
    assert (jobs.started[1].runs_at, jobs.started[2].runs_at) == (None, NOON + 5)
    assert client.page(second)["files"] == []
    assert jobs.cancelled == [second]


def test_a_cancelled_job_that_ran_keeps_its_files_and_writes_no_more(client, clock, jobs):
    job_id = client.start()
    clock.now += 4
    read(client.send("DELETE", f"/api/export/{job_id}"))
    clock.now += 0.5
    assert client.state(job_id) == "cancelling"
    clock.now += 60
    assert (client.state(job_id), len(client.bodies(job_id))) == ("cancelled", 2)
    assert jobs.started[0].cancelled_at == NOON + 4


def test_only_a_job_that_waits_or_runs_can_be_cancelled(client, clock, jobs):
    completed, cancelled = client.start(), client.start()
    client.send("DELETE", f"/api/export/{cancelled}")

    def assert_refused(job_id: int) -> None:
        reply = client.send("DELETE", f"/api/export/{job_id}")
        assert refusal(reply) == (400, "BadParams", f"Export job {job_id} is not queued or running")

    assert_refused(cancelled)  # it is on its way to its end
    clock.now += 10
    assert_refused(cancelled)
    assert_refused(completed)
    assert jobs.cancelled == [cancelled]


def test_the_listing_shows_the_newest_job_first_and_when_it_ended(client, clock):
    first = client.start()
    clock.now += 3.25
    second = client.start("USER")
    clock.now += 1.75
    size = sum(len(body) for body in client.bodies(first))

    assert read(client.send("GET", "/api/export/jobs")) == {
        "jobs": [
            {
                "id": second,
                "dataTypeName": "user",
                "jobState": "enqueued",
                "scheduledStartTime": "2026-03-15T06:00:03.250-06:00",
                "bytesExported": 0,
            },
            {
                "id": first,
                "dataTypeName": "emailSend",
                "jobState": "completed",
                "scheduledStartTime": "2026-03-15T06:00:00.000-06:00",
                "endTime": "2026-03-15T06:00:05.000-06:00",
                "bytesExported": size,
            },
        ]
    }


@pytest.mark.parametrize(
    ("state", "places"),
    [
        ("enqueued", [2]),
        ("Queued", [2]),
        ("Running", [1]),
        ("COMPLETED", [0]),
        ("failed", []),
        ("cancelling", [3]),
        ("", [3, 2, 1, 0]),
    ],
)
def test_the_listing_can_be_limited_to_a_state(client, clock, jobs, state, places):
    jobs.spelling = "title"
    ids = [client.start("emailOpen")]
    clock.now += 3
    ids.append(client.start())
    clock.now += 3
    ids += [client.start(), client.start()]
    client.send("DELETE", f"/api/export/{ids[3]}")

    listed = read(client.send("GET", f"/api/export/jobs?jobState={state}"))["jobs"]

    assert [job["id"] for job in listed] == [ids[place] for place in places]


def test_the_listing_shows_the_windows_where_it_is_told_to(client, jobs):
    jobs.listing_shows_window = True
    client.start()

    (listed,) = read(client.send("GET", "/api/export/jobs"))["jobs"]

    asked = jobs.started[0].asked
    assert (listed["startDateTime"], listed["endDateTime"]) == (asked["startDateTime"], asked["endDateTime"])


def test_the_listing_knows_no_other_states(client):
    reply = client.send("GET", "/api/export/jobs?jobState=stuck")
    assert refusal(reply) == (400, "BadParams", "Invalid value for jobState: stuck")


# Addresses of files


@pytest.fixture
def url(client: Client, clock: Clock) -> str:
    """Of the first file of a completed job, fresh."""
    job_id = client.start()
    clock.now += 10
    return client.files(job_id)[0]["url"]


def test_an_address_is_of_another_host_at_the_same_port(client, jobs, url):
    parts = urlsplit(url)
    job: Job = jobs.started[0]
    assert (parts.scheme, parts.netloc) == ("http", "localhost:8080")
    assert parts.path == f"/export-storage/{job.id}/{job.files(NOON + 10)[0].name}"
    assert parse_qs(parts.query)["expires"] == [str(int(NOON) + 10 + 1800)]
    assert re.fullmatch(r"[0-9a-f]{64}", parse_qs(parts.query)["signature"][0])


def test_a_file_is_served_without_a_key(client, jobs, url):
    reply = client.fetch(url)
    assert (reply.status, reply.content_type) == (200, JSON_LINES)
    assert len(reply.body.splitlines()) == 2
    assert jobs.leaked_keys == []


@pytest.mark.parametrize("header", ["api-key", "api_key", "authorization"])
def test_a_request_for_a_file_that_shows_credentials_is_refused_and_remembered(client, jobs, url, header):
    reply = client.fetch(url, {header: "sandbox-iterable-key"})
    assert (reply.status, reply.content_type) == (400, "application/xml")
    assert b"Only one auth mechanism allowed" in reply.body
    assert jobs.leaked_keys == [urlsplit(url).path]


def test_an_address_expires_and_the_same_page_has_a_fresh_one(client, clock, jobs, url):
    job_id = jobs.started[0].id
    clock.now += 1799
    assert client.fetch(url).status == 200
    clock.now += 1
    reply = client.fetch(url)
    assert (reply.status, reply.content_type) == (403, "application/xml")
    assert b"<Message>Request has expired</Message>" in reply.body
    fresh = client.files(job_id)[0]["url"]
    assert urlsplit(fresh).path == urlsplit(url).path
    assert client.fetch(fresh).status == 200


def test_how_long_an_address_is_good_for_is_a_setting(client, clock, jobs):
    jobs.url_seconds = 5
    job_id = client.start()
    clock.now += 10
    url = client.files(job_id)[0]["url"]
    clock.now += 5
    assert client.fetch(url).status == 403


def other_signature(query: dict[str, str]) -> dict[str, str]:
    return query | {"signature": "0" * 64}


def later_expiry(query: dict[str, str]) -> dict[str, str]:
    return query | {"expires": str(int(query["expires"]) + 1)}


def no_signature(query: dict[str, str]) -> dict[str, str]:
    return {"expires": query["expires"]}


def nothing(query: dict[str, str]) -> dict[str, str]:
    return {}


@pytest.mark.parametrize("change", [other_signature, later_expiry, no_signature, nothing])
def test_an_address_that_was_changed_does_not_match_its_signature(client, url, change):
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    reply = client.fetch(parts._replace(query=urlencode(change(query))).geturl())
    assert (reply.status, reply.content_type) == (403, "application/xml")
    assert b"<Code>SignatureDoesNotMatch</Code>" in reply.body


def test_a_signature_is_good_for_one_file_only(client, jobs, url):
    other = client.files(jobs.started[0].id)[1]["file"]
    parts = urlsplit(url)
    path = parts.path.rpartition("/")[0] + "/" + other
    assert client.fetch(parts._replace(path=path).geturl()).status == 403


def test_a_request_without_a_port_gets_an_address_without_one(client, clock):
    job_id = client.start()
    clock.now += 10
    reply = client.sandbox.answer(Request("GET", f"/api/export/{job_id}/files", KEY))
    assert read(reply)["files"][0]["url"].startswith("http://localhost/export-storage/")


def test_the_storage_answers_as_another_host_of_the_same_server(client, clock, jobs):
    with serve(client.sandbox) as address:
        port = urlsplit(address).port
        api = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        body = json.dumps({"dataTypeName": "emailSend", "outputFormat": JSON_LINES, **DAY})
        api.request("POST", "/api/export/start", body, KEY)
        job_id = json.loads(api.getresponse().read())["jobId"]
        clock.now += 10
        api.request("GET", f"/api/export/{job_id}/files", headers=KEY)
        first = urlsplit(json.loads(api.getresponse().read())["files"][0]["url"])
        assert first.netloc == f"localhost:{port}"

        storage = http.client.HTTPConnection(first.netloc, timeout=120)
        storage.request("GET", f"{first.path}?{first.query}")
        response = storage.getresponse()
        content = response.read()
        assert (response.status, len(content.splitlines())) == (200, 2)
        assert response.headers["Content-Length"] == str(len(content))

        client.sandbox.faults.add(Fault("^/export-storage/", Cut(rows=1)))
        storage.request("GET", f"{first.path}?{first.query}")
        with pytest.raises(http.client.IncompleteRead):
            storage.getresponse().read()
        for connection in (api, storage):
            connection.close()
    assert jobs.leaked_keys == []


# Rate limits


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/export/start"),
        ("GET", "/api/export/3562/files"),
        ("DELETE", "/api/export/3562"),
    ],
)
def test_one_call_a_second_is_admitted_of_each_kind(clock, method, path):
    client = Client(Sandbox(clock=clock, seed=False), clock)
    body = json.dumps({"dataTypeName": "emailSend", "outputFormat": JSON_LINES}).encode()
    client.post(body)
    clock.now += 1
    assert client.send(method, path, body=body).status == 200
    clock.now += 0.999
    reply = client.send(method, path, body=body)
    msg = f"Exceeded rate limit for endpoint: {path}, project: 4242 "
    assert refusal(reply) == (429, "RateLimitExceeded", msg)
    clock.now += 0.001
    assert client.send(method, path, body=body).status != 429


def test_the_budget_of_files_is_shared_by_all_jobs_and_not_with_starts(clock):
    client = Client(Sandbox(clock=clock, seed=False), clock)
    first = client.start()
    clock.now += 1
    second = client.start()
    assert client.send("GET", f"/api/export/{first}/files").status == 200
    assert client.send("GET", f"/api/export/{second}/files").status == 429


def test_a_start_beyond_the_budget_starts_nothing(clock):
    client = Client(Sandbox(clock=clock, seed=False), clock)
    body = {"dataTypeName": "emailSend", "outputFormat": JSON_LINES}
    assert [client.post(body).status for _ in range(2)] == [200, 429]
    assert len(client.sandbox.iterable.jobs.started) == 1


def test_files_and_the_listing_have_no_budget_to_speak_of(clock):
    client = Client(Sandbox(clock=clock, seed=False), clock)
    client.sandbox.iterable.add_events("emailSend", sends(1))
    job_id = client.start()
    clock.now += 10
    url = client.page(job_id)["files"][0]["url"]
    assert [client.fetch(url).status for _ in range(120)] == [200] * 120
    assert [client.send("GET", "/api/export/jobs").status for _ in range(20)] == [200] * 20
