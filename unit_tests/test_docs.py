"""Pages that are computed are those of the manifest as it is now; pages that are written do not contradict the code."""

import ast
import importlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
from airbyte_cdk import AirbyteTracedException

from components import AdaptiveWindowSize
from scripts import diagram, docs, streams
from scripts.diagram import Relation
from scripts.streams import ROOT
from source_messaging import create_source

MANIFEST = streams.MANIFEST.read_text(encoding="utf-8")
RESOLVED = streams.resolve(MANIFEST)
STREAMS = {stream.name: stream for stream in streams.streams_of(RESOLVED)}
EXPORTS = [name for name, stream in STREAMS.items() if stream.kind == "exports"]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in FILES}
PEER = json.loads((ROOT / "unit_tests" / "data" / "airbyte_source_iterable.json").read_text(encoding="utf-8"))
FOLDERS = ("benchmarks", "destinations", "messaging_sync", "sandbox", "scripts", "unit_tests")
PYTHON_FILE = re.compile(r"`((?!build/)[\w/]+\.py)`")  # what make writes there need not be there
QUOTED = re.compile(r"`` ?(.+?)(?: …)? ?``")
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its head."""
    lines = text.partition(f"# {heading}\n")[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|--"))
    table = iter(lines[start + 1 :])
    found = []
    while (line := next(table, "")).startswith("|"):
        found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --------------------------------------------------------------------------------------------- computed pages


@pytest.mark.parametrize("writer", docs.WRITERS, ids=lambda writer: writer.PAGE.name)
def test_a_computed_page_says_what_the_manifest_does(writer: ModuleType) -> None:
    assert writer.PAGE.read_text(encoding="utf-8") == writer.page(MANIFEST)


def test_outdated_pages_are_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {writer.PAGE.name: writer.PAGE.read_text(encoding="utf-8") for writer in docs.WRITERS}
    for writer in docs.WRITERS:
        monkeypatch.setattr(writer, "PAGE", tmp_path / writer.PAGE.name)

    docs.main()

    assert {page.name: page.read_text(encoding="utf-8") for page in tmp_path.iterdir()} == wanted


def test_an_endpoint_brings_rows_or_serves_a_stream_or_has_a_reason_why_not() -> None:
    read = {(stream.vendor, path) for stream in STREAMS.values() for path in stream.paths}
    listed = [(vendor, endpoint) for vendor in streams.SITES for endpoint in streams.endpoints(vendor)]
    said = [((vendor, each.path) in read, each.serves != "", each.why != "") for vendor, each in listed]

    assert [each.link for (_, each), reasons in zip(listed, said, strict=True) if sum(reasons) != 1] == []
    assert read - {(vendor, each.path) for vendor, each in listed} == set()


@pytest.mark.parametrize("name", STREAMS)
def test_the_reference_lists_every_column_of_every_stream(name: str) -> None:
    sections = dict(re.findall(r"^### (.+)\n\n((?:- .*\n)*)", page("streams.md"), re.MULTILINE))
    listed = sections[name]
    if name in EXPORTS and name != "users":
        listed = sections["Columns of all exports but users"] + listed

    assert sorted(re.findall(r"^- `([^`]+)`", listed, re.MULTILINE)) == sorted(STREAMS[name].columns)


# ---------------------------------------------------------------------------------------------------- diagrams

RELATIONS = [
    relation
    for vendor in diagram.NAMED
    for relation in diagram.relations([stream for stream in STREAMS.values() if stream.vendor == vendor])
]
DIAGRAMS = re.findall(r"^```mermaid\n(.*?)^```$", page("erd.md"), re.MULTILINE | re.DOTALL)
# What Mermaid takes for a line of an entity-relationship diagram, as far as it is used here.
MERMAID = re.compile(
    r"erDiagram"
    r"|    \w+ \{|    \}"
    r"|        [a-z]+(\[\])? [A-Za-z_]\w* (PK|FK|PK, FK)"
    r'|    \w+ (\|\|--o\||\|\|--o\{|\|o--o\{|\}o--o\{) \w+ : "[\w, ]+"'
)


def test_there_is_a_diagram_for_each_vendor_that_mermaid_can_read() -> None:
    assert len(DIAGRAMS) == 2
    assert [line for text in DIAGRAMS for line in text.splitlines() if not MERMAID.fullmatch(line)] == []


def test_every_stream_is_in_a_diagram_once_and_the_event_streams_are_one_box() -> None:
    boxes = Counter(box for text in DIAGRAMS for box in re.findall(r"^    (\w+) \{$", text, re.MULTILINE))

    assert boxes == Counter([*(STREAMS.keys() - EXPORTS), "users", "event_streams"])


def test_every_line_leads_from_a_column_that_is_there_to_a_stream_that_is_there() -> None:
    wrong = [
        relation
        for relation in RELATIONS
        if relation.parent not in STREAMS
        or not set(relation.column.split(", ")) <= STREAMS[relation.child].columns.keys() | {"identifier"}
    ]

    assert wrong == []


def test_every_parent_of_the_manifest_is_a_line() -> None:
    lines = {frozenset((relation.parent, relation.child)) for relation in RELATIONS}

    assert {frozenset((link.parent, name)) for name, stream in STREAMS.items() for link in stream.links} <= lines


@pytest.mark.parametrize(
    ("child", "lines"),
    [
        (
            "templates",
            [
                Relation("message_types", "|o--o{", "templates", "messageTypeId"),
                Relation("campaigns", "|o--o{", "templates", "campaignId"),
            ],
        ),
        (
            "list_users",
            [
                Relation("lists", "||--o{", "list_users", "listId"),
                Relation("users", "}o--o{", "list_users", "email, userId"),
            ],
        ),
        ("campaigns_metrics", [Relation("campaigns", "||--o|", "campaigns_metrics", "id")]),
        ("metadata_items", [Relation("metadata", "||--o{", "metadata_items", "table")]),
        ("message_info", [Relation("messages", "||--o|", "message_info", "id")]),
        (
            "message_history",
            [
                Relation("messages", "||--o{", "message_history", "message_id"),
                Relation("notifications", "|o--o{", "message_history", "notification_id"),
            ],
        ),
        (
            "tenant_users",
            [
                Relation("tenants", "||--o{", "tenant_users", "tenant_id"),
                Relation("profiles", "|o--o{", "tenant_users", "user_id"),
            ],
        ),
        (
            "user_preferences",
            [
                Relation("messages", "}o--o{", "user_preferences", "user_id"),
                Relation("profiles", "|o--o{", "user_preferences", "user_id"),
                Relation("audience_members", "}o--o{", "user_preferences", "user_id"),
                Relation("list_subscriptions", "}o--o{", "user_preferences", "user_id"),
                Relation("tenant_users", "}o--o{", "user_preferences", "user_id"),
                Relation("preference_topics", "|o--o{", "user_preferences", "topic_id"),
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_stream_refers_to_what_its_columns_and_its_parents_say(child: str, lines: list[Relation]) -> None:
    assert [relation for relation in RELATIONS if relation.child == child] == lines


# ------------------------------------------------------------------------------------------- links and names


def anchors(text: str) -> set[str]:
    """The anchors GitHub gives the headings of a page."""
    found: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        names.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return names


def test_anchors_are_spelt_the_way_github_spells_them() -> None:
    text = "# From `a-b` 0.6 – 1.0\n```\n# none\n```\n## What's [new](x.md)?\n## Steps\n## Steps\n"

    assert anchors(text) == {"from-a-b-06--10", "whats-new", "steps", "steps-1"}


def broken_links(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\[[^]]*\]\(([^)\s]+)\)", FENCED.sub("", text)):
        url = urlsplit(target)
        if url.scheme:
            continue
        linked = path.parent / url.path if url.path else path
        if not linked.exists() or (url.fragment and url.fragment not in anchors(linked.read_text(encoding="utf-8"))):
            yield target


@pytest.mark.parametrize("name", PAGES)
def test_every_link_within_the_repository_leads_somewhere(name: str) -> None:
    assert list(broken_links(PAGES[name])) == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop().resolve()
        if path not in seen and path.suffix == ".md":
            seen.add(path)
            links = re.findall(r"\]\(([^)\s#:]+)[^)\s:]*\)", path.read_text(encoding="utf-8"))
            waiting += [path.parent / link for link in links]

    assert {name for name, path in PAGES.items() if path.resolve() not in seen} == set()


@pytest.mark.parametrize("name", PAGES)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))
    page = PAGES[name].read_text(encoding="utf-8")
    commands = re.findall(r"(?:`|^\$ )make ((?:[a-z][a-z0-9-]*\b(?!=) ?)+)", page, re.MULTILINE)

    assert {target for command in commands for target in command.split()} - targets == set()


def test_the_scripts_for_the_framework_are_short_and_import_what_there_is() -> None:
    scripts = re.findall(r"```python\n(.*?)```", page("upstream.md"), re.DOTALL)
    imports = [node for script in scripts for node in ast.walk(ast.parse(script)) if isinstance(node, ast.ImportFrom)]

    assert len(scripts) == 6
    assert max(len(script.splitlines()) for script in scripts) <= 20
    for node in imports:
        module = importlib.import_module(str(node.module))
        assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_python_file_that_is_named_exists(name: str) -> None:
    files = {path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    files |= {file.rpartition("/")[2] for file in files} | {path.name for path in ROOT.glob("*.py")}

    assert set(PYTHON_FILE.findall(PAGES[name].read_text("utf-8"))) - files == set()


# ----------------------------------------------------------------------------------------------- configuration


def configured_fields() -> Iterator[str]:
    """The fields of the specification, those of an object as `courier.region`."""
    for name, field in RESOLVED["spec"]["connection_specification"]["properties"].items():
        inner = field.get("properties")
        yield from [f"{name}.{each}" for each in inner] if inner else [name]


def test_every_field_of_the_configuration_is_described_and_no_other() -> None:
    cells = re.findall(r"^\| (`[^|]+) \|", page("configuration.md"), re.MULTILINE)

    assert Counter(name for cell in cells for name in codes(cell)) == Counter(configured_fields())


WRONG: list[dict[str, Any]] = [
    {},
    {"api_key": "k"},
    {"api_key": "k", "start_date": "yesterday"},
    {"region": "APAC"},
    *({"courier": {name: "x"}} for name in ("start_date", "lookback_days", "region")),
]


@pytest.mark.parametrize("name", ["setup-iterable.md", "setup-courier.md"])
def test_the_sentences_about_fields_that_a_setup_guide_explains_are_those_of_the_source(name: str) -> None:
    said = []
    for config in WRONG:
        with pytest.raises(AirbyteTracedException) as refusal:
            create_source(config, streams=())
        said.append(str(refusal.value))
    quoted = [beginning for cell, *_ in rows(page(name), "What `check` says") for beginning in QUOTED.findall(cell)]
    about_fields = [beginning for beginning in quoted if not beginning.startswith("…")]

    assert len(about_fields) >= 4
    assert [text for text in about_fields if not any(sentence.startswith(text) for sentence in said)] == []


def test_the_setup_guide_counts_the_exports_of_a_first_sync_as_the_source_makes_them() -> None:
    table = rows(page("setup-iterable.md"), "When to start")

    assert [[int(cell.split()[0]) for cell in row] for row in table] == [
        first_sync(int(row[0].split()[0]), exports=50) for row in table
    ]


def first_sync(days: int, exports: int) -> list[int]:
    """The numbers of a row: days, windows of an event stream, windows of users, exports, minutes at 4 in 61 s."""
    events, users = (windows(days, first_window_days(name)) for name in ("email_send", "users"))
    calls = events * (exports - 1) + users
    return [days, events, users, calls, round((math.ceil(calls / 4) - 1) * 61 / 60)]


def first_window_days(name: str) -> int:
    definitions: list[dict[str, Any]] = [row for block in RESOLVED["streams"] for row in block["streams"]]
    (found,) = [row["retriever"]["first_window_days"] for row in definitions if row["name"] == name]
    return int(found)


def windows(days: int, first: int) -> int:
    """How many windows a history has that comes in at once."""
    size, left, number = AdaptiveWindowSize(timedelta(days=first)), timedelta(days=days), 0
    while left > timedelta():
        asked = min(left, size.length)
        size.succeeded(asked, seconds=0, lines=0)
        left -= asked
        number += 1
    return number


# --------------------------------------------------------------------------------------------------- migration

SIX_COLUMNS = 6
MIGRATION = {codes(row[0])[0]: row for row in rows(page("migration.md"), "What changes, stream by stream")}


def test_the_migration_page_has_a_row_for_each_stream_of_the_other_connector() -> None:
    own_columns = [each["name"] for each in PEER["streams"] if len(each["columns"]) > SIX_COLUMNS]
    listings = [each["name"] for each in PEER["streams"] if not each["cursor_field"]]

    assert {name for name in MIGRATION if name != "push_*"} == {*own_columns, *listings}
    patterns = codes(MIGRATION["push_*"][0])
    rest = [each["name"] for each in PEER["streams"] if each["name"] not in MIGRATION]
    assert [name for name in rest if not any(Path(name).match(pattern) for pattern in patterns)] == []
    assert len(rest) + len(MIGRATION) - 1 == len(PEER["streams"])


@pytest.mark.parametrize("name", [name for name in MIGRATION if name not in ("push_*", "campaigns_metrics")])
def test_the_migration_page_names_the_key_and_the_new_columns_of_a_stream(name: str) -> None:
    _, key, new_columns, _ = MIGRATION[name]
    (before,) = [each["columns"] for each in PEER["streams"] if each["name"] == name]

    assert tuple(codes(key)) == STREAMS[name].primary_key
    assert set(codes(new_columns)) == STREAMS[name].columns.keys() - before.keys()
