"""Things that go wrong, in one sentence each: files, configuration, key, address, input; and how a command ends."""

import copy
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from airbyte_cdk.models import AirbyteMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from destinations import runner
from destinations.base import MessagingDestination
from destinations.courier.destination import DestinationCourier
from destinations.rudderstack.destination import DestinationRudderStack
from destinations.settings import cleaned
from sandbox import Sandbox, serve
from sandbox.faults import Answer, Fault, Reset
from unit_tests.destinations.conftest import ROOT, Writing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.destination import call, catalog_of, in_bytes, record, records, run, state

Config = dict[str, Any]
PATIENCE = 120
"""Seconds that a process may take to start and to end, however busy the machine is."""
EVENT = {"type": "identify", "userId": "ada", "messageId": "m1", "traits": {"email": "ada@example.com"}}
BOTH = pytest.mark.parametrize("write", ["to_courier", "to_rudderstack"], indirect=True)
DESTINATIONS = pytest.mark.parametrize("destination", [DestinationCourier(), DestinationRudderStack()])


@pytest.fixture
def write(request: pytest.FixtureRequest) -> Writing:
    writing: Writing = request.getfixturevalue(request.param)
    return writing


@pytest.fixture
def checking(tmp_path: Path, clock: VirtualClock) -> Callable[[MessagingDestination, Any], tuple[str, str | None]]:
    """The answer of `check`, whose exit code is 0 even if it fails."""

    def check(destination: MessagingDestination, config: Any) -> tuple[str, str | None]:
        ran = run(tmp_path, destination, "check", config)
        assert ran.exit_code == 0
        return ran.status

    return check


Checking = Callable[[MessagingDestination, Any], tuple[str, str | None]]


# --- spec and check ----------------------------------------------------------


@DESTINATIONS
def test_the_specification_hides_the_key_and_offers_no_overwriting(
    destination: MessagingDestination, tmp_path: Path
) -> None:
    (message,) = run(tmp_path, destination, "spec").messages
    properties = message["spec"]["connectionSpecification"]["properties"]

    assert [name for name, field in properties.items() if field.get("airbyte_secret")] in (["api_key"], ["write_key"])
    assert message["spec"]["supported_destination_sync_modes"] == ["append", "append_dedup"]


@DESTINATIONS
def test_the_page_names_every_field(destination: MessagingDestination) -> None:
    page = (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8")
    section = page.partition(f"## Into {destination.specification['title']}\n")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \| (yes|no) \|", section, re.MULTILINE) == [
        (name, "yes" if name in destination.specification["required"] else "no")
        for name in destination.specification["properties"]
    ]


def everything(sandbox: Sandbox) -> list[Any]:
    """All that both vendors hold."""
    vendors = (sandbox.courier, sandbox.rudderstack)
    return [
        copy.deepcopy(getattr(vendor, field.name))
        for vendor in vendors
        for field in fields(vendor)
        if field.name != "clock"
    ]


@DESTINATIONS
def test_a_check_proves_the_key_and_changes_nothing(
    destination: MessagingDestination, sandbox: Sandbox, checking: Checking, request: pytest.FixtureRequest
) -> None:
    config = request.getfixturevalue(f"{destination.name}_config")
    before = everything(sandbox)

    assert checking(destination, config) == ("SUCCEEDED", None)

    assert everything(sandbox) == before
    assert [(call.method, call.path) for call in sandbox.calls] == [
        ("GET", "/messages") if destination.name == "courier" else ("POST", "/v1/batch")
    ]


