"""The images hold what they need, run as nobody in particular, and are what metadata.yaml says of them.

No engine is needed: `unit_tests/support/image.py` reads the Dockerfile, lays its files out beside those of the base
image and runs the entrypoint among them, in a root of its own that nobody may write to.
"""

import dataclasses
import json
import re
import subprocess
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import yaml
from airbyte_cdk.models.connector_metadata import ConnectorLanguage, MetadataFile
from airbyte_cdk.sources.declarative.interpolation.jinja import JinjaInterpolation
from airbyte_cdk.sources.types import StreamSlice

from destinations.courier.destination import DestinationCourier
from destinations.rudderstack.destination import DestinationRudderStack
from sandbox import Sandbox, serve
from scripts import streams
from scripts.streams import ROOT
from unit_tests.support import image as layout
from unit_tests.support.connector import Sync, catalog_of
from unit_tests.support.exports import delivered, held, small_sandbox
from unit_tests.support.image import Container, Image
from unit_tests.test_framework_releases import RELEASES

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
IMAGES = layout.images(DOCKERFILE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RESOLVED = streams.resolve(streams.MANIFEST.read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")
CONNECTORS = {
    "source": ROOT / "metadata.yaml",
    "destination-courier": ROOT / "destinations" / "courier" / "metadata.yaml",
    "destination-rudderstack": ROOT / "destinations" / "rudderstack" / "metadata.yaml",
}
SPECIFICATIONS: dict[str, Any] = {
    "source": RESOLVED["spec"]["connection_specification"],
    "destination-courier": DestinationCourier.specification,
    "destination-rudderstack": DestinationRudderStack.specification,
}
DESTINATIONS = [name for name in CONNECTORS if name != "source"]
Start = Callable[..., Container]
needs_namespaces = pytest.mark.skipif(
    not Container.is_possible(),
    reason="this machine lets us make no mount namespace (`unshare --mount`), so an image's root cannot be built",
)


# ------------------------------------------------------------------------------------------------- the Dockerfile


def test_the_framework_is_of_one_release_in_lock_project_image_and_metadata() -> None:
    (locked,) = re.findall(r"^airbyte-cdk(?:\[[^]]*\])?==(\S+)", LOCK, re.MULTILINE)

    assert [name for name in PROJECT["dependencies"] if name.startswith("airbyte-cdk")] == [f"airbyte-cdk=={locked}"]
    assert RESOLVED["version"] == RELEASES[0], "the manifest names the oldest release that is tested"
    assert {image.base for image in IMAGES.values()} == {f"{layout.BASE}:{locked}"}
    assert {metadata(name)["connectorBuildOptions"]["baseImage"] for name in CONNECTORS} == {f"{layout.BASE}:{locked}"}
    assert DOCKERFILE.count(locked) == 1


@pytest.mark.parametrize("name", CONNECTORS)
def test_an_image_is_labelled_with_the_name_and_version_of_the_registry(name: str) -> None:
    about = metadata(name)

    assert IMAGES[name].labels == {
        "io.airbyte.name": about["dockerRepository"],
        "io.airbyte.version": about["dockerImageTag"],
    }
    assert about["dockerImageTag"] == PROJECT["version"]


def test_the_source_is_what_a_build_without_a_target_makes() -> None:
    assert [*IMAGES][-1] == "source"


@pytest.mark.parametrize("name", CONNECTORS)
def test_an_image_starts_as_airbyte_and_by_the_same_words_from_both_entrypoints(name: str) -> None:
    image = IMAGES[name]

    assert image.user == "airbyte"
    assert image.environment["AIRBYTE_ENTRYPOINT"] == " ".join(image.entrypoint)
    assert all(copy.options == {"chown": "root:root", "chmod": "644"} for copy in image.copies)


def test_the_source_holds_the_command_the_manifest_and_its_components_and_no_other_file(tmp_path: Path) -> None:
    place = "/airbyte/integration_code/source_declarative_manifest"
    assert layout.lay_out(IMAGES["source"], ROOT, tmp_path) == [
        f"{place}/{name}"
        for name in (
            "manifest.yaml",
            "components.py",
            "connector_process.py",
            "specification.py",
            "source_messaging.py",
        )
    ]


@pytest.mark.parametrize("name", DESTINATIONS)
def test_a_destination_holds_its_own_modules_and_the_shared_ones_and_no_other_file(name: str, tmp_path: Path) -> None:
    own = name.removeprefix("destination-")
    modules = [*ROOT.glob("destinations/*.py"), *ROOT.glob(f"destinations/{own}/**/*.py")]
    modules += [ROOT / "components.py", ROOT / "connector_process.py", ROOT / "specification.py"]

    assert sorted(layout.lay_out(IMAGES[name], ROOT, tmp_path)) == sorted(
        f"/airbyte/integration_code/{module.relative_to(ROOT)}" for module in modules
    )


def test_nothing_but_connectors_is_ever_sent_to_a_build() -> None:
    sent = layout.context(ROOT)

    others = sorted(str(path) for path in sent if path.parts[0] != "destinations")
    assert others == [
        "components.py",
        "connector_process.py",
        "manifest.yaml",
        "source_messaging.py",
        "specification.py",
    ]
    assert {path.suffix for path in sent if path.parts[0] == "destinations"} == {".py"}


@pytest.mark.parametrize("instruction", ["RUN true", "COPY --from=x a b/", "COPY manifest.yaml manifest.yaml"])
def test_an_instruction_that_the_layout_would_miss_is_refused(instruction: str) -> None:
    with pytest.raises(ValueError, match="understood"):
        layout.images(f"FROM scratch AS x\n{instruction}\n")


# -------------------------------------------------------------------------------------------------- in the container


@pytest.fixture
def sandbox() -> Sandbox:
    return small_sandbox()


@pytest.fixture
def start(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Makes containers of images, with the input files of a platform."""
    with serve(sandbox) as address:
        start_date = f"{datetime.now(UTC) - timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}"
        courier = {"api_key": "sandbox-courier-key", "api_url": address}
        config = {"api_key": "sandbox-iterable-key", "start_date": start_date, "api_url": address, "courier": courier}

        destinations = {
            "destination-courier": {**courier, "route": "segment"},
            "destination-rudderstack": {"data_plane_url": address, "write_key": "sandbox-rudderstack-key"},
        }

        def container(image: Image, **files: Any) -> Container:
            folder = tmp_path_factory.mktemp(image.target)
            layout.lay_out(image, ROOT, folder / "tree")
            (folder / "input").mkdir()
            for name, content in {"config": config, **destinations, **files}.items():
                (folder / "input" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
            return Container(image, folder / "tree", folder / "input")

        yield container


@needs_namespaces
@pytest.mark.slow
def test_the_source_reads_in_its_image_by_our_command(start: Start, sandbox: Sandbox, discovered: Sync) -> None:
    """A stream that is not offered gets the command's sentence, and not the framework's silence."""
    catalog = catalog_of(discovered, ["lists", "email_send", "messages"])
    unknown = catalog["streams"][0] | {"stream": catalog["streams"][0]["stream"] | {"name": "unknown"}}
    catalog["streams"].insert(0, unknown)

    ran = start(IMAGES["source"], catalog=catalog).run(
        "read", "--config", "/config/config.json", "--catalog", "/config/catalog.json"
    )

    read = messages(ran)
    assert [row["id"] for row in read.records["lists"]] == [7]
    assert delivered(read) == held(sandbox)
    assert sorted(row["id"] for row in read.records["messages"]) == ["1-0", "1-1", "1-2"]
    assert {name: read.statuses[name] for name in ("lists", "email_send", "messages", "unknown")} == {
        **dict.fromkeys(("lists", "email_send", "messages"), "COMPLETE"),
        "unknown": "INCOMPLETE",
    }
    assert {name: error["message"] for name, error in read.errors.items()} == {
        "unknown": "Stream unknown cannot be read: this source has no stream of that name. `discover` lists those that "
        "can."
    }
    assert (ran.returncode, ran.stderr) == (1, "")


@needs_namespaces
@pytest.mark.slow
@pytest.mark.parametrize("name", DESTINATIONS)
def test_a_destination_delivers_in_its_image(name: str, start: Start, sandbox: Sandbox) -> None:
    event = {"type": "track", "event": "Image Built", "userId": "u-1", "messageId": f"in-{name}", "properties": {}}
    stream = {"name": "events", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}
    catalog = {"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}
    record = {"type": "RECORD", "record": {"stream": "events", "data": event, "emitted_at": 1_750_000_000_000}}
    state = {"stream_descriptor": {"name": "events"}, "stream_state": {"read": 1}}
    lines = [record, {"type": "STATE", "state": {"type": "STREAM", "stream": state}}]

    written = start(IMAGES[name], catalog=catalog).run(
        *("write", "--config", f"/config/{name}.json", "--catalog", "/config/catalog.json"),
        stdin="".join(f"{json.dumps(line)}\n" for line in lines),
    )

    assert (written.returncode, written.stderr) == (0, "")
    assert messages(written).states == {"events": [{"read": 1}]}
    arrived = [call for call in sandbox.calls if call.method == "POST" and f"in-{name}".encode() in call.body]
    assert [call.status for call in arrived] == [202 if name == "destination-courier" else 200]


@needs_namespaces
@pytest.mark.slow
def test_a_container_is_nobody_in_particular_and_may_write_nothing_but_temporary_files(start: Start) -> None:
    container = start(IMAGES["source"])
    look = "id -u; touch /tmp/x && echo temporary; touch /x; touch /airbyte/integration_code/x; touch /config/x"

    shell = Container(replace_entrypoint(container.image, "sh", "-c", look), container.tree, container.input)
    ran = shell.run()

    assert ran.stdout.split() == [layout.AIRBYTE.partition(":")[0], "temporary"]
    assert ran.stderr.count("Read-only file system") == 3


def replace_entrypoint(image: Image, *words: str) -> Image:
    return dataclasses.replace(image, entrypoint=words)


def messages(ran: subprocess.CompletedProcess[str]) -> Sync:
    """Return the messages that a connector printed; a line that is no message is an error."""
    return Sync([json.loads(line) for line in ran.stdout.splitlines()])


# ------------------------------------------------------------------------------------------------------ the registry


def metadata(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(CONNECTORS[name].read_text(encoding="utf-8"))["data"]
    return content


def test_the_framework_takes_the_source_for_a_manifest_and_the_destinations_for_python() -> None:
    languages = {name: MetadataFile.from_file(path).data.language for name, path in CONNECTORS.items()}

    assert languages == {
        "source": ConnectorLanguage.MANIFEST_ONLY,
        "destination-courier": ConnectorLanguage.PYTHON,
        "destination-rudderstack": ConnectorLanguage.PYTHON,
    }


@pytest.mark.parametrize("name", CONNECTORS)
def test_the_registry_is_told_all_it_asks_for(name: str) -> None:
    about = metadata(name)

    assert {
        "name",
        "connectorSubtype",
        "definitionId",
        "dockerRepository",
        "dockerImageTag",
        "documentationUrl",
        "githubIssueLabel",
        "license",
        "tags",
    } <= about.keys()
    assert about["connectorType"] == name.partition("-")[0]
    assert about["dockerRepository"].endswith(f"/{about['githubIssueLabel']}")
    assert about["license"] == PROJECT["license"]
    assert about["releaseStage"] in ("alpha", "beta")
    assert about["supportLevel"] == "community"


def test_each_connector_has_an_identity_of_its_own() -> None:
    identities = [uuid.UUID(metadata(name)["definitionId"]) for name in CONNECTORS]

    assert len(set(identities)) == len(CONNECTORS)
    assert {identity.version for identity in identities} == {4}


def test_the_suggested_streams_exist() -> None:
    suggested = metadata("source")["suggestedStreams"]["streams"]

    assert [name for name in suggested if name not in {stream.name for stream in streams.streams_of(RESOLVED)}] == []
    assert len(set(suggested)) == len(suggested)


def test_the_source_may_reach_the_hosts_that_the_manifest_names_and_no_others() -> None:
    allowed = metadata("source")["allowedHosts"]["hosts"]
    urls = [RESOLVED["definitions"][f"{vendor}_requester"]["url"] for vendor in ("iterable", "courier")]
    configs = [{"region": region, "courier": {"region": region}} for region in ("US", "EU")]
    nothing: dict[str, Any] = {"parameters": {"name": ""}, "stream_slice": StreamSlice(partition={}, cursor_slice={})}
    evaluate = JinjaInterpolation().eval
    named = {urlsplit(str(evaluate(url, config, **nothing))).hostname for url in urls for config in configs}

    files_of_jobs = "*.amazonaws.com"  # where Iterable's storage is; the API gives signed addresses of it
    assert {host for host in allowed if "$" not in host} == named | {files_of_jobs}
    assert len(named) == 4


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_connector_may_reach_the_host_of_a_setting_that_names_one(name: str) -> None:
    assert {host for host in metadata(name)["allowedHosts"]["hosts"] if "$" in host} == {
        f"${{{path}}}" for path in paths_of(SPECIFICATIONS[name]) if path.endswith("_url")
    }


def paths_of(specification: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every setting of a specification, dotted."""
    for name, setting in specification.get("properties", {}).items():
        yield f"{prefix}{name}"
        yield from paths_of(setting, f"{prefix}{name}.")


@pytest.mark.parametrize("name", CONNECTORS)
def test_the_icon_is_a_small_square_drawing_that_loads_nothing(name: str) -> None:
    text = (CONNECTORS[name].parent / metadata(name)["icon"]).read_text(encoding="utf-8")
    icon = ET.fromstring(text)

    assert icon.tag == "{http://www.w3.org/2000/svg}svg"
    assert icon.get("viewBox") == "0 0 64 64"
    assert len(text) < 2000
    assert re.findall(r"href|<script|<image|url\(", text) == []
