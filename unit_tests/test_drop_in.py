"""Whoever comes from `airbyte-source-iterable` changes the image and nothing else.

What that connector asks for, offers and saves is in data/airbyte_source_iterable.json: configuration, streams,
columns and states. The catalogs here are the ones it would have left on a platform.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import jsonschema
import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from requests_mock import Mocker

import source_messaging as runner
from sandbox import Sandbox
from sandbox.iterable import data_types
from sandbox.iterable.timestamps import epoch_seconds, spelt
from source_messaging import load_manifest, narrowed
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import Catalog, State, Sync, run

FACTS = Path(__file__).parent / "data" / "airbyte_source_iterable.json"
PEER = json.loads(FACTS.read_text(encoding="utf-8"))
STREAMS: dict[str, dict[str, Any]] = {stream["name"]: stream for stream in PEER["streams"]}
EXPORTS = [name for name, stream in STREAMS.items() if stream["cursor_field"] and name != "templates"]
MINIMAL = {"api_key": "sandbox-iterable-key", "start_date": "2026-03-01T00:00:00Z"}
NOON = datetime(2026, 3, 25, 12, tzinfo=UTC)
FIVE_MINUTES_AGO = "2026-03-25T11:55:00+00:00"
SAVED = epoch_seconds("2026-03-24T11:55:00+00:00")


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """A day after the states were saved."""
    with VirtualClock(NOON).running() as clock:
        yield clock


def peer_catalog(names: Iterable[str]) -> Catalog:
    """Return the catalog that a platform configured from the other connector's discovery."""
    return {"streams": [_configured(STREAMS[name]) for name in names]}


def _configured(stream: dict[str, Any]) -> dict[str, Any]:
    described = {
        "name": stream["name"],
        "json_schema": {"type": "object"},
        "supported_sync_modes": stream["sync_modes"],
        "source_defined_primary_key": stream["primary_key"],
    }
    return {
        "stream": described,
        "sync_mode": stream["sync_modes"][-1],
        "destination_sync_mode": "append",
        "cursor_field": stream["cursor_field"],
    }


Reading = Callable[..., Sync]


@pytest.fixture
def read(tmp_path: Path, manifest: dict[str, Any]) -> Reading:
    """Reads the streams that states are given for, as a platform goes on after changing the image."""

    def read(config: dict[str, Any], states: Mapping[str, Mapping[str, Any]]) -> Sync:
        with mock.patch.object(runner, "load_manifest", return_value=manifest):
            return run(tmp_path, "read", MINIMAL | config, peer_catalog(states), as_state(states))

    return read


# -------------------------------------------------------------------------------------------- configuration


def configurations() -> Iterator[dict[str, Any]]:
    """Yield what the other connector accepts: the minimum, each option, all of them, and what it ignores."""
    options: dict[str, Sequence[Any]] = {
        "region": ["US", "EU"],
        "lookback_window": [0, 5, 1440],
        "credentials": [{"kept": "by hand"}],
    }
    choices = [[{}, *({name: value} for value in values)] for name, values in options.items()]
    for chosen in product(*choices):
        yield MINIMAL | {name: value for option in chosen for name, value in option.items()}


def test_every_configuration_of_the_other_connector_is_accepted() -> None:
    specification = narrowed(load_manifest(), ())["spec"]["connection_specification"]
    for config in configurations():
        jsonschema.validate(config, PEER["spec"])  # or the test would prove nothing
        jsonschema.validate(config, specification)


def test_the_fields_mean_what_they_meant() -> None:
    ours = narrowed(load_manifest(), ())["spec"]["connection_specification"]
    facts = ("type", "enum", "default", "minimum", "airbyte_secret", "format", "pattern")

    assert set(ours["required"]) <= set(PEER["spec"]["required"])
    for name, field in PEER["spec"]["properties"].items():
        expected = {fact: field[fact] for fact in facts if fact in field}
        assert {fact: ours["properties"][name].get(fact) for fact in expected} == expected


