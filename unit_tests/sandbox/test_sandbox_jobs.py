"""Asynchronous exports: jobs, the states they go through, and the files they leave on another host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox import Sandbox
from sandbox.faults import Answer, Fault, Reset
from sandbox.iterable.jobs import Cancelled, Failed, Fate, Paused, Restarted, Stuck, Truncated
from sandbox.messages import BrokenOff, Request
from unit_tests.sandbox.conftest import NOON, Answered, Clock, asked

DAY = {"startDateTime": "2026-03-15 00:00:00", "endDateTime": "2026-03-16 00:00:00"}
BODY = {"dataTypeName": "emailSend", "outputFormat": "application/x-json-stream", **DAY}


@dataclass
class Client:
    """Asks the job endpoints of a sandbox."""

    sandbox: Sandbox
    clock: Clock

    def send(self, method: str, path: str, body: Any = None) -> Answered:
        return asked(self.sandbox, path, method, body)

    def start(self, data_type: str = "emailSend", **fields: Any) -> int:
        job_id: int = self.send("POST", "/api/export/start", BODY | {"dataTypeName": data_type, **fields}).json["jobId"]
        return job_id

    def page(self, job_id: int, after: str = "") -> Any:
        return self.send("GET", f"/api/export/{job_id}/files?startAfter={after}").json

    def states(self, *job_ids: int) -> list[str]:
        return [self.page(job_id)["jobState"] for job_id in job_ids]

    def timeline(self, job_id: int, seconds: int) -> list[tuple[str, int]]:
        """State and number of files, now and at each of the seconds to come."""
        seen = []
        for _ in range(seconds + 1):
            page = self.page(job_id)
            seen.append((page["jobState"], len(page["files"])))
            self.clock.now += 1
        return seen

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        target = urlsplit(url)._replace(scheme="", netloc="").geturl()
        reply = self.sandbox.answer(Request("GET", target, headers or {}))
        return reply.status, reply.body

    def rows(self, job_id: int) -> list[Any]:
        bodies = [self.fetch(file["url"])[1] for file in self.page(job_id)["files"]]
        return [json.loads(line) for body in bodies for line in body.splitlines()]


def sends(count: int) -> list[dict[str, Any]]:
    return [{"createdAt": f"2026-03-15 10:00:{n % 60:02} +00:00", "campaignId": n} for n in range(count)]


@pytest.fixture
def client(empty: Sandbox, clock: Clock) -> Client:
    """With six sent e-mails of today, a file for every two."""
    empty.iterable.add_events("emailSend", sends(6))
    empty.iterable.jobs.rows_per_file = 2
    return Client(empty, clock)


@pytest.fixture
def jobs(client: Client) -> Any:
    return client.sandbox.iterable.jobs


@pytest.mark.parametrize(
    ("body", "code", "msg"),
    [
        (BODY | {"dataTypeName": "emailSent"}, "BadParams", "Invalid dataTypeName: emailSent"),
        (BODY | {"dataTypeName": None}, "BadParams", "Missing required parameter: dataTypeName"),
        (BODY | {"outputFormat": "text/csv"}, "BadParams", "Invalid value for outputFormat: text/csv"),
        (BODY | {"endDateTime": "2026-03-14 00:00:00"}, "BadParams", "endDateTime is before startDateTime"),
        (BODY | {"dataTypeName": 7}, "BadJsonBody", "Invalid value for dataTypeName"),
        (b"dataTypeName=emailSend", "BadJsonBody", "Invalid JSON"),
        ([], "BadJsonBody", "Expected a JSON object"),
    ],
)
def test_a_job_that_makes_no_sense_is_rejected(client, jobs, body, code, msg):
    answer = client.send("POST", "/api/export/start", body)
    assert (answer.status, answer.json["code"], answer.json["msg"]) == (400, code, msg)
    assert jobs.started == []


def test_a_start_that_fails_starts_nothing_and_one_whose_reply_is_lost_leaves_a_job(client, clock, jobs):
    client.sandbox.faults.add(Fault("/api/export/start$", Answer(500)))
    assert client.send("POST", "/api/export/start", BODY).status == 500
    assert jobs.started == []

    client.sandbox.faults.add(Fault("/api/export/start$", Reset(rows=None)))
    with pytest.raises(BrokenOff):
        client.send("POST", "/api/export/start", BODY)
    clock.now += 60
    assert client.states(*jobs.by_id) == ["completed"]


def test_a_job_waits_runs_and_leaves_one_file_after_the_other(client, jobs):
    job_id = client.start()
    waiting, running = [("enqueued", 0)] * 2, [("running", 0), ("running", 1), ("running", 2)]
    assert client.timeline(job_id, 6) == [*waiting, *running, ("completed", 3), ("completed", 3)]
    assert sorted(row["campaignId"] for row in client.rows(job_id)) == [0, 1, 2, 3, 4, 5]
    asked_for = jobs.started[0]
    assert (asked_for.data_type, asked_for.start, asked_for.end) == ("emailSend", NOON - 43200, NOON + 43200)


def test_more_than_ten_files_come_in_pages_after_the_name_asked_for(client, clock, jobs):
    jobs.rows_per_file = 1
    client.sandbox.iterable.add_events("emailSend", sends(19))
    job_id = client.start()
    clock.now += 100

    names: list[str] = []
    for size in (10, 10, 5, 0):
        page = [file["file"] for file in client.page(job_id, names[-1] if names else "")["files"]]
        assert len(page) == size
        names += page
    assert names == sorted(set(names))
    assert {
        fetched.endswith(b"\n") for fetched in (client.fetch(file["url"])[1] for file in client.page(job_id)["files"])
    }


@pytest.mark.parametrize(("spelling", "expected"), [("lower", "enqueued"), ("title", "Enqueued"), ("queued", "queued")])
def test_states_are_spelt_in_one_of_three_ways(client, clock, jobs, spelling, expected):
    jobs.spelling = spelling
    job_id = client.start()
    first = client.states(job_id)
    clock.now += 2
    assert [*first, *client.states(job_id)] == [expected, "Running" if spelling == "title" else "running"]


def test_what_a_job_has_come_to_does_not_depend_on_how_often_it_was_looked_at(client, clock, jobs):
    jobs.at_once = 2

    def ends(looks: int) -> list[float]:
        begun = clock.now
        jobs.fates += [Fate(Restarted(1, seconds=7)), Fate(Failed(2)), Fate(Stuck(1)), Fate(Paused(files=2, seconds=5))]
        ids = [client.start() for _ in range(5)]
        for _ in range(looks):
            clock.now += 60 / looks
            client.states(*ids)
        client.send("DELETE", f"/api/export/{ids[2]}")
        clock.now += 60
        client.states(*ids)
        return [job.ends_at - begun for job in jobs.started[-5:]]

    assert ends(60) == ends(1) == [12, 4, 61, 20, 23]


def test_a_job_delivers_what_is_there_when_it_begins_to_run(client, clock):
    for at, name, later in (("12:00:02", "just now", 0), ("12:00:03", "too new", 0), ("11:00:00", "late", 3602)):
        row = {"createdAt": f"2026-03-15 {at} +00:00", "n": name}
        client.sandbox.iterable.add_events("smsSend", [row], indexed_after=later)
    job_id = client.start("smsSend")
    clock.now += 1000
    assert sorted(row["n"] for row in client.rows(job_id)) == ["just now", "late"]


def test_a_job_with_too_many_rows_completes_with_some_of_them_and_says_so(client, clock, jobs):
    jobs.truncate_rows = 5
    job_id = client.start()
    clock.now += 4
    assert client.page(job_id)["exportTruncated"] is False
    clock.now += 1
    assert (client.page(job_id)["exportTruncated"], len(client.rows(job_id))) == (True, 5)


@pytest.mark.parametrize(
    ("kind", "timeline"),
    [
        (Failed(), [("failed", 0), ("failed", 0)]),
        (Failed(2), [("running", 0), ("running", 1), ("failed", 2), ("failed", 2)]),
        (Cancelled(1), [("running", 0), ("cancelled", 1), ("cancelled", 1)]),
        (Stuck(1), [("running", 0), *[("running", 1)] * 6]),
        (Restarted(1, 1), [("running", 0), ("enqueued", 1), ("running", 1), ("running", 2), ("completed", 3)]),
        (Paused(2, 1, "Paused"), [("running", 0), ("running", 1), ("Paused", 2), ("running", 2), ("completed", 3)]),
        (Truncated(2), [("running", 0), ("running", 1), ("completed", 2), ("completed", 2)]),
    ],
)
def test_a_fate_decides_what_becomes_of_a_running_job(client, clock, jobs, kind, timeline):
    jobs.fates.append(Fate(kind))
    job_id = client.start()
    clock.now += 2
    assert client.timeline(job_id, len(timeline) - 1) == timeline
    assert client.page(job_id)["exportTruncated"] is isinstance(kind, Truncated)


def test_fates_are_used_up_in_order_by_the_jobs_of_their_data_type(client, clock, jobs):
    jobs.fates += [Fate(Failed(), "emailOpen"), Fate(Cancelled(), times=2), Fate(Stuck(), "emailSend", times=None)]
    ids = [client.start(name) for name in ("emailSend", "emailOpen", "emailOpen", "emailOpen", "emailSend")]
    jobs.at_once = 9
    clock.now += 60
    assert client.states(*ids) == ["cancelled", "failed", "cancelled", "completed", "running"]
    assert [fate.kind for fate in jobs.fates] == [Stuck()]


def test_a_job_that_waits_or_runs_can_be_cancelled_once_and_keeps_its_files(client, clock, jobs):
    job_id, completed = client.start(), client.start("emailOpen")
    clock.now += 4
    answers = [client.send("DELETE", f"/api/export/{number}") for number in (job_id, job_id, completed)]
    assert [answer.json["code"] for answer in answers] == ["Success", "BadParams", "BadParams"]
    clock.now += 60
    assert (client.states(job_id), len(client.rows(job_id)), jobs.cancelled) == (["cancelled"], 4, [job_id])


@pytest.mark.parametrize("header", ["api-key", "api_key", "authorization"])
def test_a_file_is_on_another_host_for_half_an_hour_and_for_no_one_with_credentials(client, clock, jobs, header):
    job_id = client.start()
    clock.now += 10
    url = client.page(job_id)["files"][0]["url"]
    assert (urlsplit(url).netloc, client.fetch(url)[0]) == ("localhost:8080", 200)
    assert client.fetch(url, {header: "sandbox-iterable-key"})[0] == 400
    assert jobs.leaked_keys == [urlsplit(url).path]
    assert client.fetch(url.replace("signature=", "signature=0"))[0] == 403
    clock.now += 1800
    status, body = client.fetch(url)
    assert (status, b"Request has expired" in body) == (403, True)
    assert client.fetch(client.page(job_id)["files"][0]["url"])[0] == 200
