"""Edge cases of the hooks, one table each: what goes in, what comes out."""

import io
import json
import math
import tracemalloc
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from components import (
    CHUNK_BYTES,
    AdaptiveWindowSize,
    FieldPathsExtractor,
    ListMemberExtractor,
    MetricsCsvExtractor,
    RecordKeyTransformation,
    SchemaColumnsNormalization,
    format_timestamp,
    parse_timestamp,
    retry_after,
    snake_case,
    stable_hash,
    vendor_message,
)

Row = dict[str, Any]


def reply(body: Any = b"", status: int = 200, headers: Mapping[str, str] | None = None) -> requests.Response:
    """A reply that has arrived; anything but bytes is sent as JSON."""
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers or {})
    response.raw = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    _ = response.content  # has arrived
    return response


# ------------------------------------------------------------------------------------------------ timestamps


@pytest.mark.parametrize(
    ("spelling", "spelled"),
    [
        # what exports send
        ("2026-03-02 09:15:04 +00:00", "2026-03-02T09:15:04+00:00"),
        ("2026-03-02 09:15:04 +0000", "2026-03-02T09:15:04+00:00"),
        ("2025-12-19T22:43:34.134105.000Z", "2025-12-19T22:43:34.134105+00:00"),
        # what listings send
        ("2026-03-02T09:15:04.000Z", "2026-03-02T09:15:04+00:00"),
        ("2026-03-02T09:15:04.250Z", "2026-03-02T09:15:04.250000+00:00"),
        (1772442904000, "2026-03-02T09:15:04+00:00"),
        (1772442904250, "2026-03-02T09:15:04.250000+00:00"),
        (1772442904250.0, "2026-03-02T09:15:04.250000+00:00"),
        (1772442904, "2026-03-02T09:15:04+00:00"),
        ("1772442904", "2026-03-02T09:15:04+00:00"),
        (0, "1970-01-01T00:00:00+00:00"),
        (-1, "1969-12-31T23:59:59.999000+00:00"),
        # what other writers make of them
        ("2026-03-02T09:15:04+00:00", "2026-03-02T09:15:04+00:00"),
        ("2026-03-02T09:15:04Z", "2026-03-02T09:15:04+00:00"),
        ("2026-03-02 09:15:04", "2026-03-02T09:15:04+00:00"),
        ("2026-03-02 09:15:04 UTC", "2026-03-02T09:15:04+00:00"),
        (" 2026-03-02 09:15:04 \n", "2026-03-02T09:15:04+00:00"),
        ("2026-03-02 09:15:04.123456789 +00:00", "2026-03-02T09:15:04.123456+00:00"),
        ("2026-03-02T14:45:04+05:30", "2026-03-02T09:15:04+00:00"),
        ("2026-03-01 23:15:04 -1000", "2026-03-02T09:15:04+00:00"),
        ("2026-03-02", "2026-03-02T00:00:00+00:00"),
        ("0001-01-01 00:00:00", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31 23:59:59 +00:00", "9999-12-31T23:59:59+00:00"),
    ],
    ids=repr,
)
def test_a_timestamp_in_any_spelling_leaves_as_rfc_3339_in_utc(spelling: Any, spelled: str) -> None:
    assert format_timestamp(spelling) == spelled
    assert parse_timestamp(spelling) == datetime.fromisoformat(spelled)
    assert parse_timestamp(spelling).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "0000-00-00",
        "0000-00-00 00:00:00",
        "2026-02-30",
        "2026-02-30 09:15:04 +00:00",
        "2026-13-01T00:00:00Z",
        "2026-03-02T24:00:00Z",
        "2026-12-31T23:59:60Z",  # a leap second, which datetime has no room for
        "2026-03-02T09:15:04+25:00",
        "2026-03-02T09:15:04,5Z",
        "2026-03-02T09:15:04+00:00Z",
        "2026-03-0209:15:04Z",
        "2026-03-02 9:15:04",
        "20260302T091504Z",
        None,
        True,
        math.nan,
        [],
        {},
    ],
    ids=repr,
)
def test_what_is_no_timestamp_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is shown to nobody
        format_timestamp(value)
    with pytest.raises(ValueError):  # noqa: PT011
        parse_timestamp(value)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from(["{:%Y-%m-%d %H:%M:%S} {}", "{:%Y-%m-%dT%H:%M:%S}{}", "{:%Y-%m-%d %H:%M:%S.%f} {}"]),
    st.integers(-14 * 60, 14 * 60),
)
def test_spelling_is_the_inverse_of_reading(moment: datetime, form: str, minutes_east: int) -> None:
    there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes_east)))
    spelling = form.format(there, there.isoformat()[-6:])
    expected = there if "%f" in form else there.replace(microsecond=0)

    assert parse_timestamp(spelling) == expected
    assert datetime.fromisoformat(format_timestamp(spelling)) == expected


