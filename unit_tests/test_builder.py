"""The texts that `make builder` writes are all that Airbyte's Connector Builder needs.

Both back ends of the Builder are asked as its web page asks them: the framework's command and its manifest server. The
page has a manifest resolved, lists its streams by the names that it finds then, and sends what was resolved with each
test; a stream without a name is `stream_0`, `stream_1`, and so on by its place.
"""

import copy
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from airbyte_cdk.connector_builder.main import handle_request
from airbyte_cdk.sources.declarative.parsers.custom_code_compiler import (
    AirbyteCodeTamperedError,
    AirbyteCustomCodeNotPermittedError,
)
from airbyte_cdk.utils.yaml_loader import safe_load_yaml
from fastapi.testclient import TestClient

from sandbox import Sandbox
from scripts import builder, streams
from unit_tests.support.connector import Message, Sync

MANIFEST = streams.MANIFEST.read_text(encoding="utf-8")
COMPONENTS = (streams.ROOT / "components.py").read_text(encoding="utf-8")
KEYS = ("sandbox-iterable-key", "sandbox-courier-key")
NAMES = [stream.name for stream in streams.streams_of(streams.resolve(MANIFEST))]
UNSAFE = "AIRBYTE_ENABLE_UNSAFE_CODE"
Ask = Callable[..., Message]


@cache
def flat() -> Message:
    """What is pasted into the Builder; made when it is asked for, since every worker imports this file."""
    return safe_load_yaml(builder.flat(MANIFEST))


@pytest.fixture(autouse=True)
def _no_components_but_those_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_components(monkeypatch)


