"""The manifest says what it seems to say: nothing misspelt, nothing unused, nothing twice, no budget overrun.

The framework takes unknown keys without a word, and a limit that matches no request does nothing. So the file is
held against what the framework says of its components, components.py, schemas/ and the limits of the vendor.
"""

import importlib.metadata
import pkgutil
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any

import pytest
import requests
import time_machine
import yaml
from airbyte_cdk.sources.declarative.concurrency_level import ConcurrencyLevel
from airbyte_cdk.sources.declarative.models.declarative_component_schema import HTTPAPIBudget
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import ModelToComponentFactory
from airbyte_cdk.sources.streams.call_rate import CallRateLimitHit, HttpAPIBudget
from airbyte_cdk.utils.yaml_loader import safe_load_yaml

import components
from scripts import schemas, streams

TEXT = streams.MANIFEST.read_text(encoding="utf-8")
HAND_WRITTEN = TEXT.partition(schemas.MARKER)[0]
LINES = HAND_WRITTEN.splitlines()
MANIFEST: dict[str, Any] = safe_load_yaml(TEXT)
RESOLVED: dict[str, Any] = dict(ManifestReferenceResolver().preprocess_manifest(safe_load_yaml(TEXT)))
COMPLETE = streams.resolve(TEXT)
STREAMS = list(streams.streams_of(COMPLETE))
NAME = attrgetter("name")
EXPORTS = [stream for stream in STREAMS if stream.kind == "exports"]
ROWS = [row for block in RESOLVED["streams"] for row in block["streams"]]
CUSTOM = "source_declarative_manifest.components."


# ------------------------------------------------------------------------------------------------- components


@cache
def framework() -> dict[str, Any]:
    """The framework's description of its components: a JSON schema."""
    source = pkgutil.get_data("airbyte_cdk", "sources/declarative/declarative_component_schema.yaml")
    description: dict[str, Any] = yaml.safe_load(source or b"")
    return description


