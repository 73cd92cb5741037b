"""The text of docs/streams.md, the reference of all streams, from the manifest, its schemas and docs/endpoints.yaml.

The manifest is resolved by the framework's own code, so that the page shows what the framework will do.
"""

import re
from collections import ChainMap, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from airbyte_cdk.sources.declarative.interpolation.jinja import JinjaInterpolation
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import (
    ManifestComponentTransformer,
)
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.utils.yaml_loader import safe_load_yaml

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "manifest.yaml"
PAGE = ROOT / "docs" / "streams.md"
ENDPOINTS = ROOT / "docs" / "endpoints.yaml"
SITES = {"Iterable": "https://api.iterable.com/api/docs#", "Courier": "https://www.courier.com/docs/api-reference/"}

Json = dict[str, Any]

INTRODUCTION = """\
<!-- Written by `make docs` from manifest.yaml, schemas/ and docs/endpoints.yaml; edit those, not this page. -->
# Streams

Streams with a cursor are read incrementally or in full, all others in full. An endpoint links to the vendor's page, or
to the front page; [coverage](coverage.md) lists those that are not read, too. *A call gives* says what one call brings
where that is less than the whole stream. *Allowed* is what the vendor permits, shared by all streams that read the
endpoint; the source [keeps](scale.md) to it. A column is nullable unless it says otherwise.
"""

KINDS = {
    "listings": "Listed at every sync: whole, or, with a cursor, what is new or may have changed.",
    "children": "Asked for once for each row, or group of rows, of another stream.",
    "exports": "Events and profiles from the saved state on, unsorted.",
}


def page(manifest: str) -> str:
    """The whole page, for a manifest's text."""
    resolved = resolve(manifest)
    streams = list(streams_of(resolved))
    shared = resolved["schemas"]["event"]["schema"]["properties"]
    parts = [INTRODUCTION]
    for vendor, kind in dict.fromkeys((stream.vendor, stream.kind) for stream in streams):
        members = [stream for stream in streams if (stream.vendor, stream.kind) == (vendor, kind)]
        parts += [f"## {vendor}: {kind}\n\n{KINDS[kind]}\n\n{_table(members)}"]
        if kind == "exports":
            parts += [f"### Columns of all exports but users\n\n{_columns(shared)}"]
        parts += [_section(stream, shared if kind == "exports" else {}) for stream in members]
    return "\n".join(parts)


# -------------------------------------------------------------------------------------------------- endpoints


@dataclass(frozen=True)
class Endpoint:
    """What docs/endpoints.yaml says of an endpoint, in whose `path` {} stands for what a call fills in."""

    path: str
    link: str
    limit: str = "not stated"
    gives: str = ""
    serves: str = ""
    why: str = ""


def endpoints(vendor: str) -> Iterator[Endpoint]:
    for path, said in safe_load_yaml(ENDPOINTS.read_text(encoding="utf-8"))[vendor].items():
        link = f"[`{path}`]({(SITES[vendor] + said.pop('page', '')).rstrip('#')})"
        yield Endpoint(re.sub(r"\{\w+\}", "{}", path), link, **said)


# --------------------------------------------------------------------------------------------------- manifest


@cache
def resolve(manifest: str) -> Json:
    """A manifest's text as the framework sees it: references followed, types and parameters handed down.

    It takes half a second, so that all who ask for the same text share the answer.
    """
    parsed = ManifestReferenceResolver().preprocess_manifest(safe_load_yaml(manifest))
    return dict(ManifestComponentTransformer().propagate_types_and_parameters("", parsed, {}))


@dataclass(frozen=True)
class Link:
    """How the rows of a stream hang below those of `parent`: its `key` is handed down as `field`."""

    parent: str
    key: str
    field: str


@dataclass(frozen=True)
class Stream:
    """The facts of a stream that a user asks for; in `paths`, {} stands for a value of a parent's row."""

    name: str
    vendor: str
    kind: str
    paths: tuple[str, ...]
    data_type: str
    primary_key: tuple[str, ...]
    cursor: str
    schema: Json
    links: tuple[Link, ...]

    @property
    def columns(self) -> Json:
        return dict(self.schema["properties"])


def streams_of(resolved: Json) -> Iterator[Stream]:
    """The streams in the order of the manifest."""
    definitions = [row for block in resolved["streams"] for row in block.get("streams", [block])]
    names = {definition["name"] for definition in definitions}
    for definition in definitions:
        key = definition["primary_key"]
        urls = list(map(urlsplit, _endpoints(definition["retriever"])))
        yield Stream(
            name=definition["name"],
            vendor=urls[0].netloc.split(".")[-2].capitalize(),
            kind=_kind(definition["retriever"]),
            paths=tuple(dict.fromkeys(url.path for url in urls)),
            data_type=_data_type(definition["retriever"]["requester"]),
            primary_key=tuple([key] if isinstance(key, str) else key),
            cursor=definition.get("incremental_sync", {}).get("cursor_field", ""),
            schema=definition["schema_loader"]["schema"],
            links=tuple(_links(definition["retriever"], names)),
        )


