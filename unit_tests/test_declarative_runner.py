"""The framework's own runner takes the manifest and the components from the checkout, as its documentation says.

What it says of a mistake is tested beside the other homes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox, serve
from scripts.streams import MANIFEST, ROOT
from unit_tests.support.connector import Sync, catalog_of
from unit_tests.support.exports import delivered, held, small_sandbox

RUNNER = Path(sys.executable).with_name("source-declarative-manifest")
UNSAFE = "AIRBYTE_ENABLE_UNSAFE_CODE"
Ran = subprocess.CompletedProcess[str]
Run = Callable[..., Ran]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return small_sandbox()


@pytest.fixture(scope="module")
def run(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command of the framework's runner in a directory that is not the checkout."""
    folder = tmp_path_factory.mktemp("runner")
    start = f"{datetime.now(UTC) - timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}"
    with serve(sandbox) as address:
        courier = {"api_key": "sandbox-courier-key", "api_url": address}
        config = {"api_key": "sandbox-iterable-key", "start_date": start, "api_url": address, "courier": courier}

        def command(name: str, unsafe: bool = True, catalog: Any = None) -> Ran:
            words = [str(RUNNER), name, "--config", "config.json", "--components-path", str(ROOT / "components.py")]
            (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
            if catalog:
                (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
                words += ["--catalog", "catalog.json"]
            environment = {name: value for name, value in os.environ.items() if name != UNSAFE}
            words += ["--manifest-path", str(MANIFEST)]
            if unsafe:
                environment[UNSAFE] = "true"
            return subprocess.run(
                words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
            )

        yield command


def messages(ran: Ran) -> Sync:
    return Sync([json.loads(line) for line in ran.stdout.splitlines()])


def test_read_brings_what_the_project_and_the_workspace_hold(run: Run, sandbox: Sandbox, discovered: Sync) -> None:
    ran = run("read", catalog=catalog_of(discovered, ["lists", "email_send", "messages"]))

    read = messages(ran)
    assert [row["id"] for row in read.records["lists"]] == [7]
    assert delivered(read) == held(sandbox)
    assert sorted(row["id"] for row in read.records["messages"]) == ["1-0", "1-1", "1-2"]
    assert read.statuses == {"lists": "COMPLETE", "email_send": "COMPLETE", "messages": "COMPLETE"}
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.slow
def test_without_the_variable_the_failure_names_it_and_no_key(run: Run) -> None:
    ran = run("check", unsafe=False)

    assert ran.returncode == 1
    assert any(UNSAFE in error["message"] for error in messages(ran).errors.values())
    assert "sandbox-iterable-key" not in ran.stdout + ran.stderr
