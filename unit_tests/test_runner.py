"""The command line: whose manifest it runs, how it says what is wrong, and how it ends."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

import source_messaging_runner as runner
from connector_process import config_error

ROOT = Path(runner.__file__).parent
MODULES = ("components.py", "connector_process.py", "source_messaging.py", "source_messaging_runner.py")
KEY = "a-key-nobody-may-see"

# Two streams: `lists` answers at once, `slow` never does.
MANIFEST = """
version: 7.39.1
type: DeclarativeSource
check: {type: CheckStream, stream_names: [lists]}
concurrency_level: {type: ConcurrencyLevel, default_concurrency: 4, max_concurrency: 4}
definitions:
  stream:
    type: DeclarativeStream
    primary_key: id
    schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {type: integer}}}}
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url: "{{ config['api_url'] }}/{{ parameters['endpoint'] }}"
        http_method: GET
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [rows]}}
streams:
  - type: ConditionalStreams
    condition: "{{ true }}"
    streams:
    - {$ref: "#/definitions/stream", $parameters: {name: lists, endpoint: lists}}
    - {$ref: "#/definitions/stream", $parameters: {name: slow, endpoint: slow}}
spec:
  type: Spec
  connection_specification:
    type: object
    required: [api_key]
    properties: {api_key: {type: string, airbyte_secret: true}, api_url: {type: string}}
"""


@dataclass
class Ran:
    """What a run has printed: messages by type, lines that are none, stderr, exit code."""

    exit_code: int
    stdout: str
    stderr: str
    messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in self.stdout.splitlines():
            message = json.loads(line)
            self.messages.setdefault(message["type"], []).append(message)

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [m["trace"]["error"] for m in self.messages.get("TRACE", []) if m["trace"]["type"] == "ERROR"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with one file of every kind of mistake."""
    contents = {
        "config.json": json.dumps({"api_key": KEY, "start_date": "2026-01-01T00:00:00Z"}),
        "cut.json": f'[1 "{KEY}"',
        "list.json": f'["{KEY}"]',
        "catalog.json": '{"streams": []}',
        "no-catalog.json": '{"streams": [{"name": "lists"}]}',
        "legacy-state.json": '{"lists": {"createdAt": "2026-01-01"}}',
        "empty-state.json": "[{}]",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "latin.json").write_bytes(b'{"api_key": "\xe9"}')
    return tmp_path


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The runner beside a manifest of its own, as another checkout would have it."""
    folder = tmp_path / "installed"
    folder.mkdir()
    for name in MODULES[1:]:  # its manifest needs no components
        shutil.copy(ROOT / name, folder)
    (folder / "manifest.yaml").write_text(MANIFEST, encoding="utf-8")
    return folder / "source_messaging.py"


@pytest.fixture
def server() -> Iterator[str]:
    """An API whose `/slow` keeps the client waiting until the test is over."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/slow"):
                over.wait(600)
            body = b'{"rows": [{"id": 1}, {"id": 2}]}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    over.set()
    http.shutdown()
    thread.join()
    http.server_close()


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    """Runs a command in this process."""
    exit_code = runner.run(runner.parse_arguments(list(arguments)))
    out, err = capfd.readouterr()
    return Ran(exit_code, out, err)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--config", "none.json"], "The config file none.json does not exist."),
        (["--config", "."], "The config file . cannot be read: Is a directory."),
        (["--config", "list.json"], "The config file list.json must hold a JSON object."),
        (["--config", "latin.json"], "The config file latin.json is not UTF-8 text."),
        (
            ["--config", "cut.json"],
            "The config file cut.json is not valid JSON: Expecting ',' delimiter: line 1 column 4 (char 3).",
        ),
    ],
)
def test_a_config_that_cannot_be_read_is_one_sentence(
    arguments: list[str],
    sentence: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files)

    discovered = run(capfd, "discover", *arguments)

    assert discovered.errors == [{"message": sentence, "failure_type": "config_error"}]
    assert list(discovered.messages) == ["TRACE"]
    assert (discovered.exit_code, discovered.stderr) == (1, "")
    assert KEY not in discovered.stdout

    checked = run(capfd, "check", *arguments)

    assert checked.messages == {
        "CONNECTION_STATUS": [
            {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": sentence}}
        ]
    }
    assert (checked.exit_code, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--catalog", "none.json"], "The catalog file none.json does not exist."),
        (
            ["--catalog", "no-catalog.json"],
            "The catalog file no-catalog.json is not a configured catalog: Schema validation failed: ",
        ),
        (["--catalog", "catalog.json", "--state", "none.json"], "The state file none.json does not exist."),
        (
            ["--catalog", "catalog.json", "--state", "legacy-state.json"],
            "The state file legacy-state.json is not a list of Airbyte state messages.",
        ),
        (
            ["--catalog", "catalog.json", "--state", "empty-state.json"],
            "The state file empty-state.json is not a list of Airbyte state messages: "
            "an entry has neither `stream` nor `global`.",
        ),
    ],
)
def test_a_catalog_or_state_that_cannot_be_read_is_one_sentence(
    arguments: list[str],
    sentence: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files)

    ran = run(capfd, "read", "--config", "config.json", *arguments)

    (error,) = ran.errors
    assert error.keys() == {"message", "failure_type"}
    assert error["message"].startswith(sentence)
    assert error["failure_type"] == "config_error"
    assert (ran.exit_code, ran.stderr) == (1, "")


