"""Python hooks of the source: what the manifest has no word for.

| class | why not YAML |
|---|---|
| SchemaColumnsNormalization | the stock one moves no keys and reads no timestamps |
| JsonLinesExtractor | the stock decoder drops a line that it cannot parse |
| ListMemberExtractor | the stock decoder has emitted half of a reply that breaks off |
| MetricsCsvExtractor | the stock decoder yields texts, under names that it must know |
| FirstPathExtractor | the stock ones take texts for records and know no place |
| WindowBoundaryFilter | a template per row costs ten times the parsing |
| RecordKeyTransformation | the hash filter takes no object |
| PartitionFieldsTransformation | a template per row again, and members come by the million |
| RedactionTransformation | RemoveFields needs to be told each path |
| UniquePartitionRouter | the stock one repeats a value for each parent that holds it |
| TimestampStateMigration | a state in an unknown format ends the whole connector |
| VendorAuthenticator | the stock one gives a redirect the key; the specification takes no component of ours |
| VendorErrorHandler | filters drain streamed replies; addresses and bodies are logged |
| CappedBackoffStrategy | the stock exponential has no cap |
| EndingCursorPaginationStrategy | the stock one loops on a page that names itself as the next |
| AdaptiveWindowRetriever | steps are fixed; states come from rows, which unsorted exports lack |
| SequentialPartitionRetriever | each partition holds a worker; the first failure hides the rest |

The file follows the data: each section uses only what stands above it. A field `name` is the stream's, since the
framework hands every component the parameters of its stream.
"""

import csv
import functools
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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
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
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets, filter_secrets, get_secrets
from jsonschema import Draft7Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from packaging.version import Version
from requests import Response

LOGGER = logging.getLogger("airbyte")
Json = Mapping[str, Any]
Row = dict[str, Any]


def failure(kind: FailureType, sentence: str) -> AirbyteTracedException:
    """Return an error that says what happened, to which stream or field, and what to do."""
    return AirbyteTracedException(None, sentence, kind)


# ---- timestamps

_UTC_OFFSETS = frozenset({" +00:00", "+00:00", "Z", " +0000", "+0000", ""})
_TIMESTAMP = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)(?:[T ](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?:\.\d+)*)?"
    r"\s*(?P<offset>Z|UTC|[+-]\d\d:?\d\d)?"
)
CANNOT_CONVERT = (ValueError, TypeError, KeyError, AttributeError, OverflowError)


class Timestamp(str):
    """A timestamp in RFC 3339 whose `int()`, in milliseconds since 1970, saves the cursor a format for every row."""

    __slots__ = ()

    def __int__(self) -> int:
        return int(datetime.fromisoformat(self).timestamp() * 1000)


def format_timestamp(value: Any) -> Timestamp:
    """Spell a timestamp in RFC 3339 and UTC: `2026-03-02 09:15:04 +0000` becomes `2026-03-02T09:15:04+00:00`.

    Errors: ValueError for anything that `parse_timestamp` cannot read.
    """
    if isinstance(value, str) and value[19:] in _UTC_OFFSETS and value[7:8] == "-" and value[13:17:3] == "::":
        # The spelling of nearly every row: no regular expression, and the check below is one C call.
        spelled = f"{value[:10]}T{value[11:19]}+00:00"
        datetime.fromisoformat(spelled)
        return Timestamp(spelled)
    return Timestamp(parse_timestamp(value).isoformat())