def _kind(retriever: Json) -> str:
    if "dataTypeName" in retriever["requester"].get("request_parameters", {}):
        return "exports"
    return "children" if any(_parents(retriever)) else "listings"


def _parents(component: Any) -> Iterator[Json]:
    """The links to parent streams below a component, but not those of the parents themselves."""
    if isinstance(component, dict):
        if "parent_key" in component:
            yield component
            return
        component = list(component.values())
    if isinstance(component, list):
        for item in component:
            yield from _parents(item)


def _links(retriever: Json, names: set[str]) -> Iterator[Link]:
    """The links to streams by a column; a parent that is none is passed over to its own parents."""
    for link in _parents(retriever):
        if link["stream"]["name"] not in names:
            yield from _links(link["stream"]["retriever"], names)
        elif link["parent_key"] in link["stream"]["schema_loader"]["schema"]["properties"]:
            yield Link(link["stream"]["name"], link["parent_key"], link["partition_field"])


def _endpoints(retriever: Json) -> Iterator[str]:
    """The URL, or each of the URLs, that a stream reads."""
    requester = retriever["requester"]
    routers = retriever.get("parents") or retriever.get("partition_router", [])
    for parts in product(*map(_partitions, routers if isinstance(routers, list) else [routers])):
        yield unquote(_evaluated(requester["url"], requester.get("$parameters", {}), dict(ChainMap(*parts))))


def _partitions(router: Json) -> list[dict[str, str]]:
    """Return stand-ins for the parts of a URL that come from a router."""
    if router.get("type") == "ListPartitionRouter":
        values = router["values"] if isinstance(router["values"], list) else [router["values"]]
        return [{router["cursor_field"]: value} for value in values]
    return [{link["partition_field"]: unquote(_evaluated(_value(link))) for link in _parents(router)}]


def _value(link: Json) -> str:
    """The template that makes what a link hands down, where the parent's row does not simply have it."""
    steps = link["stream"].get("transformations", [])
    made = {tuple(field["path"]): field["value"] for step in steps for field in step.get("fields", [])}
    return str(made.get((link["parent_key"],), "{}"))


def _data_type(requester: Json) -> str:
    template = requester.get("request_parameters", {}).get("dataTypeName")
    return _evaluated(template, requester.get("$parameters", {})) if template else ""


def _evaluated(template: Any, parameters: Json | None = None, partition: dict[str, str] | None = None) -> str:
    """Evaluate a template for a configuration that leaves everything at its default, and a row full of {}."""
    asked_for = StreamSlice(partition=partition or {}, cursor_slice={})
    config: Json = {"courier": {}}
    variables: Json = {"parameters": parameters or {}, "stream_slice": asked_for, "record": defaultdict(lambda: "{}")}
    return str(JinjaInterpolation().eval(str(template), config, **variables))


# --------------------------------------------------------------------------------------------------- markdown


def _table(streams: list[Stream]) -> str:
    known = list(endpoints(streams[0].vendor))
    head = ["Stream", "Endpoint", "A call gives", "Primary key", "Cursor", "Allowed", "Columns"]
    rows = []
    for stream in streams:
        read = [endpoint for endpoint in known if endpoint.path in stream.paths]
        links = "<br>".join(endpoint.link for endpoint in read)
        cells = [
            f"[{stream.name}](#{stream.name})",
            f"{links} `{stream.data_type}`" if stream.data_type else links,
            " or ".join(dict.fromkeys(endpoint.gives for endpoint in read)),
            _codes(stream.primary_key),
            _codes([stream.cursor] if stream.cursor else []),
            " or ".join(dict.fromkeys(endpoint.limit for endpoint in read)),
            str(len(stream.columns)),
        ]
        rows.append(cells)
    return table(head, rows)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [head, ["---"] * len(head), *rows])


def _codes(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(stream: Stream, shared: Json) -> str:
    """A stream's heading and its columns, the shared ones left out where it has all of them."""
    has_all = all(stream.columns.get(name) == schema for name, schema in shared.items())
    own = {name: schema for name, schema in stream.columns.items() if not has_all or name not in shared}
    return f"### {stream.name}\n\n{_columns(own)}"


def _columns(columns: Json) -> str:
    return "".join(f"- `{name}`: {_described(schema)}\n" for name, schema in columns.items())


def _described(schema: Json) -> str:
    """A column in one line: its type, whether it may be null, what it is, and what an object is made of."""
    required = "" if "null" in schema["type"] else ", not null"
    description = f". {schema['description']}" if "description" in schema else ""
    return f"{type_name(schema)}{required}{description}{_members(schema)}"


def type_name(schema: Json) -> str:
    """A column's type for readers: `integer`, `timestamp`, `array of strings`."""
    declared = schema["type"]
    kind = declared if isinstance(declared, str) else next(name for name in declared if name != "null")
    if schema.get("format") == "date-time":
        return "timestamp"
    return f"array of {type_name(schema['items'])}s" if kind == "array" and "items" in schema else str(kind)


def _members(schema: Json) -> str:
    properties = schema.get("properties") or schema.get("items", {}).get("properties")
    return f". Holds {_codes(tuple(properties))}" if properties else ""