def forget_components(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Builder's machine has no `components` of its own, and what one test sends the next must not find."""
    monkeypatch.setenv(UNSAFE, "true")
    monkeypatch.delenv("AB_JWT_SIGNATURE_SECRET", raising=False)
    for name in ("components", "source_declarative_manifest.components"):
        monkeypatch.setitem(sys.modules, name, None)  # restored with what was there
        del sys.modules[name]
    monkeypatch.setattr(sys, "path", [place for place in sys.path if Path(place or ".").resolve() != streams.ROOT])


@pytest.fixture
def manifest() -> Message:
    return copy.deepcopy(flat())


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    """A little of each kind of stream."""
    project, workspace = sandbox.iterable, sandbox.courier
    project.lists = [{"id": 7, "name": "VIP"}, {"id": 8, "name": "All"}]
    project.list_members = {7: ["ana@example.com"], 8: ["ana@example.com", "u-1"]}
    for day in (2, 20, 40):
        row = {"email": "ana@example.com", "createdAt": f"2026-{1 + day // 28:02}-{day % 28:02} 09:00:00 +00:00"}
        project.add_events("emailSend", [{**row, "messageId": f"of day {day}"}])
    workspace.messages = [{"id": f"1-{number}", "enqueued": 1_760_000_000_000 + number} for number in range(12)]
    return sandbox


@pytest.fixture
def settings(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration of both vendors, as a user of the Builder fills it in."""
    return {**config, "courier": {"api_key": KEYS[1], "api_url": config["api_url"]}}


def injected(manifest: Message, settings: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Return a configuration as the Builder's web page sends it."""
    return {
        **settings,
        "__injected_declarative_manifest": manifest,
        "__injected_components_py": COMPONENTS,
        "__injected_components_py_checksums": {"md5": hashlib.md5(COMPONENTS.encode()).hexdigest()},
        **others,
    }


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Gives the framework's command one of the Builder's requests; its answer."""

    def request(config: dict[str, Any], stream: str = "", state: Any = ()) -> Message:
        modes = ["full_refresh", "incremental"]
        asked = {"name": stream, "json_schema": {}, "supported_sync_modes": modes}
        catalog = {"streams": [{"stream": asked, "sync_mode": modes[1], "destination_sync_mode": "overwrite"}]}
        arguments = ["read"]
        for name, content in {"config": config, "catalog": catalog, "state": list(state)}.items():
            file = tmp_path / f"{name}.json"
            file.write_text(json.dumps(content), encoding="utf-8")
            arguments += [f"--{name}", str(file)]
        answer: Message = json.loads(handle_request(arguments))
        assert answer["type"] == "RECORD", answer.get("trace")
        return answer["record"]["data"]

    return request


def on_page(resolved: Message) -> dict[str, Message]:
    """The streams of a resolved manifest by the names that the page gives them."""
    return {entry.get("name", f"stream_{place}"): entry for place, entry in enumerate(resolved["streams"])}


def only(*names: str) -> Message:
    """The resolved manifest with some streams alone, to save time, and without what streams are made from."""
    whole = streams.resolve(builder.flat(MANIFEST))
    resolved = {key: part for key, part in whole.items() if key not in ("definitions", "schemas")}
    return resolved | {"streams": [on_page(whole)[name] for name in names]}


@pytest.fixture
def read(ask: Ask, settings: dict[str, Any]) -> Ask:
    """Test-reads a stream: its slices, each with its pages."""

    def test_read(stream: str, state: Any = ()) -> Message:
        answer = ask(injected(only(stream), settings, __command="test_read"), stream, state)
        assert [log for log in answer["logs"] if log["level"] in ("ERROR", "FATAL")] == []
        return answer

    return test_read


def pages(answer: Message) -> list[tuple[str, int, list[Any]]]:
    """Of every page: what was asked for, without the host; the status; the records."""
    return [
        (page["request"]["url"].split("/", 3)[3], page["response"]["status"], page["records"])
        for slice_ in answer["slices"]
        for page in slice_["pages"]
    ]


# ------------------------------------------------------------------------------------------------------- the command


def test_both_texts_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text(MANIFEST, encoding="utf-8")
    (tmp_path / "components.py").write_text(COMPONENTS, encoding="utf-8")
    monkeypatch.setattr(builder, "ROOT", tmp_path)

    assert (builder.main([]), builder.main(["nobody"])) == (0, 1)

    written = tmp_path / "build" / "builder"
    assert safe_load_yaml((written / "manifest.yaml").read_text(encoding="utf-8")) == flat()
    assert (written / "components.py").read_text(encoding="utf-8") == COMPONENTS


@pytest.mark.slow
@pytest.mark.parametrize("command", ["resolve_manifest", "full_resolve_manifest"])
@pytest.mark.parametrize("flags", [{}, {"__should_migrate": True, "__should_normalize": True}], ids=["plain", "page"])
def test_the_manifest_alone_resolves_to_every_stream_with_its_schema(
    ask: Ask, manifest: Message, settings: dict[str, Any], command: str, flags: dict[str, bool]
) -> None:
    resolved = ask(injected(manifest, settings, __command=command, **flags))["manifest"]

    assert [*on_page(resolved)] == NAMES
    assert {row["schema_loader"]["type"] for row in resolved["streams"]} == {"InlineSchemaLoader"}


@pytest.mark.slow
@pytest.mark.parametrize(("vendor", "stream"), [("iterable", "lists"), ("courier", "messages")])
def test_one_vendor_is_enough(ask: Ask, settings: dict[str, Any], vendor: str, stream: str) -> None:
    both = {"iterable": {**settings, "courier": None}, "courier": {"courier": settings["courier"]}}
    config = {name: value for name, value in both[vendor].items() if value}
    resolved = ask(injected(safe_load_yaml(builder.flat(MANIFEST, vendor)), config, __command="resolve_manifest"))

    answer = ask(injected(resolved["manifest"], config, __command="test_read"), stream)

    assert [row for _, _, rows in pages(answer) for row in rows] != []
    assert {*on_page(resolved["manifest"])} < {*NAMES}


@pytest.mark.slow
def test_a_listing_of_the_whole_manifest_shows_its_page(ask: Ask, manifest: Message, settings: dict[str, Any]) -> None:
    answer = ask(injected(manifest, settings, __command="test_read"), "lists")

    assert pages(answer) == [("api/lists", 200, [{"id": 7, "name": "VIP"}, {"id": 8, "name": "All"}])]
    ((page,),) = [slice_["pages"] for slice_ in answer["slices"]]
    assert page["request"]["http_method"] == "GET"
    assert page["request"]["headers"]["Api-Key"] == "****"
    assert json.loads(page["response"]["body"]) == {"lists": [{"id": 7, "name": "VIP"}, {"id": 8, "name": "All"}]}


def test_an_export_shows_a_page_for_each_window_with_its_rows(read: Ask) -> None:
    answer = read("email_send")

    shown = pages(answer)
    assert [(url, status) for url, status, _ in shown] == [
        (export("2026-01-01 00:00:00", "2026-01-31 00:00:00"), 200),
        (export("2026-01-31 00:00:00", "2026-03-15 11:55:00"), 200),
    ]
    assert [{row["messageId"] for row in rows} for _, _, rows in shown] == [{"of day 2", "of day 20"}, {"of day 40"}]
    assert shown[0][2][0].keys() == {"email", "createdAt", "messageId", "event_id"}
    assert len(answer["slices"]) == 1


def export(start: str, end: str) -> str:
    window = {"dataTypeName": "emailSend", "startDateTime": start, "endDateTime": end}
    return f"api/export/data.json?{urlencode(window)}"


def test_the_body_of_an_exports_page_is_shown_as_it_came(read: Ask) -> None:
    bodies = [page["response"]["body"] for page in read("email_send")["slices"][0]["pages"]]

    rows = [json.loads(line)["messageId"] for body in bodies for line in body.splitlines()]
    assert sorted(rows) == ["of day 2", "of day 20", "of day 40"]


def test_a_child_shows_a_page_for_each_parent(read: Ask) -> None:
    answer = read("list_users")

    assert pages(answer) == [
        (
            "api/lists/getUsers?listId=7",
            200,
            [{"identifier": "ana@example.com", "listId": 7, "email": "ana@example.com"}],
        ),
        (
            "api/lists/getUsers?listId=8",
            200,
            [
                {"identifier": "ana@example.com", "listId": 8, "email": "ana@example.com"},
                {"identifier": "u-1", "listId": 8, "userId": "u-1"},
            ],
        ),
    ]
    assert [extra["title"] for extra in answer["auxiliary_requests"]] == ["Parent stream: Stream 'lists' request"]


def test_metrics_show_a_page_for_each_group_of_campaigns(read: Ask, sandbox: Sandbox) -> None:
    sandbox.iterable.campaigns = [{"id": number, "createdAt": 1_760_000_000_000} for number in range(1, 82)]

    shown = pages(read("campaigns_metrics"))

    assert [url.count("campaignId=") for url, _, _ in shown] == [80, 1]
    assert [row["id"] for _, _, rows in shown for row in rows] == list(range(1, 82))


def test_a_courier_stream_shows_its_pages(read: Ask) -> None:
    answer = read("messages")

    shown = pages(answer)
    assert [url.partition("cursor=")[0] for url, _, _ in shown] == [
        "messages?archived=true&enqueued_after=86399999",
        "messages?archived=true&enqueued_after=86399999&",
    ]
    assert [len(rows) for _, _, rows in shown] == [10, 2]
    assert sorted(row["id"] for _, _, rows in shown for row in rows) == sorted(f"1-{number}" for number in range(12))
    assert answer["slices"][0]["pages"][0]["request"]["headers"]["Authorization"] == "Bearer ****"


@pytest.mark.parametrize("stream", ["list_users", "email_send", "campaigns_metrics_daily"])
def test_a_test_read_ends_after_five_pages_however_much_there_is(
    read: Ask, sandbox: Sandbox, settings: dict[str, Any], stream: str
) -> None:
    sandbox.iterable.lists = [{"id": number} for number in range(20)]
    sandbox.iterable.list_members = {number: [f"u-{number}"] for number in range(20)}
    sandbox.iterable.campaigns = [{"id": 1, "createdAt": 1_760_000_000_000}]
    settings["start_date"] = "2010-01-01T00:00:00Z"

    answer = read(stream)

    assert len(pages(answer)) == 5
    assert answer["test_read_limit_reached"]


def test_a_test_read_goes_on_from_a_state(read: Ask) -> None:
    state = {"stream_descriptor": {"name": "email_send"}, "stream_state": {"createdAt": "2026-02-01T00:00:00+00:00"}}

    answer = read("email_send", [{"type": "STREAM", "stream": state}])

    assert [row["messageId"] for _, _, rows in pages(answer) for row in rows] == ["of day 40"]
    (after,) = answer["slices"][0]["state"]
    assert after["stream"]["stream_state"] == {"createdAt": "2026-03-15T11:55:00+00:00"}


@pytest.mark.parametrize("stream", ["lists", "email_send", "list_users", "messages"])
def test_no_key_leaves_the_builder(read: Ask, stream: str, capfd: pytest.CaptureFixture[str]) -> None:
    shown = json.dumps(read(stream)) + "".join(capfd.readouterr())

    assert "****" in shown
    assert [key for key in KEYS if key in shown] == []


def test_components_that_are_not_those_of_the_checksum_do_not_run(
    ask: Ask, manifest: Message, settings: dict[str, Any]
) -> None:
    with pytest.raises(AirbyteCodeTamperedError):
        ask(injected(manifest, settings, __command="test_read", __injected_components_py=COMPONENTS + "\n"), "lists")


def test_without_the_variable_no_component_runs(
    ask: Ask, manifest: Message, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(UNSAFE)

    with pytest.raises(AirbyteCustomCodeNotPermittedError, match=UNSAFE):
        ask(injected(manifest, settings, __command="test_read"), "lists")


# --------------------------------------------------------------------------------------------------- manifest server


@pytest.fixture(scope="module")
def server() -> Iterator[TestClient]:
    from airbyte_cdk.manifest_server.app import app  # noqa: PLC0415 - brings a tracer along, which takes a second

    with TestClient(app) as client:
        yield client


@pytest.fixture
def send(server: TestClient, manifest: Message) -> Ask:
    """Sends the manifest, or some other, to the manifest server; its answer."""

    def post(command: str, sent: Message = manifest, **body: Any) -> Message:
        reply = server.post(f"/v1/manifest/{command}", json={"manifest": sent, **body})
        assert reply.status_code == 200, reply.text
        answer: Message = reply.json()
        return answer

    return post


@pytest.fixture
def tried() -> Message:
    """The manifest with the streams that `check` tries."""
    return only(*flat()["check"]["stream_names"])


def test_the_manifest_server_checks_a_connection(
    send: Ask, tried: Message, settings: dict[str, Any], sandbox: Sandbox
) -> None:
    assert send("check", tried, config=injected(tried, settings)) == {"success": True, "message": None}
    assert [call.path for call in sandbox.calls] == ["/api/lists", "/api/export/data.json", "/messages"]


def test_the_manifest_server_says_what_is_wrong_with_a_key_and_hides_it(
    send: Ask, tried: Message, settings: dict[str, Any]
) -> None:
    answer = send("check", tried, config=injected(tried, {**settings, "api_key": "a-key-nobody-may-see"}))

    assert not answer["success"]
    assert "The API refused stream lists: HTTP 401" in answer["message"]
    assert "a-key-nobody-may-see" not in json.dumps(answer)


def test_the_manifest_server_discovers_what_the_source_does(
    send: Ask, manifest: Message, settings: dict[str, Any], discovered: Sync
) -> None:
    catalog = send("discover", config=injected(manifest, settings))["catalog"]

    (expected,) = discovered.of_type("CATALOG")
    assert [stream["name"] for stream in catalog["streams"]] == NAMES
    assert [stream["json_schema"] for stream in catalog["streams"]] == [
        stream["json_schema"] for stream in expected["streams"]
    ]


def test_the_manifest_server_reads_with_components_that_come_with_the_request(
    send: Ask, settings: dict[str, Any]
) -> None:
    answer = send("test_read", only("lists"), config=settings, stream_name="lists", custom_components_code=COMPONENTS)

    assert [row["id"] for _, _, rows in pages(answer) for row in rows] == [7, 8]
    assert KEYS[0] not in json.dumps(answer)


def test_the_manifest_server_resolves_the_manifest_without_its_components(send: Ask, settings: dict[str, Any]) -> None:
    """As the Builder does when a manifest is imported."""
    for resolved in (send("resolve"), send("full_resolve", config=settings)):
        assert [*on_page(resolved["manifest"])] == NAMES
