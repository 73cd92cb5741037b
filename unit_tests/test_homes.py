"""A configuration gets the same answer in every home: our command, the framework's runner, and the Builder's two ends.

Where the framework compares it with the specification's schema first, its words name no field; what a schema cannot
tell is said as everywhere.
"""

import json
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.cli.source_declarative_manifest._run import handle_command
from airbyte_cdk.connector_builder.main import handle_request
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from fastapi.testclient import TestClient

import source_messaging
from sandbox import Sandbox
from scripts import streams
from unit_tests.support.connector import Sync, catalog_of
from unit_tests.test_builder import COMPONENTS, forget_components, injected, only

KEY = "sandbox-iterable-key"
TRIED = ("lists", "email_send", "messages")
TABLE = source_messaging.narrowed(source_messaging.load_manifest(), TRIED)
IN_THE_PAST = "must be a date in the past, spelled like YYYY-MM-DDTHH:mm:ssZ."
ADDRESS = "must be an address that starts with https://, or http:// on this machine."
NO_SUCH_KEY = "holds characters that no key has: copy it again."
FRAMEWORKS_OWN = "Config validation error: "
ABSENT = "(absent)"
# What is changed, what is said, and whether the specification's schema alone can tell.
MISTAKES: list[tuple[dict[str, Any], str, bool]] = [
    (
        {"api_key": ABSENT, "courier": ABSENT},
        "No API key: fill in `api_key` to read Iterable, `courier.api_key` to read Courier, or both.",
        False,
    ),
    (
        {"start_date": ABSENT},
        "Fill in `start_date`: from when on to read, for example 2025-01-01T00:00:00Z.",
        False,
    ),
    *(
        ({"start_date": date}, f"`start_date` {IN_THE_PAST}", False)
        for date in ("2199-01-01T00:00:00Z", "2026-02-30T00:00:00Z")
    ),
    ({"start_date": "0000-01-01T00:00:00Z"}, f"`start_date` {IN_THE_PAST}", False),
    ({"start_date": "2026-01-01"}, f"`start_date` {IN_THE_PAST}", True),
    ({"api_key": 7}, "`api_key` must be a text.", True),
    *(({"api_key": key}, f"`api_key` {NO_SUCH_KEY}", False) for key in ("zebra\nzebra", "zebra zebra", "ключ")),
    ({"region": "us"}, "`region` must be US or EU.", True),
    ({"lookback_window": 5.5}, "`lookback_window` must be a whole number from 0 to 525600.", True),
    ({"budget_share": "half"}, "`budget_share` must be a number above 0.", True),
    ({"num_workers": 0}, "`num_workers` must be a whole number from 1 to 200.", True),
    ({"export_method": "file"}, "`export_method` must be stream or jobs.", True),
    ({"api_url": "http://api.example.com"}, f"`api_url` {ADDRESS}", False),
    ({"courier.start_date": "2199-01-01T00:00:00Z"}, f"`courier.start_date` {IN_THE_PAST}", False),
    ({"courier.api_key": "zebra zebra"}, f"`courier.api_key` {NO_SUCH_KEY}", False),
    ({"courier.region": None}, "`courier.region` must be US or EU.", True),
    ({"courier.lookback_days": "7"}, "`courier.lookback_days` must be a whole number from 0 to 3650.", True),
    ({"courier.api_url": "https://"}, f"`courier.api_url` {ADDRESS}", False),
    ({"courier": "key"}, "`courier` must be an object.", True),
]
# Takes a configuration; whatever is said of it, one text for each command.
Home = Callable[[dict[str, Any]], list[str]]


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of a configuration with other values at dotted places."""
    copy: dict[str, Any] = json.loads(json.dumps(config))
    for place, value in changes.items():
        outer, _, name = place.rpartition(".")
        section = copy[outer] if outer else copy
        section.pop(name, None)
        section.update({} if value is ABSENT else {name: value})
    return copy


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "courier": {"api_key": "sandbox-courier-key", "api_url": config["api_url"]}}


@pytest.fixture
def files(tmp_path: Path, discovered: Sync) -> Callable[[dict[str, Any]], list[str]]:
    """Writes the files of a command; its options."""

    def write(config: dict[str, Any], **others: Any) -> list[str]:
        options = []
        for name, content in {"config": config, **others}.items():
            (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
            options += [f"--{name}", str(tmp_path / name)]
        return options

    return write


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    def out() -> str:
        PRINT_BUFFER.flush()
        return "".join(capfd.readouterr())

    return out


@pytest.fixture
def command(files: Any, printed: Any, discovered: Sync, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Our command, which the image and PyAirbyte run."""
    monkeypatch.setattr(source_messaging, "load_manifest", lambda: TABLE)

    def say(config: dict[str, Any]) -> list[str]:
        said = []
        for name, others in (("check", {}), ("discover", {}), ("read", {"catalog": catalog_of(discovered, TRIED)})):
            source_messaging.run(source_messaging.parse_arguments([name, *files(config, **others)]))
            said.append(printed())
        return said

    return say


