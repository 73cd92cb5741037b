"""Rows of a sync as tables of DuckDB or PostgreSQL, and dbt to build on them.

The tables are those of a connection in Append + Deduped mode: a stream's fields, and the newest record of each key.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest
import yaml

from unit_tests.support.connector import Sync
from unit_tests.support.postgres import HOST, USER, Postgres

ROOT = Path(__file__).parents[2]
DBT = ROOT / ".venv-dbt" / "bin" / "dbt"
needs_dbt = [
    pytest.mark.slow,
    pytest.mark.environments,
    pytest.mark.skipif(not DBT.exists() and not os.environ.get("CI"), reason="`make test-all` makes dbt's environment"),
]
Row = dict[str, Any]


@dataclass
class Table:
    """A stream's columns, each with its type in JSON's words, and its records by key."""

    columns: dict[str, str]
    key: tuple[str, ...]
    replaced: bool
    records: dict[tuple[Any, ...], Row] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        return list(self.records.values())

    def with_columns(self, added: Mapping[str, tuple[str, Any]]) -> "Table":
        """The table with more columns, each of which has the same value in all rows."""
        columns = {name: kind for name, (kind, _) in added.items()}
        values = {name: value for name, (_, value) in added.items()}
        records = {key: row | values for key, row in self.records.items()}
        return Table(self.columns | columns, self.key, self.replaced, records)

    def in_capitals(self) -> "Table":
        """The table with its columns' names in capitals."""
        records = {key: {name.upper(): value for name, value in row.items()} for key, row in self.records.items()}
        return Table({name.upper(): kind for name, kind in self.columns.items()}, self.key, self.replaced, records)


Tables = dict[str, Table]


def tables_of(discovered: Sync, *syncs: Sync) -> Tables:
    """The tables after the syncs, one after the other, of the streams they have read."""
    found: Tables = {}
    for synced in syncs:
        for stream in discovered.of_type("CATALOG")[0]["streams"]:
            name = stream["name"]
            if name in synced.statuses:
                table = found.setdefault(name, _table(stream))
                if table.replaced:
                    table.records.clear()
                for record in synced.records[name]:
                    table.records[tuple(record[column] for column in table.key)] = record
    return found


def _table(stream: Row) -> Table:
    columns = {name: _type(schema) for name, schema in stream["json_schema"]["properties"].items()}
    key = tuple(name for (name,) in stream["source_defined_primary_key"])
    return Table(columns, key, "incremental" not in stream["supported_sync_modes"])


def _type(schema: Row) -> str:
    """`timestamp`, or JSON's name of the type."""
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    (kind,) = set(types) - {"null"}
    return "timestamp" if schema.get("format") == "date-time" else str(kind)


class Warehouse(Protocol):
    """A database for dbt."""

    json_type: str

    def output(self, schema: str) -> Row:
        """A target of a dbt profile."""

    def write(self, schema: str, tables: Tables) -> None:
        """Replaces tables."""

    def rows(self, query: str) -> list[Row]:
        """The rows of a query, with values as JSON has them."""


def columns_of(table: Table, json_type: str) -> str:
    """The columns of CREATE TABLE."""
    types = {
        "string": "text",
        "integer": "bigint",
        "number": "double precision",
        "boolean": "boolean",
        "timestamp": "timestamptz",
        "object": json_type,
        "array": json_type,
    }
    return ", ".join(f'"{name}" {types[kind]}' for name, kind in table.columns.items())


@dataclass
class DuckDb:
    """A file, which dbt has for itself while it builds."""

    path: Path
    json_type = "json"

    def output(self, schema: str) -> Row:
        return {"type": "duckdb", "path": str(self.path), "schema": schema, "threads": 8}

    def write(self, schema: str, tables: Tables) -> None:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            for name, table in tables.items():
                connection.execute(f'CREATE OR REPLACE TABLE "{schema}"."{name}" ({columns_of(table, self.json_type)})')
                if table.rows:
                    self._insert(connection, schema, name, table)

    def _insert(self, connection: duckdb.DuckDBPyConnection, schema: str, name: str, table: Table) -> None:
        lines = self.path.with_suffix(".jsonl")
        lines.write_text("".join(json.dumps(row) + "\n" for row in table.rows), encoding="utf-8")
        fields = ", ".join(
            f"'{column}': '{kind}'"
            for column, kind in connection.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?",
                [schema, name],
            ).fetchall()
        )
        source = f"read_json('{lines}', format = 'newline_delimited', columns = {{{fields}}})"
        connection.execute(f'INSERT INTO "{schema}"."{name}" SELECT * FROM {source}')

    def rows(self, query: str) -> list[Row]:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(query)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, map(_as_json, row), strict=True)) for row in found.fetchall()]


def _as_json(value: Any) -> Any:
    """A value as PostgreSQL's JSON has it: 2026-03-15 12:00:00.500000 → "2026-03-15T12:00:00.5"."""
    if isinstance(value, datetime):
        text = value.isoformat()
        return text.rstrip("0") if "." in text else text
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


@dataclass
class PostgresDatabase:
    """A server's database."""

    server: Postgres
    json_type = "jsonb"

    def output(self, schema: str) -> Row:
        where = {"host": HOST, "port": self.server.port, "user": USER, "password": "", "dbname": USER}
        return {"type": "postgres", **where, "schema": schema, "threads": 8}

    def write(self, schema: str, tables: Tables) -> None:
        statements = [f'CREATE SCHEMA IF NOT EXISTS "{schema}";']
        for name, table in tables.items():
            target, rows = f'"{schema}"."{name}"', json.dumps(table.rows)
            assert "$rows$" not in rows
            statements += [
                f"DROP TABLE IF EXISTS {target};",
                f"CREATE TABLE {target} ({columns_of(table, self.json_type)});",
                f"INSERT INTO {target} SELECT * FROM jsonb_populate_recordset(NULL::{target}, $rows${rows}$rows$);",
            ]
        self.server.execute(*statements)

    def rows(self, query: str) -> list[Row]:
        return self.server.rows(query)


@dataclass
class DbtProject:
    """A project as people have it, with this repository's package in it."""

    folder: Path
    warehouse: Warehouse
    schemas: tuple[str, ...]

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        outputs = {schema: self.warehouse.output(schema) for schema in self.schemas}
        self._write("dbt_project.yml", {"name": "mine", "version": "1.0.0", "profile": "mine"})
        self._write("packages.yml", {"packages": [{"local": str(ROOT / "dbt")}]})
        self._write("profiles.yml", {"mine": {"target": self.schemas[0], "outputs": outputs}})
        self.run("deps")

    def build(self, target: str, *arguments: str, **variables: Any) -> None:
        """Builds the models in schemas of the target's."""
        self.run("build", "--target", target, "--vars", json.dumps(variables), *arguments)

    def run(self, *arguments: str) -> None:
        ran = subprocess.run(
            [str(DBT), *arguments, "--quiet", "--profiles-dir", str(self.folder), "--project-dir", str(self.folder)],
            env=os.environ | {"DO_NOT_TRACK": "1", "DBT_USE_COLORS": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        (self.folder / name).write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