# ---------------------------------------------------------------------------------------------------- keys

OPEN = {
    "email": "ana@example.com",
    "createdAt": "2026-03-02 09:20:41 +00:00",
    "messageId": "0f2b",
    "ip": "1.2.3.4",
}


@pytest.mark.parametrize(
    "same",
    [
        dict(reversed(OPEN.items())),
        {**OPEN, "itblInternal": {"documentCreatedAt": "2026-03-02 09:20:50 +00:00"}},
        {**OPEN, "itblInternal.documentUpdatedAt": "2026-03-09 00:00:00 +00:00"},
        {**OPEN, "eventUpdatedAt": "2026-03-09 00:00:00 +00:00"},
    ],
)
def test_a_row_that_is_read_again_has_the_key_it_had(same: Row) -> None:
    assert stable_hash("emailOpen", same) == stable_hash("emailOpen", OPEN)


@pytest.mark.parametrize(
    "other",
    [
        {**OPEN, "ip": "1.2.3.5"},
        {**OPEN, "ip": None},
        {**OPEN, "url": "https://example.com/a"},
        {**OPEN, "url": "https://example.com/b"},
        {**OPEN, "nested": {"a": 1, "b": 2}},
        {**OPEN, "nested": {"a": 1, "b": 3}},
        {**OPEN, "number": 1},
        {**OPEN, "number": "1"},
        {**OPEN, "number": True},
        {**OPEN, "number": 9007199254740993},
        {**OPEN, "number": 9007199254740992},
        {**OPEN, "number": 10**30},
        {**OPEN, "number": 10**30 + 1},
        {**OPEN, "number": math.inf, "big": 10**30},
        {**OPEN, "surrogate": "\ud83d"},
        {**OPEN, "": 0},
        {name: value for name, value in OPEN.items() if name != "ip"},
    ],
    ids=repr,
)
def test_rows_that_differ_in_one_field_have_keys_of_their_own(other: Row) -> None:
    assert stable_hash("emailOpen", other) != stable_hash("emailOpen", OPEN)


def test_twins_told_apart_by_one_field_have_keys_of_their_own() -> None:
    twins = [{**OPEN, "url": f"https://example.com/{number}"} for number in range(100)]

    assert len({stable_hash("emailClick", twin) for twin in twins}) == 100


def test_the_order_of_keys_matters_at_no_depth() -> None:
    one = {"a": {"b": 1, "c": [{"d": 2, "e": 3}]}}
    other = {"a": {"c": [{"e": 3, "d": 2}], "b": 1}}

    assert stable_hash("purchase", one) == stable_hash("purchase", other)
    assert stable_hash("purchase", {**one, "big": 10**30}) == stable_hash("purchase", {**other, "big": 10**30})


def test_a_key_never_changes_between_releases() -> None:
    row = OPEN | {"campaignId": 5551201, "isBot": False, "city": "大阪市"}
    RecordKeyTransformation(name="email_open", key_field="event_id").transform(row)

    assert row["event_id"] == "27e799cf71d8a5ae9c11e7ed90aeefe4"


def test_the_same_row_of_another_kind_has_another_key() -> None:
    assert stable_hash("emailOpen", OPEN) != stable_hash("emailClick", OPEN)


USER_KEY = RecordKeyTransformation(name="users", key_field="user_key", id_fields=["itblUserId", "email", "userId"])


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"itblUserId": "9d1c", "email": "ana@example.com", "userId": "u-1"}, "9d1c"),
        ({"email": "ana@example.com", "userId": "u-1"}, "ana@example.com"),
        ({"itblUserId": None, "email": "", "userId": "u-1"}, "u-1"),
        ({"userId": 17}, "17"),
    ],
)
def test_a_user_is_known_by_the_widest_id_there_is(row: Row, key: str) -> None:
    USER_KEY.transform(row)

    assert row["user_key"] == key


