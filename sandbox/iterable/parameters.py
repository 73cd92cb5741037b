"""Query parameters, checked. A value that does not fit is answered with 400 BadParams."""

from __future__ import annotations

from collections.abc import Collection

from sandbox.iterable.errors import bad_params
from sandbox.iterable.timestamps import epoch_seconds
from sandbox.messages import Request


def required(request: Request, name: str) -> str:
    value = request.parameter(name)
    if value is None:
        raise bad_params(f"Missing required parameter: {name}")
    return value


def integer(request: Request, name: str, default: int, lowest: int = 1, highest: int | None = None) -> int:
    value = request.parameter(name)
    if value is None:
        return default
    number = _integer(name, value)
    if number < lowest or (highest is not None and number > highest):
        raise bad_params(f"Parameter {name} is out of range: {number}")
    return number


def integers(request: Request, name: str) -> list[int]:
    """The values of a repeated parameter."""
    return [_integer(name, value) for value in request.query.get(name, []) if value]


def flag(request: Request, name: str) -> bool:
    return choice(request, name, ("true", "false"), "false") == "true"


def choice(request: Request, name: str, allowed: Collection[str], default: str) -> str:
    value = request.parameter(name) or default
    if value not in allowed:
        raise bad_params(f"Invalid value for {name}: {value}")
    return value


def moment(request: Request, name: str) -> float | None:
    """A date or a time, as epoch seconds."""
    value = request.parameter(name)
    if value is None:
        return None
    try:
        return epoch_seconds(value)
    except ValueError:
        raise bad_params(f"Invalid date time for {name}: {value}") from None


def second(request: Request, name: str) -> float | None:
    """`yyyy-MM-dd HH:mm:ss [ZZ]`, as epoch seconds without a fraction."""
    value = moment(request, name)
    if value is not None and len(required(request, name)) < len("yyyy-MM-dd HH:mm:ss"):
        raise bad_params(f"Invalid date time for {name}: expected yyyy-MM-dd HH:mm:ss [ZZ]")
    return None if value is None else float(int(value))


def _integer(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise bad_params(f"Parameter {name} is not a number: {value}") from None
