"""Python hooks for what the manifest has no word for; docs/development.md says why.

Each section uses only what stands above it. A field `name` is the stream's: every component gets its parameters.
"""

import csv
import functools
import gc
import io
import itertools
import json
import logging
import math
import operator
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from importlib import metadata
from types import SimpleNamespace
from typing import Any, NamedTuple, cast
from urllib.parse import urljoin, urlsplit

import orjson
import requests
from airbyte_cdk import (
    AirbyteTracedException,
    BackoffStrategy,
    ConcurrentCursor,
    Cursor,
    CursorPaginationStrategy,
    DeclarativeAuthenticator,
    FailureType,
    Record,
    RecordExtractor,
    RecordFilter,
    RecordTransformation,
    Requester,
    SimpleRetriever,
    StreamSlice,
    TypeTransformer,
)
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.partition_routers import PartitionRouter, SubstreamPartitionRouter
from airbyte_cdk.sources.declarative.requesters.error_handlers import DefaultErrorHandler
from airbyte_cdk.sources.http_logger import format_http_message
from airbyte_cdk.sources.streams.http.error_handlers import ErrorResolution, ResponseAction
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets, filter_secrets
from packaging.version import Version
from requests import Response

LOGGER = logging.getLogger("airbyte")
Json = Mapping[str, Any]
Row = dict[str, Any]

# Rows are freed as they go; to look for garbage among them takes a third of the time.
gc.set_threshold(200_000)


def failure(sentence: str, kind: FailureType = FailureType.transient_error) -> AirbyteTracedException:
    return AirbyteTracedException(None, sentence, kind)


# ---- timestamps

_UTC_OFFSETS = frozenset({" +00:00", "+00:00", "Z", " +0000", "+0000", ""})
_TIMESTAMP = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)(?:[T ](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?:\.\d+)*)?"
    r"\s*(?P<offset>Z|UTC|[+-]\d\d:?\d\d)?"
)
CANNOT_CONVERT = (ValueError, TypeError, KeyError, AttributeError, OverflowError)


class Timestamp(str):
    """A timestamp in RFC 3339; `int()`, in milliseconds, saves the cursor a format a row."""

    __slots__ = ()

    def __int__(self) -> int:
        return int(datetime.fromisoformat(self).timestamp() * 1000)


def format_timestamp(value: Any) -> Timestamp:
    """Spell a timestamp in RFC 3339 and UTC: `2026-03-02 09:15:04 +0000` becomes `2026-03-02T09:15:04+00:00`."""
    if isinstance(value, str) and value[19:] in _UTC_OFFSETS and value[7:8] == "-" and value[13:17:3] == "::":
        spelled = f"{value[:10]}T{value[11:19]}+00:00"
        datetime.fromisoformat(spelled)
        return Timestamp(spelled)
    return Timestamp(parse_timestamp(value).isoformat())


