"""The standard tests that Airbyte asks of every connector pass against the sandbox, by the line of docs/development.md.

That line runs them in a process of its own: they bring marks, plugins and warnings of their own, and
write reports beside the connector. So they get a copy of it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sandbox import Sandbox, serve
from scripts.streams import ROOT

COMMAND = Path(sys.executable).with_name("airbyte-cdk")
(LINE,) = re.findall(
    r"^\$ \.venv/bin/airbyte-cdk (.*)$", (ROOT / "docs" / "development.md").read_text(encoding="utf-8"), re.MULTILINE
)
CONNECTOR = ("manifest.yaml", "components.py", "metadata.yaml", "acceptance-test-config.yml", "pyproject.toml")
EXAMPLE = Path("secrets") / "config.example.json"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How each of the standard tests ended, by name."""
    connector = tmp_path_factory.mktemp("standard") / "source-messaging"
    (connector / EXAMPLE.parent).mkdir(parents=True)
    for name in CONNECTOR:
        shutil.copy(ROOT / name, connector)
    sandbox = Sandbox(budgets=False)
    # Most of what costs a call; some of each remains.
    project, workspace = sandbox.iterable, sandbox.courier
    project.list_members = {number: members[:5] for number, members in project.list_members.items()}
    workspace.messages = workspace.messages[::100]
    with serve(sandbox) as address:
        example = (ROOT / EXAMPLE).read_text(encoding="utf-8").replace("http://127.0.0.1:8642", address)
        (connector / EXAMPLE).write_text(example, encoding="utf-8")
        ran = subprocess.run(
            [str(COMMAND), *shlex.split(LINE)],
            cwd=connector,
            # The clock of our processes is imported before pytest looks.
            env=os.environ | {"PYTEST_ADDOPTS": "-Wignore::pytest.PytestAssertRewriteWarning"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    report = connector / "build" / "test-results" / "standard-tests-junit.xml"
    assert report.exists(), ran.stdout + ran.stderr
    cases = ET.parse(report).iter("testcase")
    return {str(case.get("name")): "; ".join(_ended(child) for child in case) or "passed" for case in cases}


def _ended(child: ET.Element) -> str:
    return f"{child.tag}: {child.get('message')}"


def test_every_standard_test_passes(results: dict[str, str]) -> None:
    assert results == dict.fromkeys(
        (
            "test_spec",
            "test_config_matches_spec['config.example' Test Scenario]",
            "test_check['config.example' Test Scenario]",
            "test_discover['config.example' Test Scenario]",
            "test_basic_read['config.example' Test Scenario]",
            "test_fail_read_with_bad_catalog['config.example' Test Scenario]",
        ),
        "passed",
    )
