"""Writes docs/streams.md, the reference of all streams, from the manifest and the schemas in its tail.

The manifest is resolved by the framework's own code, so that the page shows what the framework will do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
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

Json = dict[str, Any]

INTRODUCTION = """\
<!-- Written by `make docs` from manifest.yaml and schemas/; edit those, not this page. -->
# Streams

Streams with a cursor are read incrementally or in full, all others in full. *Calls* is what the connector
allows itself for the endpoint, over all streams that read it. A column is nullable unless it says otherwise.
"""

KINDS = {
    "listings": "Listed at every sync: whole, or, with a cursor, what is new or may have changed.",
    "children": "Asked for once for each row, or group of rows, of another stream.",
    "exports": "Events and profiles from the saved state on, unsorted.",
}


def main() -> None:
    PAGE.write_text(page(MANIFEST.read_text(encoding="utf-8")), encoding="utf-8")


def page(manifest: str) -> str:
    """The whole page, for a manifest's text."""
    resolved = resolve(manifest)
    streams = list(streams_of(resolved))
    shared = resolved["schemas"]["event"]["schema"]["properties"]
    parts = [INTRODUCTION]
    for group in dict.fromkeys(stream.group for stream in streams):
        members = [stream for stream in streams if stream.group == group]
        vendor, kind = group
        parts += [f"## {vendor}: {kind}\n\n{KINDS[kind]}\n\n{_table(members)}"]
        if kind == "exports":
            parts += [f"### Columns of all exports but users\n\n{_columns(shared)}"]
        parts += [_section(stream, shared if kind == "exports" else {}) for stream in members]
    return "\n".join(parts)


# --------------------------------------------------------------------------------------------------- manifest


def resolve(manifest: str) -> Json:
    """A manifest's text as the framework sees it: references followed, types and parameters handed down."""
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
    """The facts of a stream that a user asks for; in `endpoints`, URLs, braces name what comes from a parent's row."""

    name: str
    kind: str
    endpoints: tuple[str, ...]
    data_type: str
    primary_key: tuple[str, ...]
    cursor: str
    calls: str
    schema: Json
    links: tuple[Link, ...]

    @property
    def group(self) -> tuple[str, str]:
        """The vendor and the kind."""
        host = urlsplit(self.endpoints[0]).hostname or ""
        return host.split(".")[-2].capitalize(), self.kind

    @property
    def paths(self) -> list[str]:
        return [urlsplit(endpoint).path for endpoint in self.endpoints]

    @property
    def columns(self) -> Json:
        return dict(self.schema["properties"])


def streams_of(resolved: Json) -> Iterator[Stream]:
    """The streams in the order of the manifest."""
    definitions = [row for block in resolved["streams"] for row in block.get("streams", [block])]
    names = {definition["name"] for definition in definitions}
    for definition in definitions:
        key = definition["primary_key"]
        endpoints = tuple(dict.fromkeys(_endpoints(definition["retriever"])))
        calls = dict.fromkeys(_calls(urlsplit(url).path, resolved["api_budget"]) for url in endpoints)
        yield Stream(
            name=definition["name"],
            kind=_kind(definition["retriever"]),
            endpoints=endpoints,
            data_type=_data_type(definition["retriever"]["requester"]),
            primary_key=tuple([key] if isinstance(key, str) else key),
            cursor=definition.get("incremental_sync", {}).get("cursor_field", ""),
            calls=" or ".join(calls),
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
    """The links to streams; a parent that is none is passed over to its own parents."""
    for link in _parents(retriever):
        if link["stream"]["name"] in names:
            yield Link(link["stream"]["name"], link["parent_key"], link["partition_field"])
        else:
            yield from _links(link["stream"]["retriever"], names)


def _endpoints(retriever: Json) -> Iterator[str]:
    """The URL, or each of the URLs, that a stream reads."""
    requester = retriever["requester"]
    routers = [retriever.get("partition_router", {}), *retriever.get("parents", [])]
    for partition in [partition for router in routers for partition in _partitions(router)]:
        url = _evaluated(requester["url"], requester.get("$parameters", {}), partition)
        yield unquote(str(url))


def _partitions(router: Json) -> list[dict[str, str]]:
    """Return stand-ins for the parts of a URL that come from a router; the name of a row's field for its value."""
    if router.get("type") == "ListPartitionRouter":
        return [{router["cursor_field"]: value} for value in router["values"]]
    links = {link["partition_field"]: link["parent_key"] for link in _parents(router)}
    # `path_part` says nothing; other names of parts are meant for readers.
    return [{field: f"{{{key if field == 'path_part' else field}}}" for field, key in links.items()}]


def _data_type(requester: Json) -> str:
    template = requester.get("request_parameters", {}).get("dataTypeName")
    return str(_evaluated(template, requester.get("$parameters", {}), {})) if template else ""


def _evaluated(template: Any, parameters: Json, partition: dict[str, str]) -> Any:
    """Evaluate a template for a configuration that leaves everything at its default."""
    asked_for = StreamSlice(partition=partition, cursor_slice={})
    config: Json = {"courier": {}}
    return JinjaInterpolation().eval(str(template), config, parameters=parameters, stream_slice=asked_for)


def _calls(path: str, budget: Json) -> str:
    """The rate of the first policy that matches, as `4 in 61 s`."""
    for policy in budget["policies"]:
        patterns = [matcher["url_path_pattern"] for matcher in policy["matchers"]]
        if not patterns or any(re.search(pattern, path) for pattern in patterns):
            return " and ".join(map(_rate, policy["rates"]))
    return "unlimited"


def _rate(rate: Json) -> str:
    return f"{_evaluated(rate['limit'], {}, {})} in {_seconds(rate['interval'])}"


def _seconds(duration: str) -> str:
    """An ISO 8601 duration of one part, as `61 s`."""
    match = re.fullmatch(r"PT([\d.]+)([SMH])", duration)
    return f"{match[1]} {match[2].lower()}" if match else duration


# --------------------------------------------------------------------------------------------------- markdown


def _table(streams: list[Stream]) -> str:
    lines = ["| Stream | Endpoint | Primary key | Cursor | Calls | Columns |", "|---|---|---|---|---|---:|"]
    for stream in streams:
        cells = [
            f"[{stream.name}](#{stream.name})",
            "<br>".join(f"`{path}`" for path in stream.paths) + _with_data_type(stream),
            _codes(stream.primary_key),
            _codes([stream.cursor] if stream.cursor else []),
            stream.calls,
            str(len(stream.columns)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _with_data_type(stream: Stream) -> str:
    return f" `{stream.data_type}`" if stream.data_type else ""


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


if __name__ == "__main__":
    main()
