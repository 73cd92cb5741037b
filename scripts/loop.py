"""`make demo-loop`: an event goes round from Segment through Courier to RudderStack, on the sandbox.

    python -m scripts.loop

Each station is a process, and what joins them are plain pipes, as a shell would make them. What is printed is what the
next station has received, asked of it afterwards. All that is written is in `.demo/loop/`.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote

import requests

from messaging_sync.console import Console
from messaging_sync.source import Json, SyncError
from sandbox.core import RECEIVED
from sandbox.courier.inbound import SEGMENT_PREFIX
from sandbox.rudderstack.plane import DataPlane
from scripts import demo

FOLDER: Final = demo.FOLDER / "loop"
BIN: Final = Path(sys.executable).parent
"""Where the connectors' commands are installed."""
PATIENCE: Final = 20.0
"""Seconds until Courier must have sent what it was asked to send."""
USER: Final = "user-7"
TENANT: Final = "acme"
EVENT: Final = "Order Completed"
LOGGED: Final = f"{SEGMENT_PREFIX}{EVENT}"
NOTIFICATION: Final = "nt_order"
BEFORE: Final[tuple[Json, ...]] = (
    {"type": "identify", "messageId": "seg-1", "traits": {"email": "ada@example.com", "plan": "free"}},
    {"type": "identify", "messageId": "seg-2", "traits": {"plan": "pro"}},
    {"type": "group", "messageId": "seg-3", "groupId": TENANT, "traits": {"name": "Acme Inc"}},
    {"type": "track", "messageId": "seg-4", "event": EVENT, "properties": {"order": 1, "total": 18.5}},
)
"""Calls that Segment has before the event is mapped, all of it about one user."""
AFTER: Final[tuple[Json, ...]] = (
    {"type": "track", "messageId": "seg-5", "event": EVENT, "properties": {"order": 2, "total": 7}},
)
"""Calls that it has afterwards."""