def test_a_user_without_any_id_is_known_by_the_profile() -> None:
    ana, leo = {"firstName": "Ana"}, {"firstName": "Leo"}
    for row in (ana, leo):
        USER_KEY.transform(row)

    assert ana["user_key"] != leo["user_key"]


# ------------------------------------------------------------------------------------------------- columns

INTEGER, NUMBER = {"type": ["null", "integer"]}, {"type": ["null", "number"]}
INSTANT = {"type": ["null", "string"], "format": "date-time"}
SCHEMA = {
    "properties": {
        "id": {"type": "integer"},
        "text": {"type": ["null", "string"]},
        "integer": INTEGER,
        "number": NUMBER,
        "boolean": {"type": ["null", "boolean"]},
        "instant": INSTANT,
        "object": {"type": ["null", "object"]},
        "array": {"type": ["null", "array"]},
        "integers": {"type": ["null", "array"], "items": INTEGER},
        "items": {
            "type": ["null", "array"],
            "items": {"type": ["null", "object"], "properties": {"price": NUMBER}},
        },
        "device": {"type": ["null", "object"], "properties": {"id": INTEGER, "seenAt": INSTANT}},
        "internal.domain": {"type": ["null", "string"]},
        "data": {"type": ["null", "object"]},
    }
}


def columns(row: Row, overflow: str = "data") -> Row:
    SchemaColumnsNormalization(overflow=overflow).transform(row, SCHEMA)
    return row


@pytest.mark.parametrize(
    ("column", "value", "fitted"),
    [
        ("id", 9007199254740993, 9007199254740993),
        ("id", "17", 17),
        ("text", "", ""),
        ("text", 17, "17"),
        ("text", 1.5, "1.5"),
        ("text", True, "true"),
        ("integer", "17", 17),
        ("integer", "-17", -17),
        ("integer", 17.0, 17),
        ("integer", "17.0", 17),
        ("integer", "9007199254740993", 9007199254740993),
        ("integer", 2**70, 2**70),
        ("number", 17, 17),
        ("number", 1.5, 1.5),
        ("number", "1.5", 1.5),
        ("boolean", True, True),
        ("boolean", "true", True),
        ("boolean", "False", False),
        ("instant", "2026-03-02 09:15:04 +00:00", "2026-03-02T09:15:04+00:00"),
        ("instant", 1772442904000, "2026-03-02T09:15:04+00:00"),
        ("object", {}, {}),
        ("object", {"a": [{"b": None}]}, {"a": [{"b": None}]}),
        ("object", '{"orderId":"A-17"}', {"orderId": "A-17"}),
        ("object", "{}", {}),
        ("object", '{"amount":12345678901234567890}', {"amount": 12345678901234567890}),
        ("array", [], []),
        ("array", [1, "a", None], [1, "a", None]),
        ("integers", [1, "2", 3.0, None], [1, 2, 3, None]),
        ("items", [{"price": "14.95", "own": 1}, None], [{"price": 14.95, "own": 1}, None]),
        (
            "device",
            {"id": "7", "seenAt": "2026-03-02 09:15:04"},
            {"id": 7, "seenAt": "2026-03-02T09:15:04+00:00"},
        ),
        ("device", {"id": None, "own": {"a": 1}}, {"id": None, "own": {"a": 1}}),
        ("device", '{"id":"7"}', {"id": 7}),
    ],
    ids=repr,
)
def test_a_value_takes_the_type_of_its_column(column: str, value: Any, fitted: Any) -> None:
    row = columns({column: value})

    assert row == {column: fitted}
    assert json.dumps(row) == json.dumps({column: fitted})


