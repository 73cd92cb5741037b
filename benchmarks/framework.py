"""The framework alone: rows that are ready go through it, and nothing is done with them on the way.

`python -m benchmarks.framework read --config CONFIG --catalog CATALOG`; the configuration has the `path` of a file with
a row on each line, how many `rows` to bring, and of which `stream` they are.
"""

import gc
import sys
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import Record

from source_messaging import GARBAGE_AFTER

READY_ROWS: Final = "source_declarative_manifest.components.ReadyRows"
DIFFERENT: Final = 1000  # rows that are parsed; the others are copies of them


@dataclass
class ReadyRows(Retriever):
    """Hands on rows that are there already."""

    config: Mapping[str, Any]
    parameters: InitVar[Mapping[str, Any]]

    def read_records(self, records_schema: Mapping[str, Any], stream_slice: Any = None) -> Iterable[Record]:
        with Path(self.config["path"]).open("rb") as lines:
            ready = [orjson.loads(line) for line in islice(lines, DIFFERENT)]
        for row in islice(cycle(ready), self.config["rows"]):
            yield Record(dict(row), self.config["stream"])


def manifest(stream: str) -> dict[str, Any]:
    """A source of that stream."""
    return {
        "version": version("airbyte-cdk"),
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [stream]},
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": stream,
                "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object"}},
                "retriever": {"type": "CustomRetriever", "class_name": READY_ROWS},
            }
        ],
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
    }


def main(arguments: list[str]) -> None:
    """Run a command as the framework runs it."""
    gc.set_threshold(GARBAGE_AFTER)
    sys.modules[READY_ROWS.rpartition(".")[0]] = sys.modules[__name__]
    parsed = AirbyteEntrypoint.parse_args(arguments)
    config = ConcurrentDeclarativeSource.read_config(parsed.config)
    catalog = ConcurrentDeclarativeSource.read_catalog(parsed.catalog)
    parts = {"catalog": catalog, "config": config, "source_config": manifest(config["stream"])}
    launch(ConcurrentDeclarativeSource(state=[], **parts), arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