def parse_timestamp(value: Any) -> datetime:
    """Read a timestamp in any spelling of the vendors, as an aware datetime in UTC.

    Takes `2026-03-02T09:15:04`, with a space, an offset or a fraction, the malformed `2025-12-19T22:43:34.134105.000Z`,
    epoch milliseconds, and ten digits of seconds. Errors: ValueError for anything else, and beyond the calendar.
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
        raise ValueError("not a timestamp of the calendar") from error


# ---- JSON lines

CHUNK_BYTES = 1 << 20
ROWS_AT_A_TIME = 2000


def parse_line(line: bytes) -> Row | None:
    """Read the JSON object on a line: `b'{"a": NaN}'` becomes `{"a": "NaN"}`; None when there is no such thing.

    An invalid byte is replaced; NaN and Infinity, which no destination takes for numbers, stay text.
    """
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            row = json.loads(line.decode("utf-8", "replace"), parse_constant=str)
        except ValueError:
            return None
    return row if isinstance(row, dict) else None


def blocks_of_lines(response: Response) -> Iterator[bytes]:
    """Read a body in blocks of whole lines."""
    rest = b""
    for chunk in response.iter_content(CHUNK_BYTES):
        block, newline, rest = (rest + chunk).rpartition(b"\n")
        yield block + newline
    yield rest


def is_error_report(value: Any) -> bool:
    """Return True for what the API says of an error, in place of a row: `{"msg": "…", "code": "GenericError"}`."""
    names = set(value) if isinstance(value, dict) else set()
    return {"msg", "code"} <= names <= {"msg", "code", "params"} and value["code"] != "Success"


def in_batches(rows: Iterator[Any]) -> Iterator[Any]:
    """Yield rows, some read ahead: one by one, they wake the thread that prints for each, which costs a seventh."""
    while batch := list(itertools.islice(rows, ROWS_AT_A_TIME)):
        yield from batch


# ---- columns

# A number as JSON spells it: no leading zeros, blanks or underscores.
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
Fitted = tuple[Any, bool]
"""A value in the type of its column, and whether all of it fits; inside an array or object, null is what does not."""


class Column(NamedTuple):
    """A column of a schema: the types it takes as they are, and the conversion of others (CANNOT_CONVERT: none)."""

    as_is: frozenset[type]
    convert: Callable[[Any], Fitted]

    def fit(self, value: Any) -> Fitted:
        """Convert a value: `"17"` becomes `(17, True)` in a column of integers, and `"A-17"` `(None, False)`."""
        if value is None or type(value) in self.as_is:
            return value, True
        try:
            return self.convert(value)
        except CANNOT_CONVERT:
            return None, False


@dataclass
class SchemaColumnsNormalization(TypeTransformer):
    """Makes a record fit its schema; keys without a column, and values that do not fit theirs, go into `overflow`.

    What is only spelled otherwise finds its column: `device.id` as `device: {id}`, and the other way round. Without an
    `overflow`, what does not fit is dropped: one of the columns holds all of the record already.
    """

    overflow: str = "data"
    _schema: Json = field(init=False, repr=False, default_factory=dict)
    _columns: dict[str, Column] = field(init=False, repr=False, default_factory=dict)

    def transform(self, record: Row, schema: Json) -> None:
        if schema is not self._schema:
            properties = {name: of for name, of in schema["properties"].items() if name != self.overflow}
            self._columns = {name: column_of(of) for name, of in properties.items()}
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
        """Convert the values of a record to their columns; take out and return those that have none or do not fit."""
        misfits: Row = {}
        for name, value in list(record.items()):
            column = self._columns.get(name)
            if column is None:
                misfits[name] = record.pop(name)
            elif value is not None and type(value) not in column.as_is:
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
        return Column(frozenset(), lambda value: _fit_object(fields, _object(value)))
    if kind == "array" and schema.get("items"):
        items = column_of(schema["items"])
        return Column(frozenset(), lambda value: _fit_array(items, _require(list, value)))
    takes, convert = _PLAIN_COLUMNS["date-time" if schema.get("format") == "date-time" else kind]
    return Column(frozenset({takes}), lambda value: (convert(value), True))


def _fit_object(columns: Mapping[str, Column], value: Row) -> Fitted:
    fitted = {name: columns[name].fit(item) if name in columns else (item, True) for name, item in value.items()}
    return {name: item for name, (item, _) in fitted.items()}, all(fits for _, fits in fitted.values())


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
    """Return the number that a text spells, else the text: `"1.5"` becomes 1.5; `NaN`, `007` and names stay text."""
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("-").isdecimal() else float(text)


# ---- records


@dataclass
class JsonLinesExtractor(RecordExtractor):
    """Reads one JSON object a line; a line that is none becomes a row that holds its text as `unparsed_line`.

    Errors: system_error when no line is a row or begins like one: it is somebody's page.
    """

    name: str

    def extract_records(self, response: Response) -> Iterator[Row]:
        is_export, unparsed = False, []
        for block in blocks_of_lines(response):
            for line in block.split(b"\n"):
                if (row := parse_line(line)) is not None:
                    is_export = True
                    if row:  # `{}` says that there is nothing
                        yield row
                elif line.strip():
                    unparsed.append(line.decode("utf-8", "replace"))
        if unparsed and not is_export and not any(line.lstrip().startswith("{") for line in unparsed):
            sentence = f"What came for stream {self.name} is no export: none of its {len(unparsed):,} lines is JSON."
            raise failure(
                FailureType.system_error, f"{sentence} The next sync asks again; if it fails, tell the vendor."
            )
        if unparsed:
            LOGGER.warning(f"{self.name}: {len(unparsed):,} lines are not JSON, and kept as `unparsed_line`.")
            yield from ({"unparsed_line": line} for line in unparsed)


@dataclass
class ListMemberExtractor(RecordExtractor):
    """Reads the members of a list, one a line: `ana@example.com` has an `email`, `u-1` a `userId`.

    What has an at sign and is no plain address, as `auth0|ana@example.com`, is an `identifier` only: nobody can tell.
    """

    def extract_records(self, response: Response) -> Iterator[Row]:
        for block in blocks_of_lines(response):
            # One line at a time: the list of a list of millions would be several times its size.
            for line in io.BytesIO(block):
                if identifier := line.decode("utf-8", "replace").strip():
                    row = {"identifier": identifier}
                    if "@" not in identifier:
                        row["userId"] = identifier
                    elif re.fullmatch(r"[^@|]+@[^@]+\.[^@.]+", identifier):
                        row["email"] = identifier
                    yield row


@dataclass
class MetricsCsvExtractor(RecordExtractor):
    """Reads a CSV of figures: columns in snake case, numbers as numbers, and in `data` the line in the vendor's names.

    Blank cells, and cells missing from a short line, are absent. Lines that agree in all of `variant_of` are told apart
    by `variant`: their `name`, and from the second one of that name on its number.
    """

    variant_of: list[str] = field(default_factory=list)

    def extract_records(self, response: Response) -> Iterator[Row]:
        lines = csv.reader(io.StringIO(response.content.decode("utf-8-sig", "replace"), newline=""))
        names = next(lines, [])
        seen: Counter[str] = Counter()
        for cells in lines:
            line = {name: number_in(cell) for name, cell in zip(names, cells, strict=False) if name and cell.strip()}
            record = {snake_case(name): value for name, value in line.items()}
            if self.variant_of:
                variant = str(record.get("name", ""))
                key = json.dumps([variant, *(record.get(column) for column in self.variant_of)])
                seen[key] += 1
                record["variant"] = variant if seen[key] == 1 else f"{variant} ({seen[key]})"
            if line:
                yield {**record, "data": line}


def snake_case(name: str) -> str:
    """Return a name in snake case: `Purchases / M (Email)` becomes `purchases_m_email`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).strip("_").lower()


@dataclass
class FirstPathExtractor(RecordExtractor):
    """Reads the rows at the first of `field_paths` that leads somewhere, where descriptions of the API disagree.

    Of a mapping, each name and value is a record; so is a bare value, as `name_field`. `position_field` numbers rows.
    """

    field_paths: list[list[str]]
    name_field: str = "name"
    value_field: str = ""
    position_field: str = ""

    def extract_records(self, response: Response) -> Iterator[Row]:
        body = response.json()
        found: Any = next((value for path in self.field_paths if (value := _value_at(body, path)) is not None), [])
        if isinstance(found, dict):
            found = [{self.name_field: name, self.value_field: value} for name, value in found.items()]
        for position, item in enumerate(found):
            row = item if isinstance(item, dict) else {self.name_field: item}
            yield {**row, self.position_field: position} if self.position_field else row


