"""The command: what it answers from the manifest alone is what the framework would have said."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

import components
import source_messaging_runner as runner
from source_messaging import answer_from_manifest, is_beyond_doubt, load_manifest

ROOT = Path(runner.__file__).parent
COMMAND = [sys.executable, str(ROOT / "source_messaging.py")]
ITERABLE = {"api_key": "iterable-key", "start_date": "2026-01-01T00:00:00Z"}
COURIER = {"api_key": "courier-key"}
SPECIFICATION = load_manifest()["spec"]["connection_specification"]


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    """Saves a configuration and returns its path."""

    def save(config: Any) -> str:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        return str(path)

    return save


def said_by_framework(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert runner.run(runner.parse_arguments(list(arguments))) == 0
    return capfd.readouterr().out.splitlines()[-1]


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


def test_spec_is_the_frameworks_to_the_last_byte(capfd: pytest.CaptureFixture[str]) -> None:
    said = ran("spec")

    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == said_by_framework(capfd, "spec") + "\n"


@pytest.mark.parametrize(
    ("config", "streams"),
    [
        (ITERABLE, 72),
        ({"courier": COURIER}, 22),
        (ITERABLE | {"courier": COURIER | {"start_date": "2026-02-01T00:00:00Z"}, "region": "EU"}, 94),
    ],
)
def test_the_catalog_is_the_frameworks_to_the_last_byte(
    saved: Any, capfd: pytest.CaptureFixture[str], config: dict[str, Any], streams: int
) -> None:
    arguments = ("discover", "--config", saved(config))

    said = ran(*arguments)

    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == said_by_framework(capfd, *arguments) + "\n"
    assert len(json.loads(said.stdout)["catalog"]["streams"]) == streams


@pytest.mark.parametrize("arguments", [("spec",), ("discover", "--config", "config.json")])
def test_such_an_answer_takes_no_framework(saved: Any, arguments: tuple[str, ...]) -> None:
    words = [saved(ITERABLE) if word == "config.json" else word for word in arguments]
    program = (
        "import sys, source_messaging as command\n"
        "assert command.answer_from_manifest(sys.argv[1:])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'airbyte_cdk', 'components'}))"
    )

    imported = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert imported.stdout == "[]\n"


RIGHT_DATE = "2026-01-01T00:00:00Z"
ABSENT = object()
DATES = (
    *(ABSENT, RIGHT_DATE, "2020-02-29T23:59:59Z"),
    *(RIGHT_DATE + "\n", "2026-13-01T00:00:00Z", "2199-01-01T00:00:00Z", "today", None),
)
NUMBERS = (ABSENT, 1, 5, 60, 3650, 0, -1, 5.0, 0.5, "5", True, None)
KEYS = (ABSENT, "key", "another key", "", None, 7)
REGIONS = (ABSENT, "US", "EU", "us", None)
ADDRESSES = (ABSENT, "https://a.example.com", "http://127.0.0.1:1", "http://a.example.com", "", None)
CHANGES = [
    (place, value)
    for place, values in {
        ("api_key",): KEYS,
        ("start_date",): DATES,
        ("region",): REGIONS,
        ("api_url",): ADDRESSES,
        ("lookback_window",): NUMBERS,
        ("budget_share",): NUMBERS,
        ("unknown",): (ABSENT, "text", {"any": "thing"}),
        ("courier",): (ABSENT, COURIER, None, "key", [], {}),
        ("courier", "api_key"): KEYS,
        ("courier", "start_date"): DATES,
        ("courier", "region"): REGIONS,
        ("courier", "api_url"): ADDRESSES,
        ("courier", "lookback_days"): NUMBERS,
    }.items()
    for value in values
]
RIGHT = [
    ITERABLE,
    {"courier": COURIER},
    {
        **ITERABLE,
        "region": "EU",
        "lookback_window": 60,
        "budget_share": 2,
        "courier": {**COURIER, "region": "EU", "start_date": RIGHT_DATE, "lookback_days": 30},
    },
]


def changed(config: dict[str, Any], changes: list[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    """A copy of a configuration with other values in some places; a place whose section is missing is passed over."""
    other = copy.deepcopy(config)
    for (*outer, name), value in changes:
        section = other.get(outer[0]) if outer else other
        if isinstance(section, dict):
            section.pop(name, None)
            section |= {} if value is ABSENT else {name: copy.deepcopy(value)}
    return other


CONFIGS = st.builds(changed, st.sampled_from(RIGHT), st.lists(st.sampled_from(CHANGES), max_size=2))
# Always the same ones: the test does not fail by chance.
EXAMPLES = settings(max_examples=1000, deadline=None, derandomize=True, database=None)


def test_no_mistake_passes_for_want_of_the_components() -> None:
    beyond_doubt: list[bool] = []

    @EXAMPLES
    @given(CONFIGS)
    def check(config: dict[str, Any]) -> None:
        beyond_doubt.append(is_beyond_doubt(config, SPECIFICATION))
        if beyond_doubt[-1]:
            components.refuse_mistakes(config)
            assert Draft7Validator(SPECIFICATION).is_valid(config)

    check()
    # The test is worth something only with many of both kinds.
    assert 0.3 < sum(beyond_doubt) / len(beyond_doubt) < 0.7


@pytest.mark.parametrize("config", [{}, {"courier": {}}, ITERABLE | {"start_date": "2199-01-01T00:00:00Z"}, [], "key"])
def test_a_configuration_with_a_mistake_goes_to_the_runner(saved: Any, config: Any) -> None:
    assert answer_from_manifest(["discover", "--config", saved(config)]) is None


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"api_key": "\xe9"}'])
def test_a_file_that_cannot_be_read_goes_to_the_runner(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)

    assert answer_from_manifest(["discover", "--config", str(path)]) is None


@pytest.mark.parametrize(
    "arguments", [[], ["spec", "--debug"], ["discover"], ["check", "--config", "c"], ["read", "--config", "c"]]
)
def test_other_command_lines_go_to_the_runner(arguments: list[str]) -> None:
    assert answer_from_manifest(arguments) is None


def test_without_a_manifest_the_runner_says_so(tmp_path: Path) -> None:
    for name in ("connector_process.py", "source_messaging.py", "source_messaging_runner.py"):
        shutil.copy(ROOT / name, tmp_path)

    said = subprocess.run(
        [sys.executable, str(tmp_path / "source_messaging.py"), "spec"], capture_output=True, text=True, check=False
    )

    (error,) = (json.loads(line)["trace"]["error"] for line in said.stdout.splitlines())
    assert said.returncode == 1
    assert error["internal_message"] == "manifest.yaml belongs to messaging-connectors but is not installed with it"


def test_nobody_is_told_when_the_reader_has_gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    said = subprocess.run([*COMMAND, "spec"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)

    assert (said.returncode, said.stderr) == (1, b"")