@pytest.mark.parametrize(
    ("config", "host"),
    [
        ({}, "api.iterable.com"),
        ({"region": "US", "lookback_window": 0}, "api.iterable.com"),
        ({"region": "EU", "lookback_window": 1440, "credentials": {}}, "api.eu.iterable.com"),
    ],
)
def test_a_sync_runs_with_it_and_sends_the_key_to_the_host_of_the_region(
    requests_mock: Mocker, read: Reading, config: dict[str, Any], host: str
) -> None:
    requests_mock.get(f"https://{host}/api/channels", json={"channels": []})

    synced = read(config, {"channels": {}})

    assert synced.statuses == {"channels": "COMPLETE"}
    assert [call.headers["Api-Key"] for call in requests_mock.request_history] == [MINIMAL["api_key"]]


# -------------------------------------------------------------------------------------------------- streams


def test_every_stream_is_there_with_its_cursor_and_its_ways_to_sync(discovered: Sync) -> None:
    ours = {stream["name"]: stream for stream in discovered.of_type("CATALOG")[0]["streams"]}

    assert set(STREAMS) <= set(ours)
    for name, stream in STREAMS.items():
        assert set(stream["sync_modes"]) <= set(ours[name]["supported_sync_modes"]), name
        assert (ours[name].get("default_cursor_field") or []) == stream["cursor_field"], name


@pytest.mark.parametrize("name", STREAMS)
def test_every_column_is_there_with_its_type(discovered: Sync, name: str) -> None:
    ours = next(each for each in discovered.of_type("CATALOG")[0]["streams"] if each["name"] == name)
    types = {column: kind_of(schema) for column, schema in ours["json_schema"]["properties"].items()}

    assert {
        column: types.get(column)
        for column, kind in STREAMS[name]["columns"].items()
        if types.get(column) not in fitting_kinds(kind)
    } == {}


def kind_of(schema: dict[str, Any]) -> str:
    """A type in the words of the data file, such as `string date-time` and `array integer`."""
    declared = schema["type"]
    kind = declared if isinstance(declared, str) else next(each for each in declared if each != "null")
    finer = kind_of(schema["items"]).split()[0] if "items" in schema else schema.get("format", "")
    return f"{kind} {finer}".strip()


def fitting_kinds(kind: str) -> set[str]:
    """An id may be an integer where it was any number."""
    whole = {"array i": "array integer", "array s": "array string"}.get(kind, kind)
    return {whole, "integer"} if whole == "number" else {whole}


# --------------------------------------------------------------------------------------------------- states


def as_state(states: Mapping[str, Mapping[str, Any]]) -> State:
    """Saved states by stream, the way a platform hands them over."""
    return [
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": state}}
        for name, state in states.items()
    ]


# The peer's own spelling apart, what a state may hold after a platform, a database or a person rewrote it.
SPELLINGS = (
    "2026-03-24T11:55:00Z",
    "2026-03-24T11:55:00.000Z",
    "2026-03-24T11:55:00.999999+00:00",
    "2026-03-24 11:55:00",
    "2026-03-24 11:55:00 +00:00",
    "2026-03-24T11:55:00+0000",
    "2026-03-24T06:25:00-05:30",
    1774353300000,
)
SPELT = [
    {"stream": stream, "state": {"createdAt": spelling}}
    for stream, spelling in zip(EXPORTS[1:], SPELLINGS, strict=False)
]


def rounds() -> list[dict[str, dict[str, Any]]]:
    """The states as few syncs as have one for each stream at most."""
    found: list[dict[str, dict[str, Any]]] = []
    for entry in [*PEER["states"], *SPELT]:
        fitting = next((states for states in found if entry["stream"] not in states), None)
        if fitting is None:
            found.append(fitting := {})
        fitting[entry["stream"]] = entry["state"]
    return found


def fill(sandbox: Sandbox) -> None:
    """Rows of every export in the second the states name and in the one before; a row of everything else."""
    project = sandbox.iterable
    for stream in EXPORTS:
        cursor = STREAMS[stream]["cursor_field"][0]
        for second in (SAVED - 1, SAVED):
            row = {"email": person_of(second), cursor: spelt(second)}
            project.add_events(data_type_of(stream), [row])
    project.templates = [template(5, SAVED - 1), template(6, SAVED)]
    project.lists = [{"id": 1}]
    project.list_members = {1: [person_of(SAVED)]}
    project.campaigns = [{"id": 2, "createdAt": 1}]
    project.channels = [{"id": 3}]
    project.message_types = [{"id": 4}]
    project.metadata = {"rates": []}