def _value_at(body: Any, path: list[str]) -> Any:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body


class Window(NamedTuple):
    """A span of time to ask an export for: whole seconds, UTC, start inclusive, end exclusive."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, cursor_slice: Json) -> "Window":
        return cls(parse_timestamp(cursor_slice["start_time"]), parse_timestamp(cursor_slice["end_time"]))

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M:%S} – {self.end:%Y-%m-%d %H:%M:%S}"

    def to_slice(self) -> StreamSlice:
        span = {"start_time": self.start.isoformat(), "end_time": self.end.isoformat()}
        return StreamSlice(partition={}, cursor_slice=span)


@dataclass
class WindowBoundaryFilter(RecordFilter):
    """Leaves the rows of a window's end second to the next window, which starts with it: all the de-duplication needed.

    Rows dated elsewhere are kept and reported: should the vendor select by another date, no other window brings them.
    The cursor field is respelled, so that a row has the same key however its time was spelled.
    """

    name: str = ""
    cursor_field: str = ""

    def filter_records(
        self, records: Iterable[Any], stream_state: Any, stream_slice: Any = None, next_page_token: Any = None
    ) -> Iterator[Json]:
        start, end = (moment.isoformat()[:19] for moment in Window.of(stream_slice))
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
            LOGGER.warning(
                f"{self.name}: {where} are kept, though their `{self.cursor_field}` is outside or unreadable."
            )


@dataclass
class RecordKeyTransformation(RecordTransformation):
    """Adds a key that is the same whenever a row is read: the first of `id_fields` there is, else a hash of the row.

    Iterable's events have no id: a message id is shared by all opens of a message. An event of a type in
    `keyed_by_sender` is what its sender last said under its `id`. A field of the row's by the key's name is kept as
    `row.<name>`.
    """

    name: str
    key_field: str
    id_fields: list[str] = field(default_factory=list)
    keyed_by_sender: list[str] = field(default_factory=list)

    def transform(self, record: Row, *_: Any, **__: Any) -> None:
        key = next((str(record[name]) for name in self.id_fields if record.get(name)), None)
        if key is None:
            keyed: Row = record
            if record.get("id") and record.get("_type", self.name) in self.keyed_by_sender:
                keyed = {name: record.get(name) for name in ("id", "_type", "eventName", "email", "userId")}
            key = stable_hash(self.name, keyed)
        if self.key_field in record:
            record[f"row.{self.key_field}"] = record[self.key_field]
        record[self.key_field] = key


def stable_hash(kind: str, row: Row) -> str:
    """Return 128 bits in hexadecimal over `kind` and the part of a row that Iterable does not rewrite later."""
    stable = {
        name: value
        for name, value in row.items()
        if name not in ("itblInternal", "eventUpdatedAt") and not name.startswith("itblInternal.")
    }
    try:
        text = orjson.dumps(stable, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # no valid Unicode, or an integer beyond 64 bits
        text = json.dumps(stable, sort_keys=True).encode()
    return blake2b(kind.encode() + b"\n" + text, digest_size=16).hexdigest()


@dataclass
class PartitionFieldsTransformation(RecordTransformation):
    """Adds to a record what its request asked for, and the `extra_fields` (by the name to add) of the parent."""

    extra_fields: Mapping[str, str] = field(default_factory=dict)

    def transform(self, record: Row, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        record.update((name, value) for name, value in stream_slice.partition.items() if name != "parent_slice")
        for name, passed_on in self.extra_fields.items():
            record[name] = stream_slice.extra_fields[passed_on]


_CREDENTIAL = re.compile(
    r"(tokens?|secret|password|apikey|accesskey|privatekey|routingkey|credentials?|authorization|authentication)$|"
    r"^(apn|expo)$"
)


@dataclass
class RedactionTransformation(RecordTransformation):
    """Takes out of a record, however deep, what is named like a credential and is no number or boolean.

    Courier's profiles and overrides hold device tokens and provider keys under names that it leaves open.
    """

    name: str
    _taken_out: Iterator[int] = field(init=False, repr=False, default_factory=lambda: itertools.count(1))

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
    """Makes a partition of each value that the parents hold, once, however many of them hold it."""

    def stream_slices(self) -> Iterable[StreamSlice]:
        seen = {None, ""}
        for partition in super().stream_slices():
            (value,) = (value for name, value in partition.partition.items() if name != "parent_slice")
            if value not in seen:
                seen.add(value)
                yield partition


@dataclass
class TimestampStateMigration(StateMigration):
    """Respells the timestamp of a saved state as the cursor reads it, in whole seconds: part of one is read again.

    Errors: config_error when the state holds no timestamp at all.
    """

    name: str
    cursor_field: str

    def should_migrate(self, stream_state: Json) -> bool:
        return bool(stream_state)

    def migrate(self, stream_state: Json) -> Json:
        saved = stream_state.get(self.cursor_field)
        if saved is None:
            LOGGER.warning(f"{self.name}: the saved state has no `{self.cursor_field}`; all is read from `start_date`.")
            return {}
        try:
            moment, now = (moment.replace(microsecond=0) for moment in (parse_timestamp(saved), datetime.now(UTC)))
        except ValueError as error:
            sentence = (
                f"The saved state of stream {self.name} holds no timestamp in `{self.cursor_field}`: reset the stream"
            )
            example = "or correct it to one like 2026-03-24T11:55:00+00:00"
            raise failure(FailureType.config_error, f"{sentence}, {example}.") from error
        if moment > now:
            LOGGER.warning(f"{self.name}: the saved state lies in the future, at {moment.isoformat()}; now is taken.")
        return {self.cursor_field: min(moment, now).isoformat()}


# ---- configuration

OLDEST_FRAMEWORK = "7.23.8"
_KINDS = {"boolean": "true or false", "integer": "a whole number", "array": "a list", "object": "an object"}


def validate_config(specification: Json, config: Json) -> None:
    """Refuse a configuration that no sync can work with, in one sentence that names the field. Errors: config_error."""
    release = metadata.version("airbyte_cdk")
    if Version(release) < Version(OLDEST_FRAMEWORK):
        sentence = (
            f"This source needs airbyte-cdk {OLDEST_FRAMEWORK} or newer and runs on {release}: update what runs it."
        )
        raise failure(FailureType.config_error, sentence)
    for secret in get_secrets(specification, config):
        # The framework masks what was written, blanks included; the Builder repeats a configuration as Python shows it.
        add_to_secrets(str(secret))
        add_to_secrets(repr(secret)[1:-1])
    for problem in (*config_problems(specification, config), *_missing(config)):
        raise failure(FailureType.config_error, problem)


def config_problems(specification: Json, config: Json) -> Iterator[str]:
    """Say what a specification forbids: `` `courier.region` must be US or EU. ``; no value is shown.

    Beyond JSON schema, a `date-time` is a date in the past, a `uri` an address that a key may be sent to, and an
    `airbyte_secret` can stand in a header.
    """
    for error in _Validator(specification, format_checker=_FORMATS).iter_errors(config):
        path = [str(name) for name in error.absolute_path]
        if error.validator == "required":
            path.append(error.message.split("'")[1])
            yield f"Fill in `{'.'.join(path)}`."
        elif error.validator == "airbyte_secret":
            yield f"`{'.'.join(path)}` holds characters that no key has: copy it again."
        else:
            yield f"`{'.'.join(path)}` must be {_wanted(error.schema)}."


def _wanted(schema: Json) -> str:
    """Return a schema in words: `{"type": "integer", "minimum": 0, "maximum": 9}` is "a whole number from 0 to 9"."""
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("format") == "uri":
        return "an address like https://host/path; plain http is for this machine only (http://127.0.0.1:…)"
    if schema.get("format") == "date-time":
        return f"a date in the past, spelled like {schema['pattern_descriptor']}"
    kind = _KINDS.get(schema["type"], "a number" if schema["type"] == "number" else "a text")
    if "exclusiveMinimum" in schema:
        return f"{kind} above {schema['exclusiveMinimum']}"
    return f"{kind} from {schema['minimum']} to {schema['maximum']}" if "maximum" in schema else kind


def _missing(config: Json) -> Iterator[str]:
    if not config.get("api_key") and not (config.get("courier") or {}).get("api_key"):
        yield "No API key: fill in `api_key` to read Iterable, `courier.api_key` to read Courier, or both."
    if config.get("api_key") and not config.get("start_date"):
        yield "Fill in `start_date`: from when on to read, for example 2025-01-01T00:00:00Z."


def _no_key(_validator: Any, is_secret: bool, value: Any, _schema: Json) -> Iterator[ValidationError]:
    if is_secret and isinstance(value, str) and not re.fullmatch(r"[!-~]*", value.strip()):
        yield ValidationError("no key")


_Validator: Any = extend(Draft7Validator, {"airbyte_secret": _no_key})  # type: ignore[no-untyped-call]
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_past(value: Any) -> bool:
    return not isinstance(value, str) or parse_timestamp(value) <= datetime.now(UTC)


@_FORMATS.checks("uri", raises=(requests.RequestException, ValueError))
def is_safe_address(address: Any) -> bool:
    """Return True for an address that a key may be sent to: https, or http on this machine, without a query."""
    if address == "":
        return True  # the form's word for none
    parts = urlsplit(requests.Request("GET", address).prepare().url or "")
    return parts.port != 0 and (parts.scheme == "https" or is_loopback(parts.hostname)) and not parts.query


def is_loopback(host: str | None) -> bool:
    """Return True for a host that is this machine: `localhost`, `127.0.0.1`, `::1`."""
    return re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", host or "") is not None


# ---- transport


@dataclass
class VendorAuthenticator(DeclarativeAuthenticator):
    """Sends the key at `key_path` of the configuration in a header; no redirect is followed, so none gets it.

    Each stream has one, built before anything is read: so this is where every home validates a configuration.
    """

    config: Json
    specification: Json
    key_path: list[str]
    header: str
    prefix: str = ""

    def __post_init__(self) -> None:
        validate_config(self.specification["schema"], self.config)

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


# Bounded, as is what they are searched in: without bounds a long text takes the square of its length.
_EMAIL_ADDRESS = re.compile(r"[^\s\"<>(),;:]{1,320}(@|%40)[^\s\"'<>(),;:]{1,320}")
MARKUP = re.compile(r"(?s)<(script|style).*?</\1>|<[^<>]*>")


def redact(text: str, longest: int = 200) -> str:
    """Return a text short, in one line, without secrets and addresses: `No user ana@example.com` → `No user …`."""
    # Before it is cut to its length: half a key would not be known for one.
    return _EMAIL_ADDRESS.sub("…", filter_secrets(" ".join(text.split())[:2000]))[:longest]


def vendor_message(response: Response) -> str:
    """Return the vendor's words about a failed request: its `msg` or `message`, else the text of the body."""
    try:
        body = response.json()
        said = str(body.get("msg") or body.get("message") or "") if isinstance(body, dict) else ""
    except requests.JSONDecodeError:
        said = MARKUP.sub(" ", response.text[:10_000])
    except requests.RequestException:  # the reply breaks off
        said = ""
    return redact(said) or "no explanation given"


