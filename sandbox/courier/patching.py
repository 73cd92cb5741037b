"""JSON Patch (RFC 6902) on a profile. An operation that does not fit is answered with 400, and none is applied."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sandbox.courier.errors import bad_request
from sandbox.courier.workspace import Row, Rows

APPEND = "-"
"""The place in an array after the last one."""


def apply(operations: Rows, profile: Row) -> Row:
    """Changes the profile and returns it."""
    for operation in operations:
        try:
            _apply(operation, profile)
        except (LookupError, TypeError, ValueError):
            raise bad_request("The patch cannot be applied") from None
    return profile


def _apply(operation: Row, profile: Row) -> None:
    path = _steps(operation["path"])
    match operation["op"]:
        case "add":
            _put(profile, path, operation["value"])
        case "remove":
            _take(profile, path)
        case "replace":
            _take(profile, path)
            _put(profile, path, operation["value"])
        case "move":
            _put(profile, path, _take(profile, _steps(operation["from"])))
        case "copy":
            _put(profile, path, deepcopy(_at(profile, _steps(operation["from"]))))
        case "test":
            if _at(profile, path) != operation["value"]:
                raise ValueError
        case _:
            raise ValueError


def _steps(pointer: str) -> list[str]:
    """A pointer to something below the profile; the whole of it has PUT."""
    root, *steps = pointer.split("/")
    if root or not steps:
        raise ValueError
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = value[_key(value, step)]
    return value


def _put(profile: Row, steps: list[str], value: Any) -> None:
    holder = _at(profile, steps[:-1])
    if isinstance(holder, list):
        place = len(holder) if steps[-1] == APPEND else int(steps[-1])
        if place > len(holder):
            raise IndexError
        holder.insert(place, value)
    else:
        holder[steps[-1]] = value


def _take(profile: Row, steps: list[str]) -> Any:
    holder = _at(profile, steps[:-1])
    return holder.pop(_key(holder, steps[-1]))


def _key(holder: Any, step: str) -> str | int:
    return int(step) if isinstance(holder, list) else step
