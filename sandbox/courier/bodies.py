"""Request bodies, checked. What is missing or of the wrong type is answered with 400."""

from __future__ import annotations

import json

from sandbox.courier.errors import bad_request
from sandbox.courier.workspace import Row, Rows
from sandbox.messages import Request, Undecodable
from sandbox.routing import Rejection


def json_object(request: Request) -> Row:
    try:
        body = json.loads(request.content)
    except (Undecodable, ValueError, RecursionError):
        raise bad_request("Invalid JSON") from None
    if not isinstance(body, dict):
        raise bad_request("The body must be an object")
    return body


def optional_object(request: Request) -> Row:
    """Empty where there is no body."""
    return json_object(request) if request.body else {}


def text(body: Row, name: str) -> str:
    """A required text that is not empty."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise required(name)
    return value


def nested(body: Row, name: str) -> Row:
    """A required object."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise required(name)
    return value


def optional(body: Row, name: str) -> Row | None:
    """An object, if it is given at all."""
    return None if body.get(name) is None else nested(body, name)


def rows(body: Row, name: str, key: str | None = None) -> Rows:
    """A required array of objects, which all have a text under `key`."""
    values = body.get(name)
    if not isinstance(values, list):
        raise required(name)
    for value in values:
        if not isinstance(value, dict):
            raise bad_request(f"{name} must hold objects")
        if key is not None:
            text(value, key)
    return values


def required(name: str) -> Rejection:
    return bad_request(f"{name} is required")
