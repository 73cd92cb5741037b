"""Rows as Arrow tables: a column a field, typed by the source's schema.

* A field that the schema does not know becomes a column of JSON.
* A value that does not fit its column stands in a second one, `<column>__v_text`, which is dlt's name for it.
* Many warehouses hold `Email` and `email` to be one column. The first keeps its name, another gets a suffix.
* `_dlt_id` is a hash of the key, so that a key may be null or of any type; `_dlt_row` counts the rows of a load, and
  of two with one key the later stays.
"""

import hashlib
import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa

from messaging_sync.source import Json, Segment, Stream

ID: Final = "_dlt_id"
ROW: Final = "_dlt_row"
# Rows of one Arrow table; they are in memory twice.
CHUNK: Final = 5000
# Of each of dlt's types: Arrow's, and Python's for what a source prints.
TYPES: Final[Mapping[str, tuple[pa.DataType, set[type]]]] = {
    "bigint": (pa.int64(), {int}),
    "double": (pa.float64(), {int, float}),
    "bool": (pa.bool_(), {bool}),
    "timestamp": (pa.timestamp("us", "UTC"), {str}),
    "date": (pa.date32(), {str}),
    "text": (pa.string(), {str}),
    "json": (pa.string(), set()),
}
FIRST_YEAR: Final = "0001"  # Arrow has a year 0, databases have none


def data_type(schema: Any) -> str:
    """Return dlt's type for a field's JSON schema: `text` for `{"type": ["null", "string"]}`."""
    declared = schema.get("type", []) if isinstance(schema, Mapping) else []
    types = {declared} if isinstance(declared, str) else set(declared)
    types.discard("null")
    if types == {"string"} and schema.get("airbyte_type") == "timestamp_without_timezone":
        return "text"
    if types == {"string"}:
        return {"date-time": "timestamp", "date": "date"}.get(schema.get("format", ""), "text")
    if types and types <= {"integer", "number"}:
        return "bigint" if types == {"integer"} else "double"
    return "bool" if types == {"boolean"} else "json"


class Table:
    """The columns of a stream's table, which has those of the schema and those it had before."""

    def __init__(self, stream: Stream, existing: Mapping[str, str], normalized: Callable[[str], str] = str) -> None:
        self._stream = stream
        self._types: dict[str, str] = {}  # of the columns that rows fill, dlt's type
        self._existing = existing
        self._normalized = normalized  # turns a field's name into one that the warehouse can have
        self._names: dict[str, str] = {}  # field -> column
        self._taken: dict[str, str] = {column.casefold(): column for column in existing}
        for name, schema in stream.fields.items():
            self._add(name, data_type(schema))

    def arrow(self, segments: Iterable[Segment]) -> Iterator[pa.Table]:
        """Yields the rows of segments, at least an empty table."""
        rows = itertools.chain.from_iterable(segment.records() for segment in segments)
        count = itertools.count()
        yield self._table([], count)
        while chunk := list(itertools.islice(rows, CHUNK)):
            yield self._table(chunk, count)

    def columns(self) -> dict[str, Json]:
        """Return the columns as dlt wants them described."""
        typed = {name: {"data_type": kind} for name, kind in self._types.items()}
        return {**typed, ID: {"data_type": "text"}, ROW: {"data_type": "bigint", "dedup_sort": "desc"}}

    def _table(self, rows: Sequence[Json], count: Iterator[int]) -> pa.Table:
        known = self._names.keys()
        for name in [name for row in rows if not row.keys() <= known for name in row]:
            if name not in known:
                self._add(name, "json")
        columns: dict[str, pa.Array] = {}
        for name, column in self._names.items():
            values = [row.get(name) for row in rows]
            kind = self._types[column]
            array = _array(values, kind)
            if array is None:
                fitting = [value if _fits(value, kind) else None for value in values]
                misfits = [None if fits is value else value for fits, value in zip(fitting, values, strict=True)]
                array = _array(fitting, kind)
                columns[f"{column}__v_text"] = _array(list(map(_text, misfits)), "text")
            columns[column] = array
        columns[ID] = pa.array([self._id(row) for row in rows], pa.string())
        columns[ROW] = pa.array(itertools.islice(count, len(rows)), pa.int64())
        return pa.table(columns)

    def _add(self, field: str, kind: str) -> None:
        column = self._normalized(field or "_")
        if self._taken.setdefault(column.casefold(), column) != column or column in self._names.values():
            column = self._normalized(f"{field}_{hashlib.blake2b(field.encode(), digest_size=3).hexdigest()}")
        self._names[field] = column
        self._types[column] = self._existing.get(column, kind)

    def _id(self, row: Json) -> str:
        if not self._stream.key:
            return uuid.uuid4().hex
        values = [_at(row, path) for path in self._stream.key]
        return hashlib.blake2b(_json(values).encode(), digest_size=16).hexdigest()


def _array(values: Sequence[Any], kind: str) -> pa.Array | None:
    """Return a column's values, or None if there is one that does not fit."""
    arrow_type, python_types = TYPES[kind]
    if kind == "json":
        return pa.array([None if value is None else _json(value) for value in values], arrow_type)
    if set(map(type, values)) - python_types - {type(None)}:
        return None
    try:
        if kind not in {"timestamp", "date"}:
            return pa.array(values, arrow_type)
        if any(value is not None and value < FIRST_YEAR for value in values):
            return None
        return pa.array(values, pa.string()).cast(arrow_type)
    except (pa.ArrowException, OverflowError):
        return None


def _fits(value: Any, kind: str) -> bool:
    return _array([value], kind) is not None


def _text(value: Any) -> str | None:
    """Return a value as text, strings without quotes."""
    return value if value is None or isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _at(row: Any, path: Sequence[str]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, dict) else None
    return row
