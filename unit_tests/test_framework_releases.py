"""The manifest and the components read the same on older releases of the framework: the Connector Builder's may be one.

Each release has an environment of its own, which `make test-all` makes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox, serve
from scripts.streams import MANIFEST, ROOT
from unit_tests.support.connector import Sync, catalog_of
from unit_tests.test_builder import flat, injected, pages

RELEASES = ("7.23.8", "7.31.0")
UNSAFE = {"AIRBYTE_ENABLE_UNSAFE_CODE": "true"}
pytestmark = [pytest.mark.slow, pytest.mark.environments]


@pytest.fixture(scope="module", params=RELEASES)
def older(request: pytest.FixtureRequest) -> Path:
    """The Python of an older release."""
    python = ROOT / f".venv-cdk-{request.param}" / "bin" / "python"
    if not python.exists() and not os.environ.get("CI"):
        pytest.skip(f"airbyte-cdk {request.param} is not there: `make test-all` installs it")
    return python


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """A little of each kind of stream, and none that comes while the releases take their turns."""
    sandbox = Sandbox(budgets=False)
    project, workspace = sandbox.iterable, sandbox.courier
    an_hour_ago = project.clock() - 3600
    project.events = {
        name: [event for event in held if event.at < an_hour_ago] for name, held in project.events.items()
    }
    project.list_members = {number: members[:5] for number, members in project.list_members.items()}
    workspace.messages = workspace.messages[::100]
    return sandbox


@pytest.fixture(scope="module")
def config(sandbox: Sandbox) -> Iterator[dict[str, Any]]:
    with serve(sandbox) as address:
        yield {
            "api_key": sandbox.iterable.api_key,
            "start_date": "2026-01-01T00:00:00Z",
            "api_url": address,
            "budget_share": 1000,
            "courier": {"api_key": sandbox.courier.api_key, "api_url": address},
        }


def run(command: list[str], folder: Path, **files: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of the framework's, with the files that it is to read."""
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        command = [*command, f"--{name}", f"{name}.json"]
    environment = os.environ | UNSAFE
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def read(python: Path, folder: Path, config: dict[str, Any], discovered: Sync) -> Sync:
    """Read every stream by the framework's own runner."""
    runner = [str(python.with_name("source-declarative-manifest")), "read"]
    runner += ["--manifest-path", str(MANIFEST), "--components-path", str(ROOT / "components.py")]
    ran = run(runner, folder, config=config, catalog=catalog_of(discovered))
    sync = Sync([json.loads(line) for line in ran.stdout.split("\n") if line])  # a row may hold other ends of lines
    assert (ran.returncode, sync.errors) == (0, {}), ran.stderr
    return sync


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any], discovered: Sync) -> Sync:
    """All streams, by the release that we run."""
    return read(Path(sys.executable), tmp_path_factory.mktemp("pinned"), config, discovered)


def rows(sync: Sync) -> dict[str, list[str]]:
    return {stream: sorted(json.dumps(row, sort_keys=True) for row in found) for stream, found in sync.records.items()}


def test_every_stream_is_read_the_same(
    older: Path, tmp_path: Path, config: dict[str, Any], discovered: Sync, pinned: Sync
) -> None:
    sync = read(older, tmp_path, config, discovered)

    assert sync.statuses == dict.fromkeys(pinned.statuses, "COMPLETE")
    assert len(pinned.statuses) == len(discovered.of_type("CATALOG")[0]["streams"])
    assert rows(sync) == rows(pinned)
    states, expected = ({name: [*state[-1]] for name, state in found.states.items()} for found in (sync, pinned))
    assert states == expected


def test_the_builder_tests_a_stream(older: Path, tmp_path: Path, config: dict[str, Any]) -> None:
    stream = {"name": "email_send", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    catalog = {"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]}
    builder = [str(older), "-m", "airbyte_cdk.connector_builder.main", "read"]
    reading = injected(flat(), config, __command="test_read")

    ran = run(builder, tmp_path, config=reading, catalog=catalog, state=[])

    answer = json.loads(ran.stdout.splitlines()[-1])["record"]["data"]
    assert [status for _, status, _ in pages(answer)] == [200, 200]
    assert [row for _, _, rows in pages(answer) for row in rows] != []