@pytest.mark.parametrize("column", [name for name in SCHEMA["properties"] if name != "data"])
def test_null_stays_null(column: str) -> None:
    assert columns({column: None}) == {column: None}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("text", ["a"]),
        ("text", {"a": 1}),
        ("integer", "A-17"),
        ("integer", ""),
        ("integer", 1.5),
        ("integer", "1.5"),
        ("integer", True),
        ("integer", [1]),
        ("number", "N/A"),
        ("number", "NaN"),
        ("number", math.inf),
        ("number", False),
        ("boolean", 1),
        ("boolean", "yes"),
        ("instant", "0000-00-00"),
        ("instant", "soon"),
        ("instant", 1e30),
        ("instant", True),
        ("object", ""),
        ("object", '{"broken": '),
        ("object", '"text"'),
        ("object", "null"),
        ("object", "[1]"),
        ("object", [1]),
        ("object", 17),
        ("array", "[1]"),
        ("array", {"0": 1}),
        ("device", []),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_is_kept_as_it_is_in_data(column: str, value: Any) -> None:
    assert columns({"id": 1, column: value}) == {"id": 1, "data": {column: value}}


@pytest.mark.parametrize(
    ("column", "value", "fitted"),
    [
        ("integers", ["a"], [None]),
        ("integers", [1, "a", "3"], [1, None, 3]),
        ("items", [{"price": "free", "own": 1}, {"price": "2"}], [{"price": None, "own": 1}, {"price": 2}]),
        ("items", [17], [None]),
        ("device", {"id": "A-7", "own": 1}, {"id": None, "own": 1}),
        ("device", {"id": "7", "seenAt": "soon"}, {"id": 7, "seenAt": None}),
    ],
    ids=repr,
)
def test_a_part_that_does_not_fit_costs_itself_alone_and_the_whole_is_kept_in_data(
    column: str, value: Any, fitted: Any
) -> None:
    assert columns({"id": 1, column: value}) == {"id": 1, column: fitted, "data": {column: value}}


@pytest.mark.parametrize(
    ("row", "fitted"),
    [
        ({"id": 1}, {"id": 1}),
        ({"id": 1, "own": 2}, {"id": 1, "data": {"own": 2}}),
        ({"id": 1, "own": None}, {"id": 1, "data": {"own": None}}),
        ({"id": 1, "": 0, "Own": 1, "own": 2}, {"id": 1, "data": {"": 0, "Own": 1, "own": 2}}),
        ({"id": 1, "data": {"plan": "pro"}}, {"id": 1, "data": {"data": {"plan": "pro"}}}),
        ({"id": 1, "data": "text"}, {"id": 1, "data": {"data": "text"}}),
        ({"id": 1, "data": None}, {"id": 1, "data": {"data": None}}),
        (
            {"own": 1, "data": {"data": 2}, "integer": "x"},
            {"data": {"own": 1, "data": {"data": 2}, "integer": "x"}},
        ),
        (
            {"id": 1, "integer ": 1, "text.": 2, ".text": 3},
            {"id": 1, "data": {"integer ": 1, "text.": 2, ".text": 3}},
        ),
    ],
    ids=repr,
)
def test_every_other_key_goes_into_data(row: Row, fitted: Row) -> None:
    assert columns(row) == fitted


@pytest.mark.parametrize(
    ("row", "fitted"),
    [
        ({"device.id": "7"}, {"device": {"id": 7}}),
        ({"device.id": 7, "device.own": 1}, {"device": {"id": 7, "own": 1}}),
        ({"device": {"id": 7}, "device.id": 7}, {"device": {"id": 7}}),
        ({"device": {"id": 7}, "device.own": 1}, {"device": {"id": 7, "own": 1}}),
        ({"device.id": "A-7"}, {"device": {"id": None}, "data": {"device": {"id": "A-7"}}}),
        ({"items.price": [1, 2], "items.own": [3]}, {"data": {"items.price": [1, 2], "items.own": [3]}}),
        ({"internal": {"domain": "a", "own": 1}}, {"internal.domain": "a", "data": {"internal.own": 1}}),
        ({"data.plan": "pro"}, {"data": {"data.plan": "pro"}}),
    ],
    ids=repr,
)
def test_nested_and_dotted_fields_end_in_the_same_column(row: Row, fitted: Row) -> None:
    assert columns(row) == fitted


def test_without_room_for_the_rest_data_is_a_column_like_any_other() -> None:
    row = {"id": "1", "own": 2, "number": "N/A", "data": {"id": 1, "own": 2, "number": "N/A"}}

    assert columns(row, overflow="") == {"id": 1, "data": {"id": 1, "own": 2, "number": "N/A"}}


