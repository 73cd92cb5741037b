"""`/api/export/start`, `/api/export/{jobId}/files`, `/api/export/jobs` and `DELETE /api/export/{jobId}`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any
from urllib.parse import urlencode

from sandbox.iterable import parameters, selection
from sandbox.iterable.errors import Rejection, action_not_found, bad_json_body, bad_params, not_found, success
from sandbox.iterable.events import Row
from sandbox.iterable.jobs import storage
from sandbox.iterable.jobs.contents import FORMATS, Format
from sandbox.iterable.jobs.plan import ENQUEUED, STATES
from sandbox.iterable.jobs.queue import Job
from sandbox.iterable.project import IterableProject
from sandbox.iterable.timestamps import zoned
from sandbox.messages import Reply, Request, json_reply

FIELDS: dict[str, type] = {
    "dataTypeName": str,
    "outputFormat": str,
    "startDateTime": str,
    "endDateTime": str,
    "campaignId": int,
    "delimiter": str,
    "omitFields": str,
    "onlyFields": str,
}


def start(project: IterableProject, request: Request) -> Reply:
    """Takes a job into the queue. Without startDateTime or endDateTime the window is open on that side."""
    asked = _body(request)
    wanted = Request("POST", f"{request.path}?{urlencode(asked)}")  # so that both kinds of export check alike
    chosen = selection.requested(wanted, selection.bounds(wanted) or (-inf, inf))
    job = project.jobs.new(asked, chosen, _format(wanted), project.clock())
    return json_reply({"jobId": job.id}, effect=partial(project.jobs.start, job))


def files(project: IterableProject, request: Request) -> Reply:
    """A page of the files that have appeared, by name, each with an address that is good from now on."""
    job = _job(project, request)
    jobs, now = project.jobs, project.clock()
    after = request.parameter("startAfter") or ""
    following = [file for file in job.files(now) if file.name > after]
    shown = [
        {"file": file.name, "url": storage.url(project, request, job, file)}
        for file in following[: jobs.files_per_page]
    ]
    state = jobs.spelt(job.state(now))
    return json_reply({"exportTruncated": job.is_truncated(now), "files": shown, "jobId": job.id, "jobState": state})


def listing(project: IterableProject, request: Request) -> Reply:
    """The jobs, the newest first, all or those in one state."""
    wanted = _state(request)
    _advance(project)
    now = project.clock()
    rows = [
        _row(project, job, now) for job in reversed(project.jobs.started) if wanted is None or job.state(now) == wanted
    ]
    return json_reply({"jobs": rows})


def cancel(project: IterableProject, request: Request) -> Reply:
    """Cancels a job that waits or runs."""
    job = _job(project, request)
    now = project.clock()
    if job.cancelled_at is not None or job.is_over(now):
        raise bad_params(f"Export job {job.id} is not queued or running")
    accepted = success(f"Export job {job.id} is being cancelled")
    return replace(accepted, effect=partial(project.jobs.cancel, job, now))


def _body(request: Request) -> Mapping[str, Any]:
    """The fields of the body that mean something and are not null."""
    try:
        body = json.loads(request.body)
    except ValueError:
        raise bad_json_body("Invalid JSON") from None
    if not isinstance(body, dict):
        raise bad_json_body("Expected a JSON object")
    asked = {name: body[name] for name in FIELDS if body.get(name) is not None}
    for name, value in asked.items():
        if type(value) is not FIELDS[name]:
            raise bad_json_body(f"Invalid value for {name}")
    return asked


def _format(request: Request) -> Format:
    name = parameters.required(request, "outputFormat")
    if name not in FORMATS:
        raise bad_params(f"Invalid value for outputFormat: {name}")
    delimiter = request.parameter("delimiter") or ","
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise bad_params(f"Invalid value for delimiter: {delimiter}")
    return replace(FORMATS[name], delimiter=delimiter)


def _state(request: Request) -> str | None:
    """The state asked for, in any letter case and with either name of the queue."""
    name = request.parameter("jobState")
    if name is None:
        return None
    state = ENQUEUED if name.lower() == "queued" else name.lower()
    if state not in STATES:
        raise bad_params(f"Invalid value for jobState: {name}")
    return state


def _job(project: IterableProject, request: Request) -> Job:
    number = request.parts["jobId"]
    if not number.isdecimal():
        raise Rejection(action_not_found(request))
    _advance(project)
    job = project.jobs.by_id.get(int(number))
    if job is None:
        raise not_found(f"No export job found with id {number}")
    return job


def _advance(project: IterableProject) -> None:
    project.jobs.advance(project.window, project.clock())


def _row(project: IterableProject, job: Job, now: float) -> Row:
    row: Row = {
        "id": job.id,
        "dataTypeName": job.data_type,
        "jobState": project.jobs.spelt(job.state(now)),
        "scheduledStartTime": zoned(job.asked_at),
    }
    if job.is_over(now):
        row["endTime"] = zoned(job.ends_at)
    if project.jobs.listing_shows_window:
        row |= {name: job.asked[name] for name in ("startDateTime", "endDateTime") if name in job.asked}
    return row | {"bytesExported": sum(len(file.body) for file in job.files(now))}