def parse_timestamp(value: Any) -> datetime:
    """Read a timestamp in any spelling of the vendors, as an aware datetime in UTC.

    Takes `2026-03-02 09:15:04`, with an offset, a fraction or two, epoch milliseconds, and ten digits of seconds.
    Errors: ValueError for others.
    """
    if isinstance(value, str) and value.isdecimal() and len(value) >= 10:
        value = int(value)
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value if 10**9 <= value < 10**10 else value / 1000, UTC)
        match = _TIMESTAMP.fullmatch(str(value).strip())
        if match is None:
            raise ValueError("not a timestamp")
        fraction = (match["fraction"] or "")[:6].ljust(6, "0")
        offset = match["offset"] if match["offset"] not in (None, "Z", "UTC") else "+00:00"
        spelled = f"{match['date']}T{match['clock'] or '00:00:00'}.{fraction}{offset}"
        return datetime.fromisoformat(spelled).astimezone(UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not a timestamp") from error


# ---- JSON lines

CHUNK_BYTES = 1 << 20
ROWS_AT_A_TIME = 2000


def parse_line(line: bytes) -> Row | None:
    """Read the JSON object on a line: `b'{"a": NaN}'` becomes `{"a": "NaN"}`; None when there is no such thing.

    An invalid byte is replaced; NaN and Infinity stay text.
    """
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            row = json.loads(line.decode("utf-8", "replace"), parse_constant=str)
        except ValueError:
            return None
    return row if isinstance(row, dict) else None


def lines_of(response: Response) -> Iterator[bytes]:
    """Read the lines of a body that are not blank, stripped."""
    rest = b""
    for chunk in response.iter_content(CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, map(bytes.strip, lines))
    if rest := rest.strip():
        yield rest


def is_error_report(value: Any) -> bool:
    """Return True for what the API says of an error: `{"msg": "…", "code": "GenericError"}`."""
    names = set(value) if isinstance(value, dict) else set()
    return {"msg", "code"} <= names <= {"msg", "code", "params"} and value["code"] != "Success"


def in_batches(rows: Iterator[Any]) -> Iterator[Any]:
    """Yield rows, some read ahead: one by one, they wake the thread that prints."""
    while batch := list(itertools.islice(rows, ROWS_AT_A_TIME)):
        yield from batch


# ---- columns

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
Fitted = tuple[Any, bool]
"""A value in the type of its column, and whether all of it fits; inside arrays and objects, what does not is null."""


class Column(NamedTuple):
    """A column of a schema: the type it takes as it is, and the conversion of others."""

    as_is: type | None
    convert: Callable[[Any], Fitted]

    def fit(self, value: Any) -> Fitted:
        """Convert a value: `"17"` becomes `(17, True)` in a column of integers, and `"A-17"` `(None, False)`."""
        if value is None or type(value) is self.as_is:
            return value, True
        try:
            return self.convert(value)
        except CANNOT_CONVERT:
            return None, False


@dataclass
class SchemaColumnsNormalization(TypeTransformer):
    """Makes a record fit its schema; keys without a column, and values that do not fit theirs, go into `overflow`.

    What is only spelled otherwise finds its column: `device.id` as `device: {id}`, and vice versa.
    """

    overflow: str = "data"
    _schema: Json = field(init=False, default_factory=dict)

    def transform(self, record: Row, schema: Json) -> None:
        if schema is not self._schema:
            properties = {name: of for name, of in schema["properties"].items() if name != self.overflow}
            self._columns = {name: column_of(of) for name, of in properties.items()}
            self._as_is = {name: as_is for name, (as_is, _) in self._columns.items()}
            self._objects = {name for name, of in properties.items() if "object" in of["type"]}
            self._heads = {name.partition(".")[0] for name in properties if "." in name}
            self._schema = schema
        if misfits := self._take_misfits(record):
            respelled: Row = {}
            for name, value in list(misfits.items()):
                head, dot, tail = name.partition(".")
                if name in self._heads and isinstance(value, dict):
                    respelled.update((f"{name}.{inner}", item) for inner, item in misfits.pop(name).items())
                elif dot and head in self._objects:
                    there = respelled.get(head) or record.get(head) or {}
                    respelled[head] = {**there, tail: misfits.pop(name)}
            misfits.update(self._take_misfits(respelled))
            record.update(respelled)
            if misfits and self.overflow:
                record[self.overflow] = misfits

    def _take_misfits(self, record: Row) -> Row:
        """Fit the values of a record to their columns; take out and return those that have none or do not fit."""
        misfits: Row = {}
        takes = self._as_is.get
        for name, value in [(name, value) for name, value in record.items() if type(value) is not takes(name)]:
            column = self._columns.get(name)
            if column is None:
                misfits[name] = record.pop(name)
            elif value is not None:
                record[name], fits = column.fit(value)
                if not fits:
                    misfits[name] = value
                    if record[name] is None:
                        del record[name]
        return misfits


def column_of(schema: Json) -> Column:
    """Return the column for a property of a JSON schema with one type besides null."""
    declared = schema["type"]
    kind = declared if isinstance(declared, str) else next(name for name in declared if name != "null")
    if kind == "object" and schema.get("properties"):
        fields = {name: column_of(of) for name, of in schema["properties"].items()}
        return Column(None, lambda value: _fit_object(fields, _object(value)))
    if kind == "array" and schema.get("items"):
        items = column_of(schema["items"])
        return Column(None, lambda value: _fit_array(items, _require(list, value)))
    takes, convert = _PLAIN_COLUMNS["date-time" if schema.get("format") == "date-time" else kind]
    return Column(takes, lambda value: (convert(value), True))


def _fit_object(columns: Mapping[str, Column], value: Row) -> Fitted:
    fitted, whole = {**value}, True
    for name, item in value.items():
        if name in columns and type(item) is not columns[name].as_is:
            fitted[name], fits = columns[name].fit(item)
            whole = whole and fits
    return fitted, whole


def _fit_array(items: Column, value: list[Any]) -> Fitted:
    fitted = [items.fit(item) for item in value]
    return [item for item, _ in fitted], all(fits for _, fits in fitted)


def _require(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError("of another type")
    return value


def _object(value: Any) -> Row:
    """Return an object, also for text that holds one, as `transactionalData` does."""
    return cast(Row, _require(dict, parse_line(value.encode()) if isinstance(value, str) else value))


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(_require((int, float), value))


def _number(value: Any) -> Any:
    number = _require((int, float), number_in(value) if isinstance(value, str) else value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _integer(value: Any) -> int:
    number = _number(value)
    return int(number) if number == int(number) else cast(int, _require(int, number))


_PLAIN_COLUMNS: Mapping[str, tuple[type, Callable[[Any], Any]]] = {
    "date-time": (Timestamp, format_timestamp),
    "string": (str, _text),
    "integer": (int, _integer),
    "number": (int, _number),
    "boolean": (bool, lambda value: {"true": True, "false": False}[value.lower()]),
    "object": (dict, _object),
    "array": (list, lambda value: _require(list, value)),
}


def number_in(text: str) -> Any:
    """Return the number that a text spells, else the text: `"1.5"` becomes 1.5; `007` stays."""
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("-").isdecimal() else float(text)


# ---- records


@dataclass
class JsonLinesExtractor(RecordExtractor):
    """Reads one JSON object a line; of a line that is none, its text as `unparsed_line`."""

    name: str

    def extract_records(self, response: Response) -> Iterator[Row]:
        is_export, unparsed = False, []
        for line in lines_of(response):
            if (row := parse_line(line)) is not None:
                is_export = True
                if row:  # `{}`: nothing
                    yield row
            else:
                unparsed.append(line.decode("utf-8", "replace"))
                is_export = is_export or line.startswith(b"{")
        if unparsed and not is_export:
            said = f"What came for stream {self.name} is no export: no line of it is JSON. The next sync asks again."
            raise failure(said, FailureType.system_error)
        if unparsed:
            LOGGER.warning(f"{self.name}: {len(unparsed):,} lines are not JSON, and kept as `unparsed_line`.")
            yield from ({"unparsed_line": line} for line in unparsed)


@dataclass
class ListMemberExtractor(RecordExtractor):
    """Reads the members of a list, one a line: `ana@example.com` has an `email`, `u-1` a `userId`."""

    def extract_records(self, response: Response) -> Iterator[Row]:
        for line in lines_of(response):
            identifier = line.decode("utf-8", "replace")
            row = {"identifier": identifier}
            if "@" not in identifier:
                row["userId"] = identifier
            elif re.fullmatch(r"[^@|]+@[^@]+\.[^@.]+", identifier):
                row["email"] = identifier
            yield row


@dataclass
class MetricsCsvExtractor(RecordExtractor):
    """Reads a CSV: columns in snake case, numbers as numbers, in `data` the line in the vendor's names.

    Lines alike in all of `variant_of` are told apart by `variant`: their `name`, a second one's with its number.
    """

    variant_of: list[str] = field(default_factory=list)

    def extract_records(self, response: Response) -> Iterator[Row]:
        lines = csv.reader(io.StringIO(response.content.decode("utf-8-sig", "replace"), newline=""))
        names = next(lines, [])
        seen: dict[str, int] = {}
        for cells in lines:
            line = {name: number_in(cell) for name, cell in zip(names, cells, strict=False) if name and cell.strip()}
            record = {snake_case(name): value for name, value in line.items()}
            if self.variant_of:
                variant = str(record.get("name", ""))
                key = json.dumps([variant, *(record.get(column) for column in self.variant_of)])
                number = seen[key] = seen.get(key, 0) + 1
                record["variant"] = variant if number == 1 else f"{variant} ({number})"
            if line:
                yield {**record, "data": line}


def snake_case(name: str) -> str:
    """Return a name in snake case: `Purchases / M (Email)` becomes `purchases_m_email`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).strip("_").lower()


@dataclass
class FieldPathsExtractor(RecordExtractor):
    """Reads the rows at each of `field_paths`, through arrays too; an empty path is the whole reply, JSON or text.

    Of a mapping, each name and value is one; so is a bare value, as `name_field`. `position_field` numbers them.
    """

    field_paths: list[list[str]]
    name_field: str = "name"
    value_field: str = ""
    position_field: str = ""

    def extract_records(self, response: Response) -> Iterator[Row]:
        try:
            body = response.json()
        except ValueError:
            body = response.content.decode("utf-8-sig", "replace")
        for position, row in enumerate(row for path in self.field_paths for row in self._rows(body, path)):
            yield {**row, self.position_field: position} if self.position_field else row

    def _rows(self, found: Any, path: list[str]) -> Iterator[Row]:
        if isinstance(found, list):
            for item in found:
                yield from [item] if isinstance(item, dict) and not path else self._rows(item, path)
        elif path:
            yield from self._rows(found.get(path[0]) if isinstance(found, dict) else None, path[1:])
        elif isinstance(found, dict):
            yield from ({self.name_field: name, self.value_field: value} for name, value in found.items())
        elif found not in (None, ""):
            yield {self.name_field: found}


class Window(NamedTuple):
    """A span of time: whole seconds, UTC, start inclusive, end exclusive."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, cursor_slice: Json) -> "Window":
        return cls(parse_timestamp(cursor_slice["start_time"]), parse_timestamp(cursor_slice["end_time"]))

    def __str__(self) -> str:
        return f"{self.start:%F %T} – {self.end:%F %T}"

    def to_slice(self) -> StreamSlice:
        span = {"start_time": self.start.isoformat(), "end_time": self.end.isoformat()}
        return StreamSlice(partition={}, cursor_slice=span)

    def days(self) -> Iterator[Json]:
        day = self.start
        while day < self.end:
            yield Window(day, day := day + timedelta(1)).to_slice().cursor_slice


@dataclass
class WindowBoundaryFilter(RecordFilter):
    """Leaves the rows of a window's end second to the next window, which starts with it.

    Rows dated elsewhere are kept: no other window may bring them.
    """

    name: str = ""
    cursor_field: str = ""

    def filter_records(self, records: Iterable[Any], *_: Any, **given: Any) -> Iterator[Json]:
        start, end = (moment.isoformat()[:19] for moment in Window.of(given["stream_slice"]))
        odd = 0
        for row in records:
            try:
                second = row[self.cursor_field] = format_timestamp(row.get(self.cursor_field))
            except CANNOT_CONVERT:
                second = Timestamp()
            if second[:19] == end:
                continue
            odd += not start <= second[:19] < end
            yield row
        if odd:
            where = f"{odd:,} rows of the window {start} – {end}"
            LOGGER.warning(f"{self.name}: {where} are kept, though their `{self.cursor_field}` is not in it.")


@dataclass
class RecordKeyTransformation(RecordTransformation):
    """Adds a key, the same whenever a row is read: the first of `id_fields` there is, else a hash of the row.

    An event of a type in `keyed_by_sender` is what its sender last said under its `id`.
    """

    name: str
    key_field: str
    id_fields: list[str] = field(default_factory=list)
    keyed_by_sender: list[str] = field(default_factory=list)

    def transform(self, record: Row, *_: Any, **__: Any) -> None:
        key = next(filter(None, map(record.get, self.id_fields)), None)
        if key is None:
            keyed: Row = record
            if record.get("id") and record.get("_type", self.name) in self.keyed_by_sender:
                keyed = {name: record.get(name) for name in ("id", "_type", "eventName", "email", "userId")}
            key = stable_hash(self.name, keyed)
        if self.key_field in record:
            record[f"row.{self.key_field}"] = record[self.key_field]
        record[self.key_field] = str(key)


def stable_hash(kind: str, row: Row) -> str:
    """Return 128 bits in hexadecimal over what Iterable does not rewrite of a row."""
    names = " ".join(row)
    if "itblInternal" in names or "eventUpdatedAt" in names:
        kept = (name for name in row if name != "eventUpdatedAt" and name.partition(".")[0] != "itblInternal")
        row = {name: row[name] for name in kept}
    try:
        text = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        text = json.dumps(row, sort_keys=True).encode()
    return blake2b(kind.encode() + b"\n" + text, digest_size=16).hexdigest()


@dataclass
class PartitionFieldsTransformation(RecordTransformation):
    """Adds to a record what its request asked for, and `extra_fields` of its parent."""

    extra_fields: Mapping[str, str] = field(default_factory=dict)

    def transform(self, record: Row, *_: Any, **given: Any) -> None:
        item = given["stream_slice"]
        record |= {name: value for name, value in item.partition.items() if name != "parent_slice"}
        record |= {name: item.extra_fields[of] for name, of in self.extra_fields.items()}


_CREDENTIAL = re.compile(
    r"(tokens?|secret|password|(api|access|private|routing)key|credentials?|auth(oriz|entic)ation)$|^(apn|expo)$"
)


@dataclass
class RedactionTransformation(RecordTransformation):
    """Takes out of a record, however deep, texts, lists and objects named like a credential."""

    name: str
    _taken_out: Iterator[int] = field(init=False, default_factory=lambda: itertools.count(1))

    def transform(self, record: Row, *_: Any, **__: Any) -> None:
        for name, value in list(record.items()):
            if isinstance(value, (str, list, dict)) and _CREDENTIAL.search(re.sub(r"[^a-z]", "", name.lower())):
                del record[name]
                if is_power_of_ten(number := next(self._taken_out)):
                    LOGGER.info(f"{self.name}: {number:,} fields named like a credential are taken out so far.")
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    self.transform(inner)


def is_power_of_ten(number: int) -> bool:
    return str(number).strip("0") == "1"


@dataclass
class UniquePartitionRouter(SubstreamPartitionRouter):
    """Makes one partition of each value."""

    def stream_slices(self) -> Iterable[StreamSlice]:
        seen = {""}
        for partition in super().stream_slices():
            value = next(iter(partition.partition.values()))
            if isinstance(value, str) and value not in seen:
                seen.add(value)
                yield partition


@dataclass
class EagerPartitionRouter(SubstreamPartitionRouter):
    """Repeats the last partition before a failure: the cursor looks one ahead, and drops a repeat."""

    def stream_slices(self) -> Iterable[StreamSlice]:
        partition = None
        try:
            for partition in super().stream_slices():
                yield partition
        except AirbyteTracedException:
            if partition:
                yield partition
            raise


@dataclass
class TimestampStateMigration(StateMigration):
    """Respells the timestamp of a saved state as the cursor reads it, in whole seconds."""

    name: str
    cursor_field: str

    def should_migrate(self, stream_state: Json) -> bool:
        return bool(stream_state)

    def migrate(self, stream_state: Json) -> Json:
        saved, now = stream_state.get(self.cursor_field), datetime.now(UTC).replace(microsecond=0)
        if saved is None:
            LOGGER.warning(f"{self.name}: the saved state has no `{self.cursor_field}`; all is read from `start_date`.")
            return {}
        try:
            moment = parse_timestamp(int(saved) if str(saved).isdecimal() else saved).replace(microsecond=0)
        except ValueError as error:
            raise failure(
                f"The saved state of stream {self.name} holds no timestamp in `{self.cursor_field}`: reset the stream, "
                "or correct it to one like 2026-03-24T11:55:00+00:00.",
                FailureType.config_error,
            ) from error
        if moment > now:
            LOGGER.warning(f"{self.name}: the saved state lies in the future, at {moment.isoformat()}; now is taken.")
        return {self.cursor_field: min(moment, now).isoformat()}


# ---- configuration

OLDEST_FRAMEWORK = "7.23.8"


def validate_config(config: Json) -> None:
    """Refuse what no sync can work with. Errors: config_error."""
    for key in filter(None, (config.get("api_key"), (config.get("courier") or {}).get("api_key"))):
        # As it is sent, and as the Builder repeats it.
        add_to_secrets(str(key).strip())
        add_to_secrets(repr(key)[1:-1])
    for problem in _problems(config):
        raise failure(problem, FailureType.config_error)


def _problems(config: Json) -> Iterator[str]:
    release, courier = metadata.version("airbyte_cdk"), config.get("courier") or {}
    if Version(release) < Version(OLDEST_FRAMEWORK):
        yield f"This source needs airbyte-cdk {OLDEST_FRAMEWORK} or newer and runs on {release}: update what runs it."
    if not config.get("api_key") and not courier.get("api_key"):
        yield "No API key: fill in `api_key` to read Iterable, `courier.api_key` to read Courier, or both."
    if config.get("api_key") and not config.get("start_date"):
        yield "Fill in `start_date`: from when on to read, for example 2025-01-01T00:00:00Z."
    for prefix, section in (("", config), ("courier.", courier)):
        if not is_sendable(section.get("api_key") or ""):
            yield f"`{prefix}api_key` holds characters that no key has: copy it again."
        if section.get("start_date") and not is_past(section["start_date"]):
            yield f"`{prefix}start_date` must be a date in the past, spelled like YYYY-MM-DDTHH:mm:ssZ."
        if section.get("api_url") and not is_safe_address(section["api_url"]):
            yield f"`{prefix}api_url` must be an address that starts with https://, or http:// on this machine."


def is_sendable(key: Any) -> bool:
    return re.fullmatch(r"[!-~]*", str(key).strip()) is not None


def is_past(date: Any) -> bool:
    try:
        return parse_timestamp(date) <= datetime.now(UTC)
    except ValueError:
        return False


def is_safe_address(url: str) -> bool:
    """Return True for an address that a key may be sent to: https, or http on this machine."""
    try:
        parts = urlsplit(requests.Request("GET", url).prepare().url or "")
        return parts.port != 0 and (parts.scheme == "https" or is_loopback(url)) and not parts.query
    except (requests.RequestException, ValueError):
        return False


def is_loopback(url: str) -> bool:
    return re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", urlsplit(url).hostname or "") is not None


# ---- transport


@dataclass
class VendorAuthenticator(DeclarativeAuthenticator):
    """Sends the key at `key_path` of the configuration in a header; no redirect is followed, so none gets it.

    Each stream has one, built before anything is read: so every home validates here.
    """

    config: Json
    key_path: list[str]
    header: str
    prefix: str = ""

    def __post_init__(self) -> None:
        validate_config(self.config)

    @property
    def auth_header(self) -> str:
        return self.header

    @property
    def token(self) -> str:
        return self.prefix + str(functools.reduce(operator.getitem, self.key_path, self.config))

    def __call__(self, request: requests.PreparedRequest) -> Any:
        request.register_hook("response", _follow_no_redirect)  # type: ignore[no-untyped-call]
        return super().__call__(request)


def _follow_no_redirect(response: Response, **_options: Any) -> None:
    response.headers.pop("Location", None)


_EMAIL_ADDRESS = re.compile(r"[^\s\"<>(),;:]{1,320}(@|%40)[^\s\"'<>(),;:]{1,320}")
MARKUP = re.compile(r"(?s)<(script|style).*?</\1>|<[^<>]*>")


def redact(text: str, longest: int = 200) -> str:
    """Return a text short, without line ends, secrets, addresses: `No user ana@b.com` → `No user …`."""
    return _EMAIL_ADDRESS.sub("…", filter_secrets(" ".join(text.split())[:2000]))[:longest]


def vendor_message(response: Response) -> str:
    """Return the vendor's words about a failed request: its `msg` or `message`, else the text of the body."""
    try:
        body = response.json()
        said = str(body.get("msg") or body.get("message") or "") if isinstance(body, dict) else ""
    except requests.JSONDecodeError:
        said = MARKUP.sub(" ", response.text[:10_000])
    except requests.RequestException:
        said = ""
    return redact(said) or "no explanation given"


class ItemRefused(AirbyteTracedException):
    """The vendor says no about one item."""


class TransferBroken(Exception):  # noqa: N818 - no failure: a shorter window is tried
    """A reply that did not come whole."""


@dataclass
class VendorErrorHandler(DefaultErrorHandler):
    """Says by a table what an answer means.

    `answers` gives an `action` by status (`404`, `4xx`), with a word of the body (`500 GenericError`), by `timeout` or
    `silence`: `retry`; `split` (the window); `skip` or `ignore` (the item: the retriever is told, or not); `fail`, with
    a `remedy`. The longest entry that fits counts, from the request's answer number `after` on; before, it is retried.
    A good answer's `body` is `json`, `lines`, or a `stream`, not read here; any other one counts as a 502.
    """

    name: str = ""
    answers: Mapping[str, Json] = field(default_factory=dict)
    body: str = "json"
    max_time: int = 24 * 3600
    _ignored: Iterator[int] = field(init=False, default_factory=lambda: itertools.count(1))

    def interpret_response(self, response_or_exception: Response | Exception | None) -> ErrorResolution:
        answer, body = response_or_exception, ""
        if not isinstance(answer, Response):
            outcome = "timeout" if isinstance(answer, requests.ReadTimeout) else "silence"
            said = f"No answer for stream {self.name} ({type(answer).__name__}): the network, proxy or API is down"
        elif answer.status_code >= 300:
            outcome, body = str(answer.status_code), answer.text.replace(" ", "")
            problem = "had too many calls" if outcome == "429" else "failed"
            said = f"The API {problem} for stream {self.name}: HTTP {outcome}, “{vendor_message(answer)}”"
        elif self._is_data(answer):
            return ErrorResolution(ResponseAction.SUCCESS, None, None)
        else:
            answer.close()
            outcome, kind = "502", answer.headers.get("Content-Type") or "no type"
            what = f"What came for stream {self.name} is not the API's data (HTTP {answer.status_code}, {kind})"
            said = f"{what}: something between this machine and the API answers in its place"
        return self._resolve(outcome, body, said, getattr(answer, "request", None) or SimpleNamespace())

    def _resolve(self, outcome: str, body: str, said: str, request: Any) -> ErrorResolution:
        fitting = [entry for entry in self.answers if _fits(entry, outcome, body)]
        rule = self.answers[max(fitting, key=lambda entry: (len(entry), entry == outcome))]
        request.tries = getattr(request, "tries", 0) + 1
        action = rule["action"] if request.tries >= rule.get("after", 1) else "retry"
        if action == "retry":
            limited = ResponseAction.RATE_LIMITED if outcome == "429" else ResponseAction.RETRY
            return ErrorResolution(limited, FailureType.transient_error, f"{said}.")
        if action == "split":
            raise TransferBroken(said)
        refused = said.replace("The API failed for", "The API refused")
        if action == "ignore":
            if is_power_of_ten(number := next(self._ignored)):
                LOGGER.warning(f"{self.name}: {number:,} left out so far. {refused}.")
            return ErrorResolution(ResponseAction.IGNORE, None, f"{self.name}: {number} left out so far.")
        # FAIL logs address and body.
        if action == "skip":
            raise ItemRefused(None, f"{refused}: it is left out.", FailureType.config_error)
        raise failure(f"{refused}: {rule['remedy']}.", FailureType.config_error)

    def _is_data(self, response: Response) -> bool:
        if self.body == "stream" or response.status_code == 204:
            return "html" not in response.headers.get("Content-Type", "").lower()
        text = response.content if self.body == "json" else response.content[-9999:].rstrip().rpartition(b"\n")[2]
        try:
            return not is_error_report(json.loads(text))
        except ValueError:
            return self.body == "lines" and response.content[:64].lstrip()[:1] != b"<"


def _fits(entry: str, outcome: str, body: str) -> bool:
    status, _, word = entry.partition(" ")
    return status in (outcome, f"{outcome[0]}xx") and word in body


def backoff_seconds(attempt: int, shortest: float, longest: float) -> float:
    """Return the seconds to wait after an attempt: 20, 40, 80 … 400."""
    return min(longest, shortest * 2.0 ** (attempt - 1))


def retry_after(response: Any) -> float | None:
    """Return the whole seconds, an hour at most, that `Retry-After` asks for, or None."""
    header = response.headers.get("Retry-After", "").strip() if isinstance(response, Response) else ""
    return min(3600.0, float(header)) if header.isascii() and header.isdecimal() else None


@dataclass
class CappedBackoffStrategy(BackoffStrategy):
    """Waits as `Retry-After` asks, else twice as long each time; in seconds."""

    shortest: float = 20
    longest: float = 400

    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float:
        asked = retry_after(response_or_exception)
        seconds = backoff_seconds(attempt_count, self.shortest, self.longest) if asked is None else asked
        # The framework sleeps a second longer, and takes 0 for no answer.
        return max(seconds - 1, 0.001)


@dataclass
class EndingCursorPaginationStrategy(CursorPaginationStrategy):
    """Fails on a page that names itself as the next one."""

    name: str = ""

    def next_page_token(self, *positional: Any, **named: Any) -> Any:
        token = super().next_page_token(*positional, **named)
        if token is not None and token == named.get("last_page_token_value"):
            raise failure(f"A page of stream {self.name} names itself as the next one: its listing has no end.")
        return token


class BuilderPages:
    """Replies as pages of the Builder's test reads, which custom retrievers lack."""

    LIMIT = 5

    def __init__(self, stream: str) -> None:
        self._stream, self._shown = stream, 0

    def __call__(self, response: Response) -> Any:
        self._shown += 1
        return format_http_message(response, f"Request of {self._stream}", "A page of records", self._stream)

    def limit_reached(self) -> bool:
        return self._shown >= self.LIMIT

    def until_limit(self, parts: Iterable[Any]) -> Iterator[Any]:
        return itertools.takewhile(lambda _: not self.limit_reached(), parts)


HEARTBEAT_SECONDS = 60


@contextmanager
def heartbeat(title: str) -> Iterator[None]:
    over, began = threading.Event(), time.monotonic()

    def report() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            LOGGER.info(f"{title} for {time.monotonic() - began:.0f} s now.")

    threading.Thread(target=report, daemon=True).start()
    try:
        yield
    finally:
        over.set()


# ---- windows


SECOND = timedelta(seconds=1)
GOES_ON = "What came before is saved; the next sync goes on there."


class AdaptiveWindowSize:
    """The length of a stream's next window: at most twice the last one's, and shorter if that one was beyond an aim.

    A broken transfer halves it, six times in a row; then an hour, a minute and a second are tried. It leaves a ceiling
    that rises ever faster.
    """

    AIM_SECONDS = 60
    AIM_LINES = 1_000_000
    LONGEST = timedelta(days=180)
    HALVINGS = 6
    LAST_RESORTS = (timedelta(hours=1), timedelta(minutes=1), SECOND)

    def __init__(self, first: timedelta) -> None:
        self.length = first
        self._ceiling, self._rise, self._broken_in_a_row = self.LONGEST, 1.0, 0

    def succeeded(self, asked: timedelta, seconds: float, lines: int) -> None:
        self._broken_in_a_row = 0
        self._rise = min(2.0, self._rise * 1.01)
        self._ceiling = min(self.LONGEST, self._ceiling * self._rise)
        factor = min(2.0, self.AIM_SECONDS / max(seconds, 0.001), self.AIM_LINES / max(lines, 1))
        # A slow window is not cut below a minute, nor a broken one stretched to it.
        self.length = max(min(timedelta(minutes=1), asked), min(self._ceiling, asked * factor) // SECOND * SECOND)

    def broke(self, asked: timedelta) -> bool:
        """Shorten the window after one of `asked` length broke off; False when none is shorter."""
        self._broken_in_a_row += 1
        self._rise = 1.0
        self._ceiling = min(self._ceiling, asked * 0.75)
        if self._broken_in_a_row <= self.HALVINGS:
            self.length = max(asked / 2 // SECOND * SECOND, SECOND)
        else:
            self.length = next((resort for resort in self.LAST_RESORTS if resort < asked), asked)
        return self.length < asked


class WindowCopy:
    """The rows of a window in a private temporary file: `lines`, come in `seconds`."""

    def __init__(self) -> None:
        self.file = tempfile.SpooledTemporaryFile(max_size=8 << 20)  # noqa: SIM115
        self.lines, self.seconds = 0, 0.0

    def add(self, response: Response, whole_lines: bool = True) -> None:
        """Append a streamed reply as fast as it comes. Errors: TransferBroken, with nothing of the reply kept.

        `whole_lines`: a last line that is no JSON counts as one that was cut short.
        """
        first, began = self.file.tell(), time.monotonic()
        try:
            self.lines += self._append(response, whole_lines)
        except (requests.RequestException, OSError, TransferBroken) as broken:
            self.file.seek(first)
            self.file.truncate()
            if isinstance(broken, requests.RequestException):
                raise TransferBroken(f"the transfer broke off ({type(broken).__name__})") from broken
            raise TransferBroken(broken) from broken
        # `elapsed` does not count the wait for the budget.
        self.seconds += response.elapsed.total_seconds() + time.monotonic() - began

    def _append(self, response: Response, whole_lines: bool) -> int:
        lines, line_start = 0, self.file.tell()
        for chunk in response.iter_content(CHUNK_BYTES):
            lines += chunk.count(b"\n")
            if (newline := chunk.rstrip().rfind(b"\n")) >= 0:
                line_start = self.file.tell() + newline + 1
            self.file.write(chunk)
        self.file.seek(line_start)
        rest = self.file.read()
        row = parse_line(rest.rstrip().rpartition(b"\n")[2])
        if is_error_report(row):
            raise TransferBroken("the API reports an error in place of a row")
        if not rest or rest.endswith(b"\n"):
            return lines
        if row is None and whole_lines:
            raise TransferBroken("the reply ended inside a line")
        self.file.write(b"\n")
        return lines + 1

    def as_reply(self) -> Response:
        self.file.seek(0)
        reply = Response()
        reply.status_code, reply.raw = 200, self.file
        return reply


def save_state(cursor: ConcurrentCursor, stream: str, window: Window) -> None:
    finished = window.to_slice()
    cursor.observe(Record({cursor.cursor_field.cursor_field_key: finished["end_time"]}, stream, finished))
    cursor.close_partition(cast(Any, SimpleNamespace(to_slice=lambda: finished)))


# ---- export jobs

_JOBS_AT_ONCE = threading.BoundedSemaphore(4)


@dataclass
class ExportJobs:
    """Brings a window by an export job: no limit of four a minute, no long reply that may break off.

    An unknown state is taken for running. Addresses of files are signed: they get no key, expire, and are never logged.
    """

    stream: str
    starter: Requester
    requester: Requester
    log_formatter: Callable[[Response], Any]

    RESTARTS = 3
    DOWNLOADS = 10
    LONGEST_RUN, LONGEST_WAIT, TIMEOUTS = 86_400, 300, (60, 300)  # seconds
    ENDS = ("completed", "failed", "cancelled")

    def fetch(self, window: Window, copy: WindowCopy) -> None:
        with _JOBS_AT_ONCE:
            if not any(self._run(window, copy) for _ in range(1 + self.RESTARTS)):
                raise self._failure(f"for {window} failed {1 + self.RESTARTS} times")

    def _run(self, window: Window, copy: WindowCopy) -> bool:
        """Run one job; False when the vendor gave it up. One that nobody would fetch is called off."""
        reply = self.starter.send_request(stream_slice=window.to_slice(), log_formatter=self.log_formatter)
        started = cast(Response, reply)
        job, state, waited = str(started.json()["jobId"]), "", 0.0
        try:
            for attempt in itertools.count(1):
                state, _ = self._look(job)
                if state in self.ENDS:
                    break
                if waited > self.LONGEST_RUN:
                    raise self._failure(f"for {window} was not done after a day")
                wait = backoff_seconds(attempt, 1, self.LONGEST_WAIT)
                time.sleep(wait)
                waited += wait
            if state == "completed":
                self._download_all(job, copy)
            return state == "completed"
        finally:
            if state not in self.ENDS:
                address, key = urljoin(str(started.request.url), job), started.request.headers["Api-Key"]
                with suppress(requests.RequestException):
                    requests.delete(address, headers={"Api-Key": key}, timeout=self.TIMEOUTS, allow_redirects=False)

    def _look(self, job: str, after: str = "") -> tuple[str, dict[str, str]]:
        """Return a job's state and its files behind `after`: addresses by name."""
        reply = self.requester.send_request(
            stream_slice=StreamSlice(partition={"path_part": f"{job}/files"}, cursor_slice={}),
            request_params={"startAfter": after} if after else {},
            log_formatter=self.log_formatter,
        )
        said: Any = reply.json() if reply else {"jobState": "failed"}
        if said.get("exportTruncated"):
            raise TransferBroken("the vendor truncated the export")
        return str(said.get("jobState")).lower(), {file["file"]: file["url"] for file in said.get("files") or []}

    def _download_all(self, job: str, copy: WindowCopy) -> None:
        after = ""
        while files := self._look(job, after)[1]:
            for name in [*files]:
                for number in range(1, self.DOWNLOADS + 1):
                    # A last line that is no JSON may be cut short; at the last try it is a row.
                    problem = self._download(files[name], copy, whole_lines=number < self.DOWNLOADS)
                    if not problem:
                        break
                    time.sleep(backoff_seconds(number, 1, self.LONGEST_WAIT))
                    files |= self._look(job, after)[1]
                else:
                    raise self._failure(f"has a file that could not be had ({problem})")
            after = max(files)

    def _download(self, address: str, copy: WindowCopy, whole_lines: bool) -> str:
        """Append a file; return what went wrong, in words without its address."""
        try:
            with requests.get(address, stream=True, timeout=self.TIMEOUTS) as reply:
                if reply.ok:
                    copy.add(reply, whole_lines)
                return "" if reply.ok else f"HTTP {reply.status_code}"
        except TransferBroken as broken:
            return str(broken)
        except requests.RequestException as error:
            return type(error).__name__

    def _failure(self, problem: str) -> AirbyteTracedException:
        return failure(f"The export of stream {self.stream} {problem}. {GOES_ON}")


# ---- retrievers


@dataclass
class AdaptiveWindowRetriever(SimpleRetriever):
    """Reads an export slice as windows whose length follows how the last one went.

    A window is all or nothing: only one that came whole is emitted. The state moves to its end once its rows are out.
    """

    cursor: ConcurrentCursor | None = None
    first_window_days: int = 30
    job_starter: Requester | None = None
    job_requester: Requester | None = None

    def __post_init__(self, parameters: Json) -> None:
        super().__post_init__(parameters)
        self.log_formatter = self._pages = BuilderPages(self.name)
        # The factory makes only its own retrievers' requesters stream.
        self.requester.stream_response = True  # type: ignore[attr-defined]
        self._jobs = None
        if self.config.get("export_method") == "jobs" and self.job_starter and self.job_requester:
            self._jobs = ExportJobs(self.name, self.job_starter, self.job_requester, self.log_formatter)

    def read_records(self, records_schema: Json, stream_slice: StreamSlice | None = None) -> Iterable[Record]:
        start, end = Window.of(stream_slice or {})
        size = AdaptiveWindowSize(timedelta(days=self.first_window_days))
        while start < end and not self._pages.limit_reached():
            window = Window(start, min(end, start + size.length))
            copy = WindowCopy()
            with copy.file:
                try:
                    with heartbeat(f"{self.name}: waiting for {window}"):
                        self._fetch(window, copy)
                except TransferBroken as broken:
                    if not size.broke(window.end - window.start):
                        raise self._stuck(window, broken) from broken
                    LOGGER.info(f"{self.name}: {window}: {broken}; trying {size.length} at a time.")
                    continue
                except ItemRefused as refusal:
                    LOGGER.warning(f"{self.name}: nothing is read. {refusal.message}")
                    return
                records = self._parse_response(copy.as_reply(), records_schema, window.to_slice())
                # Without a slice: a row must never move the state.
                yield from in_batches(Record(record.data, self.name) for record in records)
            if self.cursor:
                save_state(self.cursor, self.name, window)
            LOGGER.info(f"{self.name}: {window} read, {copy.lines:,} lines in {copy.seconds:.1f} s.")
            size.succeeded(window.end - window.start, copy.seconds, copy.lines)
            start = window.end

    def _fetch(self, window: Window, copy: WindowCopy) -> None:
        if self._jobs:
            self._jobs.fetch(window, copy)
        elif response := self._fetch_next_page(window.to_slice()):
            with response:
                copy.add(response, whole_lines=window.end - window.start > SECOND)

    def _stuck(self, window: Window, broken: TransferBroken) -> AirbyteTracedException:
        return failure(
            f"Stream {self.name} could not be read beyond {window.start.isoformat()}: even a window of one second "
            f"broke off ({broken}). {GOES_ON} If that second holds more rows than a reply delivers, "
            "`export_method: jobs` can read it."
        )


@dataclass
class SequentialPartitionRetriever(SimpleRetriever):
    """Reads a stream's items, every combination of what `parents` list, as one partition; `items_at_once` together.

    An item that the vendor refuses is left out: a group, once its halves were; where `other_way` names a field, once
    it was refused, or empty, with that set, too. One that cannot be had fails the stream after others. Logs show
    `shown_field`; rows are `unique_field`. `by_day`, days are read and saved one by one.
    """

    parents: list[PartitionRouter] | None = None
    cursor: Cursor | None = None
    shown_field: str = ""
    other_way: str = ""
    unique_field: str = ""
    items_at_once: int = 1
    by_day: bool = False

    def __post_init__(self, parameters: Json) -> None:
        super().__post_init__(parameters)
        self.log_formatter = self._pages = BuilderPages(self.name)

    def read_records(self, records_schema: Json, stream_slice: StreamSlice | None = None) -> Iterable[Any]:
        span = stream_slice.cursor_slice if stream_slice else {}
        refused: list[str] = []
        failed: list[str] = []
        seen: set[Any] = set()
        with heartbeat(f"{self.name}: still reading"):
            for part in self._pages.until_limit(Window.of(span).days() if self.by_day else [span]):
                read = functools.partial(self._read, records_schema, part, refused, failed)
                for record in self._side_by_side(read):
                    if (key := record.data.get(self.unique_field)) is None or key not in seen:
                        seen.add(key)
                        yield record
                if isinstance(self.cursor, ConcurrentCursor) and not failed:
                    save_state(self.cursor, self.name, Window.of(part))
                if self.by_day:
                    LOGGER.info(f"{self.name}: {Window.of(part)} read.")
        if refused:
            LOGGER.warning(f"{self.name}: left out {len(refused):,} of its items; the first: {refused[0]}")
        if failed:
            count = f"Stream {self.name} lacks {len(failed):,} of its items"
            raise failure(f"{count}; all others were read, and the next sync asks again. The first: {failed[0]}")

    def _read(self, schema: Json, span: Json, refused: list[str], failed: list[str], item: Row) -> Iterator[Record]:
        shown = f"{self.shown_field} {item[self.shown_field]}: " if self.shown_field else ""
        record: Any = None
        refusal = ""
        try:
            rows = super().read_records(schema, StreamSlice(partition=item, cursor_slice=span))
            for record in in_batches(iter(rows)):
                yield Record(record.data, self.name)
        except ItemRefused as problem:
            refusal = f"{shown}{problem.message}"
        except AirbyteTracedException as problem:
            if problem.failure_type != FailureType.transient_error:
                raise
            failed.append(f"{shown}{problem.internal_message or problem.message}")
            return
        others = [] if record else self._other_ways(item, bool(refusal))
        for other in others:
            yield from self._read(schema, span, refused, failed, other)
        if refusal and not others and item.get(self.other_way, True):
            refused.append(refusal)

    def _side_by_side(self, read: Callable[[Row], Iterator[Record]]) -> Iterator[Record]:
        combinations = itertools.product(*(each.stream_slices() for each in self.parents or []))
        items = ({name: value for part in parts for name, value in part.partition.items()} for parts in combinations)
        shown = self._pages.until_limit(items)
        if self.items_at_once == 1:
            yield from itertools.chain.from_iterable(map(read, shown))
            return
        with ThreadPoolExecutor(self.items_at_once) as pool:
            while batch := [*itertools.islice(shown, self.items_at_once)]:
                yield from itertools.chain.from_iterable(pool.map(lambda item: list(read(item)), batch))

    def _other_ways(self, item: Row, refused: bool) -> list[Row]:
        """Return what to ask for instead: for `{"id": [1, 2]}`, each half."""
        for name, group in item.items():
            if refused and name != "parent_slice" and isinstance(group, list) and len(group) > 1:
                half = len(group) // 2
                return [{**item, name: group[:half]}, {**item, name: group[half:]}]
        return [{**item, self.other_way: refused}] if self.other_way and self.other_way not in item else []
