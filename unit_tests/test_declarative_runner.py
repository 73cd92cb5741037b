"""The framework's own runner takes the manifest and the components from the checkout, as its documentation says."""

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

        def command(*arguments: str, unsafe: bool = True, catalog: Any = None, **changes: Any) -> Ran:
            words = [str(RUNNER), *arguments]
            (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
            if arguments[0] != "spec":
                words += ["--config", "config.json", "--components-path", str(ROOT / "components.py")]
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


def test_spec_is_the_runners_own_which_asks_for_a_manifest(run: Run) -> None:
    ran = run("spec")

    (spec,) = messages(ran).of_type("SPEC")
    assert "__injected_declarative_manifest" in spec["connectionSpecification"]["properties"]
    assert (ran.returncode, ran.stderr) == (0, "")


def test_check_succeeds(run: Run) -> None:
    ran = run("check")

    assert messages(ran).of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_number_of_workers_that_is_none_is_told_as_a_mistake_of_the_configuration(run: Run) -> None:
    ran = run("check", num_workers=0)

    (status,) = messages(ran).of_type("CONNECTION_STATUS")
    assert status == {"status": "FAILED", "message": "Config validation error: 0 is less than the minimum of 1"}


def test_discover_and_read_bring_what_the_project_and_the_workspace_hold(
    run: Run, sandbox: Sandbox, discovered: Sync
) -> None:
    found = messages(run("discover"))
    assert found.of_type("CATALOG") == discovered.of_type("CATALOG")

    ran = run("read", catalog=catalog_of(found, ["lists", "email_send", "messages"]))

    read = messages(ran)
    assert [row["id"] for row in read.records["lists"]] == [7]
    assert delivered(read) == held(sandbox)
    assert sorted(row["id"] for row in read.records["messages"]) == ["1-0", "1-1", "1-2"]
    assert read.statuses == {"lists": "COMPLETE", "email_send": "COMPLETE", "messages": "COMPLETE"}
    assert (ran.returncode, ran.stderr) == (0, "")


def test_without_the_variable_the_failure_names_it_and_no_key(run: Run) -> None:
    ran = run("check", unsafe=False)

    assert ran.returncode == 1
    assert any(UNSAFE in error["message"] for error in messages(ran).errors.values())
    assert "sandbox-iterable-key" not in ran.stdout + ran.stderr