@pytest.fixture
def runner(files: Any, printed: Any, discovered: Sync, sent_components: None, tmp_path: Path) -> Home:
    """`source-declarative-manifest`."""
    (tmp_path / "manifest.yaml").write_text(json.dumps(TABLE), encoding="utf-8")
    components = streams.ROOT / "components.py"
    paths = ["--manifest-path", str(tmp_path / "manifest.yaml"), "--components-path", str(components)]

    def say(config: dict[str, Any]) -> list[str]:
        said = []
        for name, others in (("check", {}), ("discover", {}), ("read", {"catalog": catalog_of(discovered, TRIED)})):
            error = ""
            try:
                handle_command([name, *files(config, **others), *paths])
            except (AirbyteTracedException, SystemExit) as failure:
                error = str(getattr(failure, "message", ""))
            said.append(printed() + error)
        return said

    return say


@pytest.fixture
def builder(files: Any, printed: Any, sent_components: None) -> Home:
    """The Builder's command: a test of a stream."""

    def say(config: dict[str, Any]) -> list[str]:
        stream = {"name": "lists", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
        catalog = {"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]}
        asked = injected(only(*TRIED), config, __command="test_read")
        return [str(handle_request(["read", *files(asked, catalog=catalog, state=[])])) + printed()]

    return say


@pytest.fixture
def server(printed: Any, sent_components: None) -> Iterator[Home]:
    """The Builder's manifest server: a check of the connection, and a test of a stream."""
    from airbyte_cdk.manifest_server.app import app  # noqa: PLC0415 - brings a tracer along, which takes a second

    with TestClient(app, raise_server_exceptions=False) as client:

        def say(config: dict[str, Any]) -> list[str]:
            flat = only(*TRIED)
            check = {"manifest": flat, "config": injected(flat, config)}
            read = {"manifest": flat, "config": config, "stream_name": "lists", "custom_components_code": COMPONENTS}
            asked = {"check": check, "test_read": read}
            return [client.post(f"/v1/manifest/{name}", json=body).text + printed() for name, body in asked.items()]

        yield say


@pytest.fixture
def sent_components(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_components(monkeypatch)


# What stands in for another home takes longer to load than to ask.
HOMES = {"command": [], "runner": [pytest.mark.slow], "builder": [pytest.mark.slow], "server": [pytest.mark.slow]}
in_each_home = pytest.mark.parametrize("home", [pytest.param(home, marks=marks) for home, marks in HOMES.items()])
# The Builder's form lets no such value through.
NOT_IN_A_FORM = ({"lookback_window": 5.5}, {"courier": "key"})


@pytest.mark.parametrize(
    ("home", "changes", "sentence", "in_schema"),
    [
        pytest.param(home, *mistake, id=f"{mistake[0]}-{home}", marks=marks)
        for home, marks in HOMES.items()
        for mistake in MISTAKES
        if home in ("command", "runner") or mistake[0] not in NOT_IN_A_FORM
    ],
)
def test_a_mistake_is_told_by_the_same_sentence_everywhere(
    request: pytest.FixtureRequest,
    config: dict[str, Any],
    sandbox: Sandbox,
    home: str,
    changes: dict[str, Any],
    sentence: str,
    in_schema: bool,
) -> None:
    say: Home = request.getfixturevalue(home)

    said = say(changed(config, changes))

    told = [sentence] * len(said)
    if in_schema and home != "command":
        told = [FRAMEWORKS_OWN] * len(said)
    assert [sentence in text for sentence, text in zip(told, said, strict=True)] == [True] * len(said), said
    assert [text for text in said for secret in ("zebra", "ключ") if "api_key" in str(changes) and secret in text] == []
    assert sandbox.calls == []


@in_each_home
def test_a_framework_that_is_too_old_is_told_by_what_is_needed(
    request: pytest.FixtureRequest, config: dict[str, Any], home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    say: Home = request.getfixturevalue(home)
    monkeypatch.setattr(metadata, "version", lambda _name: "7.22.0")

    said = say(config)

    needed = f"This source needs airbyte-cdk {TABLE['version']} or newer and runs on 7.22.0: update what runs it."
    assert [needed in text for text in said] == [True] * len(said), said


@in_each_home
def test_blanks_around_a_key_are_taken_off_and_it_is_not_shown(
    request: pytest.FixtureRequest, config: dict[str, Any], sandbox: Sandbox, home: str
) -> None:
    sandbox.iterable.lists = [{"id": 7}]
    say: Home = request.getfixturevalue(home)

    said = say(changed(config, {"api_key": f" {KEY}\n", "courier.api_key": "sandbox-courier-key\t"}))

    assert {call.status for call in sandbox.calls} == {200}
    assert [text for text in said if KEY in text] == []


# ------------------------------------------------------------------------------------------------------ Airbyte's form


def submitted(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what Airbyte's form submits when nobody has filled it in: defaults, also of optional objects."""
    found = {}
    for name, field in schema["properties"].items():
        if field["type"] == "object":
            found[name] = submitted(field)
        elif "default" in field:
            found[name] = field["default"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vendor", "filled", "tried"),
    [
        ("Iterable", ("api_key", "start_date", "api_url"), ["/api/lists", "/api/export/data.json"]),
        ("Courier", ("courier.api_key", "courier.api_url"), ["/messages"]),
    ],
)
def test_a_form_in_which_one_vendor_is_filled_in_is_a_configuration_of_that_vendor(
    files: Any,
    capfd: pytest.CaptureFixture[str],
    config: dict[str, Any],
    sandbox: Sandbox,
    vendor: str,
    filled: tuple[str, ...],
    tried: list[str],
) -> None:
    def run(name: str) -> Sync:
        capfd.readouterr()
        assert source_messaging.run(source_messaging.parse_arguments([name, *options])) == 0
        PRINT_BUFFER.flush()
        return Sync([json.loads(line) for line in capfd.readouterr().out.split("\n") if line])

    form = submitted(TABLE["spec"]["connection_specification"])
    values = {"": config, "courier": config["courier"]}
    options = files(
        changed(form, {place: values[place.rpartition(".")[0]][place.rpartition(".")[2]] for place in filled})
    )

    assert run("check").of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
    assert [call.path for call in sandbox.calls] == tried
    known = streams.streams_of(streams.resolve(streams.MANIFEST.read_text(encoding="utf-8")))
    offered = [stream["name"] for stream in run("discover").of_type("CATALOG")[0]["streams"]]
    assert offered == [stream.name for stream in known if stream.vendor == vendor]


def test_nothing_is_required_in_the_form_but_what_every_configuration_has() -> None:
    specification = TABLE["spec"]["connection_specification"]

    assert specification.get("required", []) == []
    assert [name for name, field in specification["properties"].items() if field.get("required")] == []


def test_what_most_people_fill_in_stands_first_and_open() -> None:
    fields = TABLE["spec"]["connection_specification"]["properties"]
    in_order = sorted(fields, key=lambda name: fields[name]["order"])

    assert in_order[:4] == ["api_key", "start_date", "region", "courier"]
    assert [name for name in in_order if fields[name].get("always_show")] == in_order[:4]
