"""Python hooks of the source: what the manifest has no word for.

| class                 | manifest key         | reason                                                            |
|-----------------------|----------------------|-------------------------------------------------------------------|
| StateInstant          | state_migrations     | saved states spell an instant in many ways                        |
| HostBoundKey          | authenticator        | a redirect to another host does not get the key                   |
| VendorErrorHandler    | error_handler        | vendors' words without address or body; no call for wrong configs |
| SkippingErrorHandler  | error_handler        | an item that cannot be had is left out, with a warning            |
| ExportErrorHandler    | error_handler        | a request that breaks off asks for a shorter window               |
| CappedBackoff         | backoff_strategies   | a cap, and HTTP dates in Retry-After                              |
| ExportWindowRetriever | retriever            | windows sized by the last one, all or nothing; state at their end |
| InTurnRetriever       | retriever            | children with a scarce budget wait in one thread, not in all      |
| NewestFirstRetriever  | retriever            | the cursor hashes the slice of every record it is shown           |
| PartitionFields       | transformations      | what a record was asked for with, without a template per row      |
| InstantCopies         | transformations      | epoch milliseconds as timestamps, without a template per row      |
| ChangedSince          | record_filter        | edits of what the API selects by creation only                    |
| JsonLines             | extractor            | lines that are not JSON are counted and bounded                   |
| NextWindowsRows       | record_filter        | instants in any spelling, without a template per row              |
| EventKey, UserKey     | transformations      | a key that is the same whenever a row is read                     |
| TextLines             | extractor            | nothing is emitted of a reply that breaks off                     |
| ListMember            | transformations      | an e-mail address or a user id, by the line's form                |
| NumberedRows          | extractor            | rows without an id are told apart by their place                  |
| WithoutCredentials    | transformations      | device and access tokens stay out, however deep                   |
| NamedValues           | extractor            | mappings and bare values as records                               |
| MetricsCsv            | extractor            | columns that differ from reply to reply, numbers as numbers       |
| SchemaColumns         | schema_normalization | every value fits its column; all else goes into `data`            |

The order of the file follows the data: instants, configuration, state, transport, windows, export jobs, children, rows,
columns.
"""

import csv
import errno
import functools
import io
import itertools
import json
import logging
import math
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any, NamedTuple, cast
from urllib.parse import urljoin, urlsplit
from weakref import WeakKeyDictionary, WeakValueDictionary

import orjson
import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter
from airbyte_cdk.sources.declarative.extractors.type_transformer import TypeTransformer
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.declarative.requesters.error_handlers.default_error_handler import DefaultErrorHandler
from airbyte_cdk.sources.declarative.requesters.requester import Requester
from airbyte_cdk.sources.declarative.retrievers.simple_retriever import SimpleRetriever
from airbyte_cdk.sources.declarative.transformations.transformation import RecordTransformation
from airbyte_cdk.sources.http_logger import format_http_message
from airbyte_cdk.sources.streams.concurrent.cursor import ConcurrentCursor, Cursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    SUCCESS_RESOLUTION,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.sources.streams.http.request_window_split_exception import RequestWindowSplitRequiredException
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte")
Row = dict[str, Any]

# ---------------------------------------------------------------------------------------------------------------------
# Instants
# ---------------------------------------------------------------------------------------------------------------------

_UTC_OFFSETS = frozenset({" +00:00", "+00:00", "Z", " +0000", "+0000", ""})
_INSTANT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)(?:[T ](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?:\.\d+)*)?"
    r"\s*(?P<offset>Z|UTC|[+-]\d\d:?\d\d)?"
)


class Timestamp(str):
    """An instant as RFC 3339 in UTC that also knows its number.

    The framework's cursor reads the cursor field of every row; `int()` takes a tenth of the time of a format.
    Units: milliseconds since 1970 for `int()`.
    """

    __slots__ = ()

    def __int__(self) -> int:
        return int(datetime.fromisoformat(self).timestamp() * 1000)


def rfc3339(value: Any) -> Timestamp:
    """Spell an instant as RFC 3339 in UTC, with microseconds only where there are any.

    Takes every spelling Iterable and its exports are known for: a space or `T`, an offset with or without colon or
    none (UTC), fractions, the malformed `2025-12-19T22:43:34.134105.000Z`, and epoch milliseconds.
    Raises ValueError for anything else.
    """
    if isinstance(value, str) and value[19:] in _UTC_OFFSETS and value[7:8] == "-" and value[13:17:3] == "::":
        # The spelling of nearly every row: no regular expression, and the check below is one C call.
        spelled = f"{value[:10]}T{value[11:19]}+00:00"
        datetime.fromisoformat(spelled)
        return Timestamp(spelled)
    return Timestamp(instant(value).isoformat())


def instant(value: Any) -> datetime:
    """Read an instant in any spelling of `rfc3339`, as an aware datetime in UTC; ValueError when it is none."""
    try:
        return _instant(value)
    except (OverflowError, OSError) as error:
        raise ValueError("not an instant of the calendar") from error


def _instant(value: Any) -> datetime:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000, UTC)
    if isinstance(value, str) and value.isdecimal() and len(value) > len("20260101"):
        return _instant(int(value))
    match = _INSTANT.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("not an instant")
    fraction = (match["fraction"] or "")[:6].ljust(6, "0")
    offset = match["offset"] if match["offset"] not in (None, "Z", "UTC") else "+00:00"
    spelled = f"{match['date']}T{match['clock'] or '00:00:00'}.{fraction}{offset}"
    return datetime.fromisoformat(spelled).astimezone(UTC)


# ---------------------------------------------------------------------------------------------------------------------
# Configuration and state
# ---------------------------------------------------------------------------------------------------------------------


def refuse_mistakes(config: Mapping[str, Any]) -> None:
    """Refuse a configuration that no sync can work with, in one sentence that names the field.

    The specification's own check says what is wrong with a value, but not in which field, and it knows no clock.
    Errors: config_error.
    """
    for mistake in _configuration_mistakes(config):
        raise AirbyteTracedException(message=mistake, failure_type=FailureType.config_error)


# With this date `check` asks for the second that has just passed; see the manifest.
CHECK_STARTS = datetime(9999, 12, 31, tzinfo=UTC)
_START_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_LOOPBACK = re.compile(r"http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(/.*)?")


# By field: its default, the least and the most it may be. A copy of the specification, which is not at hand here.
WHOLE_NUMBERS = {
    "lookback_window": (5, 0, 525_600),
    "courier.lookback_days": (7, 0, 3650),
    "export_jobs_at_once": (4, 1, 4),
    "num_workers": (80, 1, 200),
    "max_retries": (10, 0, 10),
}
EXPORT_METHODS = ("stream", "jobs")


def _configuration_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    if not config.get("api_key") and "courier" not in config:
        yield (
            "No API key is configured: fill `api_key` to read Iterable, or `courier.api_key` to read Courier, or both."
        )
    yield from _key_mistakes("api_key", config)
    if config.get("api_key"):
        yield from _start_date_mistakes("start_date", config.get("start_date"), needed=True)
    yield from _number_mistakes("lookback_window", config, " of minutes")
    for name in ("export_jobs_at_once", "num_workers", "max_retries"):
        yield from _number_mistakes(name, config)
    share = config.get("budget_share", 1)
    if not _is_number(share, (int, float)) or share <= 0:
        yield "`budget_share` must be a number above 0: 0.5 takes half of the project's call budgets."
    if config.get("export_method", EXPORT_METHODS[0]) not in EXPORT_METHODS:
        yield f"`export_method` must be {' or '.join(EXPORT_METHODS)}."
    yield from _place_mistakes("", config)
    if "courier" in config:
        yield from _courier_mistakes(config["courier"])


def _courier_mistakes(courier: Any) -> Iterator[str]:
    if not isinstance(courier, Mapping) or not courier.get("api_key"):
        yield "`courier` is there without a key: fill `courier.api_key`, or leave `courier` out."
        return
    yield from _key_mistakes("courier.api_key", courier)
    yield from _start_date_mistakes("courier.start_date", courier.get("start_date"), needed=False)
    yield from _number_mistakes("courier.lookback_days", courier, " of days")
    yield from _place_mistakes("courier.", courier)


