"""The calls that deliver an event, and what Courier's answers mean."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import requests
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from connector_process import config_error
from destinations.courier.configuration import CourierSettings
from destinations.courier.mapping import LARGEST_BODY, Call, Plan, TenantUpdate
from destinations.delivery import IsCancelled
from destinations.http import RETRIES, Api, is_success, json_of, vendor_message
from destinations.rows import Rejected, Row
from destinations.values import digest, encoded, identity, rfc3339, without_nulls

AGENT: Final = "destination-courier"

# How long Courier is to know an automation that was started; it forgets after a day unless told, after a year anyway.
REMEMBERED: Final = timedelta(days=300)

# What the row is to blame for.
ROW_STATUSES: Final = frozenset((400, 413, 422))

# After which nothing was done, so that another Idempotency-Key cannot do it twice.
NOTHING_DONE: Final = frozenset((402, 403, 404))


class Courier:
    """A workspace behind its API. Workers share it."""

    def __init__(self, settings: CourierSettings, retries: int = RETRIES) -> None:
        self._api = Api(
            "Courier", "api_url", settings.address, f"Bearer {settings.api_key}", agent=AGENT,
            connections=settings.workers, retries=retries,
        )  # fmt: skip

    def close(self) -> None:
        self._api.close()

    def check_connection(self) -> None:
        """Read a page of messages, which any key may but one without that permission, and which changes nothing."""
        reply = self._api.call("GET", "/messages")
        if not is_success(reply):
            raise _refusal(reply, vendor_message(reply))
        _json_object(reply)

    def deliver(self, plan: Plan, row: Row, is_cancelled: IsCancelled) -> bool:
        """Carry out a plan. Return False if Courier knew the event by its messageId already.

        Errors: Rejected when Courier takes offence at the row, AirbyteTracedException at anything else.
        """
        is_new = True
        for step in plan.steps:
            if isinstance(step, TenantUpdate):
                self._update(step, row, is_cancelled)
            else:
                is_new &= self._send(step, row, is_cancelled).status_code != 409
        return is_new

    def _send(self, call: Call, row: Row, is_cancelled: IsCancelled) -> requests.Response:
        reply = self._answer(call, is_cancelled)
        was_done_before = reply.status_code in call.done and _is_couriers_error(reply)
        if not (is_success(reply) or was_done_before):
            raise _problem(reply, call, row)
        return reply

    def _answer(self, call: Call, is_cancelled: IsCancelled) -> requests.Response:
        """Return Courier's answer, which is not one that it has stored under the Idempotency-Key some time ago.

        It stores errors, too, and so would go on answering with one whose cause was mended long since.
        """
        ask = partial(self._api.call, call.method, call.path, call.body, settled=call.done, is_cancelled=is_cancelled)
        if call.idempotency_key is None:
            return ask(_headers(call))
        reply = ask(_headers(call), last_resort=lambda: _headers(_under_second_key(call)))
        return ask(_headers(_under_second_key(call))) if reply.status_code in NOTHING_DONE else reply

    def _update(self, update: TenantUpdate, row: Row, is_cancelled: IsCancelled) -> None:
        """Tenants are read before they are written: a group call that says little must not blank what is known."""
        read = Call("GET", update.path)
        reply = self._api.call(read.method, read.path, is_cancelled=is_cancelled)
        known: Mapping[str, Any] | None = None
        if reply.status_code == 200:
            known = _json_object(reply)
        elif reply.status_code != 404:
            raise _problem(reply, read, row)
        content = tenant_after(known, update)
        if content is not None:
            body = encoded(content)
            if len(body) > LARGEST_BODY:
                raise Rejected("its tenant would become larger than the 6 MB that Courier takes")
            self._send(Call("PUT", update.path, body), row, is_cancelled)


def tenant_after(known: Mapping[str, Any] | None, update: TenantUpdate) -> dict[str, Any] | None:
    """Return the tenant's new content, in which all that it has stays; None when the update says nothing new.

    known: the tenant as Courier shows it, None where there is none.
    """
    kept = without_nulls({name: value for name, value in (known or {}).items() if name != "id"})
    given = dict(update.traits)
    name = given.pop("name", None)
    properties = {**kept.get("properties", {}), **given}
    after = {**kept, "name": identity(name) or kept.get("name") or update.group_id}
    if properties:
        after["properties"] = properties
    # As JSON, to which 1 and true are not the same.
    return None if known is not None and digest(after) == digest(kept) else after


def _under_second_key(call: Call) -> Call:
    """Return the call under a key that changes each hour: what is repeated within the hour is still recognised."""
    return replace(call, idempotency_key=f"{call.idempotency_key}-{int(time.time()) // 3600}")


def _headers(call: Call) -> dict[str, str]:
    headers = {} if call.body is None else {"Content-Type": "application/json"}
    if call.idempotency_key is not None:
        headers["Idempotency-Key"] = call.idempotency_key
    if call.lasting:
        headers["x-idempotency-expiration"] = rfc3339(datetime.now(UTC) + REMEMBERED)
    return headers


def _is_couriers_error(reply: requests.Response) -> bool:
    """Return True for an error in Courier's own form: any server says 404 of a path, and a proxy 400 of a request."""
    content = json_of(reply)
    return isinstance(content, dict) and all(isinstance(content.get(name), str) for name in ("message", "type"))


def _problem(reply: requests.Response, call: Call, row: Row) -> Exception:
    words = vendor_message(reply, [row])
    blames_row = reply.status_code in ROW_STATUSES or (reply.status_code == 404 and call.names_something)
    if blames_row and _is_couriers_error(reply):
        return Rejected(f"{call.after}Courier answered HTTP {reply.status_code}, “{words}”")
    return _refusal(reply, words)


def _refusal(reply: requests.Response, words: str) -> AirbyteTracedException:
    """Return the error for an answer that the configuration is to blame for."""
    answer = f"HTTP {reply.status_code}, “{words}”"
    if reply.status_code == 401:
        return config_error(
            f"Courier does not know the key ({answer}): fill in `api_key` with a key of the workspace, and check "
            "`region`."
        )
    if reply.status_code in (402, 403):
        return config_error(
            f"Courier knows the key but does not let it do this ({answer}): give `api_key` the permission to read "
            "messages and to write, or check what the workspace's plan includes."
        )
    return config_error(f"Courier does not answer as expected ({answer}): check `api_url` and `region`.")


def _json_object(reply: requests.Response) -> Mapping[str, Any]:
    content = json_of(reply)
    if not isinstance(content, dict):
        raise config_error("Courier does not answer as expected (no JSON object came): check `api_url`.")
    return content
