"""The lines of docs/pyairbyte.md load both vendors into DuckDB, and what is new when they run again.

PyAirbyte has an environment of its own, which `make test-all` makes from requirements/pyairbyte.lock: in one with the
rest it would hold a dozen packages back.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import time_machine

from sandbox import Sandbox, serve
from scripts.streams import ROOT
from unit_tests.conftest import NOW
from unit_tests.support.exports import held, rows_every

PYTHON = Path(os.environ.get("PYAIRBYTE_PYTHON") or ROOT / ".venv-pyairbyte" / "bin" / "python")
PAGE = (ROOT / "docs" / "pyairbyte.md").read_text(encoding="utf-8")
(LINES,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.environments,
    pytest.mark.skipif(
        not PYTHON.exists() and not (os.environ.get("CI") and sys.version_info < (3, 13)),
        reason="PyAirbyte is not there: `make test-all` makes its environment where there is Python 3.11 or 3.12",
    ),
]
Load = Callable[..., tuple[int, str]]
# Each ends the source's command before it is done. PyAirbyte stops a data set that nothing refers to.
LOOK = """
limited = source.get_records("email_send", limit=5)
print("limited:", len(list(limited)))
unlimited = source.get_records("email_send")
for record in unlimited:
    print("first:", "messageid" in record)
    break
samples = source.get_samples(["lists", "email_send"], limit=1)
print("samples:", [(name, len(list(sample))) for name, sample in sorted(samples.items())])
"""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """A project with ten days of one e-mail an hour, and a workspace with three messages."""
    sandbox = Sandbox(budgets=False, seed=False)
    sandbox.iterable.lists = [{"id": 7, "name": "VIP"}]
    sandbox.iterable.add_events("emailSend", rows_every(timedelta(hours=1), _ago(days=10), _ago(hours=1)))
    sandbox.courier.messages = [{"id": f"1-{number}", "enqueued": _milliseconds(days=number)} for number in (1, 2, 3)]
    return sandbox


@pytest.fixture(scope="module")
def folder(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's folder, with a configuration for the sandbox."""
    folder = tmp_path_factory.mktemp("pyairbyte")
    (folder / "secrets").mkdir()
    with serve(sandbox) as address:
        config = {
            "api_key": sandbox.iterable.api_key,
            "start_date": f"{_ago(days=20):%Y-%m-%dT%H:%M:%SZ}",
            "api_url": address,
            "lookback_window": 0,
            "courier": {"api_key": sandbox.courier.api_key, "api_url": address},
        }
        (folder / "secrets" / "config.json").write_text(json.dumps(config), encoding="utf-8")
        yield folder


@pytest.fixture(scope="module")
def load(folder: Path) -> Load:
    """Runs the lines of the page as they stand there, and others after them.

    Returns the number of records that the former print, and all else.
    """

    def run(others: str = "") -> tuple[int, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ran = subprocess.run(
            [str(PYTHON), "-c", LINES + others],
            cwd=folder,
            env=os.environ
            | {
                "PATH": path,
                "AIRBYTE_OFFLINE_MODE": "1",
                "AIRBYTE_LOGGING_ROOT": str(folder / "logs"),
                "TEST_INSTANT": str(time.time()),
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        records, others = re.split(r"^records: (\d+)$", ran.stdout, flags=re.MULTILINE)[1:]
        return int(records), others + ran.stderr

    return run


def _ago(**span: float) -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(**span)


def _milliseconds(**span: float) -> int:
    return int((datetime.now(UTC) - timedelta(**span)).timestamp()) * 1000


def table(folder: Path, stream: str, column: str) -> list[str]:
    """A column of a stream's table, sorted."""
    with duckdb.connect(folder / ".cache" / "messaging" / "db_messaging.duckdb", read_only=True) as database:
        rows = database.sql(f'SELECT "{column}" FROM main."{stream}" ORDER BY 1').fetchall()
    return [str(value) for (value,) in rows]


def test_the_page_keeps_its_promise_of_six_lines() -> None:
    assert len([line for line in LINES.splitlines() if line.strip()]) == 6


def test_the_lines_load_everything_and_then_what_is_new_and_a_look_at_a_few_rows_ends_silently(
    folder: Path, load: Load, sandbox: Sandbox
) -> None:
    first, others = load(LOOK)

    assert table(folder, "lists", "id") == ["7"]
    assert table(folder, "email_send", "messageid") == held(sandbox)
    assert table(folder, "messages", "id") == ["1-1", "1-2", "1-3"]
    assert first == 1 + len(held(sandbox)) + 3
    told = [line for line in others.splitlines() if line.startswith(("limited:", "first:", "samples:"))]
    assert told == ["limited: 5", "first: True", "samples: [('email_send', 1), ('lists', 1)]"]
    assert re.findall("Error|Exception|exit code", others) == []

    before = len(sandbox.calls)
    sandbox.iterable.add_events("emailSend", rows_every(timedelta(hours=1), _ago(hours=-1), count=1, prefix="new"))
    sandbox.courier.messages.insert(0, {"id": "1-4", "enqueued": _milliseconds(hours=-1)})
    with time_machine.travel(NOW + timedelta(hours=2), tick=False):
        second, _ = load()

    assert second == 1 + 1 + 4, "the list again, the new e-mail, and the messages of the last week"
    assert table(folder, "email_send", "messageid") == held(sandbox)
    assert table(folder, "messages", "id") == ["1-1", "1-2", "1-3", "1-4"]
    starts = [call.query["startDateTime"][0] for call in sandbox.calls[before:] if "startDateTime" in call.query]
    assert all(start > f"{_ago(hours=1):%Y-%m-%d %H:%M:%S}" for start in starts)
    assert starts != []
