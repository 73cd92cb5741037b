"""Calls of a vendor's API, repeated as long as that may help."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout, InvalidSchema, InvalidURL, ProxyError, ReadTimeout, SSLError
from urllib3.exceptions import LocationValueError, NameResolutionError

from components import backoff_seconds, failure, retry_after
from connector_process import config_error
from destinations.delivery import IsCancelled
from destinations.redaction import presentable
from destinations.rows import Row

logger = logging.getLogger("airbyte")

# Seconds to connect, and between two pieces of a reply.
TIMEOUTS: Final = (10, 60)
# Seconds: the first wait, and the longest of its doublings.
SHORTEST: Final = 1.0
LONGEST: Final = 60.0
RETRIES: Final = 10
# For a `check`, which somebody waits for.
CHECK_RETRIES: Final = 1
# Seconds after which a wait looks whether it is still needed; waits longer than this are logged.
SLICE: Final = 5.0

# Besides 5xx. 409 is what a copy of a request gets while the first is still being worked on.
PASSING: Final = frozenset((408, 409, 429))

_BROKEN: Final = {
    ProxyError: "the proxy that HTTPS_PROXY or HTTP_PROXY names did not connect",
    NameResolutionError: "the host is not known by that name",
    SSLError: "no secure connection came about",
    ConnectTimeout: "the connection took too long",
    ReadTimeout: "the reply took too long",
    ConnectionRefusedError: "the connection was refused",
}
"""A broken connection in a few words, by the first of these that is among its causes."""

Outcome = requests.Response | requests.RequestException
"""The end of a try."""


class Cancelled(Exception):  # noqa: N818 - what has become of a call
    """The call is of no use any more: the sync has failed at an earlier row."""


class Api:
    """One vendor's API behind one address. Workers share it.

    name: how the vendor is called in sentences; field: the field of the configuration that holds the address;
    authorization: the header of that name.
    """

    def __init__(
        self,
        name: str,
        field: str,
        address: str,
        authorization: str,
        *,
        agent: str,
        connections: int = 1,
        retries: int = RETRIES,
    ) -> None:
        self._name = name
        self._field = field
        self._address = address.rstrip("/")
        self._retries = retries
        self._lock = threading.Lock()
        self._resume_at = 0.0
        self._session = requests.Session()
        self._session.auth = _header(authorization)
        self._session.headers["User-Agent"] = agent
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        settled: Collection[int] = (),
        is_cancelled: IsCancelled = lambda: False,
        last_resort: Callable[[], Mapping[str, str]] | None = None,
    ) -> requests.Response:
        """Return the reply, once it is one that no repetition would change.

        path: percent-encoded, from its first slash; settled: statuses that are an answer, though they usually are
        worth another try; last_resort: the headers of one more try, when the others have ended in a 5xx.
        Errors: transient_error when the retries are used up; config_error for an address that is none;
        Cancelled as soon as `is_cancelled` says so.
        """
        attempt = 0
        while True:
            self._wait_for_all(is_cancelled)
            if attempt > self._retries and last_resort is not None:
                headers = last_resort()
            outcome = self._try(method, path, body, headers)
            if isinstance(outcome, requests.Response):
                if outcome.status_code in settled or not _may_pass(outcome.status_code):
                    return outcome
                if outcome.status_code == 429:
                    self._hold_all(_wait(attempt, outcome))
            tries_left = self._retries - attempt + (last_resort is not None and _is_servers_fault(outcome))
            if tries_left <= 0:
                raise self._exhausted(outcome, attempt + 1)
            self._wait(_wait(attempt, outcome), outcome, is_cancelled)
            attempt += 1

    def _try(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> Outcome:
        try:
            return self._session.request(
                method, self._address + path, data=body, headers=headers, timeout=TIMEOUTS, allow_redirects=False,
            )  # fmt: skip
        except (InvalidURL, InvalidSchema, LocationValueError) as error:
            raise config_error(f"`{self._field}` is not an address that can be called.") from error
        except requests.RequestException as error:
            return error

    def _hold_all(self, seconds: float) -> None:
        """Let every worker wait: what is too much for one of them is too much for all."""
        with self._lock:
            self._resume_at = max(self._resume_at, time.time() + seconds)

    def _wait_for_all(self, is_cancelled: IsCancelled) -> None:
        if is_cancelled():
            raise Cancelled
        while (left := self._resume_at - time.time()) > 0:
            _sleep(left, is_cancelled)

    def _wait(self, seconds: float, outcome: Outcome, is_cancelled: IsCancelled) -> None:
        if seconds > SLICE:
            logger.info(
                f"{self._name} cannot take more just now ({_problem(outcome)}); trying again in {seconds:.0f} s."
            )
        until = time.time() + seconds
        while (left := until - time.time()) > 0:
            _sleep(left, is_cancelled)

    def _exhausted(self, outcome: Outcome, tries: int) -> AirbyteTracedException:
        problem = _problem(outcome)
        if isinstance(outcome, requests.Response):
            return failure(f"{self._name} still answered {problem} after {tries} tries.", FailureType.transient_error)
        if _is_unknown_host(outcome):
            return config_error(f"{self._name} cannot be reached: nobody knows the host in `{self._field}`.")
        return failure(f"{self._name} cannot be reached: {problem}, in {tries} tries.", FailureType.transient_error)


def is_success(reply: requests.Response) -> bool:
    """Return True for 2xx that is no page: to `reply.ok` a redirect and a proxy's sign-in page are one, too."""
    return 200 <= reply.status_code < 300 and "html" not in reply.headers.get("Content-Type", "")


