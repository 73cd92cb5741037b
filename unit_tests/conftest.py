"""A sandbox behind a real server, on a clock of its own, and the source run against it as a platform would."""

import copy
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import source_messaging
from sandbox import Sandbox, serve
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import State, Sync, catalog_of, run, stream_name

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
Syncing = Callable[..., Sync]
Command = Callable[..., Sync]


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """Noon of 15 March 2026, standing still."""
    with VirtualClock(NOW).running() as clock:
        yield clock


@pytest.fixture
def sandbox(clock: VirtualClock) -> Sandbox:
    """An empty project with the real budgets."""
    return Sandbox(anchor=date(2026, 3, 15), clock=clock.now, seed=False)


@pytest.fixture
def seeded(clock: VirtualClock) -> Sandbox:
    """A project with a little of everything, some of it hostile, and the real budgets."""
    return Sandbox(anchor=date(2026, 3, 15), clock=clock.now)


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the test's sandbox listens."""
    name = "seeded" if "seeded" in request.fixturenames else "sandbox"
    with serve(request.getfixturevalue(name), port=0) as address:
        yield address


@pytest.fixture
def config(address: str) -> dict[str, Any]:
    return {"api_key": "sandbox-iterable-key", "start_date": "2026-01-01T00:00:00Z", "api_url": address}


@pytest.fixture(scope="session")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    """What `discover` says, which depends on nothing but the configuration's keys."""
    config = {"api_key": "unused", "start_date": "2026-01-01T00:00:00Z", "courier": {"api_key": "unused"}}
    return run(tmp_path_factory.mktemp("discover"), "discover", config)


@pytest.fixture(scope="session")
def whole_manifest() -> dict[str, Any]:
    return source_messaging.load_manifest()


@pytest.fixture
def manifest(whole_manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest this test runs; a test may change it."""
    return copy.deepcopy(whole_manifest)


@pytest.fixture
def command(tmp_path: Path, manifest: dict[str, Any]) -> Iterator[Command]:
    """Runs `spec`, `check` or `discover`, with no more streams in the table than `check` tries, to save time."""
    tried = manifest["check"]["stream_names"]
    manifest["streams"] = [
        block | {"streams": [row for row in block["streams"] if stream_name(manifest, row) in tried]}
        for block in manifest["streams"]
    ]
    with mock.patch.object(source_messaging, "load_manifest", return_value=manifest):
        yield lambda *arguments: run(tmp_path, *arguments)


@pytest.fixture
def sync(
    tmp_path: Path, config: dict[str, Any], discovered: Sync, manifest: dict[str, Any]
) -> Iterator[Syncing]:
    """Reads the named streams once. Any error fails the test, unless it says that the sync fails.

    The rows of other streams are left out of the manifest's table, which saves each sync most of a second.
    """
    blocks = manifest["streams"]

    def rows(block: dict[str, Any], streams: tuple[str, ...]) -> list[Any]:
        return [row for row in block["streams"] if not streams or stream_name(manifest, row) in streams]

    def read(*streams: str, state: State | None = None, fails: bool = False, **options: Any) -> Sync:
        manifest["streams"] = [block | {"streams": rows(block, streams)} for block in blocks]
        configured = catalog_of(discovered, streams or None, options.pop("mode", "incremental"))
        synced = run(tmp_path, "read", config | options.pop("config", {}), configured, state, **options)
        assert bool(synced.errors or synced.crash) == fails, [error["message"] for error in synced.errors.values()]
        return synced

    with mock.patch.object(source_messaging, "load_manifest", return_value=manifest):
        yield read
