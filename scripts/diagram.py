"""Writes docs/erd.md, the diagrams of the tables and of what links them, from the manifest.

A line between two tables has one of two origins: a stream that the manifest reads with the rows of another, or a
column that is called after another table. The vendors declare no foreign keys, so what a name means stands here.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components import snake_case
from scripts.streams import ROOT, Json, Link, Stream, resolve, streams_of, type_name

PAGE: Final = ROOT / "docs" / "erd.md"
WIDTH: Final = 120  # characters of a line

INTRODUCTION: Final = """\
<!-- Written by `make docs` from manifest.yaml; edit scripts/diagram.py, not this page. -->
# Tables and what links them

One table a stream. A box holds the columns of the primary key (PK) and those that refer to another table (FK);
[streams](streams.md) lists all columns. The text on a line names the columns that refer. A line's end says how many
rows: `||` exactly one, `|o` one or none, `o{` any number. `o{` at both ends: the column is an array of ids, or several
rows share what it holds. Neither vendor promises that the row referred to still exists: join with `LEFT JOIN`.
[SQL examples](sql.md) use these links.
"""

EVENTS: Final = "event_streams"
EVENTS_NOTE: Final = f"""\
`{EVENTS}` stands for the tables of all event streams. Each has its own `event_id`; the other columns are in those
tables that the list below names. Rows about the same message share its `messageId`.
"""

# What a column refers to, by the end of its name: `emailListIds` ends with `list_id`.
NAMED: Final[Mapping[str, Mapping[str, str]]] = {
    "Iterable": {
        "campaign_id": "campaigns",
        "catalog_name": "catalogs",
        "channel_id": "channels",
        "experiment_id": "experiments",
        "list_id": "lists",
        "message_type_id": "message_types",
        "template_id": "templates",
        "workflow_id": "journeys",
    },
    "Courier": {
        "audience_id": "audiences",
        "brand_id": "brands",
        "list_id": "courier_lists",
        "message_id": "messages",
        "notification": "notifications",
        "notification_id": "notifications",
        "run_id": "automation_runs",
        "tenant_id": "tenants",
        "topic_id": "preference_topics",
    },
}
# Columns whose name means something of the stream's own.
SPECIAL: Final[Mapping[tuple[str, str], str]] = {
    ("metadata_items", "table"): "metadata",
    ("automation_runs", "template_id"): "automations",
    ("journey_runs", "template_id"): "courier_journeys",
    ("journey_run_steps", "run_id"): "journey_runs",
    ("routing_strategy_notifications", "id"): "notifications",
}
# An id of the customer's own, and a request to a list, which is no message.
MISLEADING: Final = frozenset({"clientTemplateId", "listMessageId"})
# What tells a user of Iterable, in an order of how well it does.
IDENTITY: Final = ("itblUserId", "email", "userId")
USERS: Final = "users"


# Mermaid's ends of a line, the parent's first.
SAME: Final = "||--o|"
ONE: Final = "||--o{"
PERHAPS: Final = "|o--o{"
MANY: Final = "}o--o{"


@dataclass(frozen=True)
class Attribute:
    """A column that is shown; `key` is PK, FK or both."""

    name: str
    type: str
    key: str


@dataclass(frozen=True)
class Relation:
    """Rows of `child` refer to rows of `parent`."""

    parent: str
    ends: str
    child: str
    column: str


def page(manifest: str) -> str:
    """The whole page, for a manifest's text."""
    streams = list(streams_of(resolve(manifest)))
    parts = [INTRODUCTION]
    for vendor in NAMED:
        members = [stream for stream in streams if stream.vendor == vendor]
        parts.append(f"## {vendor}\n\n{_diagram(members)}")
        events = list(filter(_is_event, members))
        if events:
            parts.append(f"{EVENTS_NOTE}\n{_event_columns(events)}")
    return "\n".join(parts)


# -------------------------------------------------------------------------------------------------- relations


def relations(streams: Sequence[Stream]) -> list[Relation]:
    """The links among the streams of one vendor, each once, in the order of the streams."""
    by_name = {stream.name: stream for stream in streams}
    found = dict.fromkeys(relation for stream in streams for relation in _relations(stream, by_name))
    return list(found)


def _relations(stream: Stream, by_name: Mapping[str, Stream]) -> Iterator[Relation]:
    referring = references(stream)
    parents = {link.parent for link in stream.links}
    repeated: set[str] = set()
    for link in stream.links:
        parent = by_name[link.parent]
        if link.parent not in referring.values():
            yield _inherited(stream, link, parent)
        if _tells_of_the_same(stream, link, parent):
            repeated |= references(parent).keys()
        if parent.primary_key != (link.key,):  # what is handed down is the key of another stream that shares the link
            keyed = (other for other in by_name.values() if link in other.links and other.primary_key == (link.field,))
            yield from (Relation(other.name, PERHAPS, stream.name, link.field) for other in keyed if other != stream)
    for column, target in referring.items():
        if column not in repeated:
            ends = MANY if "array" in stream.columns[column]["type"] else ONE if target in parents else PERHAPS
            yield Relation(target, ends, stream.name, column)
    identity = [column for column in IDENTITY if column in stream.columns]
    if USERS in by_name and identity and stream.name != USERS:
        yield Relation(USERS, MANY, stream.name, ", ".join(identity))