@pytest.mark.parametrize(
    ("status", "said", "sentence"),
    [
        (
            401, "Unauthorized",
            "Courier does not know the key (HTTP 401, “Unauthorized”): fill in `api_key` with a key of the workspace, "
            "and check `region`.",
        ),
        (
            403, "ada@example.com may not",
            "Courier knows the key but does not let it do this (HTTP 403, “… may not”): give `api_key` the permission "
            "to read messages and to write, or check what the workspace's plan includes.",
        ),
        (
            404, "Not Found",
            "Courier does not answer as expected (HTTP 404, “Not Found”): check `api_url` and `region`.",
        ),
        (
            302, "",
            "Courier does not answer as expected (HTTP 302, “no explanation given”): check `api_url` and `region`.",
        ),
        (503, "", "Courier still answered HTTP 503 after 2 tries."),
    ],
)  # fmt: skip
def test_a_failed_check_of_courier_says_what_to_do(
    status: int, said: str, sentence: str, sandbox: Sandbox, checking: Checking, courier_config: Config
) -> None:
    sandbox.faults.add(Fault("/messages", Answer(status, {"message": said}), times=None))

    assert checking(DestinationCourier(), courier_config) == ("FAILED", sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"write_key": "wrong"},
            "RudderStack does not know the write key (HTTP 401, “invalid write key”): fill in `write_key` as its "
            "source shows it.",
        ),
        (
            {"disabled": True},
            "The source of `write_key` is switched off (HTTP 404, “source is disabled”): enable it in RudderStack.",
        ),
        (
            {"body": "invalid json"},
            "`data_plane_url` cannot read what was sent as JSON in gzip (HTTP 400, “invalid json”): check the address, "
            "and that whatever stands before the data plane takes gzip.",
        ),
        (
            {"path": "/api"},
            "`data_plane_url` does not answer as RudderStack's data planes do (HTTP 404, “Not Found”): check "
            "the address.",
        ),
    ],
)
def test_a_failed_check_of_rudderstack_says_what_to_do(
    change: Config,
    sentence: str,
    sandbox: Sandbox,
    checking: Checking,
    rudderstack_config: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox.rudderstack.disabled = change.get("disabled", False)
    if "body" in change:  # no fault strikes a batch without events, which is refused anyway
        monkeypatch.setattr("sandbox.rudderstack.api.events.batch_of", mock.Mock(side_effect=ValueError))
    rudderstack_config["data_plane_url"] += change.get("path", "")
    rudderstack_config["write_key"] = change.get("write_key", rudderstack_config["write_key"])

    status, message = checking(DestinationRudderStack(), rudderstack_config)

    assert status == "FAILED"
    assert message is not None
    assert message.partition(" (HTTP")[0] == sentence.partition(" (HTTP")[0]
    if "path" not in change:
        assert message == sentence


def test_a_page_that_says_200_is_no_courier(sandbox: Sandbox, checking: Checking, courier_config: Config) -> None:
    sandbox.faults.add(Fault("/messages", Answer(200, "<html>Welcome</html>")))

    assert checking(DestinationCourier(), courier_config) == (
        "FAILED",
        "Courier does not answer as expected (no JSON object came): check `api_url`.",
    )


# --- configuration -----------------------------------------------------------

COURIER = {"api_key": "key-that-is-secret", "route": "direct"}
RUDDERSTACK = {"data_plane_url": "https://x.example", "write_key": "key-that-is-secret"}
URL_RULE = "must be an address that starts with https://, or http:// on this machine."
KEY_RULE = "holds characters that no key has: copy it again."


def mapping(**fields: Any) -> Config:
    return {"streams": [{"stream": "s", "call": "identify", "userId": "u"} | fields]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"api_key": None}, "Fill in `api_key`."),
        ({"api_key": " \n"}, "Fill in `api_key`."),
        ({"api_key": 5}, "`api_key` must be a text."),
        ({"api_key": "a\nb"}, f"`api_key` {KEY_RULE}"),
        ({"api_key": "clé"}, f"`api_key` {KEY_RULE}"),
        ({"region": "AP"}, "`region` must be US or EU."),
        ({"route": "post"}, "`route` must be segment or rudderstack or direct."),
        ({"on_invalid_record": "ignore"}, "`on_invalid_record` must be fail or skip."),
        ({"num_workers": 0}, "`num_workers` must be a whole number from 1 to 64."),
        ({"num_workers": True}, "`num_workers` must be a whole number from 1 to 64."),
        ({"num_workers": 5.5}, "`num_workers` must be a whole number from 1 to 64."),
        ({"num_workers": "5"}, "`num_workers` must be a whole number from 1 to 64."),
        ({"api_url": 5}, f"`api_url` {URL_RULE}"),
        ({"api_url": "http://api.courier.com"}, f"`api_url` {URL_RULE}"),
        ({"api_url": "https://x.example?a=1"}, f"`api_url` {URL_RULE}"),
        ({"api_url": "https://x y.example"}, f"`api_url` {URL_RULE}"),
        ({"api_url": "http://127.0.0.1.x.example"}, f"`api_url` {URL_RULE}"),
        ({"api_url": "https://x:99999"}, f"`api_url` {URL_RULE}"),
        ({"streams": {}}, "`streams` must be a list."),
        ({"streams": ["s"]}, "`streams.0` must be an object."),
        (mapping(call="page"), "`streams.0.call` must be identify or track or group."),
        (mapping(call=None), "Fill in `streams.0.call`."),
        (mapping(stream=" "), "Fill in `streams.0.stream`."),
        (mapping(userId=" "), "`streams.0`: name the column of `userId`, of `anonymousId`, or of both."),
        (mapping(call="track"), "`streams.0`: name the column of `event`, or give all rows one `eventName`."),
        (
            mapping(call="track", eventName=" "),
            "`streams.0`: name the column of `event`, or give all rows one `eventName`.",
        ),
        (
            mapping(call="group", userId=" ", groupId="\t"),
            "`streams.0`: name the column of `userId`, of `anonymousId`, or of both. `streams.0`: name the column of "
            "`groupId`.",
        ),
        (mapping(user="u"), "There is no field `streams.0.user`."),
        (mapping(timestamp=1), "`streams.0.timestamp` must be a text."),
        ({"streams": mapping()["streams"] * 2}, "`streams` maps the stream s more than once."),
        (
            {"region": "x", "route": None},
            "Fill in `route`. `region` must be US or EU.",
        ),
        (
            {"api_key": "", "route": ""},
            "Fill in `api_key`. Fill in `route`.",
        ),
    ],
)
def test_a_mistake_in_couriers_configuration_is_told_with_its_field(
    change: Config, sentence: str, checking: Checking, tmp_path: Path
) -> None:
    assert checking(DestinationCourier(), COURIER | change) == ("FAILED", sentence)

    written = run(tmp_path, DestinationCourier(), "write", COURIER | change, catalog_of("events"), [])
    assert (written.exit_code, written.errors) == (1, [("config_error", sentence)])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data_plane_url": ""}, "Fill in `data_plane_url`."),
        ({"data_plane_url": 3}, f"`data_plane_url` {URL_RULE}"),
        ({"data_plane_url": "x.example"}, f"`data_plane_url` {URL_RULE}"),
        ({"data_plane_url": "http://10.0.0.1"}, f"`data_plane_url` {URL_RULE}"),
        ({"write_key": ""}, "Fill in `write_key`."),
        ({"write_key": "a b"}, f"`write_key` {KEY_RULE}"),
        ({"on_invalid_record": True}, "`on_invalid_record` must be fail or skip."),
    ],
)
def test_a_mistake_in_rudderstacks_configuration_is_told_with_its_field(
    change: Config, sentence: str, checking: Checking
) -> None:
    assert checking(DestinationRudderStack(), RUDDERSTACK | change) == ("FAILED", sentence)


