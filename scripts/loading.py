"""Loads the records of a sync into a DuckDB file, one table a stream.

Why a loader of our own and not PyAirbyte, which does this for any connector: it brings 730 MB in 180
packages, where `duckdb` is one wheel, and `make demo` should show data soon.

What happens to a record:

* A field is a column of the same name. DuckDB holds `Email` and `email` to be one column, so of fields that
  differ only in case the first one of the schema keeps its name and the others get a number: `Email_2`. The
  column's comment then names the field (`field: Email`).
* A column's type follows from the JSON schema. A field that the schema does not know becomes a JSON column.
* A value that does not fit the type turns its column into text. Nothing is dropped and nothing fails.
* Tables of streams with a key hold the latest record of each key. Tables of streams that are read in full are
  replaced when the stream is complete, and keep their old rows until then.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson

JSON: Final = "JSON"
TEXT: Final = "VARCHAR"
FIELD_COMMENT: Final = "field: "
# Bytes of the largest object DuckDB reads without being told; a longer line raises the limit for its batch.
OBJECT_BYTES: Final = 16 * 1024 * 1024


class LoadError(Exception):
    """The database cannot be used; the message says why in one sentence."""


@dataclass(frozen=True)
class Stream:
    """What the loader has to know of a configured stream."""

    name: str
    fields: Mapping[str, Any]  # field -> its JSON schema
    key: tuple[str, ...]  # the primary key's fields; empty when there is none
    cursor: str | None
    incremental: bool  # whether the source goes on from its state
    replaced: bool  # whether a complete read takes the place of all rows


@dataclass
class Column:
    """A column that exists, and the name its values have in a batch file."""

    name: str
    kind: str
    alias: str


class Database:
    """The DuckDB file: takes records in, writes them when told to, all streams in one transaction."""

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = duckdb.connect(str(path))
        except (OSError, duckdb.Error) as error:
            raise LoadError(f"The database {path} cannot be opened: {_first_line(error)}.") from error
        self._connection.execute("SET TimeZone = 'UTC'")
        self._warn = warn
        self._tables: dict[str, Table] = {}
        self.waiting_rows = 0
        self.waiting_bytes = 0

    def has_table(self, name: str) -> bool:
        """Whether an earlier sync has made a stream's table."""
        return bool(_column_rows(self._connection, name))

    def prepare(self, stream: Stream) -> None:
        """Makes the stream's table, or adds the columns it lacks."""
        for other in self._tables:
            if other.casefold() == stream.name.casefold():
                raise LoadError(f"The streams {other} and {stream.name} would share one table.")
        self._tables[stream.name] = Table(self._connection, stream, self._warn)

    def add(self, stream: str, record: Mapping[str, Any]) -> None:
        """Keeps a record for the next commit."""
        self.waiting_bytes += self._tables[stream].add(record)
        self.waiting_rows += 1

    def commit(self) -> None:
        """Writes every record that waits, or none of them."""
        with _transaction(self._connection):
            for table in self._tables.values():
                table.write()
        self.waiting_rows = self.waiting_bytes = 0

    def complete(self, stream: str) -> None:
        """Puts the rows of a stream that was read in full in the place of its old ones."""
        with _transaction(self._connection):
            self._tables[stream].replace()

    def count(self, stream: str) -> int:
        """Rows in a stream's table."""
        return self._tables[stream].count()

    def newest(self, stream: str) -> str | None:
        """The highest cursor value in a stream's table; timestamps as RFC 3339 in UTC."""
        return self._tables[stream].newest()

    def close(self) -> None:
        """Releases the file for others."""
        self._connection.close()


