"""Batches of events, and what the gateway's answers mean."""

from __future__ import annotations

import gzip
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

import requests
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from destinations.http import RETRIES, Api, Key, is_success, said
from destinations.rejected import Rejected, Rejections, Row, failure
from destinations.rudderstack.configuration import RudderStackSettings
from destinations.rudderstack.mapping import Event
from destinations.values import encoded, now, rfc3339

AGENT: Final = "destination-rudderstack"

# Bytes, without gzip. The documented limits are 32 KB and 4 MB; a gateway refuses from 4,096,000 on.
LARGEST_EVENT: Final = 32 * 1024
LARGEST_BATCH: Final = 4_000_000

_FRAME: Final = b'{"batch":[%b]}'
_SENT_AT: Final = b',"sentAt":"%b"}'
_SENT_AT_SIZE: Final = len(_SENT_AT) - len(b"%b") + len("2026-03-15T12:00:00.000Z") - len("}")

# What a single bad event of a batch, or the size of the batch, is answered with.
BAD_BATCH: Final = frozenset((400, 413))
EMPTY: Final = "empty batch payload"
# No row is to blame for it, since the JSON is ours.
UNREADABLE: Final = "invalid json"


@dataclass(frozen=True)
class Item:
    """An event of a batch. body: as JSON; when it is timed, it says itself when it was sent."""

    row: Row
    body: bytes
    timed: bool

    @property
    def size(self) -> int:
        return len(self.body) + (0 if self.timed else _SENT_AT_SIZE)

    def sent_at(self, moment: bytes) -> bytes:
        return self.body if self.timed else self.body.removesuffix(b"}") + _SENT_AT % moment


def item_of(event: Event, row: Row) -> Item:
    """Errors: Rejected for an event over the size that RudderStack documents."""
    item = Item(row, encoded(event), "sentAt" in event)
    if item.size > LARGEST_EVENT:
        raise Rejected("it is larger than the 32 KB that RudderStack takes")
    return item


class Gateway:
    """A data plane that takes batches."""

    def __init__(self, settings: RudderStackSettings, rejections: Rejections, retries: int = RETRIES) -> None:
        key = Key(f"Basic {b64encode(f'{settings.write_key}:'.encode()).decode()}")
        self._api = Api("RudderStack", "data_plane_url", settings.data_plane_url, key, agent=AGENT, retries=retries)
        self._rejections = rejections

    def close(self) -> None:
        self._api.close()

    def prove(self) -> None:
        """Sends a batch without events: the gateway refuses it, but not before it has accepted the key."""
        reply = self._post(_FRAME % b"")
        accepted = is_success(reply) and reply.text.strip().lower() == "ok"
        if not accepted and not (reply.status_code == 400 and EMPTY in reply.text):
            raise _refusal(reply, said(reply))

    def send(self, items: list[Item]) -> None:
        """Delivers a batch in its order. One bad event makes the gateway refuse all of them: halves are tried then.

        Errors: config_error for a bad row unless those are skipped, and for a key that is not accepted.
        """
        if not items:
            return
        # The data plane measures how wrong our clock is by it, so it is set as late as possible.
        moment = rfc3339(now()).encode()
        reply = self._post(_FRAME % b",".join(item.sent_at(moment) for item in items))
        if is_success(reply):
            return
        if reply.status_code not in BAD_BATCH or UNREADABLE in reply.text:
            raise _refusal(reply, said(reply, [item.row for item in items]))
        if len(items) == 1:
            words = said(reply, [items[0].row])
            self._rejections.reject(items[0].row, f"RudderStack answered HTTP {reply.status_code}, “{words}”")
            return
        middle = len(items) // 2
        self.send(items[:middle])
        self.send(items[middle:])

    def _post(self, body: bytes) -> requests.Response:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return self._api.call("POST", "/v1/batch", gzip.compress(body, compresslevel=5, mtime=0), headers)


class Batch:
    """Events on their way into the next request, which leaves before it becomes too large."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._items: list[Item] = []
        self._size = len(_FRAME)

    def add(self, item: Item) -> None:
        if self._size + item.size + 1 > LARGEST_BATCH:
            self.send()
        self._items.append(item)
        self._size += item.size + 1

    def send(self) -> None:
        """Sends what there is."""
        items, self._items, self._size = self._items, [], len(_FRAME)
        self._gateway.send(items)


def _refusal(reply: requests.Response, words: str) -> AirbyteTracedException:
    answer = f"HTTP {reply.status_code}, “{words}”"
    if reply.status_code == 401:
        return failure(
            f"RudderStack does not know the write key ({answer}): fill in `write_key` as its source shows it."
        )
    if reply.status_code == 404 and "disabled" in words:
        return failure(f"The source of `write_key` is switched off ({answer}): enable it in RudderStack.")
    if reply.status_code == 403:
        return failure(f"RudderStack does not let the key do this ({answer}): check `write_key`.")
    if reply.status_code == 400 and UNREADABLE in reply.text:
        return failure(
            f"`data_plane_url` cannot read what was sent as JSON in gzip ({answer}): check the address, and that "
            "whatever stands before the data plane takes gzip."
        )
    return failure(f"`data_plane_url` does not answer as a RudderStack data plane does ({answer}): check the address.")