def test_one_hook_serves_two_schemas_in_turn() -> None:
    hook = SchemaColumnsNormalization()
    rows = [{"a": "1"}, {"a": "1"}, {"a": "1"}]
    texts, integers = ({"properties": {"a": {"type": kind}}} for kind in ("string", "integer"))
    for row, schema in zip(rows, (texts, integers, texts), strict=True):
        hook.transform(row, schema)

    assert rows == [{"a": "1"}, {"a": 1}, {"a": "1"}]


# ---------------------------------------------------------------------------------------------- extractors


@pytest.mark.parametrize(
    ("body", "records"),
    [
        ({"params": {"names": ["a", "b"]}}, [{"name": "a"}, {"name": "b"}]),
        ({"names": [{"name": "a", "size": 1}]}, [{"name": "a", "size": 1}]),
        (
            {"names": {"email": "string", "": "long"}},
            [{"name": "email", "type": "string"}, {"name": "", "type": "long"}],
        ),
        ({"params": {"names": []}, "names": ["b"]}, [{"name": "b"}]),
        ({"params": {"names": {"a": "long"}}, "names": ["b", None]}, [{"name": "a", "type": "long"}, {"name": "b"}]),
        ({"params": [{"names": ["a"]}, {}, {"names": ["b"]}, "c"]}, [{"name": "a"}, {"name": "b"}]),
        ({"names": 7}, [{"name": 7}]),
        ({"params": {"names": None}, "names": ["b"]}, [{"name": "b"}]),
        ({"params": None, "names": ["b"]}, [{"name": "b"}]),
        ({"params": [], "names": []}, []),
        ({}, []),
        ([], []),
    ],
    ids=repr,
)
def test_named_values_are_found_wrapped_or_not_as_texts_or_as_objects(body: Any, records: list[Row]) -> None:
    hook = FieldPathsExtractor(field_paths=[["params", "names"], ["names"]], name_field="name", value_field="type")

    assert list(hook.extract_records(reply(body))) == records


@pytest.mark.parametrize(
    ("body", "records"),
    [(0, [{"size": 0}]), ("12", [{"size": "12"}]), (None, []), ([{"id": 1}], [{"id": 1}])],
)
def test_a_whole_reply_is_a_row(body: Any, records: list[Row]) -> None:
    assert list(FieldPathsExtractor(field_paths=[[]], name_field="size").extract_records(reply(body))) == records


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"", []),
        (b"\n\r\n \n", []),
        (b"ana@example.com\nu-1\n", ["ana@example.com", "u-1"]),
        (b"ana@example.com\r\nu-1", ["ana@example.com", "u-1"]),
        ("zoë@example.com\n大阪\n".encode(), ["zoë@example.com", "大阪"]),
        (b"a b\n\xff\n", ["a b", "\ufffd"]),
        ("line\u2028separator\n".encode(), ["line\u2028separator"]),
    ],
    ids=repr,
)
def test_a_line_is_a_value(body: bytes, values: list[str]) -> None:
    records = list(ListMemberExtractor().extract_records(reply(body)))

    assert [record["identifier"] for record in records] == values


@pytest.mark.slow
def test_the_lines_of_a_large_list_are_not_held_beside_it() -> None:
    reply_of_a_million = reply(b"person-1234567@example.com\n" * 1_000_000)
    tracemalloc.start()
    try:
        members = sum(1 for _ in ListMemberExtractor().extract_records(reply_of_a_million))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert members == 1_000_000
    assert peak < 8 * CHUNK_BYTES < len(reply_of_a_million.content) / 3