class VendorRefusal(AirbyteTracedException):
    """The vendor says no, whatever the number of tries; `is_about_item`: about one item, not about the stream."""

    is_about_item = False


class TransferBroken(Exception):  # noqa: N818 - a shorter window is the answer to it, not a failure
    """A reply that did not come whole; `str()` says in what way."""


@dataclass
class VendorErrorHandler(DefaultErrorHandler):
    """Says by a table what an answer means.

    `answers` gives an `action` by status (`404`, `4xx`), by status and a word of the body (`500 GenericError`), by
    `timeout` or by `silence`: `retry`; `split` (the window); `skip` or `ignore` (the item: the retriever is told, or
    not); `fail`, with a `remedy`. The longest entry that fits counts, from the request's answer number `after` on;
    those before are retried. A good answer's `body` is `json`, `lines`, or a `stream`, which is not read here.
    Errors: config_error for a refusal; transient_error when the retries, of a day at most, are used up.
    """

    name: str = ""
    answers: Mapping[str, Json] = field(default_factory=dict)
    body: str = "json"
    max_time: int = 24 * 3600
    _ignored: Iterator[int] = field(init=False, repr=False, default_factory=lambda: itertools.count(1))

    def interpret_response(self, response_or_exception: Response | Exception | None) -> ErrorResolution:
        if not isinstance(response_or_exception, Response):
            error, kind = response_or_exception, type(response_or_exception).__name__
            where = "the proxy" if isinstance(error, requests.exceptions.ProxyError) else "the API"
            said = f"No answer for stream {self.name} ({kind}): the network or {where} is down"
            outcome = "timeout" if isinstance(error, requests.ReadTimeout) else "silence"
            return self._resolve(outcome, said, getattr(error, "request", None), f"no answer ({kind})")
        response, status = response_or_exception, response_or_exception.status_code
        if status >= 300:
            problem = "had too many calls" if status == 429 else "failed"
            said = f"The API {problem} for stream {self.name}: HTTP {status}, “{vendor_message(response)}”"
            return self._resolve(str(status), said, response.request, f"HTTP {status}", response.text)
        if self._is_data(response):
            return ErrorResolution(ResponseAction.SUCCESS, None, None)
        response.close()
        kind = response.headers.get("Content-Type") or "no type"
        said = f"What came for stream {self.name} is not the API's data (HTTP {status}, {kind})"
        return self._retry(f"{said}: something between this machine and the API answers in its place")

    def _resolve(self, outcome: str, said: str, request: Any, reason: str, body: str = "") -> ErrorResolution:
        entries = [
            entry
            for entry in self.answers
            if entry in (outcome, f"{outcome[0]}xx") or _is_said(entry, outcome, body.replace(" ", ""))
        ]
        answer = self.answers[max(entries, key=lambda entry: (len(entry), entry == outcome))]
        tries = getattr(request, "tries", 0) + 1
        if request is not None:
            request.tries = tries
        action = answer["action"] if tries >= answer.get("after", 1) else "retry"
        if action == "retry":
            return self._retry(said, ResponseAction.RATE_LIMITED if outcome == "429" else ResponseAction.RETRY)
        if action == "split":
            raise TransferBroken(f"{reason}, {tries} times" if tries > 1 else reason)
        refused = said.replace("The API failed for", "The API refused")
        if action == "ignore":
            number = next(self._ignored)
            if is_power_of_ten(number):
                LOGGER.warning(f"{self.name}: {number:,} left out so far. {refused}.")
            return ErrorResolution(ResponseAction.IGNORE, None, f"{self.name}: {number} left out so far.")
        # Raised here, not returned as FAIL, for which the framework would log the address and the body.
        refusal = VendorRefusal(
            reason, f"{refused}: {answer.get('remedy', 'it is left out')}.", FailureType.config_error
        )
        refusal.is_about_item = action == "skip"
        raise refusal

    def _retry(self, said: str, action: ResponseAction = ResponseAction.RETRY) -> ErrorResolution:
        return ErrorResolution(action, FailureType.transient_error, f"{said}.")

    def _is_data(self, response: Response) -> bool:
        """Return True unless the body is a proxy's page, cut short, or what the API says of an error."""
        if self.body == "stream":
            return "html" not in response.headers.get("Content-Type", "").lower()
        start = response.content[:64].lstrip()[:1]
        text = response.content if self.body == "json" else response.content[-9999:].rstrip().rpartition(b"\n")[2]
        try:
            return not is_error_report(json.loads(text))
        except ValueError:
            return not start or start not in (b"<" if self.body == "lines" else b"<{[")


