"""A dataset in a warehouse, loaded by dlt: rows and the states that cover them are one load package.

The warehouse alone remembers: dlt keeps the states and its schema in tables beside the rows, and a load counts once
its last step, a row in `_dlt_loads`, is written. What a killed load left half done is read again from the state
before it, and takes the place of what is there. So the working directory is a temporary one.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

SETTINGS: Final = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",  # a load that fails says so in its exception
    "RUNTIME__INTERCEPT_SIGNALS": "false",  # a stop request ends the source, and the load goes on to its end
    "SCHEMA__NAMING": "direct",  # columns are called what the fields are called
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
}
for setting, value in SETTINGS.items():
    os.environ.setdefault(setting, value)

import dlt  # noqa: E402 - it reads its settings when it is imported
import duckdb  # noqa: E402
from dlt.common.configuration.exceptions import ConfigFieldMissingException  # noqa: E402
from dlt.common.destination.exceptions import UnknownDestinationModule  # noqa: E402
from dlt.common.exceptions import DltException, MissingDependencyException  # noqa: E402
from dlt.destinations.job_client_impl import SqlJobClientBase  # noqa: E402

from messaging_sync.rows import ID, Table  # noqa: E402
from messaging_sync.source import Json, Segment, Stream, SyncError  # noqa: E402

PIPELINE: Final = "messaging"
STATE: Final = "airbyte_state"
DUCKDB: Final = Path("sync/messaging.duckdb")


class Warehouse:
    """A dataset, open for loading. A destination is a DuckDB file or what dlt calls one."""

    def __init__(self, destination: str, dataset: str | None, working_directory: str) -> None:
        self._file = {"duckdb": DUCKDB}.get(destination, Path(destination))
        self._is_file = self._file.suffix == ".duckdb"
        self._name = str(self._file) if self._is_file else destination
        with self._explained():
            if self._is_file:
                self._refuse_older_file()
                self._file.parent.mkdir(parents=True, exist_ok=True)
            self._pipeline = dlt.pipeline(
                PIPELINE,
                pipelines_dir=working_directory,
                destination=dlt.destinations.duckdb(str(self._file)) if self._is_file else destination,
                dataset_name=dataset or ("main" if self._is_file else PIPELINE),
            )
            self._pipeline.sync_destination()

    def __str__(self) -> str:
        return f"{self._name}, dataset {self._pipeline.dataset_name}"

    def prepare(self, streams: Sequence[Stream]) -> list[Json]:
        """Makes the tables that do not exist and returns the states to go on from.

        A stream whose table is gone is read from its start: its state would leave the new table half empty.
        """
        with self._explained():
            present = self._tables(streams)
            missing = [stream for stream in streams if stream.name not in present]
            if missing:
                resources = [self._resource(stream, []) for stream in missing]
                self._pipeline.run(resources, refresh="drop_resources")
            kept = self._pipeline.state.get("sources", {}).get(PIPELINE, {}).get("resources", {})
            states = [kept.get(stream.name, {}).get(STATE) for stream in streams if stream.is_incremental]
            return [json.loads(state) for state in states if state]

    def load(self, segments: Sequence[Segment]) -> None:
        """Loads segments and their states as one package."""
        by_stream: dict[str, list[Segment]] = {}
        for segment in segments:
            by_stream.setdefault(segment.stream.name, []).append(segment)
        with self._explained():
            self._pipeline.run([self._resource(group[0].stream, group) for group in by_stream.values()])

    def _resource(self, stream: Stream, segments: Sequence[Segment]) -> Any:
        table = Table(stream, self._existing(stream), self._pipeline.naming.normalize_identifier)

        def loaded() -> Iterator[Any]:
            known = table.columns()
            for rows in table.arrow(segments):
                if table.columns() != known:  # a row has fields that the schema does not know
                    known = table.columns()
                    hints = dlt.mark.make_hints(columns=cast(Any, known))
                    yield dlt.mark.with_hints(rows, hints)
                else:
                    yield rows
            states = [segment.state for segment in segments if segment.state]
            if states:
                dlt.current.resource_state()[STATE] = states[-1]

        return dlt.resource(
            loaded,
            name=stream.name,
            primary_key=ID,
            columns=cast(Any, table.columns()),
            write_disposition=self._disposition(stream),
            max_table_nesting=0,
        )

    def _disposition(self, stream: Stream) -> Any:
        """How rows come into a stream's table: by their key, and in the place of all if the stream is read in full."""
        if "delete-insert" not in (self._pipeline.destination.capabilities().supported_merge_strategies or ()):
            return "append" if stream.is_incremental else "replace"
        merge = {"disposition": "merge", "strategy": "delete-insert"}
        return merge if stream.is_incremental else merge | {"destination_scope": "1 = 1"}

    def _existing(self, stream: Stream) -> dict[str, str]:
        """The columns of a stream's table with their types, as dlt remembers them."""
        if not self._pipeline.schema_names:
            return {}
        name = self._pipeline.naming.normalize_table_identifier(stream.name)
        columns = self._pipeline.default_schema.tables.get(name, {}).get("columns", {})
        return {column: str(hints["data_type"]) for column, hints in columns.items() if "data_type" in hints}

    def _tables(self, streams: Sequence[Stream]) -> set[str]:
        """The names of the tables that there are."""
        if not self._pipeline.schema_names:
            return set()
        names = [self._pipeline.naming.normalize_table_identifier(stream.name) for stream in streams]
        with cast(SqlJobClientBase, self._pipeline.destination_client()) as client:
            return {name for name, columns in client.get_storage_tables(names) if columns}

    def _refuse_older_file(self) -> None:
        """Raises SyncError for a DuckDB file that has tables, and none of dlt's."""
        if not self._file.exists():
            return
        with duckdb.connect(str(self._file), read_only=True) as connection:
            tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if tables and "_dlt_loads" not in tables:
            raise SyncError(
                f"{self._file} was written by an earlier version, whose tables cannot be continued: move it away, or "
                "name another file with DESTINATION=….duckdb. The first sync reads everything again."
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what dlt raises into a sentence."""
        try:
            yield
        except (DltException, duckdb.Error, ImportError, OSError) as error:
            cause: BaseException = error
            while cause.__cause__:
                cause = cause.__cause__
            reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".:")
            if isinstance(cause, ConfigFieldMissingException):
                name = f"DESTINATION__{self._name}__{cause.fields[0]}".upper()
                reason = f"{cause.fields[0]} missing: set {name}, or write .dlt/secrets.toml (see docs/loading.md)"
            elif isinstance(cause, UnknownDestinationModule):
                reason = "it is neither a DuckDB file (….duckdb) nor a destination of dlt's, such as postgres"
            elif isinstance(cause, MissingDependencyException):
                reason = f'it needs more packages: pip install "{cause.dependencies[0]}"'
            raise SyncError(f"{self._name} cannot be loaded: {reason}.") from error
