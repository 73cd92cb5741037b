"""Keys and personal data stay where they belong: in the configuration and in the records.

Every byte that a command prints is looked at, on both of its outputs, whatever the vendor says or does.
"""

import ast
import json
import logging
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from airbyte_cdk.logger import PRINT_BUFFER
from requests.adapters import HTTPAdapter

import source_messaging
from destinations import runner
from destinations.base import MessagingDestination
from destinations.courier.destination import DestinationCourier
from destinations.rudderstack.destination import DestinationRudderStack
from sandbox import Sandbox, serve
from sandbox.faults import Answer, Fault, Reset, Stall
from sandbox.messages import json_reply
from scripts.streams import ROOT
from source_messaging import load_manifest
from unit_tests.support.connector import Message, Sync, catalog_of
from unit_tests.support.exports import rows_every

KEYS = {"iterable": "iterable-key-nobody-may-see", "courier": "courier-key-nobody-may-see"}
ADDRESS = "ana.lopez@example.com"
WHOLE_MANIFEST = load_manifest()
ANY_ADDRESS = re.compile(r"[\w.+-]+(@|%40)[\w-]+(\.[\w-]+)+")
SAYS = f"Key {KEYS['iterable']} or {KEYS['courier']} of {ADDRESS} is no good"
Printed = tuple[list[Message], str]
Run = Callable[..., Printed]


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    sandbox.iterable.api_key, sandbox.courier.api_key = KEYS["iterable"], KEYS["courier"]
    return sandbox


@pytest.fixture
def config(address: str) -> Message:
    courier = {"api_key": KEYS["courier"], "api_url": address}
    return {
        "api_key": KEYS["iterable"],
        "start_date": "2026-01-01T00:00:00Z",
        "api_url": address,
        "max_retries": 1,
        "courier": courier,
    }


