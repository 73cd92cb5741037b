"""The host that keeps the files of jobs: addresses are signed and expire, and the API's key has no business there.

The API is reached as 127.0.0.1 and the storage as localhost, at the same port, so that a client which sends its key
to one host alone can be told from one that sends it everywhere.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlencode, urlsplit

from sandbox.iterable.jobs.queue import File, Job
from sandbox.iterable.project import IterableProject
from sandbox.messages import Reply, Request, text_reply

HOST = "localhost"
PREFIX = "/export-storage/"
XML = "application/xml"
SECRET = b"sandbox-storage-secret"
CREDENTIALS = ("api-key", "api_key", "authorization")

_ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'


def url(project: IterableProject, request: Request, job: Job, file: File) -> str:
    """The address of a file, at the port the request came to."""
    port = urlsplit(f"//{request.headers.get('host', '')}").port
    host = HOST if port is None else f"{HOST}:{port}"
    path = f"{PREFIX}{job.id}/{file.name}"
    expires = str(int(project.clock()) + project.jobs.url_seconds)
    return f"http://{host}{path}?{urlencode({'expires': expires, 'signature': _signature(path, expires)})}"


def serves(request: Request) -> bool:
    return request.method == "GET" and request.path.startswith(PREFIX)


def answer(project: IterableProject, request: Request) -> Reply:
    """The file, to whoever has its address and shows no credentials."""
    if any(name in request.headers for name in CREDENTIALS):
        project.jobs.leaked_keys.append(request.path)
        return _error(400, "InvalidArgument", "Only one auth mechanism allowed")
    expires = request.parameter("expires") or ""
    signature = request.parameter("signature") or ""
    if not hmac.compare_digest(signature.encode(), _signature(request.path, expires).encode()):
        return _error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
    if project.clock() >= int(expires):
        return _error(403, "AccessDenied", "Request has expired")
    return _file(project, request.path)


def _file(project: IterableProject, path: str) -> Reply:
    """A signed path is one of a file that exists."""
    number, _, name = path.removeprefix(PREFIX).partition("/")
    job = project.jobs.by_id[int(number)]
    body = next(file.body for file in job.files(project.clock()) if file.name == name)
    return Reply(content_type=job.form.content_type, body=body)


def _signature(path: str, expires: str) -> str:
    return hmac.new(SECRET, f"{path}\n{expires}".encode(), "sha256").hexdigest()


def _error(status: int, code: str, message: str) -> Reply:
    return text_reply(_ERROR.format(code=code, message=message), status, XML)
