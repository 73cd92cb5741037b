"""The command: whose manifest it runs, what it prints, how it says what is wrong, and how it ends."""

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
from airbyte_cdk.logger import PRINT_BUFFER

import source_messaging as runner
from connector_process import PATIENCE, TICK, config_error
from sandbox import Sandbox
from unit_tests.support.connector import Sync

ROOT = Path(runner.__file__).parent
MODULES = ("components.py", "connector_process.py", "source_messaging.py", "specification.py")
KEY = "a-key-nobody-may-see"
START = "2026-01-01T00:00:00Z"

# Streams: `lists` answers at once, `slow` never does, `many` fills every buffer.
MANIFEST = """
version: 7.39.1
type: DeclarativeSource
check: {type: CheckStream, stream_names: [lists]}
concurrency_level: {type: ConcurrencyLevel, default_concurrency: 4, max_concurrency: 4}
definitions:
  stream:
    type: DeclarativeStream
    primary_key: id
    schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {}, name: {}}}}
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
    - {$ref: "#/definitions/stream", $parameters: {name: many, endpoint: many}}
spec:
  type: Spec
  connection_specification:
    type: object
    required: [api_key]
    properties: {api_key: {type: string, airbyte_secret: true}, api_url: {type: string}}
"""


@dataclass
class Ran:
    """Output of a run: messages by type, lines that are none, stderr, exit code."""

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
        "config.json": json.dumps({"api_key": KEY, "start_date": START}),
        "cut.json": f'[1 "{KEY}"',
        "list.json": f'["{KEY}"]',
        "catalog.json": '{"streams": []}',
        "no-catalog.json": '{"streams": [{"name": "lists"}]}',
        "state-without-streams.json": '{"createdAt": "2026-01-01"}',
        "empty-state.json": "[{}]",
        "texts.json": '["2026-01-01"]',
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
    for name in MODULES:
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
            count = 50_000 if self.path == "/many" else 2
            body = json.dumps({"rows": [{"id": number, "name": "Zoë"} for number in range(count)]}).encode()
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
            "The catalog file no-catalog.json is not a configured catalog, such as `source-messaging catalog` prints: ",
        ),
        (
            ["--catalog", "catalog.json", "--state", "none.json"],
            "The state file none.json does not exist: for a first sync, leave out --state.",
        ),
        *(
            (
                ["--catalog", "catalog.json", "--state", name],
                f"The state file {name} holds no states, which look like [{{",
            )
            for name in ("state-without-streams.json", "empty-state.json", "texts.json")
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
        ([], "error: the following arguments are required: command"),
        (["check"], "error: the following arguments are required: --config"),
        (["spec", "--nonsense"], "error: unrecognized arguments: --nonsense"),
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


# ----------------------------------------------------------------------------------------------- catalogs and states


def test_the_catalog_that_is_printed_is_one_that_read_takes(
    files: Path, config: dict[str, Any], sandbox: Sandbox, discovered: Sync, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox.iterable.lists = [{"id": 7}]
    (files / "config.json").write_text(json.dumps(config), encoding="utf-8")
    arguments = ("--config", str(files / "config.json"))

    assert runner.run(runner.parse_arguments(["catalog", *arguments, "--streams", "lists,email_send"])) == 0
    PRINT_BUFFER.flush()
    printed = capfd.readouterr().out
    (files / "catalog.json").write_text(printed, encoding="utf-8")
    ran = run(capfd, "read", *arguments, "--catalog", str(files / "catalog.json"))

    offered = {stream["name"]: stream for stream in discovered.of_type("CATALOG")[0]["streams"]}
    assert json.loads(printed)["streams"] == [
        {
            "stream": offered[name],
            "sync_mode": mode,
            "destination_sync_mode": "append",
            "cursor_field": cursor,
            "primary_key": [[key]],
        }
        for name, mode, cursor, key in (
            ("lists", "full_refresh", [], "id"),
            ("email_send", "incremental", ["createdAt"], "event_id"),
        )
    ]
    assert [message["record"]["data"] for message in ran.messages["RECORD"]] == [{"id": 7}]
    assert (ran.exit_code, ran.errors) == (0, [])


@pytest.mark.slow
def test_a_catalog_holds_every_stream_of_the_vendor_that_is_configured(
    files: Path, discovered: Sync, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = files / "config.json"
    config.write_text(json.dumps({"courier": {"api_key": KEY}}), encoding="utf-8")
    # Its lines go to stdout, as in the command.
    monkeypatch.setattr(logging.getLogger("airbyte"), "handlers", [logging.StreamHandler(sys.stdout)])

    assert runner.run(runner.parse_arguments(["catalog", "--config", str(config)])) == 0
    PRINT_BUFFER.flush()

    names = [stream["stream"]["name"] for stream in json.loads(capfd.readouterr().out)["streams"]]
    everything = [stream["name"] for stream in discovered.of_type("CATALOG")[0]["streams"]]
    assert names == everything[everything.index("brands") :]


MISSING = [
    ("nonsense", "this source has no stream of that name"),
    ("messages", "no API key of its vendor is configured"),
]


@pytest.mark.parametrize(("stream", "reason"), MISSING)
def test_a_catalog_of_a_stream_that_is_not_offered_is_not_printed(
    files: Path, capfd: pytest.CaptureFixture[str], stream: str, reason: str
) -> None:
    words = ["catalog", "--config", str(files / "config.json"), "--streams", f"lists,{stream}"]

    assert runner.run(runner.parse_arguments(words)) == 1
    out, err = capfd.readouterr()
    assert (out, err) == (
        "",
        f"source-messaging: Stream {stream} cannot be read: {reason}. `discover` lists those that can.\n",
    )


def test_a_stream_that_is_not_offered_fails_and_the_others_are_read(
    files: Path, config: dict[str, Any], sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox.iterable.lists = [{"id": 7}]
    (files / "config.json").write_text(json.dumps(config), encoding="utf-8")
    catalog = _catalog(files, "nonsense", "lists", "messages")

    ran = run(capfd, "read", "--config", str(files / "config.json"), "--catalog", catalog)

    assert [(error["message"], error["failure_type"]) for error in ran.errors] == [
        (f"Stream {name} cannot be read: {reason}. `discover` lists those that can.", "config_error")
        for name, reason in MISSING
    ]
    assert [message["record"]["data"] for message in ran.messages["RECORD"]] == [{"id": 7}]
    assert ran.exit_code == 1


SAVED = {"createdAt": "2026-03-24T11:55:00+00:00"}
STATE = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "email_send"}, "stream_state": SAVED}}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([STATE]).replace(", ", "\n, "),
        json.dumps({"email_send": SAVED}),
        '{"type": "LOG", "log": {}}\n' + json.dumps({"type": "STATE", "state": STATE}) + "\n",
    ],
    ids=["a list of states", "what older connectors saved", "the output of a sync"],
)
def test_a_state_is_read_in_each_form_in_which_it_is_found(files: Path, content: str) -> None:
    (files / "state.json").write_text(content, encoding="utf-8")

    (state,) = runner.SourceMessaging.read_state(str(files / "state.json"))

    assert state.stream
    assert state.stream.stream_descriptor.name == "email_send"
    assert vars(state.stream.stream_state) == SAVED


