"""Batches of events, and what the gateway's answers mean."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import requests
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from connector_process import config_error
from destinations.http import RETRIES, Api, is_success, vendor_message
from destinations.outcomes import Outcomes
from destinations.rows import Row
from destinations.rudderstack.configuration import RudderStackSettings

AGENT: Final = "destination-rudderstack"

_FRAME: Final = b'{"batch":[%b]}'

# Bytes, without gzip. A gateway refuses from 4,096,000 on.
LARGEST_BATCH: Final = 4_000_000
LARGEST_ITEM: Final = LARGEST_BATCH - len(_FRAME % b"")

# The gateway's own words, by what they blame.
BLAMING_AN_EVENT: Final = ("event is not a valid rudder event", "request neither has anonymousid nor userid")
BLAMING_THE_SIZE: Final = ("request size exceeds max limit",)
EMPTY: Final = "empty batch payload"
UNREADABLE: Final = "invalid json"


@dataclass(frozen=True)
class Item:
    """A row on its way. events: as JSON, with commas between them."""

    row: Row
    events: bytes


class Gateway:
    """A data plane that takes batches."""

    def __init__(self, settings: RudderStackSettings, outcomes: Outcomes, retries: int = RETRIES) -> None:
        authorization = f"Basic {b64encode(f'{settings.write_key}:'.encode()).decode()}"
        self._api = Api(
            "RudderStack", "data_plane_url", settings.data_plane_url, authorization, agent=AGENT, retries=retries
        )
        self._outcomes = outcomes

    def close(self) -> None:
        self._api.close()

    def check_connection(self) -> None:
        """Send a batch without events: the gateway refuses it, but not before it has accepted the key."""
        reply = self._post(_FRAME % b"")
        if not is_success(reply) and not (reply.status_code == 400 and _words(reply) == EMPTY):
            raise _refusal(reply)

    def send(self, items: list[Item]) -> None:
        """Deliver a batch in its order. One bad event makes the gateway refuse all of them: halves are tried then.

        Errors: config_error for a bad row unless those are skipped, and for an answer that blames no row.
        """
        if not items:
            return
        reply = self._post(_FRAME % b",".join(item.events for item in items))
        if is_success(reply):
            self._outcomes.deliver(len(items))
            return
        blames_row = _words(reply) in BLAMING_AN_EVENT + BLAMING_THE_SIZE
        if len(items) > 1 and (blames_row or reply.status_code == 413):
            middle = len(items) // 2
            self.send(items[:middle])
            self.send(items[middle:])
        elif blames_row:
            self._outcomes.reject(items[0].row, f"RudderStack answered {_quoted(reply, items)}")
        else:
            raise _refusal(reply, items)

    def _post(self, body: bytes) -> requests.Response:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return self._api.call("POST", "/v1/batch", gzip.compress(body, compresslevel=5, mtime=0), headers)


class Batch:
    """Rows on their way into the next request, which leaves before it becomes too large."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._items: list[Item] = []
        self._size = 0

    def add(self, item: Item) -> None:
        size = len(item.events) + len(b",")
        if self._size + size > LARGEST_ITEM:
            self.send()
        self._items.append(item)
        self._size += size

    def send(self) -> None:
        """Send what there is."""
        items, self._items, self._size = self._items, [], 0
        self._gateway.send(items)


def _words(reply: requests.Response) -> str:
    """Return what the gateway says, in lower case: releases differ in that."""
    return reply.text.strip().lower()


def _quoted(reply: requests.Response, items: Sequence[Item] = ()) -> str:
    return f"HTTP {reply.status_code}, “{vendor_message(reply, [item.row for item in items])}”"


def _refusal(reply: requests.Response, items: Sequence[Item] = ()) -> AirbyteTracedException:
    """Return the error for an answer that the configuration is to blame for, or what stands before the gateway."""
    answer, words = _quoted(reply, items), _words(reply)
    if reply.status_code == 401:
        return config_error(
            f"RudderStack does not know the write key ({answer}): fill in `write_key` as its source shows it."
        )
    if reply.status_code == 404 and "disabled" in words:
        return config_error(f"The source of `write_key` is switched off ({answer}): enable it in RudderStack.")
    if reply.status_code == 403:
        return config_error(f"RudderStack does not let the key do this ({answer}): check `write_key`.")
    if words == UNREADABLE:
        return config_error(
            f"`data_plane_url` cannot read what was sent as JSON in gzip ({answer}): check the address, and that "
            "whatever stands before the data plane takes gzip."
        )
    return config_error(
        f"`data_plane_url` does not answer as RudderStack's data planes do ({answer}): check the address."
    )