@pytest.fixture
def run(
    tmp_path: Path,
    config: Message,
    discovered: Sync,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    """Runs a command over some streams: its messages, and all that it has printed."""
    logger = logging.getLogger("airbyte")
    level = logger.level

    def command(name: str, streams: Sequence[str], *flags: str, **settings: Any) -> Printed:
        table = source_messaging.narrowed(WHOLE_MANIFEST, streams)
        monkeypatch.setattr(source_messaging, "load_manifest", lambda: table)
        (tmp_path / "config.json").write_text(json.dumps(config | settings), encoding="utf-8")
        words = [name, "--config", str(tmp_path / "config.json"), *flags]
        if name == "read":
            (tmp_path / "catalog.json").write_text(json.dumps(catalog_of(discovered, streams)), encoding="utf-8")
            words += ["--catalog", str(tmp_path / "catalog.json")]
        capfd.readouterr()
        source_messaging.run(source_messaging.parse_arguments(words))
        PRINT_BUFFER.flush()
        print(end="", file=sys.__stdout__, flush=True)
        out, err = capfd.readouterr()
        # Not `splitlines`: a record may hold other characters that end a line.
        return [json.loads(line) for line in out.split("\n") if line], out + err

    yield command
    logger.setLevel(level)


def errors(messages: list[Message]) -> str:
    """Return the texts of all traces, joined."""
    return " ".join(trace["error"]["message"] for trace in Sync(messages).of_type("TRACE") if trace["type"] == "ERROR")


def told(messages: list[Message]) -> list[str]:
    """Return the text of each error and warning."""
    logs = [log["message"] for log in Sync(messages).of_type("LOG") if log["level"] == "WARN"]
    return [*(error["message"] for error in Sync(messages).errors.values()), *logs]


# ------------------------------------------------------------------------------------------------------------- keys

STREAMS = ["lists", "email_send", "list_users", "messages", "brands"]


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize(
    "body",
    [{"msg": SAYS, "code": "x"}, {"message": SAYS}, SAYS, f"<p>{SAYS}</p>"],
    ids=["msg", "message", "text", "html"],
)
def test_a_vendor_that_repeats_key_and_address_is_quoted_without_them(
    run: Run, sandbox: Sandbox, status: int, body: Any
) -> None:
    sandbox.faults.add(Fault("/", Answer(status, body), times=None))

    messages, printed = run("read", STREAMS)

    assert {name: each for name, each in Sync(messages).statuses.items() if each != "INCOMPLETE"} == {}
    assert f"HTTP {status}, “Key **** or **** of … is no good”" in errors(messages)
    assert [name for name, key in KEYS.items() if key in printed] == []
    assert ANY_ADDRESS.findall(printed) == []


@pytest.mark.parametrize("command", ["check", "read"])
@pytest.mark.parametrize("vendor", ["iterable", "courier"])
def test_a_key_that_is_refused_is_nowhere_in_the_output(run: Run, sandbox: Sandbox, command: str, vendor: str) -> None:
    getattr(sandbox, vendor).api_key = "another"

    _, printed = run(command, ["lists", "email_send", "messages"], "--debug")

    assert "HTTP 401" in printed
    assert [name for name, key in KEYS.items() if key in printed] == []
    assert "****" in printed


@pytest.mark.parametrize("status", [200, 401, 500])
def test_debugging_shows_no_key_either(run: Run, sandbox: Sandbox, status: int) -> None:
    sandbox.iterable.lists = [{"id": 1}]
    if status != 200:
        sandbox.faults.add(Fault("/", Answer(status, {"msg": SAYS}), times=None))
    logging.getLogger("airbyte").setLevel(logging.DEBUG)

    _, printed = run("read", STREAMS, "--debug")

    assert "Making outbound API request" in printed
    assert [name for name, key in KEYS.items() if key in printed] == []


@pytest.mark.parametrize("setting", ["start_date", "api_url", "region"])
def test_a_configuration_that_is_refused_shows_no_key(run: Run, setting: str) -> None:
    messages, printed = run("check", ["lists", "email_send", "messages"], **{setting: f"x{KEYS['iterable']}"})

    assert f"`{setting}`" in Sync(messages).of_type("CONNECTION_STATUS")[0]["message"]
    assert [name for name, key in KEYS.items() if key in printed] == []


@pytest.mark.parametrize(
    ("destination", "settings", "key"),
    [
        (DestinationCourier(), {"api_key": KEYS["courier"], "route": "segment", "api_url": "{}"}, KEYS["courier"]),
        (DestinationRudderStack(), {"write_key": KEYS["iterable"], "data_plane_url": "{}"}, KEYS["iterable"]),
    ],
    ids=["courier", "rudderstack"],
)
@pytest.mark.parametrize(
    ("command", "status"), [("check", 400), ("check", 401), ("check", 500), ("write", 400), ("write", 401)]
)
def test_a_destinations_key_is_nowhere_in_its_output(
    sandbox: Sandbox,
    address: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    destination: MessagingDestination,
    settings: dict[str, str],
    key: str,
    command: str,
    status: int,
) -> None:
    # Not by a fault: those pass by the refusal with which RudderStack accepts a key.
    monkeypatch.setattr(sandbox, "answer", lambda _: json_reply({"message": SAYS}, status))
    stream = {"name": "events", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    event = {"type": "track", "event": "Seen", "userId": ADDRESS, "messageId": "m-1"}
    files = {
        "config": {name: value.format(address) for name, value in settings.items()},
        "catalog": {"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]},
        "input": {"type": "RECORD", "record": {"stream": "events", "data": event, "emitted_at": 0}},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content) + "\n", encoding="utf-8")
    words = [command, "--config", str(tmp_path / "config")]
    words += ["--catalog", str(tmp_path / "catalog")] if command == "write" else []
    with (tmp_path / "input").open(encoding="utf-8") as records:
        monkeypatch.setattr(sys, "stdin", records)
        exit_code = runner.run(destination, runner.parse_arguments(destination, words))

    printed = "".join(capfd.readouterr())
    quoted = SAYS.replace(key, "****").replace(ADDRESS, "…")
    assert exit_code == (1 if command == "write" else 0)
    assert (f"HTTP {status} after" if status >= 500 else f"HTTP {status}, “{quoted}”") in printed
    assert key not in printed
    assert ANY_ADDRESS.findall(printed) == []


# ----------------------------------------------------------------------------------------------------- personal data


@pytest.mark.slow
def test_no_address_is_in_a_log_of_a_whole_sync(
    seeded: Sandbox, run: Run, address: str, capfd: pytest.CaptureFixture[str], discovered: Sync
) -> None:
    seeded.iterable.api_key, seeded.courier.api_key = KEYS["iterable"], KEYS["courier"]
    seeded.iterable.list_members = {name: members[:30] for name, members in seeded.iterable.list_members.items()}
    seeded.courier.messages = seeded.courier.messages[::100]  # most of what costs a call
    every = [stream["name"] for stream in discovered.of_type("CATALOG")[0]["streams"]]

    messages, printed = run("read", every, max_retries=10)

    others = [line for line in printed.split("\n") if not line.startswith(('{"type":"RECORD"', '{"type":"STATE"'))]
    assert errors(messages) == ""
    assert len(Sync(messages).records) == len(every)
    assert [line for line in others if ANY_ADDRESS.search(line)] == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Reset(rows=None), "ConnectionError"),
        (Answer(400, SAYS), "HTTP 400, “Key **** or **** of … is no good”"),
        (Answer(429, "slow down"), "HTTP 429, “slow down”"),
        (Answer(503, SAYS), "HTTP 503, “Key **** or **** of … is no good”"),
    ],
    ids=["reset", "400", "429", "503"],
)
@pytest.mark.parametrize(
    ("stream", "path"), [("events", "/api/export/userEvents$"), ("profiles", "/profiles/")], ids=["events", "profiles"]
)
def test_a_call_whose_address_names_a_person_fails_without_the_name(
    run: Run, sandbox: Sandbox, fault: Any, words: str, stream: str, path: str
) -> None:
    sandbox.iterable.lists = [{"id": 1}]
    sandbox.iterable.list_members = {1: [ADDRESS]}
    sandbox.courier.messages = [{"id": "1-1", "enqueued": 1_770_000_000_000, "recipientId": ADDRESS}]
    sandbox.courier.profiles = {ADDRESS: {"profile": {"email": ADDRESS}}}
    sandbox.faults.add(Fault(path, fault, times=None))

    messages, printed = run("read", [stream])

    others = [line for line in printed.split("\n") if not line.startswith('{"type":"RECORD"')]
    assert [sentence for sentence in told(messages) if stream in sentence and words in sentence] != []
    assert [call.path for call in sandbox.calls if re.search(path, call.path)] != []
    assert [line for line in others if ANY_ADDRESS.search(line)] == []