def vendor_message(reply: requests.Response, rows: Iterable[Row] = ()) -> str:
    """Return what a vendor says about a failed request, presentable and without values of the rows that were sent.

    `{"message": "ada@example.com is unknown"}` → "… is unknown"; a body without `message` is quoted as its text.
    """
    body = json_of(reply)
    text = body.get("message") if isinstance(body, dict) else reply.text if body is None else body
    return (presentable(text, [row.data for row in rows]) if isinstance(text, str) else "") or "no explanation given"


def json_of(reply: requests.Response) -> Any:
    """Return what the reply holds; None where it is no JSON."""
    try:
        return reply.json()
    except ValueError:
        return None


def _header(authorization: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return a hook that puts the key into every request, whatever a .netrc file says."""

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = authorization
        return request

    return authorize


def _may_pass(status: int) -> bool:
    return status >= 500 or status in PASSING


def _is_servers_fault(outcome: Outcome) -> bool:
    return isinstance(outcome, requests.Response) and outcome.status_code >= 500


def _wait(attempt: int, outcome: Outcome) -> float:
    """Return the seconds before the next attempt: what a vendor asks for, but never less than without its asking.

    Up to a quarter less than twice the last: workers do not return all at once.
    """
    return max(retry_after(outcome) or 0.0, backoff_seconds(attempt + 1, SHORTEST, LONGEST) * random.uniform(0.75, 1))


def _sleep(seconds: float, is_cancelled: IsCancelled) -> None:
    time.sleep(min(SLICE, seconds))
    if is_cancelled():
        raise Cancelled


def _problem(outcome: Outcome) -> str:
    """Return a failed try in a few words: the libraries' own hold the address."""
    if isinstance(outcome, requests.Response):
        return f"HTTP {outcome.status_code}"
    return next((words for kind, words in _BROKEN.items() if _has_cause(outcome, kind)), "the connection broke")


def _is_unknown_host(error: requests.RequestException) -> bool:
    return not isinstance(error, ProxyError) and _has_cause(error, NameResolutionError)


def _has_cause(error: BaseException, kind: type[BaseException]) -> bool:
    """Return True if an error of that kind is among its causes, where libraries hide it in several ways."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        one = pending.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        if isinstance(one, kind):
            return True
        seen.add(id(one))
        pending += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return False