def mappings(component: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping in a piece of YAML, with its path."""
    if isinstance(component, dict):
        yield path, component
        for name, value in component.items():
            yield from mappings(value, f"{path}/{name}")
    if isinstance(component, list):
        for place, value in enumerate(component):
            yield from mappings(value, f"{path}/{place}")


def unknown_keys(manifest: dict[str, Any]) -> list[str]:
    """The keys that the component they stand in has no use for."""
    return [
        f"{path}/{key} ({component['type']})"
        for path, component in mappings(manifest)
        if isinstance(component.get("type"), str) and (known := known_keys(component)) is not None
        for key in component
        if key not in known
    ]


def known_keys(component: dict[str, Any]) -> set[str] | None:
    """The keys a component may have; None for a mapping that is none, such as a JSON schema."""
    if "class_name" in component:
        fields = getattr(components, component["class_name"].removeprefix(CUSTOM)).__dataclass_fields__
        taken = {name for name, field in fields.items() if field.init and "ClassVar" not in str(field.type)}
        return taken | {"type", "class_name", "$parameters"}
    if component["type"] == "DeclarativeSource":
        return set(framework()["properties"]) | {"definitions", "schemas"}
    description = framework()["definitions"].get(component["type"])
    return set(description["properties"]) | {"type", "$parameters"} if description else None


def test_no_component_has_a_key_that_the_framework_would_ignore() -> None:
    assert unknown_keys({name: part for name, part in RESOLVED.items() if name != "schemas"}) == []


@pytest.mark.parametrize(
    ("component", "unknown"),
    [
        (
            {"type": "HttpRequester", "read_timeout_in_second": 5},
            ["/x/read_timeout_in_second (HttpRequester)"],
        ),
        (
            {"type": "CustomRecordExtractor", "class_name": CUSTOM + "MetricsCsvExtractor", "feild": "x"},
            ["/x/feild (CustomRecordExtractor)"],
        ),
        ({"type": "CustomRecordExtractor", "class_name": CUSTOM + "MetricsCsvExtractor", "variant_of": ["x"]}, []),
        ({"type": "object", "properties": {"read_timeout_in_second": {"type": "integer"}}}, []),
    ],
)
def test_a_misspelt_key_is_found(component: dict[str, Any], unknown: list[str]) -> None:
    assert unknown_keys({"x": component}) == unknown


def hook_classes() -> set[str]:
    """The public classes of components.py that extend one of the framework's."""
    return {
        name
        for name, found in vars(components).items()
        if isinstance(found, type)
        and found.__module__ == components.__name__
        and not name.startswith("_")
        and not issubclass(found, Exception)
        and any(base.__module__.startswith("airbyte_cdk.") for base in found.__mro__)
    }


def test_every_class_named_exists_and_every_hook_is_used() -> None:
    named = {component["class_name"] for _, component in mappings(RESOLVED) if "class_name" in component}

    assert named == {CUSTOM + name for name in hook_classes()}


def test_the_development_page_says_of_every_hook_why_it_is_python() -> None:
    page = (streams.ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    section = page.partition("## Why Python")[2].partition("\n## ")[0]

    assert sorted(re.findall(r"^\| (\w+[a-z]\w+) \|", section, re.MULTILINE)[1:]) == sorted(hook_classes())


def test_the_version_is_that_of_the_framework_installed_and_pinned() -> None:
    project = tomllib.loads((streams.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = importlib.metadata.version("airbyte-cdk")

    assert MANIFEST["version"] == "7.23.8"  # the oldest that runs it
    assert [each for each in project["dependencies"] if each.startswith("airbyte-cdk")] == [f"airbyte-cdk=={installed}"]


# ---------------------------------------------------------------------------------------------------- streams


def test_every_stream_has_its_schema_file_and_every_file_its_stream() -> None:
    files = sorted(file.stem for file in (streams.ROOT / "schemas").glob("*.json"))

    assert files == sorted(stream.name for stream in STREAMS)


@pytest.mark.parametrize("stream", STREAMS, ids=NAME)
def test_a_stream_shows_the_schema_of_its_own_name(stream: streams.Stream) -> None:
    assert stream.schema == COMPLETE["schemas"][stream.name]["schema"]


@pytest.mark.parametrize("stream", STREAMS, ids=NAME)
def test_a_primary_key_consists_of_columns_that_are_never_null(stream: streams.Stream) -> None:
    assert stream.primary_key
    assert [column for column in stream.primary_key if "null" in stream.columns[column]["type"]] == []


@pytest.mark.parametrize("stream", [stream for stream in STREAMS if stream.cursor], ids=NAME)
def test_a_cursor_is_a_column_of_instants(stream: streams.Stream) -> None:
    column = stream.columns[stream.cursor]

    assert column.get("format") in ("date", "date-time") or "epoch milliseconds" in column["description"].lower()


@pytest.mark.parametrize("stream", EXPORTS, ids=NAME)
def test_an_export_has_a_cursor_a_key_of_our_own_and_room_for_the_rest(stream: streams.Stream) -> None:
    assert (stream.cursor, stream.primary_key) == (
        ("profileUpdatedAt", ("user_key",)) if stream.name == "users" else ("createdAt", ("event_id",))
    )
    assert stream.columns["data"]["type"] == ["null", "object"]


# ---------------------------------------------------------------------------------------------------- grammar


def test_parsers_that_are_less_lenient_than_libyaml_read_the_same() -> None:
    assert yaml.safe_load(TEXT) == MANIFEST


def test_no_line_is_longer_than_140_columns() -> None:
    assert [line for line in LINES if len(line) > 140] == []


def test_no_five_lines_stand_there_twice() -> None:
    lines = [line.strip() for line in LINES if line.strip()]
    blocks = Counter(tuple(lines[place : place + 5]) for place in range(len(lines) - 4))

    assert [block for block, times in blocks.items() if times > 1] == []


def test_every_stream_is_a_row_of_one_line() -> None:
    start = LINES.index("streams:") + 1
    lines = LINES[start : LINES.index("", start)]
    rows = [line for line in lines if re.fullmatch(r"    - \{\$ref: .*\}", line)]

    assert len(rows) == len(STREAMS)
    assert {line.split(":")[0].strip(" -") for line in lines if line not in rows and "#" not in line} == {
        "type",
        "condition",
        "streams",
    }


def test_no_expression_is_longer_than_100_characters() -> None:
    texts = [value for _, component in mappings(MANIFEST) for value in texts_of(component)]

    assert [each for text in texts for each in re.findall(r"\{\{.*?\}\}", text) if len(each) > 100] == []


def texts_of(component: dict[str, Any]) -> Iterator[str]:
    """The keys and values of a mapping that are texts, those in lists included."""
    for key, value in component.items():
        values = value if isinstance(value, list) else [value]
        yield from (text for text in (key, *values) if isinstance(text, str))


def test_a_row_sets_the_parameters_that_the_development_page_lists_and_no_others() -> None:
    page = (streams.ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page.partition("A row may set these parameters")[2], re.MULTILINE)

    assert {name for row in ROWS for name in row["$parameters"]} == set(listed)
    assert len(listed) <= 5


# ----------------------------------------------------------------------------------------------------- limits

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
PATHS = sorted({path for stream in STREAMS for path in stream.paths if stream.vendor == "Iterable"})
ALLOWED = {endpoint.path: endpoint.limit for endpoint in streams.endpoints("Iterable")}
HOSTS = ("https://api.iterable.com", "https://api.eu.iterable.com", "http://127.0.0.1:8642/gateway")


def limit(path: str) -> tuple[int, timedelta]:
    """So many calls in so long; an endpoint that states none allows 100 a second."""
    stated = re.match(r"(\d+) a (minute|second)", ALLOWED[path])
    return (int(stated[1]), MINUTE if stated[2] == "minute" else SECOND) if stated else (100, SECOND)


def budget(config: dict[str, Any]) -> HttpAPIBudget:
    """The budget of a sync that begins."""
    factory = ModelToComponentFactory()
    component = factory.create_component(HTTPAPIBudget, COMPLETE["api_budget"], config=config)
    assert isinstance(component, HttpAPIBudget)
    return component


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", PATHS)
def test_an_endpoint_is_called_no_more_often_than_the_vendor_allows(path: str, host: str) -> None:
    calls, interval = limit(path)
    made, wait = calls_in_an_instant(host + path, {})

    assert 1 <= made <= calls
    assert wait >= interval


@pytest.mark.parametrize("share", [0.5, 0.01])
@pytest.mark.parametrize("path", [path for path in PATHS if limit(path) != (100, SECOND)])
def test_a_share_of_the_budget_is_that_share_and_at_least_one_call(path: str, share: float) -> None:
    made, _ = calls_in_an_instant(HOSTS[0] + path, {"budget_share": share})

    assert made == max(1, int(limit(path)[0] * share))


def calls_in_an_instant(url: str, config: dict[str, Any]) -> tuple[int, timedelta]:
    """How many calls a fresh budget lets through at once, and how long the next one has to wait."""
    request = requests.Request("GET", url, params={"id": "/api/lists"}).prepare()
    fresh, made = budget(config), 0
    with time_machine.travel(datetime(2026, 3, 15, tzinfo=UTC), tick=False):
        while made < 1000:
            try:
                fresh.acquire_call(request, block=False)
            except CallRateLimitHit as full:
                return made, full.time_to_wait
            made += 1
    return made, timedelta(0)


def test_the_page_on_scale_says_how_often_the_project_may_call_and_the_source_does() -> None:
    page = (streams.ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    said = re.findall(r"^\| .* \| (\d+ a \w+) \| (.*) \|$", page, re.MULTILINE)
    calls = ("export/data.json", "lists/getUsers", "campaigns/metrics", "users/getFields", "lists")

    assert said == [taken(f"/api/{path}") for path in calls]


def taken(path: str) -> tuple[str, str]:
    """What the vendor allows, and what the source takes of it, as `4 a minute` and `4 in 61 s`."""
    made, wait = calls_in_an_instant(HOSTS[0] + path, {})
    return ALLOWED[path].removesuffix(" and project"), f"{made} in {wait / SECOND:g} s"


def test_all_exports_waiting_their_turn_leave_workers_for_the_other_streams() -> None:
    configured = MANIFEST["concurrency_level"]
    level = ConcurrencyLevel(configured["default_concurrency"], configured["max_concurrency"], {}, {})

    assert level.get_concurrency_level() > len(EXPORTS) + 8


# ------------------------------------------------------------------------------------------------------- tail


def test_the_schemas_at_the_end_are_those_of_the_files() -> None:
    assert schemas.with_tail(TEXT) == TEXT


def test_the_text_of_the_manifest_is_all_that_is_needed() -> None:
    nested = [component for _, component in mappings(RESOLVED)]

    assert "$ref" not in {key for component in nested for key in component}
    assert {row["schema_loader"]["type"] for row in ROWS} == {"InlineSchemaLoader"}
    assert "JsonFileSchemaLoader" not in TEXT