@pytest.mark.parametrize(
    ("identifier", "columns"),
    [
        ("ana@example.com", {"email": "ana@example.com"}),
        ("o'neil+x@mail.example.co.uk", {"email": "o'neil+x@mail.example.co.uk"}),
        ("u-1", {"userId": "u-1"}),
        ("17", {"userId": "17"}),
        ("null", {"userId": "null"}),
        ("auth0|ana@example.com", {}),
        ("crm@4711", {}),
        ("b@d@example.com", {}),
    ],
)
def test_a_member_is_an_address_or_an_id_only_where_its_form_leaves_no_doubt(identifier: str, columns: Row) -> None:
    assert list(ListMemberExtractor().extract_records(reply(identifier.encode()))) == [
        {"identifier": identifier, **columns}
    ]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("", []),
        ("id,\n", []),
        ("id,Revenue\n", []),
        ("id,Revenue\n17,1.5\n", [{"id": 17, "Revenue": 1.5}]),
        ("id,Revenue\r\n17,1.5", [{"id": 17, "Revenue": 1.5}]),
        ("\ufeffid,Revenue\n17,1.5\n", [{"id": 17, "Revenue": 1.5}]),
        ("id,A,B\n1,,2\n2,3,\n", [{"id": 1, "B": 2}, {"id": 2, "A": 3}]),
        ("id,A,B\n1\n2,3\n4,5,6,7\n", [{"id": 1}, {"id": 2, "A": 3}, {"id": 4, "A": 5, "B": 6}]),
        ("id,A,A\n1,2,3\n4,5,\n", [{"id": 1, "A": 3}, {"id": 4, "A": 5}]),
        ("id,A\n1,NaN\n2,N/A\n3,-\n", [{"id": 1, "A": "NaN"}, {"id": 2, "A": "N/A"}, {"id": 3, "A": "-"}]),
        ("id,A\n\n,\n1,2\n", [{"id": 1, "A": 2}]),
        ("id,A\n1,-2\n2,0.0\n3,1e3\n", [{"id": 1, "A": -2}, {"id": 2, "A": 0.0}, {"id": 3, "A": 1000.0}]),
        ('id,S\n1,"Save 5%, ""today""\nonly"\n', [{"id": 1, "S": 'Save 5%, "today"\nonly'}]),
        ("id,A\n12345678901234567890,1\n", [{"id": 12345678901234567890, "A": 1}]),
    ],
    ids=repr,
)
def test_a_table_of_figures_is_read_whatever_its_columns(body: str, lines: list[Row]) -> None:
    records = list(MetricsCsvExtractor().extract_records(reply(body.encode())))

    assert [record["data"] for record in records] == lines
    assert [{name: value for name, value in record.items() if name != "data"} for record in records] == [
        {snake_case(name): value for name, value in line.items()} for line in lines
    ]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("id", "id"),
        ("Campaign ID", "campaign_id"),
        ("Purchases / M (Email)", "purchases_m_email"),
        ("Total Email Opens (filtered)", "total_email_opens_filtered"),
        ("Total In-app Clicks", "total_in_app_clicks"),
        ("Total WebPush Holdout", "total_web_push_holdout"),
        ("Total SMS Sent", "total_sms_sent"),
        ("Unique Email Opens Or Clicks", "unique_email_opens_or_clicks"),
        ("Clicks / Opens", "clicks_opens"),
        ("  Revenue  ", "revenue"),
    ],
)
def test_a_columns_name_is_the_vendors_in_snake_case(name: str, column: str) -> None:
    assert snake_case(name) == column


# ------------------------------------------------------------------------------------------------ failures


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 60 ", 60.0),
        ("0", 0.0),
        ("7200", 3600.0),
        ("Sun, 15 Mar 2026 12:01:30 GMT", None),
        ("-7", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ],
    ids=repr,
)
def test_retry_after_is_whole_seconds_of_an_hour_at_most(header: str, seconds: float | None) -> None:
    assert retry_after(reply(status=429, headers={"Retry-After": header})) == seconds


@pytest.mark.parametrize("failure", [reply(status=429), requests.ConnectionError("reset"), None], ids=repr)
def test_without_the_header_nothing_is_asked(failure: Any) -> None:
    assert retry_after(failure) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"msg": "Invalid API key", "code": "BadApiKey", "params": {"ip": "203.0.113.7"}}, "Invalid API key"),
        ({"message": "Try later"}, "Try later"),
        ({"msg": "two\n  lines"}, "two lines"),
        ({"msg": ""}, "no explanation given"),
        ({"code": "GenericError"}, "no explanation given"),
        ([], "no explanation given"),
        (b"", "no explanation given"),
        (b"Rate limit exceeded. Please try again later.", "Rate limit exceeded. Please try again later."),
        (
            b"<html><head><title>Action not found</title><style>h1 {}</style></head>"
            b"<body><h1>Action not found</h1><script>alert(1)</script><p>For GET</p></body></html>",
            "Action not found Action not found For GET",
        ),
        ({"msg": "No user ana@example.com"}, "No user …"),
        ({"msg": "<ana+x@mail.example.co.uk>, leo@example.com: unknown"}, "<…>, …: unknown"),
        (b'{"broken": "ana@example.com', '{"broken": "…'),
        (b"x" * 500, "x" * 200),
    ],
    ids=repr,
)
def test_what_the_vendor_says_is_passed_on_short_and_without_markup_or_addresses(body: Any, said: str) -> None:
    assert vendor_message(reply(body, 400)) == said