# ------------------------------------------------------------------------------------------------------------ network


@pytest.mark.parametrize("region", ["US", "EU"])
def test_vendors_are_asked_over_tls_with_their_certificate_verified(
    run: Run, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    sent = _sent(monkeypatch)

    run("check", ["lists", "email_send"], api_url="", region=region)
    run("check", ["messages"], api_key="", courier={"api_key": KEYS["courier"], "region": region})

    infix = "" if region == "US" else "eu."
    assert {url.split("/")[2] for url, _ in sent} == {f"api.{infix}iterable.com", f"api.{infix}courier.com"}
    assert {(url.partition(":")[0], verify) for url, verify in sent} == {("https", True)}


@pytest.mark.parametrize(
    ("destination", "settings", "host"),
    [
        (DestinationCourier(), {"route": "segment"}, "api.courier.com"),
        (DestinationCourier(), {"route": "segment", "region": "EU"}, "api.eu.courier.com"),
        (DestinationRudderStack(), {"data_plane_url": "https://a.example"}, "a.example"),
    ],
)
def test_destinations_deliver_over_tls_with_the_certificate_verified(
    clock: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    destination: MessagingDestination,
    settings: Message,
    host: str,
) -> None:
    sent = _sent(monkeypatch)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"api_key": "k", "write_key": "k", **settings}), encoding="utf-8")

    runner.run(destination, runner.parse_arguments(destination, ["check", "--config", str(file)]))

    assert {url.split("/")[2] for url, _ in sent} == {host}
    assert {(url.partition(":")[0], verify) for url, verify in sent} == {("https", True)}


def _sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Where requests go to from now on, and how the certificate is verified; none of them leaves."""
    sent: list[tuple[str, Any]] = []

    def send(_: HTTPAdapter, request: requests.PreparedRequest, verify: Any = True, **__: Any) -> requests.Response:
        sent.append((str(request.url), verify))
        raise requests.exceptions.ConnectTimeout

    monkeypatch.setattr(HTTPAdapter, "send", send)
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    return sent


# -------------------------------------------------------------------------------------------------------------- code


def _modules() -> list[Path]:
    folders = [
        ROOT / name for name in ("destinations", "messaging_sync", "sandbox", "scripts", "benchmarks", "unit_tests")
    ]
    return sorted([*ROOT.glob("*.py"), *(module for folder in folders for module in folder.rglob("*.py"))])


FORBIDDEN_MODULES = {"marshal", "pickle", "shelve", "dill", "commands", "pty", "telnetlib", "ftplib"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "tempfile.mktemp"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "pandas.read_pickle"),
    *("ssl._create_unverified_context", "urllib3.disable_warnings", "requests.packages.urllib3.disable_warnings"),
}
FORBIDDEN_ARGUMENTS = {("verify", False), ("shell", True)}


def dangers(code: str) -> list[str]:
    """Say in words what a module does that none here may do."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"imports {name}" for name in names if name.partition(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.Call):
            found += [f"calls {name}" for name in [ast.unparse(node.func)] if name in FORBIDDEN_CALLS]
            given = [(each.arg, each.value.value) for each in node.keywords if isinstance(each.value, ast.Constant)]
            found += [f"says {name}={value!r}" for name, value in given if (name, value) in FORBIDDEN_ARGUMENTS]
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(".verify"):
            found.append("sets verify")
    return found


