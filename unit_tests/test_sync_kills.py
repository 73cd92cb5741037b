"""A sync that is killed, at any moment and on either side of the pipe, loses nothing and doubles nothing."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scripts.streams import ROOT
from unit_tests.conftest import NOW
from unit_tests.support import postgres
from unit_tests.support.loading import Sync
from unit_tests.support.postgres import USER, Postgres
from unit_tests.support.source import TEXT, FakeSource, Message, became, in_full, incremental, record, state

pytestmark = pytest.mark.slow  # each starts the source and the loader anew

KILLS = 6
COLUMNS = {"opens": ("id", "name"), "clicks": ("id", "name"), "lists": ("id",)}
Content = dict[str, list[tuple[Any, ...]]]


def read_of(version: int) -> list[Message | str]:
    """Return the source's messages in a sync: new rows, rows that have changed, and another snapshot of the lists."""
    opens = [record("opens", id=number, name=f"v{version}") for number in range(20 * version)]
    return [
        *opens[:10],
        state("opens", f"{version}, 10 rows"),
        *(record("lists", id=version) for _ in range(3)),
        *opens[10:],
        became("lists", "COMPLETE"),
        record("clicks", id=1, name=f"v{version}"),
        state("clicks", f"{version}, 1 row"),
        state("opens", f"{version}, all rows"),
        record("clicks", id=1, name=f"w{version}"),
        state("clicks", f"{version}, all rows"),
        became("opens", "COMPLETE"),
        became("clicks", "COMPLETE"),
    ]


def loaded(version: int) -> Content:
    return {
        "opens": [(number, f"v{version}") for number in range(20 * version)],
        "clicks": [(1, f"w{version}")],
        "lists": [(version,)] * 3,
    }


