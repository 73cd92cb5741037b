"""Courier's error replies: a message, and one of four types."""

from __future__ import annotations

from sandbox.messages import Reply, json_reply
from sandbox.routing import Rejection

__all__ = ["Rejection", "bad_request", "conflict", "internal_error", "not_found", "rate_limited", "unauthorized"]


def bad_request(message: str) -> Rejection:
    return Rejection(_error(400, "invalid_request_error", message))


def not_found() -> Rejection:
    return Rejection(_error(404, "invalid_request_error", "Not Found"))


def conflict(message: str) -> Rejection:
    return Rejection(_error(409, "invalid_request_error", message))


def unauthorized() -> Rejection:
    return Rejection(_error(401, "authentication_error", "Unauthorized"))


def internal_error() -> Rejection:
    return Rejection(_error(500, "api_error", "Internal Server Error"))


def rate_limited(retry_after: int | None) -> Rejection:
    """retry_after: seconds for the header of that name; None leaves it out."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Rejection(_error(429, "rate_limit_error", "Rate limit exceeded", headers))


def _error(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> Reply:
    return json_reply({"message": message, "type": kind}, status, headers)
