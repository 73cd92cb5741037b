"""Iterable's error replies, and the one of success that looks like them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.messages import HTML, Reply, Request, json_reply, text_reply
from sandbox.routing import Rejection

_NO_SUCH_ACTION = """<!DOCTYPE html>
<html lang="en">
  <head><title>Action not found</title></head>
  <body><h1>Action not found</h1><p>For request '{method} {path}'</p></body>
</html>
"""


def envelope(status: int, code: str, msg: str, params: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    """Return the envelope of every JSON error, and of some successes."""
    return json_reply({"msg": msg, "code": code, "params": params}, status, headers)


def bad_api_key(request: Request) -> Rejection:
    params = {"ip": request.client_ip, "endpoint": request.path}
    return Rejection(envelope(401, "BadApiKey", "Invalid API key", params))


def bad_params(msg: str, params: Mapping[str, Any] | None = None) -> Rejection:
    return Rejection(envelope(400, "BadParams", msg, params))


def bad_json_body(msg: str) -> Rejection:
    return Rejection(envelope(400, "BadJsonBody", msg))


def not_found(msg: str) -> Rejection:
    return Rejection(envelope(404, "NotFound", msg))


def rate_limit_exceeded(request: Request, project_id: int, retry_after: int | None) -> Rejection:
    msg = f"Exceeded rate limit for endpoint: {request.path}, project: {project_id} "
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Rejection(envelope(429, "RateLimitExceeded", msg, {}, headers))


def action_not_found(request: Request) -> Rejection:
    return Rejection(text_reply(_NO_SUCH_ACTION.format(method=request.method, path=request.path), 404, HTML))
