"""`/api/export/start`, `…/{jobId}/files` and `DELETE …/{jobId}`, and the host that keeps the files.

Its addresses are signed and expire, and the API's key has no business there.
The API is reached as 127.0.0.1 and the storage as localhost, at the same port, so that a client which sends its key
to one host alone can be told from one that sends it everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from sandbox.iterable import export, parameters
from sandbox.iterable.errors import action_not_found, bad_json_body, bad_params, envelope, not_found
from sandbox.iterable.events import Event
from sandbox.iterable.jobs.queue import File, Job
from sandbox.iterable.project import IterableProject
from sandbox.messages import Reply, Request, json_reply, text_reply

FIELDS = ("dataTypeName", "outputFormat", "startDateTime", "endDateTime")
FORMAT = "application/x-json-stream"

HOST = "localhost"
PREFIX = "/export-storage/"
CREDENTIALS = ("api-key", "api_key", "authorization")

_ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'


def start(project: IterableProject, request: Request) -> Reply:
    """Takes a job into the queue. Without startDateTime or endDateTime the window is open on that side."""
    wanted = Request("POST", f"{request.path}?{urlencode(_body(request))}")  # so that both kinds of export check alike
    chosen = export.requested(wanted)
    parameters.choice(wanted, "outputFormat", (FORMAT,), "")
    job = project.jobs.new(chosen.data_type, chosen.start, chosen.end, project.clock())
    return json_reply({"jobId": job.id}, effect=partial(project.jobs.start, job))


def files(project: IterableProject, request: Request) -> Reply:
    """A page of the files that have appeared, by name, each with an address that is good from now on."""
    job = _job(project, request)
    jobs, now = project.jobs, project.clock()
    after = request.parameter("startAfter") or ""
    following = [file for file in job.files(now) if file.name > after]
    shown = [{"file": file.name, "url": _url(project, request, job, file)} for file in following[: jobs.files_per_page]]
    state = jobs.spelt(job.state(now))
    return json_reply({"exportTruncated": job.is_truncated(now), "files": shown, "jobId": job.id, "jobState": state})


def cancel(project: IterableProject, request: Request) -> Reply:
    """Cancels a job that waits or runs."""
    job = _job(project, request)
    now = project.clock()
    if job.cancelled_at is not None or job.is_over(now):
        raise bad_params(f"Export job {job.id} is not queued or running")
    accepted = envelope(200, "Success", f"Export job {job.id} is being cancelled")
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
        if not isinstance(value, str):
            raise bad_json_body(f"Invalid value for {name}")
    return asked


def _job(project: IterableProject, request: Request) -> Job:
    number = request.parts["jobId"]
    if not number.isdecimal():
        raise action_not_found(request)
    _advance(project)
    job = project.jobs.by_id.get(int(number))
    if job is None:
        raise not_found(f"No export job found with id {number}")
    return job


def _advance(project: IterableProject) -> None:
    def events(job: Job, now: float) -> Iterator[Event]:
        return export.Selection(job.data_type, job.start, job.end).events(project, now)

    project.jobs.advance(events, project.clock())


def _url(project: IterableProject, request: Request, job: Job, file: File) -> str:
    """The address of a file, at the port the request came to."""
    port = urlsplit(f"//{request.headers.get('host', '')}").port
    path = f"{PREFIX}{job.id}/{file.name}"
    expires = int(project.clock()) + project.jobs.url_seconds
    query = urlencode({"expires": expires, "signature": _signature(path, str(expires))})
    return f"http://{HOST if port is None else f'{HOST}:{port}'}{path}?{query}"


def is_file(request: Request) -> bool:
    return request.method == "GET" and request.path.startswith(PREFIX)


def file(project: IterableProject, request: Request) -> Reply:
    """The file, to whoever has its address and shows no credentials."""
    if any(name in request.headers for name in CREDENTIALS):
        project.jobs.leaked_keys.append(request.path)
        return _error(400, "InvalidArgument", "Only one auth mechanism allowed")
    expires = request.parameter("expires") or ""
    if request.parameter("signature") != _signature(request.path, expires):
        return _error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
    if project.clock() >= int(expires):
        return _error(403, "AccessDenied", "Request has expired")
    # A signed path is one of a file that exists.
    number, _, name = request.path.removeprefix(PREFIX).partition("/")
    files = project.jobs.by_id[int(number)].files(project.clock())
    body = next(file.body for file in files if file.name == name)
    return Reply(content_type=FORMAT, body=body)


def _signature(path: str, expires: str) -> str:
    return sha256(f"sandbox-storage-secret {path} {expires}".encode()).hexdigest()


def _error(status: int, code: str, message: str) -> Reply:
    return text_reply(_ERROR.format(code=code, message=message), status, "application/xml")