def test_no_module_runs_text_or_a_shell_loads_objects_or_trusts_any_certificate() -> None:
    found = {str(module.relative_to(ROOT)): dangers(module.read_text(encoding="utf-8")) for module in _modules()}

    assert {"components.py", "source_messaging.py"} <= found.keys()
    assert {module: each for module, each in found.items() if each} == {}


@pytest.mark.parametrize(
    ("code", "danger"),
    [
        ("import pickle", "imports pickle"),
        ("from marshal import loads", "imports marshal"),
        ("eval('1')", "calls eval"),
        ("yaml.load(text)", "calls yaml.load"),
        ("subprocess.run(line, shell=True)", "says shell=True"),
        ("requests.get(url, verify=False)", "says verify=False"),
        ("session.verify = False", "sets verify"),
    ],
)
def test_the_search_for_dangers_finds_them(code: str, danger: str) -> None:
    assert dangers(code) == [danger]


# --------------------------------------------------------------------------------------------------- temporary files

BIG = 16 << 20


@dataclass(frozen=True)
class Killed:
    """A read that was killed in the middle of a window larger than its memory.

    spooled: the mode of the file that held the window; before: what there was by name, with its mode; left: what
    the files hold that are there still.
    """

    spooled: int
    before: dict[Path, int]
    left: bytes


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, discovered: Sync) -> Killed:
    folder, temporary = tmp_path_factory.mktemp("killed"), tmp_path_factory.mktemp("temporary")
    sandbox = Sandbox(budgets=False, seed=False)
    rows = rows_every(timedelta(seconds=1), datetime(2026, 1, 1), count=10_000)
    sandbox.iterable.add_events("emailSend", ({**row, "text": "x" * 2000} for row in rows))
    sandbox.faults.add(Fault("/api/export/", Stall(rows=9000), times=None))
    with serve(sandbox) as address:
        files = {
            "config": {"api_key": sandbox.iterable.api_key, "start_date": "2026-01-01T00:00:00Z", "api_url": address},
            "catalog": catalog_of(discovered, ["email_send"]),
        }
        command = [sys.executable, str(ROOT / "source_messaging.py"), "read"]
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
            command += [f"--{name}", str(folder / name)]
        environment = os.environ | {"TMPDIR": str(temporary)}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        try:
            spooled = _mode_of_big_file(process)
            before = _modes(temporary)
        finally:
            process.kill()
            process.wait()
    left = b"".join(path.read_bytes() for path in temporary.rglob("*") if path.is_file())
    return Killed(spooled, before, left)


def _mode_of_big_file(process: subprocess.Popen[bytes]) -> int:
    """The mode of the first file without a name that outgrows `BIG` bytes, once it does; the process must live."""
    while process.poll() is None:
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it may be closed already
                about = descriptor.stat()
                if stat.S_ISREG(about.st_mode) and about.st_nlink == 0 and about.st_size > BIG:
                    return stat.S_IMODE(about.st_mode)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError(f"the read ended with {process.returncode}")


def _modes(folder: Path) -> dict[Path, int]:
    return {path.relative_to(folder): stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.rglob("*"))}


on_linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc to see open files in")


@pytest.mark.slow
@on_linux
def test_a_window_on_disk_is_private_and_has_no_name(killed: Killed) -> None:
    assert killed.spooled == 0o600
    # The framework's own folder, for cached listings of parents.
    assert [mode for path, mode in killed.before.items() if len(path.parts) == 1] == [0o700]


@pytest.mark.slow
@on_linux
def test_a_read_that_is_killed_leaves_neither_rows_nor_a_key_behind(killed: Killed) -> None:
    assert [word for word in (b"sandbox-iterable-key", b"person1@example.com", b"xxxx") if word in killed.left] == []