def references(stream: Stream) -> dict[str, str]:
    """The columns that are called after another table, and which one."""
    found = {column: _target(stream, column) for column in stream.columns}
    return {column: target for column, target in found.items() if target is not None}


def _target(stream: Stream, column: str) -> str | None:
    if (stream.name, column) in SPECIAL:
        return SPECIAL[stream.name, column]
    if column in MISLEADING or stream.primary_key == (column,):
        return None
    name = snake_case(column)
    name = name.removesuffix("s") if name.endswith("_ids") else name
    meant = (target for end, target in NAMED[stream.vendor].items() if f"_{name}".endswith(f"_{end}"))
    return next(meant, None)


def _tells_of_the_same(child: Stream, link: Link, parent: Stream) -> bool:
    """Return True if a row of the child is the parent's row, told at more length."""
    return parent.primary_key == (link.key,) and child.primary_key == (_column(child, link),)


def _column(child: Stream, link: Link) -> str:
    return link.field if link.field in child.columns else link.key


def _inherited(child: Stream, link: Link, parent: Stream) -> Relation:
    """Return the relation of a link of the manifest that no column's name tells."""
    column = _column(child, link)
    if _tells_of_the_same(child, link, parent):
        return Relation(parent.name, SAME, child.name, column)
    if child.primary_key == (link.field,):  # the parent's rows name the child's, each of which is asked for once
        return Relation(child.name, PERHAPS, parent.name, link.key)
    return Relation(parent.name, ONE if parent.primary_key == (link.key,) else MANY, child.name, column)


# ---------------------------------------------------------------------------------------------------- diagram


def _is_event(stream: Stream) -> bool:
    return stream.kind == "exports" and stream.name != USERS


def _diagram(streams: Sequence[Stream]) -> str:
    """A vendor's diagram: boxes, the one for all event streams last, and lines."""
    found = relations(streams)
    lines = ["```mermaid", "erDiagram"]
    for stream in streams:
        if not _is_event(stream):
            lines += _box(stream.name, _attributes(stream, found))
    events = {stream.name for stream in streams if _is_event(stream)}
    if events:
        shown = [attribute for stream in filter(_is_event, streams) for attribute in _attributes(stream, found)]
        lines += _box(EVENTS, dict.fromkeys(shown))
    lines += map(_line, _merged(found, events))
    return "\n".join([*lines, "```"]) + "\n"


def _box(name: str, attributes: Iterable[Attribute]) -> Iterator[str]:
    yield f"    {name} {{"
    for attribute in attributes:
        yield f"        {attribute.type} {attribute.name} {attribute.key}".rstrip()
    yield "    }"


def _attributes(stream: Stream, found: Iterable[Relation]) -> Iterator[Attribute]:
    own = [relation.column.split(", ") for relation in found if relation.child == stream.name]
    referring = {column for columns in own for column in columns}
    for column, schema in stream.columns.items():
        key = ["PK"] * (column in stream.primary_key) + ["FK"] * (column in referring)
        if key:
            yield Attribute(column, _attribute_type(schema), ", ".join(key))


def _attribute_type(schema: Json) -> str:
    return f"{type_name(schema['items'])}[]" if "items" in schema else type_name(schema)


def _merged(found: Iterable[Relation], events: set[str]) -> list[Relation]:
    """One line for what links the same two boxes in the same way, however many columns do."""
    columns: dict[tuple[str, str, str], dict[str, None]] = {}
    for relation in found:
        child = EVENTS if relation.child in events else relation.child
        columns.setdefault((relation.parent, relation.ends, child), {})[relation.column] = None
    return [Relation(*link, ", ".join(names)) for link, names in columns.items()]


def _line(relation: Relation) -> str:
    return f'    {relation.parent} {relation.ends} {relation.child} : "{relation.column}"'


def _event_columns(streams: Sequence[Stream]) -> str:
    """The columns of event streams that refer to other tables, each with the streams that have it."""
    having: dict[str, list[str]] = {}
    for stream in streams:
        for column in references(stream):
            having.setdefault(column, []).append(f"`{stream.name}`")
    told = {column: "all" if len(names) == len(streams) else ", ".join(names) for column, names in having.items()}
    wrapper = textwrap.TextWrapper(WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False)
    return "".join(wrapper.fill(f"`{column}`: {names}") + "\n" for column, names in told.items())
