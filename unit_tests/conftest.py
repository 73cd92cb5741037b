"""A sandbox behind a real server, on a clock of its own, and the source run against it as a platform would."""

import functools
import json
import os
import signal
import subprocess
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import time_machine
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from airbyte_cdk.utils.constants import ENV_REQUEST_CACHE_PATH
from pyrate_limiter.abstracts import BucketFactory

import source_messaging as runner
from connector_process import allow_open_files
from sandbox import Sandbox, serve
from source_messaging import load_manifest
from unit_tests.support.clock import INSTANT, VirtualClock
from unit_tests.support.connector import State, Sync, catalog_of, run
from unit_tests.support.exports import Engine

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
FEW = 20  # streams
BUILD = ConcurrentDeclarativeSource.streams
Syncing = Callable[..., Sync]
Command = Callable[..., Sync]

# Hypothesis runs code of its own in each search for garbage, and up to Python 3.11.7 that fails a thread that evaluates
# a template meanwhile (https://github.com/python/cpython/issues/106905). The source, once imported, makes them rare.


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Every test happens at NOW, with all its fixtures: its clock stands still, or jumps where it has a virtual one."""
    with time_machine.travel(NOW, tick=False):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _processes_begin_at_now() -> Iterator[None]:
    """The Python processes that tests start begin at NOW, too, and their clocks go on from there.

    Once for all: a thread that waits under faketime looks at the environment, and must not find it half changed.
    """
    inherited = {
        "TEST_INSTANT": str(NOW.timestamp()),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(INSTANT), os.environ.get("PYTHONPATH")))),
    }
    with mock.patch.dict(os.environ, inherited):
        yield


@pytest.fixture(scope="session", autouse=True)
def _files_enough() -> None:
    """A test's files are closed when garbage is next looked for."""
    allow_open_files()


@pytest.fixture(scope="session", autouse=True)
def _components_described_once() -> Iterator[None]:
    """The framework parses the description of its components, 6,000 lines of YAML, for each source it builds."""
    module = concurrent_declarative_source
    described = functools.cache(module.get_declarative_component_schema)
    with mock.patch.object(module, "get_declarative_component_schema", described):
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_tidying_of_budgets() -> Iterator[None]:
    """A budget has a thread of its own for ever, which drops what it need not remember; thousands are too many."""
    with mock.patch.object(BucketFactory, "schedule_leak"):
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark a test as slow that uses what a file sets up once for all its tests, or a whole workspace of its own."""
    for item in items:
        scopes = {name: found[-1].scope for name, found in item._fixtureinfo.name2fixturedefs.items()}
        if "module" in scopes.values() or scopes.get("seeded") == "function":
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _fast_tests_are_fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among the fast tests one that starts a process or builds most streams fails: it lacks the mark."""
    if "not slow" in request.config.option.markexpr:
        monkeypatch.setattr(subprocess.Popen, "__init__", _refused)
        monkeypatch.setattr(ConcurrentDeclarativeSource, "streams", _few_streams)


def _refused(*_: object, **__: object) -> None:
    pytest.fail("A test that starts a process is marked `slow`.")


def _few_streams(source: ConcurrentDeclarativeSource, config: dict[str, Any]) -> Any:
    if len(streams := BUILD(source, config)) > FEW:
        pytest.fail("A test that builds so many streams is marked `slow`.")
    return streams


@pytest.fixture(autouse=True)
def _nothing_left_to_the_next_test() -> Iterator[None]:
    """A sync is meant for a process of its own.

    The framework masks the secrets of the last configuration, and a test's short ones would mask words of the next; it
    tells child processes of a folder that is gone; and the components take SIGTERM over.
    """
    os.environ.pop(ENV_REQUEST_CACHE_PATH, None)
    before = signal.getsignal(signal.SIGTERM)
    yield
    update_secrets([])
    os.environ.pop(ENV_REQUEST_CACHE_PATH, None)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """Noon of 15 March 2026, standing still."""
    with VirtualClock(NOW).running() as clock:
        yield clock


@pytest.fixture
def sandbox(clock: VirtualClock) -> Sandbox:
    """An empty project with the real budgets."""
    return Sandbox(anchor=date(2026, 3, 15), clock=clock.now, seed=False, sleep=clock.hold)


@pytest.fixture
def seeded(clock: VirtualClock) -> Sandbox:
    """A project with a little of everything, some of it hostile, and the real budgets."""
    return Sandbox(anchor=date(2026, 3, 15), clock=clock.now, sleep=clock.hold)


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the test's sandbox listens."""
    name = "seeded" if "seeded" in request.fixturenames else "sandbox"
    with serve(request.getfixturevalue(name), port=0) as address:
        yield address


@pytest.fixture
def config(address: str) -> dict[str, Any]:
    return {"api_key": "sandbox-iterable-key", "start_date": "2026-01-01T00:00:00Z", "api_url": address}


@pytest.fixture
def engine(request: pytest.FixtureRequest, config: dict[str, Any]) -> Engine:
    """The way in which this test exports."""
    chosen: Engine = request.param
    config["export_method"] = chosen.method
    return chosen


@pytest.fixture(scope="session")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    """Return the answer of `discover`, which depends on nothing but the configuration's keys."""
    config = {"api_key": "unused", "start_date": "2026-01-01T00:00:00Z", "courier": {"api_key": "unused"}}
    with mock.patch.object(ConcurrentDeclarativeSource, "streams", BUILD):
        return run(tmp_path_factory.mktemp("discover"), "discover", config)


@pytest.fixture(scope="session")
def manifest_text() -> str:
    return json.dumps(load_manifest())


@pytest.fixture
def manifest(manifest_text: str) -> dict[str, Any]:
    """The manifest this test runs; a test may change it."""
    loaded: dict[str, Any] = json.loads(manifest_text)
    return loaded


@pytest.fixture
def command(tmp_path: Path, manifest: dict[str, Any]) -> Iterator[Command]:
    """Runs `spec`, `check` or `discover`, with no more streams in the table than `check` tries, to save time."""
    tried = runner.narrowed(manifest, manifest["check"]["stream_names"])
    with mock.patch.object(runner, "load_manifest", return_value=tried):
        yield lambda *arguments: run(tmp_path, *arguments)


@pytest.fixture
def sync(tmp_path: Path, config: dict[str, Any], discovered: Sync, manifest: dict[str, Any]) -> Syncing:
    """Reads the named streams once. Any error fails the test, unless it says that the sync fails.

    Without names, all are read.
    """

    def read(*streams: str, state: State | None = None, fails: bool = False, **options: Any) -> Sync:
        configured = catalog_of(discovered, streams or None, options.pop("mode", "incremental"))
        settings = config | options.pop("config", {})
        with mock.patch.object(runner, "load_manifest", return_value=manifest):
            synced = run(tmp_path, "read", settings, configured, state, **options)
        assert bool(synced.errors or synced.crash) == fails, [error["message"] for error in synced.errors.values()]
        return synced

    return read