def _key_mistakes(name: str, config: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(config.get("api_key", ""), str):
        yield f"`{name}` must be a text."


def _number_mistakes(name: str, config: Mapping[str, Any], unit: str = "") -> Iterator[str]:
    otherwise, least, most = WHOLE_NUMBERS[name]
    number = config.get(name.rpartition(".")[2], otherwise)
    if not _is_number(number, int) or not least <= number <= most:
        yield f"`{name}` must be a whole number{unit}, {least} to {most}."


def _place_mistakes(prefix: str, config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("region", "US") not in ("US", "EU"):
        yield f"`{prefix}region` must be US or EU: it is the region in which the account was created."
    address = config.get("api_url")
    if address and not str(address).startswith("https://") and not _LOOPBACK.fullmatch(str(address)):
        yield (
            f"`{prefix}api_url` must start with https://; plain http is accepted for this machine only "
            "(http://127.0.0.1:…)."
        )
    elif address and not _is_address(str(address)):
        yield f"`{prefix}api_url` is not an address: it has the form https://host or https://host:port/path."


def _is_address(address: str) -> bool:
    try:
        requests.Request("GET", address).prepare()
        return urlsplit(address).port != 0
    except (requests.RequestException, ValueError):
        return False


def _start_date_mistakes(name: str, start_date: Any, needed: bool) -> Iterator[str]:
    if not start_date:
        if needed:
            yield f"`{name}` is missing: say from when on to read, for example 2025-01-01T00:00:00Z."
        return
    try:
        start = instant(start_date) if _START_DATE.fullmatch(str(start_date)) else None
    except ValueError:
        start = None
    if start is None:
        yield f"`{name}` must be an instant in UTC spelled like 2025-01-01T00:00:00Z."
    elif datetime.now(UTC) < start < CHECK_STARTS:
        yield f"`{name}` lies in the future: choose an instant in the past."


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


@dataclass
class StateInstant(StateMigration):
    """Respells the instant of a saved state the way the cursor reads and writes it.

    Why not YAML: the cursor tries a list of formats, and an instant in none of them ends the whole connector.
    Units: whole seconds, UTC; fractions are cut off, so that the second is read again rather than passed over.
    Errors: config_error when the state holds no instant at all.
    """

    parameters: InitVar[Mapping[str, Any]]
    cursor_field: str

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._stream = parameters["name"]

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        return self.cursor_field in stream_state

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        if stream_state[self.cursor_field] is None:
            return {name: value for name, value in stream_state.items() if name != self.cursor_field}
        try:
            moment = instant(stream_state[self.cursor_field])
        except ValueError as error:
            raise AirbyteTracedException(
                message=f"The saved state of stream {self._stream} holds no readable instant in `{self.cursor_field}`: "
                "reset the stream, or correct the state to an instant like 2026-03-24T11:55:00+00:00.",
                failure_type=FailureType.config_error,
            ) from error
        return {**stream_state, self.cursor_field: moment.replace(microsecond=0).isoformat()}


# ---------------------------------------------------------------------------------------------------------------------
# Transport
# ---------------------------------------------------------------------------------------------------------------------

# Bounded, as is what they are searched in: without bounds a long text takes the square of its length.
_EMAIL_ADDRESS = re.compile(r"[^\s\"<>(),;:]{1,320}(@|%40)[^\s\"'<>(),;:]{1,320}")
_MARKUP = re.compile(r"(?s)<(script|style).*?</\1>|<[^<>]*>")
_LONGEST_PAGE, _LONGEST_TEXT, _LONGEST_MESSAGE = 10_000, 2_000, 200


def vendor_message(response: requests.Response) -> str:
    """What the vendor says about a failed request: its `msg`, else the text of the body; no markup, no address."""
    try:
        body = response.json()
        said = str(body.get("msg") or body.get("message") or "") if isinstance(body, dict) else ""
    except requests.JSONDecodeError:
        said = _MARKUP.sub(" ", response.text[:_LONGEST_PAGE])
    except requests.RequestException:  # the reply breaks off
        said = ""
    # Before it is cut to its length: half a key would not be known for one.
    said = filter_secrets(" ".join(said.split())[:_LONGEST_TEXT])
    return _EMAIL_ADDRESS.sub("…", said)[:_LONGEST_MESSAGE] or "no explanation given"


@dataclass
class HostBoundKey(DeclarativeAuthenticator):
    """Sends the key in a header to the host it is for, and not to another one that this host redirects to.

    Why not YAML: of a request that goes on to another host, the library takes off the header `Authorization` only.
    """

    config: Mapping[str, Any]
    header: str

    @property
    def auth_header(self) -> str:
        return self.header

    @property
    def token(self) -> str:
        return str(self.config["api_key"])

    def __call__(self, request: requests.PreparedRequest) -> Any:
        request.register_hook("response", stay_with_the_host)  # type: ignore[no-untyped-call]
        return super().__call__(request)


def stay_with_the_host(response: requests.Response, **_options: Any) -> None:
    """Have a redirect to another host not be followed."""
    if response.is_redirect and not _is_same_host(response.url, urljoin(response.url, response.headers["Location"])):
        del response.headers["Location"]


def _is_same_host(one: str, other: str) -> bool:
    return urlsplit(one)[:2] == urlsplit(other)[:2]


class VendorRefusal(AirbyteTracedException):
    """The vendor will not have a request, whatever the number of tries; `status` is its answer's."""

    def __init__(self, status: int, message: str, internal_message: str) -> None:
        super().__init__(internal_message, message, FailureType.config_error)
        self.status = status


@dataclass
class VendorErrorHandler(DefaultErrorHandler):
    """Retries what may pass; says in one sentence what cannot, a configuration that cannot work first of all.

    Why not YAML: response filters read every body as JSON, successful streamed ones included, and the framework logs
    the address and body of a failed request, which may hold an e-mail address.
    Units: `max_time` in seconds, over all tries; large, since the framework's own ten minutes end ten retries early.
    `remedies` says what to do, by HTTP status.
    Errors: config_error for 4xx, at once; transient_error for 408, 429, 5xx and connection errors, after the retries.
    """

    max_time: int = 24 * 3600
    remedies: Mapping[str, str] = field(default_factory=dict)
    # Without quotes, as are all fields here: the framework may run this file as a text that is no module.
    _failures: WeakKeyDictionary[requests.PreparedRequest, int] = field(
        init=False, repr=False, default_factory=WeakKeyDictionary
    )

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        # Each stream has one of these, and it is built before anything is read.
        refuse_mistakes(self.config)
        super().__post_init__(parameters)
        self._stream = parameters["name"]

    def interpret_response(self, response_or_exception: requests.Response | Exception | None) -> ErrorResolution:
        if isinstance(response_or_exception, requests.Response):
            return self._interpret_reply(response_or_exception)
        return self._interpret_failure(response_or_exception)

    def _interpret_reply(self, response: requests.Response) -> ErrorResolution:
        status = response.status_code
        asked = response.history[0].url if response.history else response.url
        if 300 <= status < 400 or not _is_same_host(asked, response.url):
            response.close()
            raise VendorRefusal(
                status,
                f"The API sends stream {self._stream} on to another address, which does not get the key: check "
                "`api_url` and what stands between this machine and the API.",
                f"Redirected for stream {self._stream}",
            )
        if response.ok:
            return SUCCESS_RESOLUTION if self._is_data(response) else self._no_data(response)
        said = f"stream {self._stream}: HTTP {status}, “{vendor_message(response)}”"
        if status == 429:
            return ErrorResolution(
                ResponseAction.RATE_LIMITED, FailureType.transient_error, f"The API had too many calls for {said}."
            )
        if status == 408 or status >= 500:
            return ErrorResolution(ResponseAction.RETRY, FailureType.transient_error, f"The API failed for {said}.")
        remedy = self.remedies.get(str(status), "report this to the maintainers of the connector")
        # Raised here, not returned as FAIL, for which the framework would log the address and the body.
        raise VendorRefusal(status, f"The API refused {said}: {remedy}.", f"HTTP {status} for stream {self._stream}")

    def _failures_with(self, response: requests.Response) -> int:
        """How many failures a reply's request has had that are counted, this one included."""
        failures = self._failures[response.request] = self._failures.get(response.request, 0) + 1
        return failures

    def _is_data(self, response: requests.Response) -> bool:
        """Whether a reply is not somebody else's page: of a proxy, a login, a maintenance."""
        first = response.content[:64].lstrip()[:1]
        if first == b"<":
            return False
        is_json = "json" in response.headers.get("Content-Type", "") and first in (b"{", b"[")
        return not is_json or _is_whole_json(response)

    def _no_data(self, response: requests.Response) -> ErrorResolution:
        response.close()
        kind = response.headers.get("Content-Type", "") or "no type"
        return ErrorResolution(
            ResponseAction.RETRY,
            FailureType.transient_error,
            f"What came for stream {self._stream} is not the API's data (HTTP {response.status_code}, {kind}): "
            "something between this machine and the API answers in its place.",
        )

    def _interpret_failure(self, failure: Exception | None) -> ErrorResolution:
        kind = type(failure).__name__
        return ErrorResolution(
            ResponseAction.RETRY,
            FailureType.transient_error,
            f"No answer for stream {self._stream} ({kind}): the network or the API is down.",
        )


def _is_whole_json(response: requests.Response) -> bool:
    """Whether a reply can be parsed; of one that cannot the framework makes an empty one."""
    try:
        orjson.loads(response.content)
    except orjson.JSONDecodeError:
        try:
            response.json()
        except requests.JSONDecodeError:
            return False
    return True


@dataclass
class SkippingErrorHandler(VendorErrorHandler):
    """Leaves out one item, such as a list or a user, that the vendor answers with certain errors; no other error.

    Why not YAML: the stock IGNORE knows no number of tries, and is logged with the address and at a level nobody reads.
    Units: `skips` gives, by HTTP status or by status and the vendor's code (without spaces), after how many requests
    the item is left out, the first one included. `only_for` is a pattern searched in the address; `named_by` the query
    parameter that may be shown.
    Source: https://github.com/airbytehq/airbyte/issues/24968, read 2026-11-22.
    """

    skips: Mapping[str, int] = field(default_factory=dict)
    only_for: str = ""
    named_by: str = ""
    # A counter, since several workers share the handler and `+=` may lose one of two.
    _count: Iterator[int] = field(init=False, repr=False, default_factory=lambda: itertools.count(1))

    def _interpret_reply(self, response: requests.Response) -> ErrorResolution:
        tries = self._tries(response)
        if tries is None:
            return super()._interpret_reply(response)
        failures = self._failures_with(response)
        if failures < tries:
            return super()._interpret_reply(response)
        left_out = next(self._count)
        if self.named_by or _is_power_of_two(left_out):
            times = f" {failures} times" if failures > 1 else ""
            LOGGER.warning(
                f"{self._stream}: {self._item(response)} is left out, since the API answered{times} with "
                f"HTTP {response.status_code}, “{vendor_message(response)}”."
            )
        return ErrorResolution(ResponseAction.IGNORE, None, f"{self._stream}: {left_out} left out so far.")

    def _tries(self, response: requests.Response) -> int | None:
        """After how many such answers the item is left out; None if it is not for this one."""
        if response.ok or not re.search(self.only_for, response.request.url or ""):
            return None
        status, code = response.status_code, vendor_code(response).replace(" ", "")
        return self.skips.get(f"{status} {code}", self.skips.get(str(status)))

    def _item(self, response: requests.Response) -> str:
        found = re.search(rf"[?&]({self.named_by})=(\w+)", response.request.url or "") if self.named_by else None
        return f"{found[1]} {found[2]}" if found else "one item"


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def vendor_code(response: requests.Response) -> str:
    """The vendor's own name of an error; empty when the body has none."""
    try:
        return str(response.json().get("code", ""))
    except (ValueError, AttributeError, requests.RequestException):
        return ""


@dataclass
class ExportErrorHandler(VendorErrorHandler):
    """Asks for a shorter window when the vendor took the request and then fell silent or hung up.

    So it does when something in between keeps giving up waiting for the vendor (502, 504).
    Why not YAML: response filters see replies, not broken connections.
    Errors: those of VendorErrorHandler; a host that cannot be reached at all is retried, not split.
    """

    GATEWAY_TRIES = 5

    def _interpret_reply(self, response: requests.Response) -> ErrorResolution:
        if response.status_code in (502, 504):
            failures = self._failures_with(response)
            if failures >= self.GATEWAY_TRIES:
                response.close()
                reason = f"HTTP {response.status_code}, {failures} times"
                return ErrorResolution(ResponseAction.SPLIT_REQUEST_WINDOW, FailureType.transient_error, reason)
        return super()._interpret_reply(response)

    def _is_data(self, response: requests.Response) -> bool:
        # It is not here yet: what is in it, its rows will show.
        return "html" not in response.headers.get("Content-Type", "").lower()

    def _interpret_failure(self, failure: Exception | None) -> ErrorResolution:
        if _broke_off(failure):
            return ErrorResolution(
                ResponseAction.SPLIT_REQUEST_WINDOW, FailureType.transient_error, _kind_of_break(failure)
            )
        return super()._interpret_failure(failure)


def _broke_off(failure: BaseException | None) -> bool:
    """Whether a connection that stood ended early; false when none came about."""
    if isinstance(failure, requests.exceptions.ConnectTimeout):
        return False
    if isinstance(failure, (requests.exceptions.Timeout, requests.exceptions.ChunkedEncodingError)):
        return True
    return isinstance(failure, requests.exceptions.ConnectionError) and "aborted" in str(failure)


def _kind_of_break(failure: BaseException | None) -> str:
    return f"the transfer broke off ({type(failure).__name__})"


@dataclass
class CappedBackoff(BackoffStrategy):
    """Waits as long as the vendor asks in `Retry-After`, else twice as long each time, within bounds.

    Why not YAML: ExponentialBackoffStrategy has no cap, WaitTimeFromHeader reads no HTTP date.
    Units: seconds; `longest_asked` bounds what the vendor may ask for.
    Source: RFC 9110, section 10.2.3.
    """

    shortest: float = 20
    longest: float = 400
    longest_asked: float = 3600

    def backoff_time(
        self,
        response_or_exception: requests.Response | requests.RequestException | None,
        attempt_count: int,
    ) -> float | None:
        asked = retry_after(response_or_exception)
        seconds = (
            min(self.longest, self.shortest * 2 ** (attempt_count - 1))
            if asked is None
            else min(self.longest_asked, asked)
        )
        # The framework sleeps a second longer than it is told, and takes 0 for no answer.
        return max(seconds - 1, 0.001)


def retry_after(response_or_exception: Any) -> float | None:
    """Seconds from now until the moment named in a reply's `Retry-After` header; None without a readable one."""
    if not isinstance(response_or_exception, requests.Response):
        return None
    header = response_or_exception.headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdecimal():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


# ---------------------------------------------------------------------------------------------------------------------
# Windows
# ---------------------------------------------------------------------------------------------------------------------


class Window(NamedTuple):
    """A span of time to ask an export for: whole seconds, UTC, start inclusive, end exclusive."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, cursor_slice: Mapping[str, Any]) -> "Window":
        return cls(instant(cursor_slice["start_time"]), instant(cursor_slice["end_time"]))

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M:%S} – {self.end:%Y-%m-%d %H:%M:%S}"

    def to_slice(self) -> StreamSlice:
        return StreamSlice(
            partition={}, cursor_slice={"start_time": self.start.isoformat(), "end_time": self.end.isoformat()}
        )


class WindowPace:
    """How long the next window of a stream is.

    A window that came in well below both aims lets the next one grow, at most twofold and up to `LONGEST`; one above
    an aim makes it shorter in proportion. A broken transfer halves it, six times in a row at most; then an hour, a
    minute and a second are tried, so that one dense spot never stops a stream for good. What broke leaves a ceiling
    that rises slowly at first and then ever faster, since history is not equally dense.
    Units: timedelta for lengths, seconds for `AIM_SECONDS`. A window of `AIM_LINES` is what a kill costs at most.
    """

    AIM_SECONDS = 60.0
    AIM_LINES = 1_000_000
    SHORTEST = timedelta(minutes=1)
    LONGEST = timedelta(days=180)
    HALVINGS = 6
    LAST_RESORTS = (timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
    CEILING_AFTER_BREAK = 0.75
    CEILING_RISE = 1.01

    def __init__(self, first: timedelta) -> None:
        self.length = first
        self._ceiling = self.LONGEST
        self._broken_in_a_row = 0
        self._whole_in_a_row = 0

    def succeeded(self, asked: timedelta, seconds: float, lines: int) -> None:
        """Size the next window after one of `asked` length came in whole."""
        self._broken_in_a_row = 0
        self._whole_in_a_row += 1
        self._ceiling = min(self.LONGEST, self._ceiling * self.CEILING_RISE**self._whole_in_a_row)
        factor = min(2.0, self.AIM_SECONDS / max(seconds, 0.001), self.AIM_LINES / max(lines, 1))
        # A slow window is not cut below a minute; one that broke at a minute is not stretched to it either.
        shortest = min(self.SHORTEST, asked)
        self.length = max(shortest, whole_seconds(min(self._ceiling, asked * factor)))

    def broke(self, asked: timedelta) -> bool:
        """Shorten the window after one of `asked` length broke off; False when nothing shorter is left to try."""
        self._broken_in_a_row += 1
        self._whole_in_a_row = 0
        self._ceiling = min(self._ceiling, asked * self.CEILING_AFTER_BREAK)
        if self._broken_in_a_row <= self.HALVINGS:
            self.length = max(whole_seconds(asked / 2), self.LAST_RESORTS[-1])
        else:
            self.length = next((resort for resort in self.LAST_RESORTS if resort < asked), asked)
        return self.length < asked


def whole_seconds(length: timedelta) -> timedelta:
    return timedelta(seconds=int(length.total_seconds()))


@dataclass
class ExportWindowRetriever(SimpleRetriever):
    """Reads an export slice as windows whose length follows how the last one went.

    A window is all or nothing: its rows are first copied to a private temporary file, as fast as they come, by one
    long reply or, with `export_method: jobs`, by an export job; and only a complete one is parsed and emitted. The
    state moves to a window's end once its rows are out, were there any or not.

    Why not YAML: `step` is fixed, and whether a window is too long is known only after the call; the cursor saves the
    newest record, which means nothing in an unsorted export and moves nothing in an empty one.
    Units: whole seconds, UTC, start inclusive, end exclusive.
    Errors: transient_error when the shortest window still breaks off; the state is the last complete window's end.
    Source: https://api.iterable.com/api/docs (export, data.json), read 2026-11-22.
    """

    cursor: ConcurrentCursor | None = None
    first_window_days: int = 30
    job_starter: Requester | None = None
    job_requester: Requester | None = None

    ROWS_AT_A_TIME = 2000

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.log_formatter = self._pages = BuilderPages(self.name)
        # The factory makes only its own retrievers' requesters stream; without it a window would sit in memory.
        self.requester.stream_response = True  # type: ignore[attr-defined]
        self._jobs = None
        if self.config.get("export_method") == "jobs" and self.job_starter and self.job_requester:
            project = jobs_of_project(self.config)
            self._jobs = ExportJobs(self.name, self.job_starter, self.job_requester, project, self.log_formatter)

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Record]:
        start, end = Window.of(stream_slice or {})
        pace = WindowPace(timedelta(days=self.first_window_days))
        windows = 0
        while start < end and not self._pages.are_enough(windows):
            window = Window(start, min(end, start + pace.length))
            with closing(WindowCopy()) as copy:
                try:
                    self._fetch(window, copy)
                except RequestWindowSplitRequiredException as broken:
                    self._shorten(pace, window, broken)
                    continue
                yield from self._rows(copy, records_schema, window)
            if self.cursor:
                save_state(self.cursor, self.name, self._known(window, copy))
            LOGGER.info(f"{self.name}: {window} read, {copy.lines:,} lines in {copy.seconds:.1f} s.")
            pace.succeeded(window.length, copy.seconds, copy.lines)
            start = window.end
            windows += 1

    def _fetch(self, window: Window, copy: "WindowCopy") -> None:
        """Bring all rows of a window onto this machine; RequestWindowSplitRequiredException when that breaks off."""
        try:
            with life_signs(f"{self.name}: waiting for {window}"):
                if self._jobs:
                    self._jobs.fetch(window, copy)
                else:
                    self._fetch_stream(window, copy)
        except OSError as failure:
            if failure.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise RequestWindowSplitRequiredException(self.name, "the disk for temporary files is full") from failure

    def _fetch_stream(self, window: Window, copy: "WindowCopy") -> None:
        response = self._fetch_next_page(window.to_slice())
        if response is None:
            raise RequestWindowSplitRequiredException(self.name, "there was no reply")
        with closing(response):
            try:
                copy.add(response, whole_lines=window.length > WindowPace.LAST_RESORTS[-1])
            except requests.RequestException as failure:
                raise RequestWindowSplitRequiredException(self.name, _kind_of_break(failure)) from failure

    def _known(self, window: Window, copy: "WindowCopy") -> Window:
        """The part of a window that the vendor could know to its end, should this machine's clock be ahead of its."""
        if copy.clock is None or copy.clock.behind <= CLOCKS_APART:
            return window
        latest = copy.clock.time - timedelta(minutes=self.config.get("lookback_window", 5))
        if latest >= window.end:
            return window
        LOGGER.warning(
            f"{self.name}: the clock of this machine is {copy.clock.behind.total_seconds():.0f} s ahead of the API's. "
            "What the API could not know yet is asked for again by the next sync; set the clock."
        )
        return Window(window.start, max(window.start, latest))

    def _shorten(self, pace: WindowPace, window: Window, broken: RequestWindowSplitRequiredException) -> None:
        if not pace.broke(window.length):
            raise AirbyteTracedException(
                message=f"Stream {self.name} could not be read beyond {window.start.isoformat()}: even a window of one "
                f"second broke off ({broken.error_message}). What came before is saved; the next sync goes on there.",
                failure_type=FailureType.transient_error,
            ) from broken
        LOGGER.info(f"{self.name}: {window}: {broken.error_message}; trying {pace.length} at a time.")

    def _rows(self, copy: "WindowCopy", records_schema: Mapping[str, Any], window: Window) -> Iterable[Record]:
        name = self.name
        # Without a slice: a row must never move the state, which is a window's end and nothing else.
        rows = (
            Record(record.data, name)
            for record in self._parse_response(copy.as_reply(), records_schema, window.to_slice())
        )
        # Some at a time: handed on one by one, they wake the thread that prints for each, which costs a seventh more.
        while some := list(itertools.islice(rows, self.ROWS_AT_A_TIME)):
            yield from some


class BuilderPages:
    """Replies as pages for the Connector Builder, which are asked for in its test reads and nowhere else.

    The framework gives its own retrievers such a thing, and a limit in test reads; custom ones get neither.
    """

    TEST_READ_LIMIT = 5

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._are_shown = False

    def __call__(self, response: requests.Response) -> Any:
        self._are_shown = True
        return format_http_message(response, f"Request of {self._stream}", "A page of records", self._stream)

    def are_enough(self, parts_read: int) -> bool:
        """Whether a test read has seen what it may, of windows or of parents."""
        return self._are_shown and parts_read >= self.TEST_READ_LIMIT


CLOCKS_APART = timedelta(minutes=1)
CHUNK_BYTES = 1 << 20
IN_MEMORY_BYTES = 8 << 20


class EndedInsideALine(requests.RequestException):
    """A reply that looked complete and was not: its last line is no JSON."""


class WindowCopy:
    """The rows of a window on this machine, in a private temporary file.

    lines: how many there are. seconds: how long they took to come. clock: the vendor's when it was asked, if it said.
    """

    def __init__(self) -> None:
        # Spooled: small replies touch no disk; large ones have no name there, so that a crash leaves nothing behind.
        self.file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 — `close` closes it
        self.lines = 0
        self.seconds = 0.0
        self.clock: VendorClock | None = None

    def add(self, response: requests.Response, whole_lines: bool = True) -> None:
        """Append a streamed reply as fast as it comes.

        Errors: requests.RequestException when it breaks off; EndedInsideALine when that shows at its last line only,
        and that was asked for. Nothing of it is kept then.
        """
        first, began = self.file.tell(), time.monotonic()
        self.clock = self.clock or clock_of(response)
        try:
            lines = self._append(response, whole_lines)
        except BaseException:
            self.file.seek(first)
            self.file.truncate()
            raise
        self.lines += lines
        # `elapsed` starts when the request leaves, not when it queues for its share of the budget.
        self.seconds += response.elapsed.total_seconds() + time.monotonic() - began

    def _append(self, response: requests.Response, whole_lines: bool) -> int:
        lines = 0
        line_start = end = self.file.tell()
        for chunk in response.iter_content(CHUNK_BYTES):
            self.file.write(chunk)
            if newlines := chunk.count(b"\n"):
                lines += newlines
                line_start = end + chunk.rfind(b"\n") + 1
            end += len(chunk)
        self.file.seek(line_start)
        last_line = self.file.read()
        if not last_line:
            return lines
        if whole_lines and parse_line(last_line) is None:
            raise EndedInsideALine("the reply ended inside a line")
        self.file.write(b"\n")
        return lines + 1

    def clear(self) -> None:
        """Forget what was added."""
        self.file.seek(0)
        self.file.truncate()
        self.lines, self.seconds = 0, 0.0

    def as_reply(self) -> requests.Response:
        """The copy as a reply whose content it is."""
        self.file.seek(0)
        reply = requests.Response()
        reply.status_code = 200
        reply.raw = self.file
        return reply

    def close(self) -> None:
        self.file.close()


class VendorClock(NamedTuple):
    """What time it was at the vendor when it answered, in whole seconds, and how far behind ours that is at least."""

    time: datetime
    behind: timedelta


def clock_of(response: requests.Response) -> VendorClock | None:
    """The vendor's clock, if a reply that has just come tells it."""
    try:
        told = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, TypeError, ValueError):
        return None
    told = told.replace(tzinfo=told.tzinfo or UTC)
    # Nobody knows whether it is the time at which the vendor began to work on the reply or ended.
    return VendorClock(told, datetime.now(UTC) - response.elapsed - told)


SECONDS_BETWEEN_LIFE_SIGNS = 60.0


@contextmanager
def life_signs(title: str) -> Iterator[None]:
    """Log once a minute what is still awaited, for whoever reads the log; platforms count rows and states only."""
    over = threading.Event()

    def report() -> None:
        began = time.monotonic()
        while not over.wait(SECONDS_BETWEEN_LIFE_SIGNS):
            LOGGER.info(f"{title} for {time.monotonic() - began:.0f} s now.")

    threading.Thread(target=report, daemon=True).start()
    try:
        yield
    finally:
        over.set()


class _FinishedWindow(Partition):
    """A window in the cursor's words, so that it can be closed before the whole slice is."""

    def __init__(self, stream: str, window: Window) -> None:
        self._stream = stream
        self._slice = window.to_slice()

    def read(self) -> Iterable[Record]:
        return ()

    def to_slice(self) -> StreamSlice:
        return self._slice

    def stream_name(self) -> str:
        return self._stream

    def __hash__(self) -> int:
        return hash((self._stream, self._slice))


def save_state(cursor: ConcurrentCursor, stream: str, window: Window) -> None:
    """Move the state to a window's end and emit it, whatever the rows of the window were."""
    finished = _FinishedWindow(stream, window)
    newest = {cursor.cursor_field.cursor_field_key: window.to_slice()["end_time"]}
    cursor.observe(Record(newest, stream, finished.to_slice()))
    cursor.close_partition(finished)


# ---------------------------------------------------------------------------------------------------------------------
# Export jobs
# ---------------------------------------------------------------------------------------------------------------------


class ProjectJobs:
    """The export jobs that this process has running in one project: so many at a time, and how to call them off.

    Each stream has a retriever of its own, but the limit is the organisation's; so the retrievers share one of these.
    """

    # Seconds and tries to call a job off; the vendor allows one such call a second.
    PATIENCE = 10.0
    TRIES = 5
    PAUSE = 1.1
    # Seconds between two looks at what is still to be called off.
    LOOK = 0.1

    def __init__(self, at_once: int) -> None:
        self.places = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._starts = 0
        self._running: dict[str, Mapping[str, str]] = {}
        self._is_called_off = False

    def start(self, start: Callable[[], "ExportJob"]) -> "ExportJob":
        """The job that `start` has the vendor begin. Errors: transient_error once all jobs have been called off."""
        with self._lock:
            if self._is_called_off:
                raise AirbyteTracedException(
                    message="No more export jobs are started, since the sync is being stopped.",
                    failure_type=FailureType.transient_error,
                )
            self._starts += 1
        job = None
        try:
            job = start()
            return job
        finally:
            with self._lock:
                self._starts -= 1
                if job is not None:
                    self._running[job.address] = job.headers

    @contextmanager
    def running(self, job: "ExportJob") -> Iterator[None]:
        """Calls a job that was started off unless it is over at the end of the block."""
        try:
            yield
        finally:
            headers = self._running.pop(job.address, None)
            if headers is not None and not job.is_over:
                self.cancel(job.address, headers)

    def cancel_all(self) -> None:
        """Cancel what runs and what is just being started, as far as the vendor can be reached; start nothing more."""
        with self._lock:
            self._is_called_off = True
        while self._starts or self._running:
            for address in list(self._running):
                if headers := self._running.pop(address, None):
                    self.cancel(address, headers)
            time.sleep(self.LOOK)

    def cancel(self, address: str, headers: Mapping[str, str]) -> None:
        # Not by the framework's requester: it would log the failure, wait and retry in a process that is to end.
        for _ in range(self.TRIES):
            with suppress(requests.RequestException):
                reply = requests.delete(address, headers=headers, timeout=self.PATIENCE, allow_redirects=False)
                if reply.status_code != 429 and reply.status_code < 500:
                    return
            time.sleep(self.PAUSE)


_PROJECTS: WeakValueDictionary[bytes, ProjectJobs] = WeakValueDictionary()


def jobs_of_project(config: Mapping[str, Any]) -> ProjectJobs:
    """What the streams of one project share, as long as any of them is there."""
    place = [config.get(name) for name in ("api_key", "api_url", "region")]
    key = blake2b(json.dumps(place).encode()).digest()
    _call_off_on_sigterm()
    return _PROJECTS.setdefault(key, ProjectJobs(config.get("export_jobs_at_once", 4)))


def call_off_jobs(within: float = 15.0) -> None:
    """Cancel all export jobs of this process; gives up after `within` seconds."""
    # In a thread: a signal may come while the main thread holds a lock that is needed here.
    for project in list(_PROJECTS.values()):
        helper = threading.Thread(target=project.cancel_all, daemon=True)
        helper.start()
        helper.join(within)


def _call_off_on_sigterm() -> None:
    """Have SIGTERM cancel the jobs first, unless somebody else handles it."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _call_off_and_end)


def _call_off_and_end(number: int, _frame: Any) -> None:
    signal.signal(number, signal.SIG_DFL)
    call_off_jobs()
    signal.raise_signal(number)
    os._exit(128 + number)  # the first process of a container survives a signal that nobody handles


@dataclass
class ExportJob:
    """A job the vendor has taken: where it is, what was asked for, and the files that are here already."""

    address: str
    headers: Mapping[str, str]
    asked: Mapping[str, Any]
    taken: set[str] = field(default_factory=set)
    newest: str = ""
    is_over: bool = False

    @classmethod
    def of(cls, reply: requests.Response | None) -> "ExportJob":
        """The job that a reply to `export/start` announces; transient_error when it announces none."""
        try:
            started = cast(requests.Response, reply)
            request = started.request
            address = urljoin(str(request.url), str(int(started.json()["jobId"])))
            headers = {name: value for name, value in request.headers.items() if name == "Api-Key"}
            return cls(address, headers, json.loads(request.body or "{}"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AirbyteTracedException(
                message="The API took an export job but did not say which; the next sync asks again.",
                failure_type=FailureType.transient_error,
            ) from error

    @property
    def number(self) -> str:
        """The vendor's id of the job."""
        return self.address.rpartition("/")[2]


ENDS_OF_JOBS = ("completed", "failed", "cancelled")


class JobFiles(NamedTuple):
    """One look at a job: its state in lower case, and the signed address of each file by name, in order."""

    state: str
    files: dict[str, str]


@dataclass
class ExportJobs:
    """Brings a window by an asynchronous export job: start it, look now and then, download each file that is there.

    A job has no limit of four a minute and no long reply that may break off. Only a completed one counts; one that
    failed or was cancelled is started again; any state that is not known is taken for running.

    Why not YAML: AsyncRetriever cuts its slices before the first job has run and cannot shorten one that the vendor
    truncates; its state is the newest record; and it has no say in how a file is fetched when its address expires.
    Units: seconds for waits. Addresses of files are signed: they are fetched without the key, and never logged.
    Errors: RequestWindowSplitRequiredException when the vendor truncates the export; transient_error when a job fails
    `RESTARTS` times more, is not done after a day, or a file cannot be had.
    Source: https://api.iterable.com/api/docs (export, start and files), read 2026-11-22.
    """

    stream: str
    starter: Requester
    requester: Requester
    project: ProjectJobs
    log_formatter: Callable[[requests.Response], Any]

    RESTARTS = 3
    FIRST_WAIT = 1.0
    LONGEST_WAIT = 300.0
    LONGEST_RUN = 24 * 3600.0
    FILES_PER_PAGE = 10
    DOWNLOADS = 10
    TIMEOUTS = (60, 300)

    _has_looked_for_left_over: bool = field(init=False, default=False)

    def fetch(self, window: Window, copy: WindowCopy) -> None:
        """Copy all rows of a window."""
        with self.project.places:
            for _ in range(1 + self.RESTARTS):
                copy.clear()
                if self._is_brought(window, copy):
                    return
        raise AirbyteTracedException(
            message=f"The export of stream {self.stream} for {window} failed or was cancelled {1 + self.RESTARTS} "
            "times. What came before is saved; the next sync goes on there.",
            failure_type=FailureType.transient_error,
        )

    def _is_brought(self, window: Window, copy: WindowCopy) -> bool:
        """Run one job; False when the vendor gave it up."""
        job = self.project.start(lambda: self._started(window, copy))
        with self.project.running(job):
            self._cancel_left_over(job)
            for wait in self._waits():
                state = self._look(job, copy)
                job.is_over = state in ENDS_OF_JOBS
                if job.is_over:
                    LOGGER.info(f"{self.stream}: {window}: job {job.number} {state}.")
                    return state == "completed"
                time.sleep(wait)
        raise AirbyteTracedException(
            message=f"The export job of stream {self.stream} for {window} was not done after a day and was called off.",
            failure_type=FailureType.transient_error,
        )

    def _started(self, window: Window, copy: WindowCopy) -> ExportJob:
        reply = self.starter.send_request(stream_slice=window.to_slice(), log_formatter=self.log_formatter)
        copy.clock = None if reply is None else clock_of(reply)
        return ExportJob.of(reply)

    def _waits(self) -> Iterator[float]:
        wait = self.FIRST_WAIT
        waited = 0.0
        while waited < self.LONGEST_RUN:
            yield wait
            waited += wait
            wait = min(self.LONGEST_WAIT, 2 * wait)

    def _look(self, job: ExportJob, copy: WindowCopy) -> str:
        """Take the files that are new; the state the job was in before, so that `completed` means that all are here.

        A job that the vendor knows no more counts as failed.
        """
        known = job.newest
        try:
            state = self._take_files(job, known, copy)
            if state == "completed" and known:
                # Once more from the start: nobody says that files are named in the order they appear in.
                state = self._take_files(job, "", copy)
        except VendorRefusal as refusal:
            if refusal.status != 404:
                raise
            state = "failed"
        return state

    def _take_files(self, job: ExportJob, after: str, copy: WindowCopy) -> str:
        """Take what is new of the pages behind a file; the state said with the first of them."""
        found = first = self._files(job, after)
        while True:
            for name, address in found.files.items():
                if name not in job.taken:
                    self._download(job, name, after, copy, address)
                    job.taken.add(name)
            last = next(reversed(found.files), after)
            job.newest = max(job.newest, last)
            is_last = last == after or (first.state != "completed" and len(found.files) < self.FILES_PER_PAGE)
            if is_last:
                return first.state
            after = last
            found = self._files(job, after)

    def _files(self, job: ExportJob, after: str) -> JobFiles:
        said = self._ask(f"{job.number}/files", {"startAfter": after} if after else {})
        files = {str(file["file"]): str(file["url"]) for file in said.get("files") or []}
        if said.get("exportTruncated"):
            raise RequestWindowSplitRequiredException(self.stream, "the vendor truncated the export")
        return JobFiles(str(said.get("jobState", "")).lower(), files)

    def _ask(self, path: str, parameters: Mapping[str, str]) -> Row:
        reply = self.requester.send_request(
            stream_slice=StreamSlice(partition={"child": path}, cursor_slice={}),
            request_params=parameters,
            log_formatter=self.log_formatter,
        )
        said: Any = reply.json() if reply is not None else {}
        if not isinstance(said, dict):
            raise AirbyteTracedException(
                message=f"What the API says about an export job of stream {self.stream} cannot be understood; the next "
                "sync asks again.",
                failure_type=FailureType.transient_error,
            )
        return said

    def _download(self, job: ExportJob, name: str, after: str, copy: WindowCopy, address: str) -> None:
        """Append a file; one that breaks off or whose address has expired is asked for again by the same page.

        A last line that is no JSON may mean that the file is not whole; after the last try it counts as a bad line.
        """
        failure = self._append(address, copy)
        for tries in range(1, self.DOWNLOADS):
            if failure is None:
                return
            time.sleep(min(self.LONGEST_WAIT, self.FIRST_WAIT * 2 ** (tries - 1)))
            address = self._files(job, after).files.get(name, address)
            failure = self._append(address, copy, whole_lines=tries < self.DOWNLOADS - 1)
        if failure is not None:
            raise AirbyteTracedException(
                message=f"A file of the export of stream {self.stream} could not be had in {self.DOWNLOADS} tries "
                f"({failure}). The next sync asks for the window again.",
                failure_type=FailureType.transient_error,
            )

    def _append(self, address: str, copy: WindowCopy, whole_lines: bool = True) -> str | None:
        """Append the file at an address; what went wrong, if anything, in words that do not hold the address."""
        try:
            with requests.get(address, stream=True, timeout=self.TIMEOUTS) as reply:
                reply.raise_for_status()
                copy.add(reply, whole_lines)
        except requests.RequestException as failure:
            return f"HTTP {failure.response.status_code}" if failure.response is not None else type(failure).__name__
        return None

    def _cancel_left_over(self, own: ExportJob) -> None:
        """Cancel jobs of a sync that was killed: unfinished ones of the same type that start where this one starts.

        The listing is not said to show what was asked for; without it nobody can tell whose a job is, and it is let be.
        """
        if self._has_looked_for_left_over:
            return
        self._has_looked_for_left_over = True
        try:
            jobs = self._ask("jobs", {}).get("jobs") or []
        except AirbyteTracedException as failure:
            LOGGER.info(f"{self.stream}: whether jobs are left over cannot be seen ({failure.message}).")
            return
        for listed in jobs:
            number = str(listed.get("id"))
            is_other = number != own.number and listed.get("dataTypeName") == own.asked["dataTypeName"]
            if not is_other or str(listed.get("jobState")).lower() in (*ENDS_OF_JOBS, "cancelling"):
                continue
            start = _second_of(listed.get("startDateTime"))
            if start and start == _second_of(own.asked["startDateTime"]):
                LOGGER.info(f"{self.stream}: job {number}, left over by an earlier sync, is called off.")
                self.project.cancel(urljoin(own.address, number), own.headers)
            else:
                LOGGER.info(
                    f"{self.stream}: job {number} of the same type runs, too. If an earlier sync left it over, it ends "
                    "by itself; until then it takes a place among those the vendor runs at a time."
                )


# ---------------------------------------------------------------------------------------------------------------------
# Children
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class InTurnRetriever(SimpleRetriever):
    """Reads a stream's partitions one after the other, as one: every combination of what the `parents` list.

    The state of an incremental stream moves to the end of the slice once all of them are out.
    Why not YAML: as partitions of their own, children that share a budget of a few calls a minute would each hold a
    worker while they wait, and no other stream would get one; and the state would be one per partition. They stand
    under `parents`, since under `partition_router` the framework makes a partition of each.
    Errors: those of the first partition that fails; those before it are out.
    """

    parents: list[PartitionRouter] | None = None
    cursor: Cursor | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.log_formatter = self._pages = BuilderPages(self.name)

    def read_records(self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None) -> Iterable[Any]:
        span = stream_slice.cursor_slice if stream_slice else {}
        for number, parents in enumerate(itertools.product(*(router.stream_slices() for router in self.parents or []))):
            if self._pages.are_enough(number):
                return
            asked_for = {name: value for parent in parents for name, value in parent.partition.items()}
            partition = StreamSlice(partition=asked_for, cursor_slice=span)
            with life_signs(f"{self.name}: still reading"):
                for record in super().read_records(records_schema, partition):
                    # Without a slice: a row must never move the state.
                    yield Record(cast(Record, record).data, self.name)
        if isinstance(self.cursor, ConcurrentCursor):
            save_state(self.cursor, self.name, Window.of(span))


@dataclass
class NewestFirstRetriever(SimpleRetriever):
    """Reads a listing of the newest records first, of which all but one leave the state where it is.

    Only a record that is newer than all before it carries its slice; by the others the cursor would learn nothing. One
    from beyond the slice carries none either: a state in the future would keep later syncs from reading at all.
    Why not YAML: the stock retriever gives every record its slice, which the cursor makes JSON of and hashes each time.
    """

    cursor: Cursor | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.log_formatter = BuilderPages(self.name)

    def read_records(self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None) -> Iterable[Any]:
        cursor_field = cast(ConcurrentCursor, self.cursor).cursor_field.cursor_field_key
        newest, end = None, int(cast(StreamSlice, stream_slice)["end_time"])
        for record in super().read_records(records_schema, stream_slice):
            row = cast(Record, record).data
            moment = row.get(cursor_field)
            if moment is None or (moment <= end and (newest is None or moment > newest)):
                newest = moment or newest
                yield record
            else:
                yield Record(row, self.name)


@dataclass
class PartitionFields(RecordTransformation):
    """Adds to a record what its request asked for, such as the list whose members were listed.

    `extra_fields` names, by the field to add, fields that the parent passed on.
    Why not YAML: AddFields evaluates a template per field and row, and members come by the million.
    """

    extra_fields: Mapping[str, str] = field(default_factory=dict)

    def transform(self, record: Row, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        for name, value in stream_slice.partition.items():
            if name != "parent_slice":
                record[name] = value
        for name, passed_on in self.extra_fields.items():
            record[name] = stream_slice.extra_fields[passed_on]


@dataclass
class InstantCopies(RecordTransformation):
    """Adds copies of epoch milliseconds as RFC 3339, for those who sort and join by time.

    `copies` names, by the field to add, the field to copy.
    Why not YAML: a template per row would cost more than the parsing.
    """

    copies: Mapping[str, str] = field(default_factory=dict)

    def transform(self, record: Row, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        for name, copied in self.copies.items():
            if record.get(copied) is not None:
                with suppress(*CANNOT_CONVERT):  # the copied field says what it is
                    record[name] = rfc3339(record[copied])


@dataclass
class ChangedSince(RecordFilter):
    """Keeps the records of a full listing that changed since the state, by the latest of their dates.

    Why not YAML: the stock client-side filter looks at the cursor field only, which is the date of creation.
    Units: any spelling of an instant.
    """

    date_fields: list[str] = field(default_factory=list)

    def filter_records(
        self, records: Iterable[Any], stream_state: Any, stream_slice: Any = None, next_page_token: Any = None
    ) -> Iterator[Mapping[str, Any]]:
        since = Window.of(stream_slice).start.isoformat()[:19]
        for record in records:
            dates = [second for name in self.date_fields if (second := _second_of(record.get(name)))]
            if not dates or max(dates) >= since:
                yield record


# ---------------------------------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------------------------------


def parse_line(line: bytes) -> Row | None:
    """The JSON object on a line; None when there is no such thing.

    What no destination takes for a number stays text: NaN, Infinity, integers beyond 64 bits.
    """
    try:
        row = None if _may_hold_long_integer(line) else orjson.loads(line)
    except orjson.JSONDecodeError:
        row = None
    if row is None:
        try:
            row = json.loads(line, parse_int=_integer_or_text, parse_constant=str)
        except ValueError:
            return None
    return row if isinstance(row, dict) else None


_DIGITS_AS_ZEROS = bytes(ord("0") if chr(byte).isdecimal() else ord(" ") for byte in range(256))
_LONG_RUN = b"0" * 19
_BEFORE_A_NUMBER = frozenset(b":,[- \t\r\n")


def _may_hold_long_integer(text: bytes) -> bool:
    """Whether 19 digits in a row may be a number: the fast parser would make a float of such an integer, silently.

    Ids in hexadecimal often have so many; they stand behind a quote or a letter. A pattern would take fifteen times as
    long.
    """
    zeros = text.translate(_DIGITS_AS_ZEROS)
    place = zeros.find(_LONG_RUN)
    while place >= 0:
        if place == 0 or text[place - 1] in _BEFORE_A_NUMBER:
            return True
        end = zeros.find(b" ", place)
        place = -1 if end < 0 else zeros.find(_LONG_RUN, end)
    return False


def _integer_or_text(digits: str) -> int | str:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else digits


@dataclass
class JsonLines(RecordExtractor):
    """Reads the rows of an export, one JSON object a line; blank lines are nothing.

    Why not YAML: the stock decoder drops a line it cannot parse, with no bound and with the line in the log.
    Errors: system_error once more than one line, and more than `BAD_SHARE` of the lines, of one reply are no JSON, or
    when it holds nothing else.
    """

    parameters: InitVar[Mapping[str, Any]]

    BAD_SHARE = 0.01

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._stream = parameters["name"]

    def extract_records(self, response: requests.Response) -> Iterator[Row]:
        good = bad = broken = 0
        for block in reply_blocks(response):
            parse = parse_line if _may_hold_long_integer(block) else orjson.loads
            for line in block.split(b"\n"):
                try:
                    row = parse(line)
                except orjson.JSONDecodeError:
                    row = None
                if type(row) is dict or (row := parse_line(line)) is not None:
                    good += 1
                    yield row
                elif line.strip():
                    bad += 1
                    broken += line.lstrip().startswith(b"{")
        if bad:
            # Without a row, or what was to be one, it is no export at all: somebody's page, or an error in plain words.
            self._report(bad, good + bad, is_export=bool(good or broken))

    def _report(self, bad: int, lines: int, is_export: bool) -> None:
        found = f"{self._stream}: {bad:,} of {lines:,} lines of an export are not JSON"
        if not is_export or bad > max(1, lines * self.BAD_SHARE):
            raise AirbyteTracedException(
                message=f"{found}, too many to go on. The next sync reads them again; if it fails, tell the vendor.",
                failure_type=FailureType.system_error,
            )
        LOGGER.warning(f"{found} and left out.")


def reply_blocks(response: requests.Response) -> Iterator[bytes]:
    """A reply in blocks of whole lines, from its copy on this machine if there is one."""
    if not isinstance(response.raw, tempfile.SpooledTemporaryFile):
        yield response.content
        return
    rest = b""
    while chunk := response.raw.read(CHUNK_BYTES):
        block, newline, rest = (rest + chunk).rpartition(b"\n")
        yield block + newline
    yield rest


@dataclass
class NextWindowsRows(RecordFilter):
    """Leaves the rows of a window's end second to the next window, which starts with it.

    With windows that neither overlap nor leave a gap this is all there is to de-duplicate, also across syncs and
    whatever the lookback window. Rows dated elsewhere outside the window are kept and reported: if the vendor should
    select by another date than the row shows, no other window would bring them. The instant is respelled on the way,
    so that a row has the same key however it was spelled.
    Why not YAML: a template per row would cost ten times the parsing, and knows one spelling of an instant.
    """

    cursor_field: str = ""

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self._stream = parameters["name"]

    def filter_records(
        self, records: Iterable[Any], stream_state: Any, stream_slice: Any = None, next_page_token: Any = None
    ) -> Iterator[Mapping[str, Any]]:
        start, end = (moment.isoformat()[:19] for moment in Window.of(stream_slice))
        outside = undated = 0
        for row in records:
            try:
                moment = row[self.cursor_field] = rfc3339(row.get(self.cursor_field))
            except CANNOT_CONVERT:
                undated += 1
            else:
                second = moment[:19]
                if second == end:
                    continue
                if not start <= second < end:
                    outside += 1
            yield row
        if outside or undated:
            LOGGER.warning(
                f"{self._stream}: of the window {start} – {end}, {outside:,} rows are dated outside it, {undated:,} "
                f"have no readable `{self.cursor_field}`; all of them are kept."
            )


def _second_of(value: Any) -> str | None:
    try:
        return rfc3339(value)[:19]
    except CANNOT_CONVERT:
        return None


@dataclass
class EventKey(RecordTransformation):
    """Adds `event_id`, the same whenever the event is read.

    Iterable's events have no id: a message id is shared by all opens and clicks of a message. The key is a hash over
    the stream's name and every field of the row but those that Iterable rewrites later.
    Why not YAML: the hash filter of the template language takes no object, and would cost more than the parsing.
    """

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._stream = parameters["name"]

    def transform(self, record: Row, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        add_key(record, "event_id", stable_hash(self._stream, record))


@dataclass
class UserKey(RecordTransformation):
    """Adds `user_key`: the project-wide id of a user, else the e-mail address, else the user id.

    Why not YAML: a template per row would cost more than the parsing.
    """

    def transform(self, record: Row, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        known = record.get("itblUserId") or record.get("email") or record.get("userId")
        add_key(record, "user_key", str(known) if known else stable_hash("user", record))


def add_key(record: Row, name: str, key: str) -> None:
    """Set the key of a row; a field of the row's own by that name is kept as `row.<name>`."""
    if name in record:
        record[f"row.{name}"] = record[name]
    record[name] = key


@functools.lru_cache(maxsize=4096)  # a project's rows have few shapes
def _rewritten_later(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        name for name in names if name in ("itblInternal", "eventUpdatedAt") or name.startswith("itblInternal.")
    )


def stable_hash(kind: str, row: Row) -> str:
    """128 bits over `kind` and the part of a row that stays as it is, in hexadecimal."""
    left_out = _rewritten_later(tuple(row))
    stable = {name: value for name, value in row.items() if name not in left_out} if left_out else row
    try:
        text = orjson.dumps(stable, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        text = json.dumps(stable, sort_keys=True).encode()
    return blake2b(kind.encode() + b"\n" + text, digest_size=16).hexdigest()


@dataclass
class TextLines(RecordExtractor):
    """Reads a plain-text reply, one value a line, as records with that one field.

    Why not YAML: the stock decoder of lines streams, so a transfer that breaks half-way has already emitted the half.
    """

    line_field: str = ""

    def extract_records(self, response: requests.Response) -> Iterator[Row]:
        for block in reply_blocks(response):
            # One line at a time: text and list of a list of millions would be several times its size.
            for line in io.BytesIO(block):
                if value := line.decode("utf-8", "replace").strip():
                    yield {self.line_field: value}


@dataclass
class ListMember(RecordTransformation):
    """Completes a line of a list with `email` or `userId`, by the line's form.

    Lists of hybrid projects hold both kinds: a user id where a user has no e-mail address.
    Why not YAML: a template per row would take eight times as long, and members come by the million.
    """

    def transform(self, record: Row, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        identifier = record["identifier"]
        record["email" if "@" in identifier else "userId"] = identifier


@dataclass
class NamedValues(RecordExtractor):
    """Makes records of what is no list of objects: a mapping of names to values, or a list of bare values.

    `field_paths` are tried in turn; the first one that leads somewhere counts.
    Why not YAML: the stock extractor takes whatever it finds for a record, texts included.
    """

    field_paths: list[list[str]] = field(default_factory=list)
    name_field: str = ""
    value_field: str = ""

    def extract_records(self, response: requests.Response) -> Iterator[Row]:
        body = response.json()
        found: Any = next((value for path in self.field_paths if (value := _at(body, path)) is not None), [])
        if isinstance(found, dict):
            yield from ({self.name_field: name, self.value_field: value} for name, value in found.items())
        else:
            yield from (item if isinstance(item, dict) else {self.name_field: item} for item in found)


def _at(body: Any, path: list[str]) -> Any:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body


@dataclass
class NumberedRows(RecordExtractor):
    """Reads rows that have no id of their own and gives each its place in the reply, from 0.

    Why not YAML: no stock extractor or transformation knows the place of a record.
    """

    field_path: list[str] = field(default_factory=list)
    number_field: str = ""

    def extract_records(self, response: requests.Response) -> Iterator[Row]:
        for number, row in enumerate(_at(response.json(), self.field_path) or []):
            yield {**row, self.number_field: number}


@dataclass
class WithoutCredentials(RecordTransformation):
    """Takes out of a record, however deep, what lets its holder act for a user or a provider.

    Profiles and overrides hold device tokens, access tokens and provider keys under names that Courier leaves open.
    Why not YAML: RemoveFields needs to be told each path.
    """

    def transform(self, record: Row, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        kept = without_credentials(record)
        record.clear()
        record.update(kept)


_CREDENTIAL = re.compile(
    r"(tokens?|secret|password|apikey|accesskey|privatekey|routingkey|credentials?|authorization|authentication)$"
)


def without_credentials(value: Any) -> Any:
    """A copy of a JSON value without the fields that are named like a credential."""
    if isinstance(value, list):
        return [without_credentials(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: without_credentials(item) for name, item in value.items() if not _names_a_credential(name)}


def _names_a_credential(name: str) -> bool:
    letters = re.sub(r"[^a-z]", "", name.lower())
    return letters in ("apn", "expo") or bool(_CREDENTIAL.search(letters))


@dataclass
class MetricsCsv(RecordExtractor):
    """Reads a CSV of figures whose columns differ from reply to reply.

    A record has a snake_cased copy of each column and, under `data`, the line under the vendor's own names, numbers as
    numbers. Blank cells, and cells missing from a short line, are absent. Of columns with one name the last counts.
    Why not YAML: the stock decoder yields texts, fails on compressed replies, and cannot rename what it does not know.
    """

    def extract_records(self, response: requests.Response) -> Iterator[Row]:
        lines = csv.reader(io.StringIO(response.content.decode("utf-8-sig", "replace"), newline=""))
        names = next(lines, [])
        for cells in lines:
            line = {name: figure(cell) for name, cell in zip(names, cells, strict=False) if name and cell.strip()}
            if line:
                yield {**{snake_case(name): value for name, value in line.items()}, "data": line}


def figure(cell: str) -> Any:
    """A cell as the number it spells, or as it is: `NaN`, `N/A`, `007` and names stay text."""
    return _number_of(cell) if _NUMBER.fullmatch(cell) else cell


# As JSON spells them: no leading zeros, blanks or underscores.
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


def _number_of(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdecimal() else float(text)


_WORD_ENDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+")


def snake_case(name: str) -> str:
    """`Purchases / M (Email)` as `purchases_m_email`."""
    return _WORD_ENDS.sub("_", name).strip("_").lower()


# ---------------------------------------------------------------------------------------------------------------------
# Columns
# ---------------------------------------------------------------------------------------------------------------------

Convert = Callable[[Any], Any]


class Column(NamedTuple):
    """What a column takes as it is, and how it makes anything else fit (ValueError: it cannot)."""

    kind: str
    as_is: "frozenset[type]"
    convert: Convert


@dataclass
class SchemaColumns(TypeTransformer):
    """Makes a record fit its schema: values take their column's type, all the rest goes into the object `data`.

    A value that does not fit its column goes into `data` too, so that a typed destination loses nothing. Where `rest`
    is empty, `data` is a column like any other, which holds all of the record already.
    Why not YAML: the stock normalization moves no keys, reads no timestamps, and resolves the schema for each record.
    """

    rest: str = "data"
    _schema: Mapping[str, Any] = field(init=False, repr=False, default_factory=dict)
    _columns: dict[str, Column] = field(init=False, repr=False, default_factory=dict)

    def transform(self, record: Row, schema: Mapping[str, Any]) -> None:
        if schema is not self._schema:
            self._columns = {name: column_of(of) for name, of in schema["properties"].items() if name != self.rest}
            self._schema = schema
        rest = take_misfits(record, self._columns)
        if rest:
            rest = respell(rest, record, self._columns)
        if rest and self.rest:
            record[self.rest] = rest


def take_misfits(record: Row, columns: Mapping[str, Column]) -> Row:
    """Convert the values of a record to their columns; take out and return those that have none or do not fit."""
    misfits: Row = {}
    for name, value in list(record.items()):
        if (column := columns.get(name)) is None:
            misfits[name] = record.pop(name)
        elif value is not None and type(value) not in column.as_is:
            try:
                record[name] = column.convert(value)
            except CANNOT_CONVERT:
                misfits[name] = record.pop(name)
    return misfits


def respell(misfits: Row, record: Row, columns: Mapping[str, Column]) -> Row:
    """Move what is only spelled otherwise into its columns, and return the others.

    Iterable spells nested fields in three ways: as objects, with dotted names, and arrays of objects as one array per
    field (`shoppingCartItems.price: [14.95, 30]`). What is there already in the column's own spelling is not repeated.
    """
    others: Row = {}
    series: dict[str, Row] = {}
    for name, value in misfits.items():
        if "." not in name and not isinstance(value, dict):
            others[name] = value
            continue
        head, dot, tail = name.partition(".")
        column = columns.get(head) if dot else None
        if column and column.kind == "object" and _put(record, head, column, {tail: value}):
            continue
        if column and column.kind == "array" and isinstance(value, list):
            series.setdefault(head, {})[tail] = value
        elif isinstance(value, dict) and any(other.startswith(f"{name}.") for other in columns):
            dotted = {f"{name}.{inner}": item for inner, item in value.items()}
            others.update(take_misfits(dotted, columns))
            if any(record.get(inner, item) != item for inner, item in dotted.items()):
                others[name] = value
            record.update({inner: item for inner, item in dotted.items() if inner not in record})
        else:
            others[name] = value
    for head, fields in series.items():
        items = [dict(zip(fields, values, strict=False)) for values in zip(*fields.values(), strict=False)]
        if len({len(values) for values in fields.values()}) > 1 or not _put(record, head, columns[head], items):
            others.update({f"{head}.{tail}": values for tail, values in fields.items()})
    return others


def _put(record: Row, name: str, column: Column, value: Any) -> bool:
    """Add a value to a column of a record; False when it does not fit or says otherwise than what is there."""
    there = record.get(name)
    if isinstance(there, dict) and isinstance(value, dict):
        if any(there.get(inner, item) != item for inner, item in value.items()):
            return False
        value = {**there, **value}
    elif there is not None:
        return bool(there == value)
    try:
        record[name] = _fit(column, value)
    except CANNOT_CONVERT:
        return False
    return True


CANNOT_CONVERT = (ValueError, TypeError, OverflowError)


def column_of(schema: Mapping[str, Any]) -> Column:
    """The column for a property of a JSON schema with one type besides null."""
    declared = schema["type"]
    kind = declared if isinstance(declared, str) else next(name for name in declared if name != "null")
    if schema.get("format") == "date-time":
        return Column("date-time", frozenset({Timestamp}), rfc3339)
    if kind == "object" and schema.get("properties"):
        fields = {name: column_of(of) for name, of in schema["properties"].items()}
        return Column(kind, frozenset(), _object_of(fields))
    if kind == "array" and schema.get("items"):
        return Column(kind, frozenset(), _array_of(column_of(schema["items"])))
    return _PLAIN_COLUMNS[kind]


def _object_of(columns: Mapping[str, Column]) -> Convert:
    def convert(value: Any) -> Row:
        return {name: _fit(columns[name], item) if name in columns else item for name, item in _object(value).items()}

    return convert


def _array_of(items: Column) -> Convert:
    def convert(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError("not an array")
        return [_fit(items, item) for item in value]

    return convert


def _fit(column: Column, value: Any) -> Any:
    return value if value is None or type(value) in column.as_is else column.convert(value)


def _object(value: Any) -> Row:
    """An object, also one that comes as text holding JSON, as `transactionalData` does."""
    parsed = parse_line(value.encode()) if isinstance(value, str) else value
    if not isinstance(parsed, dict):
        raise ValueError("not an object")
    return parsed


def _text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        raise ValueError("not a text")
    return orjson.dumps(value).decode()


def _integer(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError("not an integer")
    return int(number)


def _number(value: Any) -> int | float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = _number_of(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, str) or value.lower() not in ("true", "false"):
        raise ValueError("not a boolean")
    return value.lower() == "true"


def _array(value: Any) -> list[Any]:
    raise ValueError("not an array")


_PLAIN_COLUMNS = {
    kind: Column(kind, frozenset(as_is), convert)
    for kind, as_is, convert in (
        ("string", {str}, _text),
        ("integer", {int}, _integer),
        ("number", {int}, _number),
        ("boolean", {bool}, _boolean),
        ("object", {dict}, _object),
        ("array", {list}, _array),
    )
}