def _is_said(entry: str, outcome: str, body: str) -> bool:
    status, _, word = entry.partition(" ")
    return status == outcome and word in body


def backoff_seconds(attempt: int, shortest: float, longest: float) -> float:
    """Return the seconds to wait after an attempt, counted from 1: 20, 40, 80 … 400."""
    return min(longest, shortest * 2.0 ** (attempt - 1))


def retry_after(response: Any) -> float | None:
    """Return the whole seconds, an hour at most, that a reply's `Retry-After` asks for; None without any."""
    header = response.headers.get("Retry-After", "").strip() if isinstance(response, Response) else ""
    return min(3600.0, float(header)) if header.isascii() and header.isdecimal() else None


@dataclass
class CappedBackoffStrategy(BackoffStrategy):
    """Waits as long as the vendor asks in `Retry-After`, else twice as long each time. Units: seconds."""

    shortest: float = 20
    longest: float = 400

    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float:
        asked = retry_after(response_or_exception)
        seconds = backoff_seconds(attempt_count, self.shortest, self.longest) if asked is None else asked
        # The framework sleeps a second longer than it is told, and takes 0 for no answer.
        return max(seconds - 1, 0.001)


@dataclass
class EndingCursorPaginationStrategy(CursorPaginationStrategy):
    """Follows cursors like its base; a page that names itself as the next one fails as transient_error."""

    name: str = ""

    def next_page_token(self, *positional: Any, **named: Any) -> Any:
        token = super().next_page_token(*positional, **named)
        if token is not None and token == named.get("last_page_token_value"):
            sentence = f"A page of stream {self.name} names itself as the next one, so its listing has no end."
            raise failure(
                FailureType.transient_error, f"{sentence} The next sync asks again; if it fails, tell the vendor."
            )
        return token