# ---------------------------------------------------------------------------------------------------------- processes


@pytest.mark.slow
def test_a_manifest_in_the_working_directory_is_not_the_connector(installed: Path, tmp_path: Path) -> None:
    stray = tmp_path / "elsewhere"
    stray.mkdir()
    (stray / "manifest.yaml").write_text("streams: [", encoding="utf-8")
    (stray / "components.py").write_text("raise SystemExit('a stray module')", encoding="utf-8")

    ran = _finished(_start(installed, "spec", cwd=stray))

    (spec,) = ran.messages["SPEC"]
    assert list(spec["spec"]["connectionSpecification"]["properties"]) == ["api_key", "api_url"]
    assert (ran.exit_code, ran.stderr) == (0, "")


@pytest.mark.slow
def test_the_wheel_brings_all_that_the_command_needs(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("pyproject.toml", "LICENSE", *MODULES, "manifest.yaml"):
        shutil.copy(ROOT / name, project)
    for name in ("destinations", "messaging_sync"):
        shutil.copytree(ROOT / name, project / name)
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
    assert (site / "messaging_sync" / "__main__.py").exists()
    assert {path.parent.name for path in site.rglob("destinations/*/*.py")} == {"courier", "rudderstack"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_read_with_all_it_has_read_and_leaves_nothing_behind(
    number: signal.Signals, installed: Path, server: str, tmp_path: Path
) -> None:
    """Neither a terminal's encoding nor a proxy, which does not get what is for this machine, keeps it from reading."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    surroundings = {"TMPDIR": str(temporary), "PYTHONIOENCODING": "ascii", "HTTP_PROXY": "http://127.0.0.1:9"}
    process = _start(installed, *_read(tmp_path, server, "lists", "slow"), surroundings=surroundings)
    out: list[str] = []
    for line in process.stdout or ():
        out.append(line)
        if '"COMPLETE"' in line:
            break

    process.send_signal(number)
    rest, err = process.communicate(timeout=300)

    ran = Ran(process.returncode, "".join(out) + rest, err)
    rows = [{"id": 0, "name": "Zoë"}, {"id": 1, "name": "Zoë"}]
    assert [message["record"]["data"] for message in ran.messages["RECORD"]] == rows
    assert (ran.exit_code, ran.errors, ran.stderr) == (-number, [], "")
    assert [path.name for path in temporary.iterdir() if "airbyte" not in path.name] == []


@pytest.mark.slow
def test_a_reader_that_has_stopped_reading_does_not_keep_a_signal_from_ending_the_read(
    installed: Path, server: str, tmp_path: Path
) -> None:
    process = _start(installed, *_read(tmp_path, server, "many"))
    assert process.stdout
    begun = process.stdout.readline()  # and nothing after it: the rows are more than a pipe holds

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=60) == -signal.SIGTERM
    *whole, _cut = (begun + process.communicate()[0]).split("\n")
    assert {json.loads(line)["type"] for line in whole} <= {"LOG", "TRACE", "RECORD"}
    assert PATIENCE + TICK < 3


@pytest.mark.slow
def test_few_open_files_are_enough_to_begin_with(tmp_path: Path) -> None:
    """The framework keeps a cache of parents open for each stream, and waits for ever when it cannot open one."""
    (tmp_path / "config.json").write_text(
        json.dumps({"api_key": KEY, "start_date": START, "courier": {"api_key": KEY}})
    )
    few = ["sh", "-c", 'ulimit -S -n 100 && exec "$@"', "sh", sys.executable, "-m", "source_messaging"]

    ran = subprocess.run(
        [*few, "discover", "--config", str(tmp_path / "config.json")], cwd=ROOT, capture_output=True, check=False
    )

    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_the_first_process_of_a_container_ends_when_it_is_told_to() -> None:
    """The kernel does not end it by a signal that it does not handle."""
    program = (
        "import os, signal, threading, connector_process\n"
        "assert os.getpid() == 1\n"
        "connector_process.run_to_the_end(lambda: os.kill(1, signal.SIGTERM) or threading.Event().wait())"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", program]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    if "Operation not permitted" in ended.stderr:
        pytest.skip("may not have processes of its own")
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGTERM, "")


@pytest.mark.slow
def test_a_signal_that_the_kernel_hands_to_another_thread_ends_the_process() -> None:
    """As it may while a thread begins, say; only the main thread can act on it."""
    program = (
        "import signal, threading, time, connector_process\n"
        "def work():\n"
        "    time.sleep(1)  # until the main thread waits, or else it would see the signal anyway\n"
        "    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)\n"
        "    threading.Event().wait()\n"
        "connector_process.run_to_the_end(work)"
    )

    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, b"")


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_read_quietly(installed: Path, server: str, tmp_path: Path) -> None:
    process = _start(installed, *_read(tmp_path, server, "lists", "slow"))
    assert process.stdout
    process.stdout.close()  # before a line is out: once `/slow` keeps it waiting, nothing is written any more

    assert process.wait(timeout=300) == 1
    assert process.stderr
    assert process.stderr.read() == ""
    process.stderr.close()


def _read(folder: Path, url: str, *streams: str) -> list[str]:
    """The arguments that read some streams."""
    config = folder / "config.json"
    config.write_text(json.dumps({"api_key": KEY, "start_date": START, "api_url": url}), encoding="utf-8")
    return ["read", "--config", str(config), "--catalog", _catalog(folder, *streams)]


def _catalog(folder: Path, *streams: str) -> str:
    path = folder / "catalog.json"
    configured = [
        {
            "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
        for name in streams
    ]
    path.write_text(json.dumps({"streams": configured}), encoding="utf-8")
    return str(path)


def _start(
    runner: Path, *arguments: str, cwd: Path | None = None, surroundings: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(runner), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=cwd,
        env=os.environ | (surroundings or {}),
    )


def _finished(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=300)
    return Ran(process.returncode, out, err)
