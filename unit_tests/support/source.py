"""A source that says what it is told to, as a command: what a loader gets to hear of any Airbyte source."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Message = dict[str, Any]

# `--state` is kept for the test to look at. "wait" lets it hang until a file appears, and "stop" until a signal.
PROGRAM = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
if "--state" in options:
    (folder / "given.json").write_text(pathlib.Path(options["--state"]).read_text())
for line in (folder / f"{sys.argv[2]}.jsonl").open():
    if line == '"stop"\\n':
        sys.stdout.flush()
        signal.pause()
    elif line.startswith('"wait for '):
        sys.stdout.flush()
        while not pathlib.Path(line[10:-2]).exists():
            time.sleep(0.01)
    elif line.startswith('"exit '):
        sys.stdout.flush()
        sys.stderr.write(line[8:-2])
        sys.exit(int(line[6]))
    else:
        sys.stdout.write(line)
"""


class FakeSource:
    """A source in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = [sys.executable, "-E", "-S", str(folder / "source.py"), str(folder)]
        self.config = folder / "config.json"
        (folder / "source.py").write_text(PROGRAM, encoding="utf-8")
        self.config.write_text("{}", encoding="utf-8")
        self.says("check", [{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}])

    def offers(self, *streams: Message) -> None:
        self.says("discover", [{"type": "CATALOG", "catalog": {"streams": streams}}])

    def says(self, action: str, messages: Iterable[Message | str]) -> None:
        lines = map(json.dumps, messages)
        (self.folder / f"{action}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    @property
    def given(self) -> dict[str, Any]:
        """The states that the last read was given, by stream."""
        states = json.loads((self.folder / "given.json").read_text(encoding="utf-8"))
        return {state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"] for state in states}
