"""`make demo-loop`: what arrives at each station, and what is said when a pipe breaks."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from messaging_sync.source import SyncError
from scripts import loop

MESSAGE = r"1-[0-9a-f]{8}-[0-9a-f]{24}"
LOGGED = "Segment-TrackEvent:Order Completed"
READ = "source-messaging read --config {0}/source-messaging.json --catalog {0}/messages.json"
WRITE = "destination-rudderstack write --config {0}/destination-rudderstack.json --catalog {0}/messages.json"
TO_COURIER = "destination-courier write --config {0}/destination-courier.json --catalog {0}/segment_events.json"

SAID = f"""\
Starting the sandbox: Courier and a RudderStack data plane, both empty …

Segment → Courier
  $ {TO_COURIER} < {{0}}/before.jsonl
  accepted 4 events
  profile  user-7  {{{{"email": "ada@example.com", "plan": "pro"}}}}
  tenant   acme  Acme Inc, with user-7
  message  <first>  {LOGGED}  UNMAPPED  to ada@example.com

The same, now that {LOGGED} is mapped to a notification
  $ {TO_COURIER} < {{0}}/after.jsonl
  accepted 1 event
  message  <second>  {LOGGED}  SENT  to ada@example.com
  message  <first>  {LOGGED}  UNMAPPED  to ada@example.com

Courier → RudderStack
  $ {READ} | {WRITE}
  event    Message Sent  userId user-7  messageId courier:<second>:sent  originalTimestamp <time>

The same pipe again, from the state it gave back
  $ {READ} --state {{0}}/state.json | {WRITE}
  0 new events; 1 sent again, under the messageId it had
"""


@pytest.mark.slow
def test_an_event_goes_round_and_a_second_read_repeats_none(tmp_path: Path) -> None:
    out = io.StringIO()
    ended = loop.run(tmp_path, out)

    said = out.getvalue()
    names = dict(zip(dict.fromkeys(re.findall(MESSAGE, said)), ("<first>", "<second>"), strict=True))
    for message_id, name in names.items():
        said = said.replace(message_id, name)
    said = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>", said)
    assert (ended, said) == (0, SAID.format(tmp_path))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of a pipe, in the folder of the installed ones."""
    monkeypatch.setattr(loop, "BIN", tmp_path)
    error = {"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": "The key is wrong."}}}
    for name, code in {
        "endless": "while True: print('{}')",
        "first": "print(input())",
        "fails": f"print('{json.dumps(error)}')\nraise SystemExit(2)",
        "broken": "print('no message')\nraise SystemExit('no reason')",
    }.items():
        (tmp_path / name).write_text(f"#!{sys.executable}\n{code}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.slow
def test_a_program_reads_what_the_one_before_it_prints(programs: Path) -> None:
    (programs / "in.jsonl").write_text('{"type": "STATE"}\nno message\n[1]\n')

    assert loop.pipe([["first"], ["first"]], programs / "log", programs / "in.jsonl") == [{"type": "STATE"}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("fails", "fails ended with exit code 2: The key is wrong."),
        ("broken", "broken ended with exit code 1: see {}/log."),
    ],
)
def test_a_program_that_fails_is_named_with_its_reason(programs: Path, program: str, sentence: str) -> None:
    with pytest.raises(SyncError) as caught:
        loop.pipe([[program]], programs / "log")
    assert str(caught.value) == sentence.format(programs)


@pytest.mark.slow
def test_a_program_notices_that_its_reader_has_ended(programs: Path) -> None:
    with pytest.raises(SyncError, match=r"^endless ended with exit code 1: see "):
        loop.pipe([["endless"], ["first"]], programs / "log")
    assert "BrokenPipeError" in (programs / "log").read_text()


@pytest.mark.slow
def test_no_program_outlives_its_pipe(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def starting(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        if started:
            raise KeyboardInterrupt
        started.append(start(*words, **options))
        return started[0]

    monkeypatch.setattr("scripts.loop.subprocess.Popen", starting)
    with pytest.raises(KeyboardInterrupt):
        loop.pipe([["endless"], ["first"]], programs / "log")
    assert started[0].returncode is not None


@pytest.mark.slow
def test_a_sandbox_that_does_not_start_ends_the_loop_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(missing))
    out = io.StringIO()
    assert loop.run(tmp_path, out) == 1
    assert out.getvalue().splitlines()[1:] == [f"{missing} cannot be used: No such file or directory."]