def test_a_configuration_that_cannot_work_is_told_in_its_own_words_without_the_key(
    files: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: Any) -> None:
        raise config_error(f"Fill in `start_date`; the key {KEY} alone is not enough.")

    monkeypatch.setattr(runner, "SourceMessaging", _reader_that(refuse))
    told = "Fill in `start_date`; the key **** alone is not enough."
    config = str(files / "config.json")

    checked = run(capfd, "check", "--config", config)
    discovered = run(capfd, "discover", "--config", config)

    assert checked.messages["CONNECTION_STATUS"][0]["connectionStatus"] == {
        "status": "FAILED",
        "message": told,
    }
    assert checked.exit_code == 0
    assert discovered.errors == [{"message": told, "failure_type": "config_error"}]
    assert discovered.exit_code == 1


def test_a_bug_comes_as_a_message_with_its_stack_trace(
    files: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: Any) -> None:
        raise KeyError("nobody's fault")

    monkeypatch.setattr(runner, "SourceMessaging", _reader_that(fail))

    ran = run(capfd, "discover", "--config", str(files / "config.json"))

    (error,) = ran.errors
    assert error["failure_type"] == "system_error"
    assert error["stack_trace"].endswith('KeyError: "nobody\'s fault"\n')
    assert (ran.exit_code, ran.stderr) == (1, "")


def _reader_that(constructs: Any) -> type[runner.SourceMessaging]:
    """The source's class, whose construction does something else."""

    class Reader(runner.SourceMessaging):
        def __new__(cls, **keywords: Any) -> Self:
            constructs(**keywords)
            raise AssertionError("constructed")

    return Reader


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "source-messaging: say what to do: spec, check, discover or read"),
        (["check"], "error: the following arguments are required: --config"),
        (["spec", "--nonsense"], "error: unrecognized arguments: --nonsense"),
        (
            ["check", "--config", "c", "--manifest-path", "m"],
            "source-messaging: --manifest-path is for source-declarative-manifest; this command has its own",
        ),
    ],
)
def test_every_problem_of_the_command_line_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        runner.parse_arguments(arguments)

    assert exit_.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(sentence)


def test_the_source_is_there_for_tests_without_a_configuration() -> None:
    specification = runner.create_source().spec(logging.getLogger("airbyte"))

    assert specification.connectionSpecification["properties"]["api_key"]["airbyte_secret"] is True


def test_a_manifest_in_the_working_directory_is_not_the_connector(installed: Path, tmp_path: Path) -> None:
    stray = tmp_path / "elsewhere"
    stray.mkdir()
    (stray / "manifest.yaml").write_text("streams: [", encoding="utf-8")
    (stray / "components.py").write_text("raise SystemExit('a stray module')", encoding="utf-8")

    ran = _finished(_start(installed, "spec", cwd=stray))

    (spec,) = ran.messages["SPEC"]
    assert list(spec["spec"]["connectionSpecification"]["properties"]) == ["api_key", "api_url"]
    assert (ran.exit_code, ran.stderr) == (0, "")


def test_the_wheel_brings_all_that_the_command_needs(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("pyproject.toml", "LICENSE", *MODULES, "manifest.yaml"):
        shutil.copy(ROOT / name, project)
    shutil.copytree(ROOT / "destinations", project / "destinations")
    (project / "README.md").touch()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]

    build = [*pip, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(tmp_path), str(project)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)], check=True)
    shutil.rmtree(project)

    ran = _finished(_start(site / "source_messaging.py", "spec", cwd=tmp_path))
    (spec,) = ran.messages["SPEC"]
    assert spec["spec"]["connectionSpecification"]["properties"]["api_key"]["airbyte_secret"] is True
    assert sorted(path.name for path in site.glob("*.py")) == list(MODULES)
    assert {path.parent.name for path in site.rglob("destinations/*/*.py")} == {"courier", "rudderstack"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_read_at_once_with_all_it_has_read(
    number: signal.Signals, installed: Path, server: str, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = _start(installed, *_read(tmp_path, server), temporary=temporary)
    out: list[str] = []
    for line in process.stdout or ():
        out.append(line)
        if '"COMPLETE"' in line:
            break

    process.send_signal(number)
    rest, err = process.communicate(timeout=300)

    ran = Ran(process.returncode, "".join(out) + rest, err)
    assert [m["record"]["data"] for m in ran.messages["RECORD"]] == [{"id": 1}, {"id": 2}]
    assert (ran.exit_code, ran.errors, ran.stderr) == (128 + number, [], "")
    assert [path.name for path in temporary.rglob("*.json")] == [], "a copy of the key stays behind"


def test_a_reader_that_goes_away_ends_the_read_quietly(installed: Path, server: str, tmp_path: Path) -> None:
    process = _start(installed, *_read(tmp_path, server))
    assert process.stdout
    process.stdout.close()  # before a line is out: once `/slow` keeps it waiting, nothing is written any more

    assert process.wait(timeout=300) == 1
    assert process.stderr
    assert process.stderr.read() == ""
    process.stderr.close()


def _read(folder: Path, url: str) -> list[str]:
    """The arguments that read both streams."""
    config, catalog = folder / "config.json", folder / "catalog.json"
    config.write_text(json.dumps({"api_key": KEY, "api_url": url}), encoding="utf-8")
    streams = [
        {
            "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
        for name in ("lists", "slow")
    ]
    catalog.write_text(json.dumps({"streams": streams}), encoding="utf-8")
    return ["read", "--config", str(config), "--catalog", str(catalog)]


def _start(
    runner: Path, *arguments: str, cwd: Path | None = None, temporary: Path | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(runner), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=os.environ | ({"TMPDIR": str(temporary)} if temporary else {}),
    )


def _finished(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=300)
    return Ran(process.returncode, out, err)