class Table:
    """One stream's table, its columns, and the records that wait to be written."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, stream: Stream, warn: Callable[[str], None]) -> None:
        self._connection = connection
        self._stream = stream
        self._warn = warn
        self._table = f"{_database(connection)}.main.{_quoted(stream.name)}"
        self._staged: str | None = None  # where the rows of a stream that is replaced gather
        self._columns: dict[str, Column] = {}
        self._rows: list[bytes] = []
        self._filled: dict[str, Column] = {}  # those the waiting rows have a value for
        with _transaction(connection):
            self._make()

    def add(self, record: Mapping[str, Any]) -> int:
        """Keeps a record as a line of the next batch; its length in bytes."""
        # Aliases instead of names: DuckDB folds the case of field names, and a name may hold anything.
        line = {"n": len(self._rows)}
        for field, value in record.items():
            if value is not None:
                column = self._columns.get(field) or self._add_column(field)
                line[column.alias] = value
                self._filled[field] = column
        self._rows.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        return len(self._rows[-1])

    def write(self) -> None:
        """Writes the records that wait; call it inside a transaction."""
        if not self._rows:
            return
        self._filled.update((field, self._columns[field]) for field in self._stream.key)
        self._load_batch()
        self._widen_columns()
        target = self._staged or self._table
        keys = [self._columns[field] for field in self._stream.key]
        latest = ""
        if keys:
            same = " AND ".join(f"t.{_quoted(key.name)} IS NOT DISTINCT FROM {_converted(key)}" for key in keys)
            self._connection.execute(f"DELETE FROM {target} t USING temp.main.batch AS batch WHERE {same}")
            by = ", ".join(_converted(key) for key in keys)
            latest = f" QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY batch.n DESC) = 1"
        names = ", ".join(_quoted(column.name) for column in self._filled.values())
        values = ", ".join(_converted(column) for column in self._filled.values())
        rows = f"SELECT {values} FROM temp.main.batch AS batch{latest} ORDER BY batch.n"
        self._connection.execute(f"INSERT INTO {target} ({names}) {rows}")
        self._rows.clear()
        self._filled.clear()

    def replace(self) -> None:
        """Takes the staged rows over; call it inside a transaction."""
        if self._staged:
            self._connection.execute(f"DELETE FROM {self._table}")
            self._connection.execute(f"INSERT INTO {self._table} SELECT * FROM {self._staged}")

    def count(self) -> int:
        """Rows in the table, without staged ones."""
        return int(_one(self._connection, f"SELECT count(*) FROM {self._table}"))

    def newest(self) -> str | None:
        """The highest value of the cursor column."""
        column = self._columns.get(self._stream.cursor or "")
        if column is None:
            return None
        value = _quoted(column.name)
        if column.kind.startswith("TIMESTAMP"):
            value = f"strftime({value}, '%Y-%m-%dT%H:%M:%SZ')"
        found = _one(self._connection, f"SELECT max({value})::VARCHAR FROM {self._table}")
        return None if found is None else str(found)

    def _make(self) -> None:
        """Makes the table, or adds the columns it lacks, and an empty copy of it to stage rows in."""
        existing = _column_rows(self._connection, self._stream.name)
        for name, kind, comment in existing:
            field = comment.removeprefix(FIELD_COMMENT) if comment.startswith(FIELD_COMMENT) else name
            self._register(field, name, kind)
        fields = dict.fromkeys((*self._stream.fields, *self._stream.key))
        # A table must have a column, and a stream without a schema shows its fields with its first record.
        lacking = [field for field in fields if field not in self._columns] or ([] if existing else ["data"])
        if existing:
            for field in lacking:
                self._add_column(field)
        else:
            columns = [self._register(field) for field in lacking]
            definitions = ", ".join(f"{_quoted(column.name)} {column.kind}" for column in columns)
            self._connection.execute(f"CREATE TABLE {self._table} ({definitions})")
            for field in lacking:
                self._comment(field)
        if self._stream.replaced:
            # Qualified by `temp`, and gone with the connection.
            self._staged = f"temp.main.{_quoted(self._stream.name)}"
            self._connection.execute(f"CREATE TEMP TABLE {self._staged} AS FROM {self._table} LIMIT 0")

    def _add_column(self, field: str) -> Column:
        column = self._register(field)
        self._alter(f"ADD COLUMN {_quoted(column.name)} {column.kind}")
        self._comment(field)
        return column

    def _register(self, field: str, name: str | None = None, kind: str | None = None) -> Column:
        column = Column(
            name=name or self._free_name(field),
            kind=kind or column_type(self._stream.fields.get(field)),
            alias=f"c{len(self._columns)}",
        )
        self._columns[field] = column
        return column

    def _free_name(self, field: str) -> str:
        taken = {column.name.casefold() for column in self._columns.values()}
        # A name that another field of the schema has by right is not given away either.
        taken |= {other.casefold() for other in self._stream.fields if other.casefold() != field.casefold()}
        plain = field or "_"  # DuckDB has no column without a name
        name, number = plain, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}_{number}"
        return name

    def _comment(self, field: str) -> None:
        name = self._columns[field].name
        if name != field:
            column = f"{self._table}.{_quoted(name)}"
            self._connection.execute(f"COMMENT ON COLUMN {column} IS {_literal(FIELD_COMMENT + field)}")

    def _alter(self, change: str) -> None:
        for table in (self._table, self._staged):
            if table:
                self._connection.execute(f"ALTER TABLE {table} {change}")

    def _load_batch(self) -> None:
        """Reads the waiting lines into the temporary table `batch`, every value as the JSON it came as."""
        columns = ", ".join(["n: 'UBIGINT'", *(f"{column.alias}: 'JSON'" for column in self._filled.values())])
        limit = max(OBJECT_BYTES, 2 * max(map(len, self._rows)))
        with tempfile.NamedTemporaryFile(suffix=".ndjson") as file:
            file.writelines(self._rows)
            file.flush()
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE batch AS FROM read_json({_literal(file.name)}, "
                f"format = 'newline_delimited', maximum_object_size = {limit}, columns = {{{columns}}})"
            )

    def _widen_columns(self) -> None:
        """Turns every column into text that the batch has a value of another type for."""
        typed = {field: column for field, column in self._filled.items() if column.kind not in (JSON, TEXT)}
        if not typed:
            return
        counts = ", ".join(
            f"count(batch.{column.alias}) FILTER (NOT coalesce({_fits(column)}, false))" for column in typed.values()
        )
        found = self._connection.execute(f"SELECT {counts} FROM temp.main.batch AS batch").fetchone() or ()
        for (field, column), misfits in zip(typed.items(), found, strict=True):
            if misfits:
                self._alter(f"ALTER COLUMN {_quoted(column.name)} TYPE {TEXT}")
                self._warn(f"  {self._stream.name}.{field} has values that are no {column.kind}; it is text now.")
                column.kind = TEXT


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commits when the block ends, rolls back when it fails; LoadError for what the database refuses."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        with suppress(duckdb.Error):  # after a full disk there is nothing left to roll back
            connection.rollback()
        if isinstance(error, duckdb.Error):
            raise LoadError(f"The records cannot be written: {_first_line(error)}.") from error
        raise


def parse_line(line: bytes) -> Any:
    """The JSON value of a line; ValueError when it is none.

    Half an emoji, which JSON can spell and a database cannot hold, becomes `?`.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return orjson.loads(json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8", "replace"))


def column_type(schema: Any) -> str:
    """The DuckDB type for a field's JSON schema; JSON for objects, arrays and what is not one plain type."""
    if not isinstance(schema, Mapping):
        return JSON
    declared = schema.get("type", [])
    types = {declared} if isinstance(declared, str) else set(declared)
    types.discard("null")
    if types == {"string"}:
        return _string_type(schema)
    if types == {"integer", "number"}:
        return "DOUBLE"
    simple = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
    if len(types) == 1:
        return simple.get(types.pop(), JSON)
    return TEXT if "string" in types and types <= {"string", *simple} else JSON


def _string_type(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date":
        return "DATE"
    if schema.get("format") != "date-time":
        return TEXT
    plain = schema.get("airbyte_type") == "timestamp_without_timezone"
    return "TIMESTAMP" if plain else "TIMESTAMPTZ"


def _converted(column: Column) -> str:
    """SQL for a batch value as the column's type."""
    if column.kind == JSON:
        return f"batch.{column.alias}"
    text = f"(batch.{column.alias} ->> '$')"
    return text if column.kind == TEXT else f"CAST({text} AS {column.kind})"


def _fits(column: Column) -> str:
    """SQL that is true when a batch value can become the column's type and keep its meaning."""
    text = f"(batch.{column.alias} ->> '$')"
    cast = f"TRY_CAST({text} AS {column.kind})"
    json_type = f"json_type(batch.{column.alias})"
    match column.kind:
        case "BOOLEAN":
            return f"{json_type} = 'BOOLEAN'"
        case "BIGINT":  # a fraction would be rounded, and text such as "0012" would lose its zeros
            return f"{json_type} <> 'VARCHAR' AND {cast} = TRY_CAST({text} AS DOUBLE)"
        case "DOUBLE":
            return f"{json_type} <> 'VARCHAR' AND {cast} IS NOT NULL"
        case _:
            return f"{cast} IS NOT NULL"


def _column_rows(connection: duckdb.DuckDBPyConnection, table: str) -> Sequence[tuple[str, str, str]]:
    """Name, type and comment of a table's columns, in their order; none when there is no such table."""
    found = connection.execute(
        "SELECT column_name, data_type, coalesce(comment, '') FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = 'main' AND lower(table_name) = lower(?) "
        "ORDER BY column_index",
        [table],
    ).fetchall()
    return [(name, kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"), comment) for name, kind, comment in found]


def _database(connection: duckdb.DuckDBPyConnection) -> str:
    return _quoted(str(_one(connection, "SELECT current_database()")))


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
