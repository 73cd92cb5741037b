"""`make demo-loop`: an event goes round from Segment through Courier to RudderStack, on the sandbox.

    python -m scripts.loop

Each station is a process, and what joins them are plain pipes. What is printed is what the next station has
received, asked of it afterwards. All that is written is in `.demo/loop/`.
"""

import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote

import requests

from messaging_sync.console import Console
from messaging_sync.source import SyncError
from sandbox.core import RECEIVED
from sandbox.courier.inbound import SEGMENT_PREFIX
from sandbox.rudderstack.plane import DataPlane
from scripts import demo
from scripts.pipes import Command, Message, Pipe

FOLDER: Final = demo.FOLDER / "loop"
WRITE_KEY: Final = DataPlane.write_key
# Seconds until Courier must have sent what it was asked to send, and between two looks.
PATIENCE: Final = 20.0
PAUSE: Final = 0.2
# Seconds for one answer of the sandbox.
TIMEOUT: Final = 10.0

USER: Final = "user-7"
TENANT: Final = "acme"
EVENT: Final = "Order Completed"
LOGGED: Final = f"{SEGMENT_PREFIX}{EVENT}"
NOTIFICATION: Final = "nt_order"
STREAM: Final = "segment_events"

Row = dict[str, Any]

BEFORE: Final[tuple[Row, ...]] = (
    {"type": "identify", "messageId": "seg-1", "traits": {"email": "ada@example.com", "plan": "free"}},
    {"type": "identify", "messageId": "seg-2", "traits": {"plan": "pro"}},
    {"type": "group", "messageId": "seg-3", "groupId": TENANT, "traits": {"name": "Acme Inc"}},
    {"type": "track", "messageId": "seg-4", "event": EVENT, "properties": {"order": 1, "total": 18.5}},
)
"""Segment's events before the mapping, all of them about one user."""
AFTER: Final[tuple[Row, ...]] = (
    {"type": "track", "messageId": "seg-5", "event": EVENT, "properties": {"order": 2, "total": 7}},
)
"""Its events afterwards."""


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
            _go_round(Loop(folder, url), console)
    except SyncError as error:
        console.say(str(error))
        return 1
    return 0


def _go_round(loop: "Loop", console: Console) -> None:
    for title, lines in (
        ("Segment → Courier", loop.before_mapping()),
        (f"The same, now that {LOGGED} is mapped to a notification", loop.after_mapping()),
        ("Courier → RudderStack", loop.onwards()),
        ("The same pipe again, from the state it gave back", loop.again()),
    ):
        console.say(f"\n{title}")
        for line in lines:
            console.say(f"  {line}")