@DESTINATIONS
@pytest.mark.parametrize("empty", [None, "", " "])
def test_blanks_around_a_key_and_fields_that_hold_nothing_do_not_matter(
    destination: MessagingDestination, empty: Any, checking: Checking, request: pytest.FixtureRequest
) -> None:
    config = request.getfixturevalue(f"{destination.name}_config")
    secret = "api_key" if destination.name == "courier" else "write_key"
    optional = {"region", "on_invalid_record", "num_workers", "streams"} & destination.specification[
        "properties"
    ].keys()

    padded = config | dict.fromkeys(optional, empty) | {secret: f" {config[secret]}\n"}

    assert checking(destination, padded) == ("SUCCEEDED", None)


def test_a_configuration_is_cleaned_down_to_its_last_list() -> None:
    given = {"a": [{"b": " x\n", "c": " ", "d": None, "e": 5.0, "f": 0.5, "g": 0, "h": False}], "i": {}}

    assert cleaned(given) == {"a": [{"b": "x", "e": 5, "f": 0.5, "g": 0, "h": False}], "i": {}}


@DESTINATIONS
def test_a_form_with_only_the_fields_at_the_top_filled_in_can_be_saved(
    destination: MessagingDestination, checking: Checking, request: pytest.FixtureRequest
) -> None:
    """A form adds the defaults, those of optional objects included, which makes it demand their required fields."""
    config = request.getfixturevalue(f"{destination.name}_config")
    properties = destination.specification["properties"]
    assert [name for name, field in properties.items() if field.get("properties") and field.get("required")] == []

    assert checking(destination, form_defaults(destination.specification) | config) == ("SUCCEEDED", None)


def form_defaults(schema: Mapping[str, Any]) -> Config:
    defaults: Config = {}
    for name, field in schema["properties"].items():
        if "default" in field:
            defaults[name] = field["default"]
        elif field["type"] == "object":
            defaults[name] = form_defaults(field)
    return defaults


@pytest.mark.parametrize("url", ["https://a..b", f"https://{'a' * 70}.example"])
def test_an_address_that_no_connection_can_be_made_to_is_told_with_its_field(url: str, checking: Checking) -> None:
    assert checking(DestinationCourier(), COURIER | {"api_url": url}) == (
        "FAILED",
        "`api_url` is not an address that can be called.",
    )