def main() -> None:
    """The command; exits 0 when all went well, 1 when something failed, 130 when interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(run(FOLDER, sys.stdout))
    except KeyboardInterrupt:
        sys.exit(130)


def run(folder: Path, out: TextIO) -> int:
    """Goes round once, on a sandbox of its own; the exit code."""
    console = Console(out)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        console.say("Starting the sandbox: Courier and a RudderStack data plane, both empty …")
        today = datetime.now(UTC).date().isoformat()
        with demo.sandbox(today, folder / "sandbox.log", "--empty") as url:
            for line in _round(Loop(folder, url)):
                console.say(line)
    except SyncError as error:
        console.say(str(error))
        return 1
    return 0


def _round(loop: "Loop") -> Iterator[str]:
    yield "\nSegment → Courier"
    yield from loop.segment_to_courier("before", BEFORE)
    profile = loop.ask("GET", f"/profiles/{USER}")["profile"]
    yield f"  profile  {USER}  {json.dumps(profile)}"
    users = [row["user_id"] for row in loop.ask("GET", f"/tenants/{TENANT}/users")["items"]]
    yield f"  tenant   {TENANT}  {loop.ask('GET', f'/tenants/{TENANT}')['name']}, with {', '.join(users)}"
    yield from loop.logged()

    yield f"\nThe same, now that {LOGGED} is mapped to a notification"
    loop.ask("PUT", f"/events/{quote(LOGGED, safe='')}", {"id": NOTIFICATION, "type": "notification"})
    yield from loop.segment_to_courier("after", AFTER)
    loop.wait_until_sent()
    yield from loop.logged()

    yield "\nCourier → RudderStack"
    yield from loop.courier_to_rudderstack()
    before = loop.received()
    yield from map(_told, before)

    yield "\nThe same pipe again, from the state it gave back"
    yield from loop.courier_to_rudderstack("--state", str(loop.folder / "state.json"))
    came = loop.received()[len(before) :]
    new = [event for event in came if event["messageId"] not in {event["messageId"] for event in before}]
    yield from map(_told, new)
    yield f"  {len(new)} new events; {len(came) - len(new)} sent again, under the messageId it had"


@dataclass(frozen=True)
class Loop:
    """The stations and their files."""

    folder: Path
    url: str

    def segment_to_courier(self, name: str, events: Sequence[Json]) -> Iterator[str]:
        """Sends the events, with a state behind them, which comes back once all are accepted."""
        config = {"api_key": demo.COURIER_KEY, "route": "segment", "api_url": self.url}
        command = ["destination-courier", "write", *self._options("destination-courier", config, "segment_events")]
        stream = {"stream_descriptor": {"name": "segment_events"}, "stream_state": {"position": len(events)}}
        state = {"type": "STATE", "state": {"type": "STREAM", "stream": stream}}
        fed_from = self._file(f"{name}.jsonl", *map(_row, events), state)
        yield f"  $ {shlex.join(command)} < {fed_from}"
        if state not in pipe([command], self.folder / "connectors.log", fed_from):
            raise SyncError(f"destination-courier did not confirm its {len(events)} events; see connectors.log.")
        yield f"  accepted {len(events)} event{'s' * (len(events) != 1)}"

    def courier_to_rudderstack(self, *state: str) -> Iterator[str]:
        """Sends what is new in Courier's log; `state` is the option that says since when, if it is known."""
        source = {"courier": {"api_key": demo.COURIER_KEY, "api_url": self.url}}
        sink = {"data_plane_url": self.url, "write_key": DataPlane.write_key}
        commands = [
            ["source-messaging", "read", *self._options("source-messaging", source, "messages"), *state],
            ["destination-rudderstack", "write", *self._options("destination-rudderstack", sink, "messages")],
        ]
        yield f"  $ {' | '.join(map(shlex.join, commands))}"
        messages = pipe(commands, self.folder / "connectors.log")
        states = [message["state"] for message in messages if message.get("type") == "STATE"]
        if not states:
            raise SyncError("destination-rudderstack gave no state back; see connectors.log.")
        self._file("state.json", states[-1:])

    def logged(self) -> Iterator[str]:
        """Courier's messages, newest first."""
        for row in self.ask("GET", "/messages")["results"]:
            yield f"  message  {row['id']}  {row['event']}  {row['status']}  to {row['recipient']}"

    def wait_until_sent(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.ask("GET", f"/messages?notification={NOTIFICATION}&status=ENQUEUED")["results"]:
            if time.monotonic() > deadline:
                raise SyncError(f"The sandbox has not sent {NOTIFICATION} within {PATIENCE:.0f} seconds.")
            time.sleep(0.2)

    def received(self) -> list[Json]:
        """Return the calls that the data plane has received."""
        events: list[Json] = self.ask("GET", RECEIVED)["events"]
        return events

    def ask(self, method: str, path: str, body: Json | None = None) -> Any:
        headers = {"Authorization": f"Bearer {demo.COURIER_KEY}"}
        try:
            response = requests.request(method, self.url + path, headers=headers, json=body, timeout=10)
            response.raise_for_status()
        except requests.RequestException as error:
            raise SyncError(f"The sandbox did not answer {method} {path}: {type(error).__name__}.") from error
        return response.json()

    def _options(self, program: str, config: Json, stream: str) -> list[str]:
        """The options that name a configuration and a catalog of one stream."""
        described = {"name": stream, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
        configured = {"stream": described, "sync_mode": "incremental", "destination_sync_mode": "append"}
        files = self._file(f"{program}.json", config), self._file(f"{stream}.json", {"streams": [configured]})
        return ["--config", str(files[0]), "--catalog", str(files[1])]

    def _file(self, name: str, *lines: Any) -> Path:
        path = self.folder / name
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        return path


def pipe(commands: Sequence[Sequence[str]], log: Path, fed_from: Path | None = None) -> list[Json]:
    """Runs programs of which each reads what the one before prints; returns the messages of the last.

    `log` takes what they print as errors. Errors: SyncError that says which program failed, and why if it said so.
    """
    with log.open("ab") as errors, Path(fed_from or os.devnull).open("rb") as feed, ExitStack() as ended:
        processes: list[subprocess.Popen[bytes]] = []
        for program, *words in commands:
            fed = processes[-1].stdout if processes else feed
            processes.append(
                ended.enter_context(
                    subprocess.Popen([BIN / program, *words], stdin=fed, stdout=subprocess.PIPE, stderr=errors)
                )
            )
            ended.callback(processes[-1].terminate)
            if processes[1:] and fed:
                fed.close()  # so that a program notices when its reader has ended
        printed = processes[-1].communicate()[0]
        codes = [process.wait() for process in processes]
    messages = list(_messages(printed))
    for (program, *_), code in zip(commands, codes, strict=True):
        if code:
            said = [message["trace"]["error"]["message"] for message in messages if "error" in message.get("trace", {})]
            raise SyncError(f"{program} ended with exit code {code}: {[f'see {log}', *said][-1].rstrip('.')}.")
    return messages


def _messages(printed: bytes) -> Iterator[Json]:
    for line in printed.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue  # a stray print is no message
        if isinstance(message, dict):
            yield message


def _told(event: Json) -> str:
    return (
        f"  event    {event['event']}  userId {event['userId']}  messageId {event['messageId']}  "
        f"originalTimestamp {event['originalTimestamp']}"
    )


def _row(event: Json) -> Json:
    """An event of Segment's as a row of a stream."""
    now = datetime.now(UTC)
    data = {"userId": USER, "timestamp": now.isoformat(), "context": {}} | event
    record = {"stream": "segment_events", "data": data, "emitted_at": int(now.timestamp() * 1000)}
    return {"type": "RECORD", "record": record}


if __name__ == "__main__":
    main()