@dataclass(frozen=True)
class Loop:
    """The stations and their files; each step tells which pipe it runs, runs it, and tells what arrived."""

    folder: Path
    url: str

    def before_mapping(self) -> Iterator[str]:
        yield from self._segment_to_courier("before", BEFORE)
        profile = self._ask("GET", f"/profiles/{USER}")["profile"]
        yield f"profile  {USER}  {json.dumps(profile)}"
        tenant = self._ask("GET", f"/tenants/{TENANT}")
        users = [row["user_id"] for row in self._ask("GET", f"/tenants/{TENANT}/users")["items"]]
        yield f"tenant   {TENANT}  {tenant['name']}, with {', '.join(users)}"
        yield from self._logged()

    def after_mapping(self) -> Iterator[str]:
        mapping = {"id": NOTIFICATION, "type": "notification"}
        self._ask("PUT", f"/events/{quote(LOGGED, safe='')}", mapping)
        yield from self._segment_to_courier("after", AFTER)
        self._wait_until_sent()
        yield from self._logged()

    def onwards(self) -> Iterator[str]:
        yield from self._courier_to_rudderstack()
        yield from map(_told, self._received())

    def again(self) -> Iterator[str]:
        before = self._received()
        yield from self._courier_to_rudderstack("--state")
        came = self._received()[len(before) :]
        known = {event["messageId"] for event in before}
        new = [event for event in came if event["messageId"] not in known]
        yield from map(_told, new)
        yield f"{len(new)} new events; {len(came) - len(new)} sent again, under the messageId it had"

    @property
    def _log(self) -> Path:
        return self.folder / "connectors.log"

    def _segment_to_courier(self, name: str, events: Sequence[Row]) -> Iterator[str]:
        """Sends the events, with a state behind them, which comes back once all are accepted."""
        config = {"api_key": demo.COURIER_KEY, "route": "segment", "api_url": self.url}
        options = self._options("destination-courier", config, STREAM)
        fed_from = self._file(f"{name}.jsonl", *_rows(events), _state(len(events)))
        pipe = Pipe([Command("destination-courier", "write", options)], fed_from)
        yield f"$ {pipe}"
        if _state(len(events)) not in pipe.messages(self._log):
            raise SyncError(f"destination-courier did not confirm its {len(events)} events; see {self._log}.")
        yield f"accepted {len(events)} event{'s' * (len(events) != 1)}"

    def _courier_to_rudderstack(self, *state: str) -> Iterator[str]:
        """Sends what is new in Courier's log; `state` is the option that says since when, if it is known."""
        source = {"courier": {"api_key": demo.COURIER_KEY, "api_url": self.url}}
        sink = {"data_plane_url": self.url, "write_key": WRITE_KEY}
        read = self._options("source-messaging", source, "messages")
        write = self._options("destination-rudderstack", sink, "messages")
        goes_on = tuple((option, self.folder / "state.json") for option in state)
        pipe = Pipe(
            [
                Command("source-messaging", "read", read + goes_on),
                Command("destination-rudderstack", "write", write),
            ]
        )
        yield f"$ {pipe}"
        states = [message["state"] for message in pipe.messages(self._log) if message.get("type") == "STATE"]
        if not states:
            raise SyncError(f"destination-rudderstack gave no state back; see {self._log}.")
        self._file("state.json", states[-1:])

    def _options(self, program: str, config: Row, stream: str) -> tuple[tuple[str, Path], ...]:
        return (
            ("--config", self._file(f"{program}.json", config)),
            ("--catalog", self._file(f"{stream}.json", _catalog(stream))),
        )

    def _file(self, name: str, *lines: Any) -> Path:
        path = self.folder / name
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        return path

    def _logged(self) -> Iterator[str]:
        """Courier's messages, newest first."""
        for row in self._ask("GET", "/messages")["results"]:
            yield f"message  {row['id']}  {row['event']}  {row['status']}  to {row['recipient']}"

    def _wait_until_sent(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._ask("GET", f"/messages?notification={NOTIFICATION}&status=ENQUEUED")["results"]:
            if time.monotonic() > deadline:
                raise SyncError(f"The sandbox has not sent {NOTIFICATION} within {PATIENCE:.0f} seconds.")
            time.sleep(PAUSE)

    def _received(self) -> list[Row]:
        events: list[Row] = self._ask("GET", RECEIVED)["events"]
        return events

    def _ask(self, method: str, path: str, body: Row | None = None) -> Any:
        headers = {"Authorization": f"Bearer {demo.COURIER_KEY}"}
        try:
            response = requests.request(method, self.url + path, headers=headers, json=body, timeout=TIMEOUT)
            response.raise_for_status()
        except requests.RequestException as error:
            raise SyncError(f"The sandbox did not answer {method} {path}: {type(error).__name__}.") from error
        return response.json()


def _told(event: Row) -> str:
    return (
        f"event    {event['event']}  userId {event['userId']}  messageId {event['messageId']}  "
        f"originalTimestamp {event['originalTimestamp']}"
    )


def _rows(events: Sequence[Row]) -> list[Message]:
    """Segment's events as rows of a stream."""
    now = time.time()
    common = {"userId": USER, "timestamp": datetime.fromtimestamp(now, UTC).isoformat(), "context": {}}
    return [
        {"type": "RECORD", "record": {"stream": STREAM, "data": common | event, "emitted_at": int(now * 1000)}}
        for event in events
    ]


def _state(position: int) -> Message:
    """Behind the rows: what comes back when they have all been accepted."""
    stream = {"stream_descriptor": {"name": STREAM}, "stream_state": {"position": position}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": stream}}


def _catalog(stream: str) -> Row:
    modes = ["full_refresh", "incremental"]
    described = {"name": stream, "json_schema": {}, "supported_sync_modes": modes}
    return {"streams": [{"stream": described, "sync_mode": "incremental", "destination_sync_mode": "append"}]}


if __name__ == "__main__":
    main()