@dataclass
class Place:
    """A source, and the database of its own that its rows go to."""

    source: FakeSource
    server: Postgres | None

    @property
    def name(self) -> str:
        return self.source.folder.name

    @property
    def job(self) -> dict[str, Any]:
        about = {"config": str(self.source.config), "command": self.source.command}
        if self.server is None:
            return about | {"destination": str(self._file)}
        url = self.server.url.replace("@", ":unused@").removesuffix(f"/{USER}")
        return about | {"destination": "postgres", "dataset": "crm", "credentials": f"{url}/{self.name}"}

    def create(self, template: "Place | None" = None) -> None:
        """Makes the database, a copy of another's if there is one."""
        if self.server:
            self.server.execute(f"CREATE DATABASE {self.name}" + (f" TEMPLATE {template.name};" if template else ";"))
        elif template:
            shutil.copy(template._file, self._file)

    def content(self) -> Content:
        return {table: sorted(self._rows(table, columns)) for table, columns in COLUMNS.items()}

    @property
    def _file(self) -> Path:
        return self.source.folder / "d.duckdb"

    def _rows(self, table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        if self.server:
            query = f"SELECT {', '.join(columns)} FROM crm.{table}"
            return [tuple(row[column] for column in columns) for row in self.server.rows(query, self.name)]
        with duckdb.connect(str(self._file), read_only=True) as connection:
            return connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()


@dataclass
class Places:
    """As many places as syncs are killed, and the processes that sync."""

    folder: Path
    server: Postgres | None = None
    syncs: int = 0

    def of(self, name: str) -> Place:
        (self.folder / name).mkdir()
        source = FakeSource(self.folder / name)
        source.offers(incremental("opens", name=TEXT), incremental("clicks", name=TEXT), in_full("lists"))
        return Place(source, self.server)

    def sync(self, version: int, places: list[Place], kill_at: list[int | None]) -> list[str]:
        """Syncs each place in a process that is killed at one of its statements; returns what they print."""
        for place in places:
            place.source.says("read", read_of(version))
        jobs = [place.job | {"kill_at": number} for place, number in zip(places, kill_at, strict=True)]
        file = self.folder / "jobs.json"
        file.write_text(json.dumps(jobs), encoding="utf-8")
        self.syncs += 1  # a load is younger than those before it
        instant = str(NOW.timestamp() + 3600 * self.syncs)
        environment = os.environ | {"TEST_INSTANT": instant, "TMPDIR": str(self.folder)}
        command = [sys.executable, "-m", "unit_tests.support.killing", str(file)]
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()


@pytest.fixture(
    params=[
        pytest.param("duckdb", marks=pytest.mark.slow),
        pytest.param(
            "postgres",
            marks=[
                pytest.mark.slow,
                pytest.mark.environments,
                pytest.mark.skipif(
                    not postgres.INSTALLED and not os.environ.get("CI"),
                    reason="`make test-all` installs PostgreSQL on Debian",
                ),
            ],
        ),
    ]
)
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    if request.param == "duckdb":
        yield Places(tmp_path)
    else:
        with postgres.postgres() as server:
            yield Places(tmp_path, server)


def test_a_loader_that_is_killed_at_any_statement_loses_nothing_and_doubles_nothing(places: Places) -> None:
    whole, *killed = [places.of(f"place{number}") for number in range(KILLS + 1)]
    whole.create()
    places.sync(1, [whole], [None])
    assert whole.content() == loaded(1)
    for place in killed:
        place.create(whole)

    statements = int(places.sync(2, [whole], [0])[0])
    moments: list[int | None] = [1 + number * (statements - 1) // (KILLS - 1) for number in range(KILLS)]
    assert places.sync(2, killed, moments) == []
    left = [place.content() for place in killed]
    for content in left:
        assert content["lists"] in (loaded(1)["lists"], loaded(2)["lists"])

    places.sync(2, killed, [None] * KILLS)
    assert [place.content() for place in (whole, *killed)] == [loaded(2)] * (KILLS + 1)
    # The state that each went on from covers no more than was there.
    states = [place.source.given["opens"]["createdAt"] for place in killed]
    for state_, content in zip(states, left, strict=True):
        version, _, rows = state_.partition(", ")
        covered = {"10 rows": 10, "all rows": 20 * int(version)}[rows]
        assert [name for _, name in content["opens"][:covered]] >= [f"v{version}"] * covered
    assert set(states) == {"1, all rows", "2, 10 rows", "2, all rows"}


@pytest.fixture
def sync(tmp_path: Path) -> Sync:
    return Sync(tmp_path)


def test_a_source_that_is_killed_at_any_message_loses_nothing_and_doubles_nothing(sync: Sync) -> None:
    sync.source.offers(incremental("opens", name=TEXT), incremental("clicks", name=TEXT), in_full("lists"))
    read = read_of(1)
    for end in range(0, len(read), 7):
        assert sync(*read[:end], "kill") == 1
        assert sync.said.splitlines()[-2].endswith(" failed: The source ended with exit code -9.")

    assert sync(*read) == 0

    sync.database.rename(sync.source.folder / "d.duckdb")
    assert Place(sync.source, None).content() == loaded(1)


@pytest.mark.slow
def test_an_interrupt_loads_what_was_read_and_leaves_a_state_to_go_on_from(sync: Sync) -> None:
    sync.source.offers(incremental("opens", name=TEXT), in_full("lists"))
    os.mkfifo(pipe := sync.source.folder / "pipe")
    read = (record("opens", id=1, name="a"), state("opens", "1"), record("opens", id=2), record("lists", id=1))
    sync.source.says("read", [*read, f"tell {pipe}", "stop"])
    words = [
        "--config",
        sync.source.config,
        "--destination",
        sync.database,
        "--source",
        shlex.join(sync.source.command),
    ]
    loader = subprocess.Popen(
        [sys.executable, "-m", "messaging_sync", *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )

    assert pipe.read_text() == "said all"
    loader.send_signal(signal.SIGINT)

    said = loader.communicate()[0].splitlines()
    assert (loader.returncode, said[-1]) == (
        130,
        "Stopped. What was loaded stays, and the next sync goes on from there.",
    )
    assert [line for line in said if "failed" in line] == []
    assert sync.query("SELECT id, name FROM opens") == [(1, "a")]
    assert sync.query("SELECT count(*) FROM lists") == [(0,)]