def can_listen_at(address: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind((address, 0))
    except OSError:
        return False
    return True


# Without it the connection is not refused but impossible.
with_ipv6 = pytest.mark.skipif(not can_listen_at("::1"), reason="this machine has no IPv6 loopback")


@pytest.mark.parametrize(
    "host", ["http://localhost:9", "http://127.0.0.1:9", pytest.param("http://[::1]:9", marks=with_ipv6)]
)
def test_plain_http_is_for_this_machine(host: str, checking: Checking) -> None:
    status, message = checking(DestinationCourier(), COURIER | {"api_url": host})

    assert (status, message) == ("FAILED", "Courier cannot be reached: the connection was refused, in 2 tries.")


@pytest.mark.parametrize(
    ("region", "address"), [("US", "https://api.courier.com"), ("EU", "https://api.eu.courier.com")]
)
def test_a_region_stands_for_its_host(region: str, address: str, checking: Checking) -> None:
    with mock.patch("destinations.courier.sending.Api") as api:
        api.return_value.call.return_value = mock.Mock(status_code=200, json=dict, headers={})
        assert checking(DestinationCourier(), COURIER | {"region": region}) == ("SUCCEEDED", None)

    assert api.call_args.args[:3] == ("Courier", "api_url", address)


# --- files and command line --------------------------------------------------


@DESTINATIONS
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist."),
        (b"[]", "must hold a JSON object."),
        (b'["key-that-is-secret"', "is not valid JSON: Expecting ',' delimiter: line 1 column 22 (char 21)."),
        (b'{"api_key": "\xe9"}', "is not UTF-8 text."),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_that_quotes_nothing(
    destination: MessagingDestination, content: bytes | None, sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "given.json"
    if content is not None:
        file.write_bytes(content)
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(catalog_of("events")))

    ran = call(destination, "write", "--config", str(file), "--catalog", str(catalog))

    assert (ran.exit_code, ran.errors) == (1, [("config_error", f"The config file {file} {sentence}")])


@DESTINATIONS
def test_a_catalog_that_is_none_is_one_sentence(destination: MessagingDestination, tmp_path: Path) -> None:
    config = COURIER if destination.name == "courier" else RUDDERSTACK

    ran = run(tmp_path, destination, "write", config, {"streams": [{"name": "events"}]})

    ((kind, sentence),) = ran.errors
    assert (ran.exit_code, kind) == (1, "config_error")
    assert sentence.startswith(f"The catalog file {tmp_path / 'catalog.json'} is not a configured catalog: ")


@DESTINATIONS
@pytest.mark.parametrize("words", [[], ["discover"], ["check"], ["write", "--config", "c"]])
def test_a_wrong_command_line_is_a_usage_error(
    destination: MessagingDestination, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        runner.parse_arguments(destination, words)

    assert exit_.value.code == 2
    assert capsys.readouterr().err


# --- the vendor --------------------------------------------------------------


@BOTH
def test_a_host_that_is_not_known_is_told_with_the_field(
    write: Writing, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    field = "api_url" if request.node.callspec.params["write"] == "to_courier" else "data_plane_url"
    vendor = "Courier" if field == "api_url" else "RudderStack"
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", unknown)
        written = write([state(1), record("events", EVENT), state(2)], fails=True, **{field: "https://no.example"})

    assert written.errors == [("config_error", f"{vendor} cannot be reached: nobody knows the host in `{field}`.")]
    assert written.states == [state(1)]


@DESTINATIONS
@pytest.mark.parametrize("reason", [socket.gaierror(-2, "Name or service not known"), ConnectionRefusedError()])
def test_a_proxy_that_cannot_be_reached_is_named_as_what_it_is(
    reason: Exception, destination: MessagingDestination, checking: Checking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setattr(socket, "getaddrinfo", mock.Mock(side_effect=reason))
    config = COURIER if destination.name == "courier" else RUDDERSTACK
    vendor = "Courier" if destination.name == "courier" else "RudderStack"

    assert checking(destination, config) == (
        "FAILED",
        f"{vendor} cannot be reached: the proxy that HTTPS_PROXY or HTTP_PROXY names did not connect, in 2 tries.",
    )


@BOTH
def test_a_connection_that_breaks_again_and_again_may_recover_later(write: Writing, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(".", Reset(rows=None), times=None, has_effect=False))

    written = write(records("events", EVENT), fails=True)

    ((kind, sentence),) = written.errors
    assert kind == "transient_error"
    assert sentence.endswith(" cannot be reached: the connection broke, in 11 tries.")


@BOTH
def test_a_key_that_is_refused_ends_the_sync_at_once(write: Writing, sandbox: Sandbox) -> None:
    rows = [EVENT | {"userId": f"u{number}"} for number in range(50)]

    written = write(
        [*records("events", *rows), state(1)], fails=True, api_key="a-wrong-key", write_key="a-wrong-key", num_workers=1
    )

    assert len(sandbox.calls) == 1
    assert "a-wrong-key" not in written.output
    assert written.states == []
    assert written.errors[0][0] == "config_error"


@BOTH
@pytest.mark.parametrize("after", ["", " \n"])
def test_a_key_that_a_vendor_quotes_is_masked(
    write: Writing, after: str, sandbox: Sandbox, request: pytest.FixtureRequest
) -> None:
    name = "courier" if request.node.callspec.params["write"] == "to_courier" else "rudderstack"
    key = f"sandbox-{name}-key"
    sandbox.faults.add(Fault(".", Answer(403, {"message": f"Not with {key}"}), times=None))

    part_of_it = EVENT | {"traits": {"kind": "sandbox"}}

    written = write(records("events", part_of_it), fails=True, api_key=key + after, write_key=key + after)

    assert "“Not with ****”" in written.errors[0][1]


def test_a_permission_that_is_missing_is_no_fault_of_a_row(to_courier: Writing, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("/inbound", Answer(403, {"message": "Not for ada@example.com"}), times=None))

    written = to_courier(records("events", EVENT), fails=True, on_invalid_record="skip")

    assert written.errors[0][1].startswith("Courier knows the key but does not let it do this (HTTP 403, “Not for …”)")


# --- the input ---------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("mode", ["overwrite", "update"])
def test_a_stream_that_is_to_be_overwritten_is_added_to_with_a_warning(
    write: Writing, mode: str, sandbox: Sandbox
) -> None:
    written = write([record("events", EVENT), state(1)], catalog=catalog_of("events", mode=mode))

    assert written.warnings == [
        f"Stream events asks for {mode}; events that were sent stay, and its rows are added to them."
    ]
    assert (len(sandbox.calls), written.states) == (1, [state(1)])


@BOTH
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"type": "RECORD", "record": {"stre', "Line 4 of the input is not JSON, or was cut off."),
        (b"ada@example.com", "Line 4 of the input is not JSON, or was cut off."),
        (b'"text"', "Line 4 of the input is not an Airbyte message."),
        (b'{"record": {}}', "Line 4 of the input is not an Airbyte message."),
        (b'{"type": "RECORD"}', "Line 4 of the input is a RECORD without a stream."),
        (b'{"type": "RECORD", "record": {"stream": 1}}', "Line 4 of the input is a RECORD without a stream."),
        (b'{"type": "LOG", "log": "\xe9"}', "Line 4 of the input is not UTF-8 text."),
        (b"[" * 100_000, "Line 4 of the input is not JSON, or was cut off."),
        (b'{"type": ' + b"9" * 5000, "Line 4 of the input is not JSON, or was cut off."),
    ],
)
def test_a_line_that_is_no_message_fails_the_sync_after_all_before_it_was_delivered(
    write: Writing, line: bytes, sentence: str, sandbox: Sandbox
) -> None:
    written = write([record("events", EVENT), "", state(1), line, state(2)], fails=True, on_invalid_record="skip")

    assert written.errors == [("system_error", sentence)]
    assert written.states == [state(1)]
    assert len(sandbox.calls) == 1


@BOTH
def test_a_row_of_a_stream_that_is_not_in_the_catalog_is_told(write: Writing) -> None:
    written = write([record("events", EVENT), record("others", EVENT)], fails=True)

    assert written.errors == [
        ("config_error", "Line 2 of the input is a row of stream others, which is not in the catalog: add it there.")
    ]


def test_a_stream_without_mapping_is_told_with_its_name(to_courier: Writing) -> None:
    lines = [record("events", EVENT), state(1), record("orders", {"id": 1, "email": "ada@example.com"})]

    written = to_courier(lines, of=["events", "orders"], fails=True)

    assert written.errors == [
        (
            "config_error",
            "Row 1 of stream orders was rejected: it is no event, for it has no `type` such as track or identify: say "
            "under `streams` which call the rows of this stream are, or take it out of the connection (mend it, or "
            "set `on_invalid_record` to skip to leave such rows out).",
        )
    ]
    assert written.states == [state(1)]


def test_a_mapping_of_a_stream_that_does_not_come_is_told_before_anything_is_written(
    to_courier: Writing, sandbox: Sandbox
) -> None:
    mapped = ("customers", "custommers", "shop.seats", "ads")
    mappings = [{"stream": name, "call": "identify", "userId": "id"} for name in mapped]
    catalog = catalog_of("events", "customers", "seats")
    catalog["streams"][2]["stream"]["namespace"] = "shop"

    written = to_courier(records("events", EVENT), catalog=catalog, fails=True, streams=mappings)

    assert written.errors == [
        (
            "config_error",
            "`streams` names what is not in the catalog: custommers, ads. Correct the name, or take the mapping out.",
        )
    ]
    assert sandbox.calls == []


@pytest.mark.parametrize("stream", ["orders", "support_messages", "message_info"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_row_that_rudderstack_has_no_use_for_is_a_bad_row_wherever_it_stands(
    place: int, stream: str, to_rudderstack: Writing
) -> None:
    rows: list[Config] = [EVENT]
    rows.insert(place, {"id": 1, "body": "Hello", "enqueued": None})

    written = to_rudderstack([*records(stream, *rows), state(1)], of=[stream], on_invalid_record="skip")

    assert written.warnings == [
        f"1 row of stream {stream} was rejected and left out: it is neither a row of Courier's messages or "
        "message_info (with `enqueued`) or message_history, nor an event with a `type` such as track: take its stream "
        f"out of the connection (row {place + 1})."
    ]
    assert (written.states, written.counts) == ([state(1)], "1 delivered, 0 skipped, 1 rejected")


@BOTH
def test_rows_are_counted_in_their_stream_and_namespace(write: Writing) -> None:
    def of(namespace: str | None, row: Any) -> str:
        told = {"stream": "events", "namespace": namespace, "data": row, "emitted_at": 0}
        return json.dumps({"type": "RECORD", "record": told})

    catalog = catalog_of("events", "events")
    catalog["streams"][1]["stream"]["namespace"] = "shop"
    lines = [of(None, EVENT), of("shop", EVENT), of("shop", EVENT), of("shop", 3)]

    written = write(lines, catalog=catalog, on_invalid_record="skip")

    assert written.warnings == ["1 row of stream shop.events was rejected and left out: its data is no object (row 3)."]


@BOTH
def test_what_else_a_source_prints_is_passed_over(write: Writing, sandbox: Sandbox) -> None:
    lines = [
        '{"type": "LOG", "log": {"level": "INFO", "message": "ada@example.com"}}',
        '{"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 0}}',
        record("events", EVENT), '{"type": "CATALOG", "catalog": {}}', '{"type": "SOMETHING NEW"}', "", state(1),
    ]  # fmt: skip

    written = write(lines)

    assert [message["type"] for message in written.messages] == ["STATE", "LOG"]
    assert (written.states, written.counts) == ([state(1)], "1 delivered, 0 skipped, 0 rejected")
    assert len(sandbox.calls) == 1


@BOTH
def test_a_source_that_failed_fails_the_pipe_when_all_it_has_read_is_delivered(
    write: Writing, sandbox: Sandbox
) -> None:
    error = {
        "message": "The key of ada@example.com is wrong: fill in `api_key`.",
        "failure_type": "transient_error",
        "stream_descriptor": {"name": "lists"},
    }
    total = {"message": "1 stream failed.", "failure_type": "config_error"}
    traces = [
        json.dumps({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 0, "error": told}})
        for told in (error, total)
    ]

    written = write([traces[0], record("events", EVENT), state(1), traces[1]], fails=True)

    assert written.states == [state(1)]
    assert len(sandbox.calls) == 1
    assert written.errors == [
        (
            "transient_error",
            "The source reported an error in stream lists: “The key of … is wrong: fill in `api_key`”. Its rows are "
            "incomplete; those that came were delivered.",
        )
    ]
    assert written.counts == "1 delivered, 0 skipped, 0 rejected"


@BOTH
@pytest.mark.parametrize(
    ("error", "reason"), [({}, "no reason given"), (None, "no reason given"), ({"message": "x"}, "x")]
)
def test_a_source_that_fails_without_a_row_is_told_with_its_reason(error: Any, reason: str, write: Writing) -> None:
    trace = {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 0, "error": error}}

    written = write([json.dumps(trace)], fails=True)

    assert written.errors == [
        (
            "system_error",
            f"The source reported an error: “{reason}”. Its rows are incomplete; those that came were delivered.",
        )
    ]


def test_many_reasons_do_not_fill_the_log(to_courier: Writing, sandbox: Sandbox) -> None:
    for number in range(200):
        answer = Answer(400, {"message": f"reason {number}", "type": "x"})
        sandbox.faults.add(Fault("/inbound/segment", answer, after=number))

    written = to_courier(records("events", *[EVENT] * 200), on_invalid_record="skip")

    assert len(written.warnings) == 51
    assert "150 rows of stream events were rejected and left out: other reasons (rows 51, 52, 53, 54, 55, …)." in (
        written.warnings
    )


# --- bugs --------------------------------------------------------------------


@DESTINATIONS
def test_a_bug_is_told_with_the_places_it_passed_and_without_its_words(
    destination: MessagingDestination, tmp_path: Path
) -> None:
    config = COURIER if destination.name == "courier" else RUDDERSTACK
    module = f"destinations.{destination.name}"
    target = f"{module}.destination.plan" if destination.name == "courier" else f"{module}.destination.encoded"

    with mock.patch(target, side_effect=KeyError("ada@example.com")):
        ran = run(tmp_path, destination, "write", config, catalog_of("events"), records("events", EVENT))

    (_, message) = ran.messages
    error = message["trace"]["error"]
    assert error["message"] == "The destination failed with KeyError, which is a mistake in it: please report it."
    assert error["failure_type"] == "system_error"
    assert 'destination.py", line' in error["stack_trace"]
    assert "ada@example.com" not in ran.output
    assert ran.exit_code == 1


# --- the CDK's ways in -------------------------------------------------------


@DESTINATIONS
def test_the_cdks_own_write_gives_the_states_and_then_the_error(
    destination: MessagingDestination, request: pytest.FixtureRequest, sandbox: Sandbox
) -> None:
    config = request.getfixturevalue(f"{destination.name}_config")
    catalog = ConfiguredAirbyteCatalogSerializer.load(catalog_of("events"))
    lines = [record("events", EVENT), state(1), record("events", {"type": "publish"})]

    echoed = destination.write(config, catalog, [AirbyteMessageSerializer.load(json.loads(line)) for line in lines])

    states = iter(echoed)
    first = AirbyteMessageSerializer.dump(next(states))
    assert first["state"]["stream"]["stream_state"] == {"position": 1}
    with pytest.raises(AirbyteTracedException, match="Row 2 of stream events was rejected"):
        next(states)
    assert len(sandbox.calls) == 1


# --- processes ---------------------------------------------------------------


@pytest.fixture
def real() -> Iterator[tuple[Sandbox, str]]:
    """A sandbox on the real clock, for processes of their own."""
    sandbox = Sandbox(seed=True, budgets=False)
    with serve(sandbox) as address:
        yield sandbox, address


def started(module: str, *words: str) -> subprocess.Popen[bytes]:
    """Starts a connector where all that goes out passes a proxy, which is none; this machine is asked without it."""
    surroundings = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": "", "PYTHONIOENCODING": "ascii"}
    return subprocess.Popen(
        [sys.executable, *module.split(), *words],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | surroundings,
    )  # fmt: skip


def file(folder: Path, name: str, content: Any) -> str:
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def sent_by_now(sandbox: Sandbox) -> set[str]:
    """The ids of the events for all messages that have been sent by now."""
    now = sandbox.courier.now
    return {f"courier:{row['id']}:sent" for row in sandbox.courier.messages if 0 < (row.get("sent") or 0) <= now}


@pytest.mark.slow
def test_source_and_destination_make_a_plain_pipe(real: tuple[Sandbox, str], tmp_path: Path) -> None:
    sandbox, address = real
    source = file(tmp_path, "source.json", {"courier": {"api_key": "sandbox-courier-key", "api_url": address}})
    target = file(tmp_path, "target.json", {"data_plane_url": address, "write_key": "sandbox-rudderstack-key"})
    catalog = file(tmp_path, "catalog.json", catalog_of("messages"))
    before = sent_by_now(sandbox)

    reading = started("source_messaging.py", "read", "--config", source, "--catalog", catalog)
    writing = subprocess.Popen(
        [sys.executable, "-m", "destinations.rudderstack", "write", "--config", target, "--catalog", catalog],
        cwd=ROOT, stdin=reading.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    for stream in (reading.stdout, reading.stdin):
        assert stream is not None
        stream.close()
    out, err = writing.communicate(timeout=PATIENCE)
    assert reading.stderr is not None
    assert (reading.stderr.read(), err) == (b"", b"")
    reading.stderr.close()
    assert (reading.wait(timeout=PATIENCE), writing.returncode) == (0, 0), out

    sent = {one["messageId"] for one in sandbox.rudderstack.events if one["event"] == "Message Sent"}
    # More may be sent while the pipe runs.
    assert before <= sent <= sent_by_now(sandbox)
    assert len({one["messageId"] for one in sandbox.rudderstack.events}) == len(sandbox.rudderstack.events)
    assert [json.loads(line)["type"] for line in out.splitlines()[-2:]] == ["STATE", "LOG"]
    assert b"@" not in out


@pytest.mark.slow
@pytest.mark.parametrize(("number", "waiting_for"), [(signal.SIGINT, "input"), (signal.SIGTERM, "vendor")])
def test_a_signal_ends_a_write_at_once_and_echoes_nothing_that_was_not_accepted(
    number: signal.Signals, waiting_for: str, real: tuple[Sandbox, str], tmp_path: Path
) -> None:
    sandbox, address = real
    config = file(tmp_path, "c.json", {"api_key": "sandbox-courier-key", "route": "segment", "api_url": address})
    catalog = file(tmp_path, "catalog.json", catalog_of("events"))
    if waiting_for == "vendor":
        # The longest wait that is not told in the log, so that nothing is asked again while the signal is on its way.
        later = Answer(503, headers={"Retry-After": "5"})
        sandbox.faults.add(Fault("/inbound", later, after=1, times=None))
    process = started("-m destinations.courier", "write", "--config", config, "--catalog", catalog)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(in_bytes([record("events", EVENT), state(1), record("events", EVENT | {"messageId": "m2"})]))
    process.stdin.flush()
    first = process.stdout.readline().decode().rstrip()

    asked = len(sandbox.calls)
    process.send_signal(number)
    process.wait(timeout=PATIENCE)  # with its input open
    out, err = process.communicate()

    assert first == state(1)
    assert len(sandbox.calls) <= asked + 1  # what was about to be asked
    assert (process.returncode, out, err) == (-number, b"", b"")


@pytest.mark.slow
def test_a_write_that_is_killed_and_goes_on_behind_its_last_state_is_as_good_as_one(
    real: tuple[Sandbox, str], tmp_path: Path
) -> None:
    sandbox, address = real
    sandbox.courier.profiles = {}
    config = file(tmp_path, "c.json", {"api_key": "sandbox-courier-key", "route": "direct", "api_url": address})
    catalog = file(tmp_path, "catalog.json", catalog_of("events"))
    lines = []
    for number in range(200):
        event = {"type": "identify", "userId": f"u{number % 7}", "traits": {"n": number, f"n{number}": True}}
        sale = {"type": "track", "userId": f"u{number % 7}", "event": f"E{number}"}
        lines += [*records("events", event, sale), state(number)]
    words = ("write", "--config", config, "--catalog", catalog)

    killed = started("-m destinations.courier", *words)
    assert killed.stdin is not None
    assert killed.stdout is not None
    killed.stdin.write(in_bytes(lines[:300]))
    killed.stdin.flush()
    for _ in range(20):
        killed.stdout.readline()
    killed.kill()
    rest, _ = killed.communicate()
    echoed = [line for line in rest.decode().splitlines() if line in lines] or [state(19)]
    again = started("-m destinations.courier", *words)
    out, _ = again.communicate(in_bytes(lines[lines.index(echoed[-1]) + 1 :]), timeout=PATIENCE)

    assert (again.returncode, [line for line in out.decode().splitlines() if line in lines][-1]) == (0, state(199))
    sales = [row["event"]["event"] for row in sandbox.courier.inbound]
    assert sorted(sales) == sorted(f"E{number}" for number in range(200))
    assert {user: held["profile"] for user, held in sandbox.courier.profiles.items()} == {
        f"u{user}": {"n": max(range(user, 200, 7)), **{f"n{number}": True for number in range(user, 200, 7)}}
        for user in range(7)
    }


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_write_quietly(real: tuple[Sandbox, str], tmp_path: Path) -> None:
    _, address = real
    config = file(tmp_path, "c.json", {"api_key": "sandbox-courier-key", "route": "segment", "api_url": address})
    catalog = file(tmp_path, "catalog.json", catalog_of("events"))
    process = started("-m destinations.courier", "write", "--config", config, "--catalog", catalog)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(in_bytes([record("events", EVENT), state(1)]))
    process.stdin.close()

    assert process.wait(timeout=PATIENCE) == 1
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.slow
def test_a_state_is_echoed_to_the_letter_whatever_the_output_is_said_to_be_encoded_in(
    real: tuple[Sandbox, str], tmp_path: Path
) -> None:
    _, address = real
    config = file(tmp_path, "c.json", {"data_plane_url": address, "write_key": "sandbox-rudderstack-key"})
    catalog = file(tmp_path, "catalog.json", catalog_of("events"))
    line = json.dumps(json.loads(state(1, "events ☕")), ensure_ascii=False)
    words = ("write", "--config", config, "--catalog", catalog)

    process = started("-m destinations.rudderstack", *words)
    out, err = process.communicate(in_bytes([line]), timeout=PATIENCE)

    assert (process.returncode, err) == (0, b"")
    assert out.decode().splitlines()[0] == line
