"""Iterable's error replies, and the one of success that looks like them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.messages import HTML, Reply, Request, json_reply, text_reply

_NO_SUCH_ACTION = """<!DOCTYPE html>
<html lang="en">
  <head><title>Action not found</title></head>
  <body><h1>Action not found</h1><p>For request '{method} {path}'</p></body>
</html>
"""


class Rejection(Exception):
    """Ends the handling of a request with an error reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def error(
    status: int,
    code: str,
    msg: str,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """The envelope that every JSON error comes in."""
    return json_reply({"msg": msg, "code": code, "params": params}, status, headers)


def success(msg: str) -> Reply:
    """What endpoints that change something say; it comes in the envelope of errors."""
    return error(200, "Success", msg)


def bad_api_key(request: Request) -> Reply:
    params = {"ip": request.client_ip, "endpoint": request.path}
    return error(401, "BadApiKey", "Invalid API key", params)


def bad_params(msg: str, params: Mapping[str, Any] | None = None) -> Rejection:
    return Rejection(error(400, "BadParams", msg, params))


def bad_json_body(msg: str) -> Rejection:
    return Rejection(error(400, "BadJsonBody", msg))


def not_found(msg: str) -> Rejection:
    return Rejection(error(404, "NotFound", msg))


def rate_limit_exceeded(request: Request, project_id: int, retry_after: int | None) -> Reply:
    msg = f"Exceeded rate limit for endpoint: {request.path}, project: {project_id} "
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return error(429, "RateLimitExceeded", msg, {}, headers)


def uri_too_long() -> Reply:
    return text_reply("URI Too Long", 414)


def action_not_found(request: Request) -> Reply:
    return text_reply(_NO_SUCH_ACTION.format(method=request.method, path=request.path), 404, HTML)
