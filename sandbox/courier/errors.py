"""Courier's error replies: a message, and one of four types."""

from __future__ import annotations

from sandbox.messages import json_reply
from sandbox.routing import Rejection

TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error"}
"""Of other statuses it is `invalid_request_error`."""


def rejection(status: int, message: str, headers: dict[str, str] | None = None) -> Rejection:
    body = {"message": message, "type": TYPES.get(status, "invalid_request_error")}
    return Rejection(json_reply(body, status, headers))


def bad_request(message: str) -> Rejection:
    return rejection(400, message)


def not_found() -> Rejection:
    return rejection(404, "Not Found")
