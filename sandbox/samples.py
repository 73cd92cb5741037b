"""Rows made from this project's schemas, `schemas/*.json`: what differs by type only is not written down twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

Row = dict[str, Any]

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"

LARGE = 9007199254740993
"""One more than what a double holds."""

GAPS = 5
"""In one of so many rows a column has no value."""

Moment = Callable[[str], Any]
"""From the JSON type of a column that holds a time, `string` or `integer`, to its value."""


@cache
def columns(name: str) -> Row:
    """Return the documented columns of `schemas/<name>.json`, those it shares with others included."""
    schema: Row = _resolved(json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")))
    properties: Row = schema["properties"]
    return properties


def names(shared: str) -> list[str]:
    """Return the schemas that have the columns of `shared/<shared>.json`, in alphabetical order."""
    reference = f'"shared/{shared}.json#/properties"'
    files = sorted(SCHEMAS.glob("*.json"))
    return [file.stem for file in files if reference in file.read_text(encoding="utf-8")]


def row(name: str, number: int, moment: Moment, left_out: Iterable[str] = ()) -> Row:
    """Return the `number`-th row of a schema, with nothing for the columns left out and what no column is for.

    Now and then a value is missing or null.
    """
    made: Row = {}
    overflow = "other_fields" if "other_fields" in columns(name) else "data"
    for column, schema in columns(name).items():
        if column in left_out or column == overflow:
            continue
        gap = (crc32(column.encode()) + number) % GAPS if "null" in schema.get("type", ()) else None
        if gap != 0:
            made[column] = value(column, schema, number, moment)
        elif number % 2:
            made[column] = None
    return made | ({"un documented.☕": [{"large": LARGE, "deep": {"er": None}}]} if number % 3 == 0 else {})


def value(column: str, schema: Row, number: int, moment: Moment) -> Any:
    """Return a value of the column's type that differs from row to row; `Name 7 ✨` for a text."""
    types = schema.get("type", "string")
    kind = next(each for each in ([types] if isinstance(types, str) else types) if each != "null")
    if schema.get("format") == "date-time" or schema.get("description", "").startswith("Epoch milliseconds"):
        return moment(kind)
    if kind == "object":
        inner = schema.get("properties") or {"key of mine": {"type": "integer"}}
        return {name: value(name, each, number, moment) for name, each in inner.items()}
    if kind == "array":
        return [value(column, schema.get("items", {}), number, moment)] * (number % 3)
    scalars: Row = {"boolean": number % 2 == 0, "integer": number, "number": number + 0.5}
    return scalars.get(kind, f"{column} {number} ✨")


def _resolved(node: Any) -> Any:
    """Replace each reference by what it refers to."""
    if isinstance(node, list):
        return [_resolved(each) for each in node]
    if not isinstance(node, dict):
        return node
    resolved: Row = {}
    for key, inner in node.items():
        resolved |= _resolved(_referred(inner)) if key == "$ref" else {key: _resolved(inner)}
    return resolved


def _referred(reference: str) -> Any:
    """`shared/event.json#/properties`."""
    file, _, pointer = reference.partition("#/")
    referred = json.loads((SCHEMAS / file).read_text(encoding="utf-8"))
    return referred[pointer] if pointer else referred
