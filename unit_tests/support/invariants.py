"""Invariants of every stream: records fit their schema, keys tell them apart, and nothing is lost.

Rows and records are compared as leaves: each value by its path, in one spelling. So a field counts as
delivered in whatever form a column has it: an object for text holding JSON, nested for dotted, and so on.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from jsonschema import Draft7Validator, FormatChecker

from sandbox.iterable.timestamps import epoch_seconds

Row = Mapping[str, Any]

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# The library checks dates only where a package of its own choice is installed.
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_rfc_3339(value: object) -> bool:
    if isinstance(value, str):
        datetime.fromisoformat(value)
    return not isinstance(value, str) or _RFC_3339.fullmatch(value) is not None


def misfits(records: Iterable[Row], schema: Row) -> list[str]:
    """Return what does not fit the schema, and columns that it does not have."""
    validator = Draft7Validator({**schema, "additionalProperties": False}, format_checker=_FORMATS)
    errors = (error for record in records for error in validator.iter_errors(record))
    return [f"{error.json_path}: {error.message}" for error in errors]


def unusable_keys(records: Sequence[Row], key: Sequence[str]) -> list[tuple[Any, ...]]:
    """Keys that hold a null, and keys that more than one record has."""
    times = Counter(tuple(record.get(column) for column in key) for record in records)
    return [values for values, seen in times.items() if seen > 1 or None in values]


def differences(records: Iterable[Row], rows: Iterable[Row]) -> dict[str, list[dict[str, Any]]]:
    """The records that no row accounts for, and the rows that no record does."""
    delivered, held = (Counter(frozenset(leaves(row).items()) for row in side) for side in (records, rows))
    found = {"only delivered": delivered - held, "only held": held - delivered}
    return {side: [dict(row) for row in counted.elements()] for side, counted in found.items() if counted}


def unpacked(record: Row, rest: str = "data") -> dict[str, Any]:
    """A record with the fields that have no column back among the others."""
    return without(record, rest) | (record.get(rest) or {})


def without(row: Row, *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def leaves(row: Row) -> dict[str, Any]:
    """The values of a row by their path, places in arrays last: `items.price.0` for `items[0].price` and for
    `items.price[0]`.
    """
    return dict(_leaves(row, (), ()))


def _leaves(value: Any, names: tuple[str, ...], places: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    parsed = _parsed(value)
    if isinstance(parsed, Mapping) and parsed:
        for name, inner in parsed.items():
            yield from _leaves(inner, (*names, *name.split(".")), places)
    elif isinstance(parsed, list) and parsed:
        for place, inner in enumerate(parsed):
            yield from _leaves(inner, names, (*places, str(place)))
    else:
        yield ".".join((*names, *places)), _plain(parsed)


def _parsed(value: Any) -> Any:
    """An object for text that holds one."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _plain(value: Any) -> Any:
    """A value in one spelling that can be counted: instants in seconds, numbers and empty arrays as text."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return _number(value)
    if not isinstance(value, str):
        return repr(value)
    try:
        return f"{epoch_seconds(value)} s"
    except ValueError:
        pass
    try:
        return _number(int(value) if value.lstrip("-").isdecimal() else float(value))
    except ValueError:
        return value


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