def person_of(second: float) -> str:
    return f"at-{second:.0f}@example.com"


def template(number: int, second: float) -> dict[str, Any]:
    row = {"templateId": number, "createdAt": int(second * 1000)}
    return row | {"templateType": "Blast", "messageMedium": "Email"}


def data_type_of(stream: str) -> str:
    data_type = data_types.canonical("user" if stream == "users" else stream.replace("_", ""))
    assert data_type
    return data_type


def first_seconds(sandbox: Sandbox, stream: str) -> list[float]:
    """The starts of the windows asked for, in epoch seconds."""
    name = data_type_of(stream).lower()
    return [
        epoch_seconds(call.query["startDateTime"][0])
        for call in sandbox.calls
        if call.query.get("dataTypeName", [""])[0].lower() == name
    ]


@pytest.mark.slow
@pytest.mark.parametrize("states", rounds(), ids=lambda states: f"{len(states)} streams")
def test_a_saved_state_goes_on_at_its_very_second(
    sandbox: Sandbox, address: str, read: Reading, states: dict[str, dict[str, Any]]
) -> None:
    fill(sandbox)

    synced = read({"api_url": address}, states)

    assert synced.statuses == dict.fromkeys(states, "COMPLETE")
    for stream in states.keys() & EXPORTS:
        cursor = STREAMS[stream]["cursor_field"][0]
        start = int(epoch_seconds(states[stream].get(cursor, "2026-03-01T00:00:00Z")))
        assert first_seconds(sandbox, stream) == [start], stream
        assert sorted(epoch_seconds(row[cursor]) for row in synced.records[stream]) == [
            second for second in (SAVED - 1, SAVED) if second >= start
        ], stream
        assert synced.states[stream][-1] == {cursor: FIVE_MINUTES_AGO}, stream


def test_templates_go_on_with_what_changed_in_the_second_of_the_state(
    sandbox: Sandbox, address: str, read: Reading
) -> None:
    fill(sandbox)
    saved = next(entry["state"] for entry in PEER["states"] if entry["stream"] == "templates")

    synced = read({"api_url": address}, {"templates": saved})

    assert [row["templateId"] for row in synced.records["templates"]] == [6]
    assert synced.states["templates"][-1] == {"createdAt": FIVE_MINUTES_AGO}


def test_what_is_read_in_full_is_read_in_full_whatever_was_saved(sandbox: Sandbox, address: str, read: Reading) -> None:
    fill(sandbox)
    full = {stream for stream in STREAMS if not STREAMS[stream]["cursor_field"]}
    states = {entry["stream"]: entry["state"] for entry in PEER["states"] if entry["stream"] in full}

    synced = read({"api_url": address}, states)

    assert set(states) == full
    one_each_but_events = dict.fromkeys(full, 1) | {"events": len(EXPORTS) - 1}
    assert {stream: len(rows) for stream, rows in synced.records.items()} == one_each_but_events


def test_a_state_later_than_the_lookback_allows_is_waited_for_and_never_set_back(
    sandbox: Sandbox, address: str, read: Reading
) -> None:
    states = {"email_open": {"createdAt": "2026-03-25T11:58:00+00:00"}}

    synced = read({"api_url": address}, states)

    assert first_seconds(sandbox, "email_open") == []
    assert synced.states["email_open"][-1] == states["email_open"]


@pytest.mark.parametrize("spelling", ["yesterday", "", "2026-02-30T00:00:00+00:00", {"$date": 1}, True], ids=repr)
def test_a_state_nobody_can_read_is_an_error_that_names_the_stream(
    sandbox: Sandbox, address: str, read: Reading, spelling: Any
) -> None:
    synced = read({"api_url": address}, {"email_open": {"createdAt": spelling}})

    assert sandbox.calls == []
    assert isinstance(synced.crash, AirbyteTracedException)
    assert synced.crash.failure_type is FailureType.config_error
    assert synced.crash.message == (
        "The saved state of stream email_open holds no timestamp in `createdAt`: reset the stream, or correct it to "
        "one like 2026-03-24T11:55:00+00:00."
    )
