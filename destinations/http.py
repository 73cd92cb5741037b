"""Calls of a vendor's API, repeated as long as that may help."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Final

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.exceptions import ConnectTimeout, InvalidSchema, InvalidURL, ReadTimeout, SSLError
from urllib3.exceptions import LocationValueError, NameResolutionError

from destinations.delivery import GivenUp
from destinations.rejected import Row, failure, presentable
from destinations.values import with_objects

logger = logging.getLogger("airbyte")

# Seconds to connect, and between two pieces of a reply.
TIMEOUTS: Final = (10, 60)
# Seconds: the first wait, the longest of its doublings, and the longest that a vendor may ask for.
SHORTEST: Final = 1.0
LONGEST: Final = 60.0
LONGEST_ASKED: Final = 3600.0
RETRIES: Final = 10
# For a `check`, which somebody waits for.
CHECK_RETRIES: Final = 1
# Seconds after which a wait looks whether it is still needed; waits longer than this are logged.
SLICE: Final = 5.0

# Besides 5xx. 409 is what a copy of a request gets while the first is still being worked on.
PASSING: Final = frozenset((408, 409, 429))

Outcome = requests.Response | requests.RequestException
"""What a try has ended in."""


class GivenUpError(Exception):
    """The call is of no use any more: the sync has failed at an earlier row."""


class Key(AuthBase):
    """A key that goes with every request, whatever a .netrc file says."""

    def __init__(self, authorization: str) -> None:
        self._authorization = authorization

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._authorization
        return request


class Api:
    """One vendor's API behind one address. Workers share it.

    name: how the vendor is called in sentences; field: the field of the configuration that holds the address.
    """

    def __init__(
        self,
        name: str,
        field: str,
        address: str,
        key: Key,
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
        self._session.auth = key
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
        given_up: GivenUp = lambda: False,
        last_resort: Callable[[], Mapping[str, str]] | None = None,
    ) -> requests.Response:
        """The reply, once it is one that no repetition would change. path: percent-encoded, from its first slash.

        settled: statuses that are an answer, though they usually are worth another try.
        last_resort: the headers of one more try, when the others have ended in a 5xx.
        Errors: transient_error when the retries are used up; config_error for an address that is none;
        GivenUpError as soon as `given_up` says so.
        """
        attempt = 0
        while True:
            self._wait_for_all(given_up)
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
            self._wait(_wait(attempt, outcome), outcome, given_up)
            attempt += 1

    def _try(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> Outcome:
        try:
            return self._session.request(
                method, self._address + path, data=body, headers=headers, timeout=TIMEOUTS, allow_redirects=False
            )
        except (InvalidURL, InvalidSchema, LocationValueError) as error:
            raise failure(f"`{self._field}` is not an address that can be called.") from error
        except requests.RequestException as error:
            return error

    def _hold_all(self, seconds: float) -> None:
        """What is too much for one worker is too much for all of them."""
        with self._lock:
            self._resume_at = max(self._resume_at, time.time() + seconds)

    def _wait_for_all(self, given_up: GivenUp) -> None:
        if given_up():
            raise GivenUpError
        while (left := self._resume_at - time.time()) > 0:
            _sleep(left, given_up)

    def _wait(self, seconds: float, outcome: Outcome, given_up: GivenUp) -> None:
        if seconds > SLICE:
            logger.info(
                f"{self._name} cannot take more just now ({_problem(outcome)}); trying again in {seconds:.0f} s."
            )
        until = time.time() + seconds
        while (left := until - time.time()) > 0:
            _sleep(left, given_up)

    def _exhausted(self, outcome: Outcome, tries: int) -> AirbyteTracedException:
        problem = _problem(outcome)
        if isinstance(outcome, requests.Response):
            return failure(f"{self._name} still answered {problem} after {tries} tries.", FailureType.transient_error)
        if _has_cause(outcome, NameResolutionError):
            return failure(f"{self._name} cannot be reached: the host in `{self._field}` is not known by that name.")
        return failure(f"{self._name} cannot be reached: {problem}, in {tries} tries.", FailureType.transient_error)


def is_success(reply: requests.Response) -> bool:
    """Not `reply.ok`, to which a redirect is one, too."""
    return 200 <= reply.status_code < 300


def retry_after(reply: requests.Response) -> float | None:
    """Seconds until the moment that `Retry-After` names; None without a readable one."""
    header = reply.headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdecimal():
        return min(LONGEST_ASKED, float(header))
    try:
        moment = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(LONGEST_ASKED, max(0.0, seconds))


def said(reply: requests.Response, rows: Iterable[Row] = ()) -> str:
    """What a vendor says about a failed request: its `message`, else the text of the body.

    It is presentable, and holds no value of the rows that were sent.
    """
    try:
        body = reply.json()
    except ValueError:
        body = reply.text
    text = body.get("message") if isinstance(body, dict) else body
    sent = [with_objects(row.data) for row in rows]
    return (presentable(text, sent) if isinstance(text, str) else "") or "no explanation given"


def _may_pass(status: int) -> bool:
    return status >= 500 or status in PASSING


def _is_servers_fault(outcome: Outcome) -> bool:
    return isinstance(outcome, requests.Response) and outcome.status_code >= 500


def _wait(attempt: int, outcome: Outcome) -> float:
    """Seconds before the next attempt: what a vendor asks for, but never less than without its asking.

    Up to a quarter less than twice the last: workers do not return all at once.
    """
    asked = retry_after(outcome) if isinstance(outcome, requests.Response) else None
    return max(asked or 0.0, min(LONGEST, SHORTEST * 2.0**attempt) * random.uniform(0.75, 1))


def _sleep(seconds: float, given_up: GivenUp) -> None:
    time.sleep(min(SLICE, seconds))
    if given_up():
        raise GivenUpError


def _problem(outcome: Outcome) -> str:
    return f"HTTP {outcome.status_code}" if isinstance(outcome, requests.Response) else _broken(outcome)


def _broken(error: requests.RequestException) -> str:
    """A broken connection in a few words: the libraries' own hold the address."""
    if _has_cause(error, NameResolutionError):
        return "the host is not known by that name"
    if isinstance(error, SSLError):
        return "no secure connection came about"
    if isinstance(error, ConnectTimeout):
        return "the connection took too long"
    if isinstance(error, ReadTimeout):
        return "the reply took too long"
    if _has_cause(error, ConnectionRefusedError):
        return "the connection was refused"
    return "the connection broke"


def _has_cause(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error of that kind is somewhere among its causes, where libraries hide it in several ways."""
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