# ------------------------------------------------------------------------------------------------- windows

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=seconds) for seconds in (1, 60, 3600, 86_400))


def ladder(first: timedelta) -> list[timedelta]:
    """The lengths tried, one after the other, when every one of them breaks off."""
    size = AdaptiveWindowSize(first)
    tried = [size.length]
    while size.broke(tried[-1]):
        tried.append(size.length)
    return tried


def test_a_window_that_keeps_breaking_is_halved_six_times_and_then_cut_to_an_hour_a_minute_a_second() -> None:
    halves = [30 * DAY / 2**times for times in range(7)]

    assert ladder(30 * DAY) == [*halves, HOUR, MINUTE, SECOND]


@given(st.integers(1, 180 * 86_400))
@settings(max_examples=100, deadline=None, database=None, derandomize=True)
def test_whatever_the_first_window_a_second_is_the_last_one_tried(seconds: int) -> None:
    tried = ladder(seconds * SECOND)

    assert tried[-1] == SECOND
    assert len(tried) <= 1 + AdaptiveWindowSize.HALVINGS + len(AdaptiveWindowSize.LAST_RESORTS)
    assert tried == sorted(tried, reverse=True)
    assert len(set(tried)) == len(tried)


came_in = st.tuples(st.floats(0, 1000), st.integers(0, 20_000_000))
outcomes = st.lists(came_in | st.none(), max_size=40)
"""The course of each window: seconds and lines; None when it broke off."""


@given(st.integers(60, 180 * 86_400), outcomes)
@settings(max_examples=300, deadline=None, database=None, derandomize=True)
def test_windows_stay_within_bounds_and_grow_slowly(seconds: int, outcomes: list[tuple[float, int] | None]) -> None:
    size = AdaptiveWindowSize(seconds * SECOND)
    broken = 0
    for outcome in outcomes:
        asked = size.length
        if outcome is None:
            broken += 1
            going_on = size.broke(asked)
            assert going_on == (asked > SECOND)
            assert size.length <= asked / 2 or broken > AdaptiveWindowSize.HALVINGS or asked == SECOND
            assert size.length < asked or not going_on
        else:
            broken = 0
            size.succeeded(asked, *outcome)
            assert min(MINUTE, asked) <= size.length <= 2 * asked
        assert SECOND <= size.length <= 180 * DAY
        assert size.length % SECOND == timedelta(0)


@given(st.integers(61, 180 * 86_400), st.integers(1, 9), came_in)
@settings(max_examples=300, deadline=None, database=None, derandomize=True)
def test_what_broke_off_is_not_asked_for_again_right_away(seconds: int, times: int, outcome: tuple[float, int]) -> None:
    size = AdaptiveWindowSize(seconds * SECOND)
    broken = []
    for _ in range(times):
        broken.append(size.length)
        if not size.broke(size.length):
            break

    size.succeeded(size.length, *outcome)

    assert size.length < min(broken) or min(broken) == SECOND


@pytest.mark.parametrize(
    ("seconds", "lines", "next_one"),
    [
        (0.1, 10, 60 * DAY),
        (30, 10, 60 * DAY),
        (60, 10, 30 * DAY),
        (120, 10, 15 * DAY),
        (1, 500_000, 60 * DAY),
        (1, 2_000_000, 15 * DAY),
        (600, 20_000_000, 36 * HOUR),
        (1e9, 1, MINUTE),
    ],
)
def test_the_next_window_aims_at_a_minute_and_a_million_lines(seconds: float, lines: int, next_one: timedelta) -> None:
    size = AdaptiveWindowSize(30 * DAY)
    size.succeeded(30 * DAY, seconds, lines)

    assert size.length == next_one
