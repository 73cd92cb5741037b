"""The calls that deliver an event, and what Courier's answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import requests
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from destinations.courier.configuration import CourierSettings
from destinations.courier.mapping import LARGEST_BODY, Call, Plan, TenantUpdate, tenant_after
from destinations.http import RETRIES, Api, Key, is_success, said
from destinations.rejected import Rejected, Row, failure, without_content
from destinations.values import encoded, now, rfc3339

AGENT: Final = "destination-courier"

# How long Courier is to know an automation that was started; it forgets after a day unless told, after a year anyway.
REMEMBERED: Final = timedelta(days=300)

# What the row is to blame for.
ROW_STATUSES: Final = frozenset((400, 413, 422))

GivenUp = Callable[[], bool]


class Courier:
    """A workspace behind its API. Workers share it."""

    def __init__(self, settings: CourierSettings, retries: int = RETRIES) -> None:
        key = Key(f"Bearer {settings.api_key}")
        self._api = Api(
            "Courier", "api_url", settings.address, key, agent=AGENT, connections=settings.workers, retries=retries
        )

    def close(self) -> None:
        self._api.close()

    def prove(self) -> None:
        """Reads a page of messages, which any key may but one without that permission, and which changes nothing."""
        reply = self._api.call("GET", "/messages")
        if not is_success(reply):
            raise _refusal(reply, said(reply))
        _json_object(reply)

    def deliver(self, plan: Plan, row: Row, given_up: GivenUp) -> None:
        """Errors: Rejected when Courier takes offence at the row, AirbyteTracedException at anything else."""
        for step in plan.steps:
            if isinstance(step, TenantUpdate):
                self._update(step, row, given_up)
            else:
                self._send(step, row, given_up)

    def _send(self, call: Call, row: Row, given_up: GivenUp) -> None:
        reply = self._api.call(call.method, call.path, call.body, _headers(call), settled=call.done, given_up=given_up)
        if not (is_success(reply) or reply.status_code in call.done):
            raise _problem(reply, call, row)

    def _update(self, update: TenantUpdate, row: Row, given_up: GivenUp) -> None:
        """Tenants are read before they are written: a group call that says little must not blank what is known."""
        read = Call("GET", update.path, names_something=True)
        reply = self._api.call(read.method, read.path, given_up=given_up)
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
            self._send(Call("PUT", update.path, body), row, given_up)


def _headers(call: Call) -> dict[str, str]:
    headers = {} if call.body is None else {"Content-Type": "application/json"}
    if call.idempotency_key is not None:
        headers["Idempotency-Key"] = call.idempotency_key
    if call.lasting:
        headers["x-idempotency-expiration"] = rfc3339(now() + REMEMBERED)
    return headers


def _problem(reply: requests.Response, call: Call, row: Row) -> Exception:
    words = without_content(said(reply), row.data)
    if reply.status_code in ROW_STATUSES or (reply.status_code == 404 and call.names_something):
        return Rejected(f"Courier answered HTTP {reply.status_code}, “{words}”")
    return _refusal(reply, words)


def _refusal(reply: requests.Response, words: str) -> AirbyteTracedException:
    """What the configuration is to blame for."""
    answer = f"HTTP {reply.status_code}, “{words}”"
    if reply.status_code == 401:
        return failure(
            f"Courier does not know the key ({answer}): fill in `api_key` with a key of the workspace, and check "
            "`region`."
        )
    if reply.status_code in (402, 403):
        return failure(
            f"Courier knows the key but does not let it do this ({answer}): give `api_key` the permission to read "
            "messages and to write, or check what the workspace's plan includes."
        )
    return failure(f"Courier does not answer as expected ({answer}): check `api_url` and `region`.")


def _json_object(reply: requests.Response) -> Mapping[str, Any]:
    try:
        content = reply.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise failure("Courier does not answer as expected (no JSON object came): check `api_url`.")
    return content