class BuilderPages:
    """Replies as pages for the Connector Builder, asked for in its test reads only: custom retrievers get none."""

    LIMIT = 5

    def __init__(self, stream: str) -> None:
        self._stream, self._is_test_read = stream, False

    def __call__(self, response: Response) -> Any:
        self._is_test_read = True
        return format_http_message(response, f"Request of {self._stream}", "A page of records", self._stream)

    def limit_reached(self, parts_read: int) -> bool:
        """Return True once a test read has seen what it may, of windows or of items."""
        return self._is_test_read and parts_read >= self.LIMIT


SECONDS_BETWEEN_HEARTBEATS = 60.0


@contextmanager
def heartbeat(title: str) -> Iterator[None]:
    """Log once a minute what is still awaited."""
    over, began = threading.Event(), time.monotonic()

    def report() -> None:
        while not over.wait(SECONDS_BETWEEN_HEARTBEATS):
            LOGGER.info(f"{title} for {time.monotonic() - began:.0f} s now.")

    threading.Thread(target=report, daemon=True).start()
    try:
        yield
    finally:
        over.set()


# ---- windows


class AdaptiveWindowSize:
    """The length of a stream's next window: at most twice the last one's, and shorter if that one was beyond an aim.

    A broken transfer halves it, six times in a row; then an hour, a minute and a second are tried, so that one dense
    spot never stops a stream for good. It leaves a ceiling that rises ever faster: history is not equally dense.
    Units: timedelta for lengths, seconds for `AIM_SECONDS`. A window of `AIM_LINES` is what a kill costs at most.
    """

    AIM_SECONDS = 60.0
    AIM_LINES = 1_000_000
    SHORTEST = timedelta(minutes=1)
    LONGEST = timedelta(days=180)
    HALVINGS = 6
    LAST_RESORTS = (timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
    CEILING_AFTER_BREAK = 0.75

    def __init__(self, first: timedelta) -> None:
        self.length = first
        self._ceiling, self._rise, self._broken_in_a_row = self.LONGEST, 1.0, 0

    def succeeded(self, asked: timedelta, seconds: float, lines: int) -> None:
        """Size the next window after one of `asked` length came in whole."""
        self._broken_in_a_row = 0
        self._rise = min(2.0, self._rise * 1.01)
        self._ceiling = min(self.LONGEST, self._ceiling * self._rise)
        factor = min(2.0, self.AIM_SECONDS / max(seconds, 0.001), self.AIM_LINES / max(lines, 1))
        # A slow window is not cut below a minute; one that broke at a minute is not stretched to it either.
        self.length = max(min(self.SHORTEST, asked), whole_seconds(min(self._ceiling, asked * factor)))

    def broke(self, asked: timedelta) -> bool:
        """Shorten the window after one of `asked` length broke off; False when nothing shorter is left to try."""
        self._broken_in_a_row += 1
        self._rise = 1.0
        self._ceiling = min(self._ceiling, asked * self.CEILING_AFTER_BREAK)
        if self._broken_in_a_row <= self.HALVINGS:
            self.length = max(whole_seconds(asked / 2), self.LAST_RESORTS[-1])
        else:
            self.length = next((resort for resort in self.LAST_RESORTS if resort < asked), asked)
        return self.length < asked


def whole_seconds(length: timedelta) -> timedelta:
    return timedelta(seconds=int(length.total_seconds()))


class WindowCopy:
    """The rows of a window on this machine, in a private temporary file: how many `lines`, in how many `seconds`."""

    def __init__(self) -> None:
        # Spooled: small replies touch no disk; large ones have no name there, so that a crash leaves nothing behind.
        self.file = tempfile.SpooledTemporaryFile(max_size=8 << 20)  # noqa: SIM115 — `close` closes it
        self.lines, self.seconds = 0, 0.0

    def add(self, response: Response, whole_lines: bool = True) -> None:
        """Append a streamed reply as fast as it comes.

        Errors: TransferBroken, with nothing of the reply kept, when it breaks off, the disk is full, or the last line
        is what the API says of an error or, if `whole_lines` are asked for, no JSON.
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
        # `elapsed` starts when the request leaves, not when it queues for its share of the budget.
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
        """Return the copy as a reply whose content it is."""
        self.file.seek(0)
        reply = Response()
        reply.status_code, reply.raw = 200, self.file
        return reply

    def close(self) -> None:
        self.file.close()


def save_state(cursor: ConcurrentCursor, stream: str, window: Window) -> None:
    """Move the state to a window's end and emit it, whatever the rows of the window were."""
    finished = window.to_slice()
    cursor.observe(Record({cursor.cursor_field.cursor_field_key: finished["end_time"]}, stream, finished))
    cursor.close_partition(cast(Any, SimpleNamespace(to_slice=lambda: finished)))


# ---- export jobs

# The limit is the organisation's, so all streams of the process share it.
_JOBS_AT_ONCE = threading.BoundedSemaphore(4)


@dataclass
class ExportJobs:
    """Brings a window by an asynchronous export job: no limit of four a minute, and no long reply that may break off.

    Only a completed job counts; a failed or cancelled one is started again; an unknown state is taken for running.
    AsyncRetriever cannot shorten a slice that the vendor truncates, nor fetch a file anew when its address expires.
    Units: seconds for waits. Addresses of files are signed: they are fetched without the key, and never logged.
    Errors: TransferBroken when the vendor truncates the export; transient_error.
    Source: https://api.iterable.com/api/docs (export, start and files), read 2026-11-22.
    """

    stream: str
    starter: Requester
    requester: Requester
    log_formatter: Callable[[Response], Any]

    RESTARTS = 3
    LONGEST_WAIT = 300.0
    LONGEST_RUN = 24 * 3600.0
    DOWNLOADS = 10
    TIMEOUTS = (60, 300)
    ENDS = ("completed", "failed", "cancelled")

    def fetch(self, window: Window, copy: WindowCopy) -> None:
        """Copy all rows of a window."""
        with _JOBS_AT_ONCE:
            if any(self._run(window, copy) for _ in range(1 + self.RESTARTS)):
                return
        raise self._failure(f"The export of stream {self.stream} for {window} failed {1 + self.RESTARTS} times")

    def _run(self, window: Window, copy: WindowCopy) -> bool:
        """Run one job; False when the vendor gave it up. One that nobody would fetch any more is called off."""
        reply = self.starter.send_request(stream_slice=window.to_slice(), log_formatter=self.log_formatter)
        started = cast(Response, reply)
        job, state, wait, waited = str(started.json()["jobId"]), "", 1.0, 0.0
        try:
            while waited < self.LONGEST_RUN:
                state, _ = self._look(job)
                if state == "completed":
                    self._download_all(job, copy)
                if state in self.ENDS:
                    LOGGER.info(f"{self.stream}: {window}: job {job} {state}.")
                    return state == "completed"
                time.sleep(wait)
                wait, waited = min(self.LONGEST_WAIT, 2 * wait), waited + wait
        finally:
            if state not in self.ENDS:
                address, key = urljoin(str(started.request.url), job), started.request.headers["Api-Key"]
                with suppress(requests.RequestException):
                    requests.delete(address, headers={"Api-Key": key}, timeout=self.TIMEOUTS, allow_redirects=False)
        raise self._failure(f"The export job of stream {self.stream} for {window} was not done after a day")

    def _look(self, job: str, after: str = "") -> tuple[str, dict[str, str]]:
        """Return a job's state and the addresses of its files behind `after`, by name, in order."""
        reply = self.requester.send_request(
            stream_slice=StreamSlice(partition={"path_part": f"{job}/files"}, cursor_slice={}),
            request_params={"startAfter": after} if after else {},
            log_formatter=self.log_formatter,
        )
        if not reply:
            return "failed", {}  # the vendor knows the job no more
        said = reply.json()
        if said.get("exportTruncated"):
            raise TransferBroken("the vendor truncated the export")
        return str(said.get("jobState")).lower(), {file["file"]: file["url"] for file in said.get("files") or []}

    def _download_all(self, job: str, copy: WindowCopy) -> None:
        after = ""
        while files := self._look(job, after)[1]:
            for name, address in files.items():
                self._download(job, after, name, address, copy)
            after = max(files)

    def _download(self, job: str, after: str, name: str, address: str, copy: WindowCopy) -> None:
        """Append a file; one that breaks off or whose address has expired is asked for again by the same page."""
        problem: object = ""
        for number in range(1, self.DOWNLOADS + 1):
            try:
                with requests.get(address, stream=True, timeout=self.TIMEOUTS) as reply:
                    if reply.ok:
                        # A last line that is no JSON may be cut short; after the last try it is a row.
                        copy.add(reply, whole_lines=number < self.DOWNLOADS)
                        return
                    problem = f"HTTP {reply.status_code}"
            except TransferBroken as broken:
                problem = broken
            except requests.RequestException as error:
                problem = type(error).__name__
            time.sleep(backoff_seconds(number, 1, self.LONGEST_WAIT))
            address = self._look(job, after)[1].get(name, address)
        raise self._failure(f"A file of the export of stream {self.stream} could not be had ({problem})")

    def _failure(self, sentence: str) -> AirbyteTracedException:
        saved = "What came before is saved; the next sync goes on there."
        return failure(FailureType.transient_error, f"{sentence}. {saved}")


# ---- retrievers


@dataclass
class AdaptiveWindowRetriever(SimpleRetriever):
    """Reads an export slice as windows whose length follows how the last one went.

    A window is all or nothing: it is copied to a private temporary file as fast as it comes, by one long reply or an
    export job, and only a complete one is emitted. The state moves to its end once its rows are out, if there are any.
    Errors: transient_error when the shortest window still breaks off.
    Source: https://api.iterable.com/api/docs (export, data.json), read 2026-11-22.
    """

    cursor: ConcurrentCursor | None = None
    first_window_days: int = 30
    job_starter: Requester | None = None
    job_requester: Requester | None = None

    def __post_init__(self, parameters: Json) -> None:
        super().__post_init__(parameters)
        self.log_formatter = self._pages = BuilderPages(self.name)
        # The factory makes only its own retrievers' requesters stream; without it a window would sit in memory.
        self.requester.stream_response = True  # type: ignore[attr-defined]
        self._jobs = None
        if self.config.get("export_method") == "jobs" and self.job_starter and self.job_requester:
            self._jobs = ExportJobs(self.name, self.job_starter, self.job_requester, self.log_formatter)

    def read_records(self, records_schema: Json, stream_slice: StreamSlice | None = None) -> Iterable[Record]:
        start, end = Window.of(stream_slice or {})
        size = AdaptiveWindowSize(timedelta(days=self.first_window_days))
        windows = 0
        while start < end and not self._pages.limit_reached(windows):
            window = Window(start, min(end, start + size.length))
            with closing(WindowCopy()) as copy:
                try:
                    with heartbeat(f"{self.name}: waiting for {window}"):
                        self._fetch(window, copy)
                except TransferBroken as broken:
                    self._shorten(size, window, broken)
                    continue
                except VendorRefusal as refusal:
                    if not refusal.is_about_item:
                        raise
                    LOGGER.warning(f"{self.name}: nothing is read. {refusal.message}")
                    return
                records = self._parse_response(copy.as_reply(), records_schema, window.to_slice())
                # Without a slice: a row must never move the state, which is a window's end and nothing else.
                yield from in_batches(Record(record.data, self.name) for record in records)
            if self.cursor:
                save_state(self.cursor, self.name, window)
            LOGGER.info(f"{self.name}: {window} read, {copy.lines:,} lines in {copy.seconds:.1f} s.")
            size.succeeded(window.end - window.start, copy.seconds, copy.lines)
            start = window.end
            windows += 1

    def _fetch(self, window: Window, copy: WindowCopy) -> None:
        """Bring all rows of a window onto this machine. Errors: TransferBroken when that breaks off."""
        if self._jobs:
            self._jobs.fetch(window, copy)
        elif response := self._fetch_next_page(window.to_slice()):
            with closing(response):
                copy.add(response, whole_lines=window.end - window.start > AdaptiveWindowSize.LAST_RESORTS[-1])

    def _shorten(self, size: AdaptiveWindowSize, window: Window, broken: TransferBroken) -> None:
        if not size.broke(window.end - window.start):
            raise failure(
                FailureType.transient_error,
                f"Stream {self.name} could not be read beyond {window.start.isoformat()}: even a window of one second "
                f"broke off ({broken}). What came before is saved; the next sync goes on there. If that second holds "
                "more rows than one reply delivers, `export_method: jobs` can read it.",
            ) from broken
        LOGGER.info(f"{self.name}: {window}: {broken}; trying {size.length} at a time.")


@dataclass
class SequentialPartitionRetriever(SimpleRetriever):
    """Reads a stream's items one after the other, as one partition: every combination of what the `parents` list.

    One bad item costs no other. One that the vendor refuses is left out, with a warning: a group, once its halves were
    refused; where `other_way` names a field, once it was refused with that set, too. What has no rows is asked for
    with it set as well: some vendors say so of what they do not know. One that cannot be had after all
    retries fails the stream after the others were read. Logs may show an item's `shown_field`. Of rows with one
    `unique_field` the first is kept. `items_at_once` are read side by side.
    Errors: transient_error with the number of items, and the first one's reason.
    """

    parents: list[PartitionRouter] | None = None
    cursor: Cursor | None = None
    shown_field: str = ""
    other_way: str = ""
    unique_field: str = ""
    items_at_once: int = 1

    def __post_init__(self, parameters: Json) -> None:
        super().__post_init__(parameters)
        self.log_formatter = self._pages = BuilderPages(self.name)

    def read_records(self, records_schema: Json, stream_slice: StreamSlice | None = None) -> Iterable[Any]:
        span = stream_slice.cursor_slice if stream_slice else {}
        refused: list[str] = []
        failed: list[str] = []

        def read(item: Row) -> Iterator[Record]:
            record, reason, is_refusal = None, None, True
            try:
                for record in self._read_item(records_schema, StreamSlice(partition=item, cursor_slice=span)):
                    yield record
            except AirbyteTracedException as problem:
                is_refusal = isinstance(problem, VendorRefusal) and problem.is_about_item
                if not is_refusal and problem.failure_type != FailureType.transient_error:
                    raise
                reason = (not is_refusal and problem.internal_message) or problem.message
            others = self._other_ways(item, bool(reason)) if is_refusal and not record else []
            for other in others:
                yield from read(other)
            if reason and not others and (item.get(self.other_way, True) or not is_refusal):
                shown = f"{self.shown_field} {item[self.shown_field]}: " if self.shown_field else ""
                (refused if is_refusal else failed).append(f"{shown}{reason}")

        with heartbeat(f"{self.name}: still reading"):
            yield from in_batches(self._unique(self._side_by_side(read)))
        if refused:
            LOGGER.warning(f"{self.name}: {len(refused):,} items are left out; the first: {refused[0]}")
        if failed:
            count = f"{len(failed):,} items of stream {self.name} could not be had"
            others = "all others were read, and the next sync asks again"
            raise failure(FailureType.transient_error, f"{count}; {others}. The first: {failed[0]}")
        if isinstance(self.cursor, ConcurrentCursor):
            save_state(self.cursor, self.name, Window.of(span))

    def _side_by_side(self, read: Callable[[Row], Iterator[Record]]) -> Iterator[Record]:
        combinations = itertools.product(*(router.stream_slices() for router in self.parents or []))
        items = (
            {name: value for part in parts for name, value in part.partition.items() if name != "parent_slice"}
            for parts in combinations
        )
        shown = itertools.takewhile(lambda numbered: not self._pages.limit_reached(numbered[0]), enumerate(items))
        if self.items_at_once == 1:
            yield from itertools.chain.from_iterable(read(item) for _, item in shown)
            return
        with ThreadPoolExecutor(self.items_at_once) as pool:
            while batch := [item for _, item in itertools.islice(shown, self.items_at_once)]:
                yield from itertools.chain.from_iterable(pool.map(lambda item: list(read(item)), batch))

    def _read_item(self, records_schema: Json, item: StreamSlice) -> Iterator[Record]:
        for record in super().read_records(records_schema, item):
            # Without a slice: a row must never move the state.
            yield Record(cast(Record, record).data, self.name)

    def _unique(self, records: Iterator[Record]) -> Iterator[Record]:
        seen: set[Any] = {None}
        for record in records:
            key = record.get(self.unique_field)
            if key is None or key not in seen:
                seen.add(key)
                yield record

    def _other_ways(self, item: Row, refused: bool) -> list[Row]:
        """Return what to ask for in place of an item: `{"id": [1]}` and `{"id": [2]}` for `{"id": [1, 2]}`."""
        for name, group in item.items():
            if refused and isinstance(group, list) and len(group) > 1:
                half = len(group) // 2
                return [{**item, name: group[:half]}, {**item, name: group[half:]}]
        return [{**item, self.other_way: refused}] if self.other_way and self.other_way not in item else []
