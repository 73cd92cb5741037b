"""What vendors and customers really send now and then is neither lost nor changed, and fails nothing."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from components import (
    AdaptiveWindowSize,
    SchemaColumnsNormalization,
    format_timestamp,
    number_in,
    parse_line,
    retry_after,
    stable_hash,
    vendor_message,
)
from sandbox import Sandbox
from unit_tests.conftest import Syncing
from unit_tests.support.exports import DAY, rows_every
from unit_tests.test_rows import reply

NEW_YEAR = datetime(2026, 1, 1)


@pytest.mark.parametrize("key", ["a/b", "e?f", "g#h", "x%2Fy", "c d", "ü", "100%"])
def test_a_metadata_key_of_any_characters_brings_its_own_value(sandbox: Sandbox, sync: Syncing, key: str) -> None:
    items = [{"key": name, "size": 1, "lastModified": 1, "value": {"is": name}} for name in (key, "e", "g")]
    sandbox.iterable.metadata = {"t": items}

    synced = sync("metadata_items")

    assert {row["key"]: row["value"]["is"] for row in synced.records["metadata_items"]} == {
        name: name for name in (key, "e", "g")
    }


def test_a_field_named_like_our_key_is_kept(sandbox: Sandbox, sync: Syncing) -> None:
    rows = [{**row, "event_id": 1} for row in rows_every(DAY, start=NEW_YEAR, count=1)]
    sandbox.iterable.add_events("emailSend", rows)

    (record,) = sync("email_send").records["email_send"]

    assert record["data"] == {"row.event_id": 1}
    assert record["event_id"] == stable_hash(
        "email_send", {**rows[0], "createdAt": format_timestamp(rows[0]["createdAt"])}
    )


def test_a_row_has_one_key_however_its_time_is_spelled(sandbox: Sandbox, sync: Syncing) -> None:
    (row,) = rows_every(DAY, start=NEW_YEAR, count=1)
    spellings = [row["createdAt"], format_timestamp(row["createdAt"]), row["createdAt"].replace("+00:00", "+0000")]
    sandbox.iterable.add_events("emailSend", [{**row, "createdAt": spelling} for spelling in spellings])

    records = sync("email_send").records["email_send"]

    assert len(records) == 3
    assert len({record["event_id"] for record in records}) == 1


@pytest.mark.parametrize(
    ("cell", "value"),
    [("2024_05", "2024_05"), ("007", "007"), (" 7", " 7"), ("7", 7), ("-7.5", -7.5), ("1e3", 1000.0), ("NaN", "NaN")],
)
def test_only_what_json_takes_for_a_number_is_one(cell: str, value: Any) -> None:
    assert number_in(cell) == value


def test_a_nested_field_finds_its_dotted_column() -> None:
    record = {"itblInternal": {"domain": "nested", "own": 1}}

    SchemaColumnsNormalization().transform(
        record, {"properties": {"itblInternal.domain": {"type": ["null", "string"]}}}
    )

    assert record == {"itblInternal.domain": "nested", "data": {"itblInternal.own": 1}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551615", 18446744073709551615),
        ("9007199254740993", 9007199254740993),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
    ],
)
def test_a_number_no_destination_takes_stays_text_to_the_last_digit(text: str, value: Any) -> None:
    row = parse_line(f'{{"a": {text}}}'.encode())

    assert row == {"a": value}
    assert json.loads(json.dumps(row, allow_nan=False)) == row


@pytest.mark.parametrize(
    "value", ["2026-03-02T09:15", "2026-03-02 09", "2026-W10-1T09:15:00", 1e30, "0001-01-01T00:00:00+05:00"]
)
def test_what_is_no_timestamp_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"timestamp|Invalid|isoformat"):
        format_timestamp(value)


def test_an_odd_retry_after_is_no_answer() -> None:
    assert retry_after(reply(status=429, headers={"Retry-After": "²"})) is None


@pytest.mark.parametrize("address", ["ana%40example.com", "o'neil@example.com"])
def test_no_address_is_passed_on(address: str) -> None:
    assert vendor_message(reply(f"unknown user {address}".encode(), status=400)) == "unknown user …"


def test_twins_that_differ_in_a_field_that_only_looks_like_iterables_own_are_two() -> None:
    assert stable_hash("x", {"itblInternalNote": 1}) != stable_hash("x", {"itblInternalNote": 2})


@pytest.mark.parametrize("seconds", [1, 2, 30, 60])
def test_a_short_window_that_broke_is_not_stretched_again_right_away(seconds: int) -> None:
    pace = AdaptiveWindowSize(timedelta(seconds=seconds))
    pace.broke(timedelta(seconds=seconds))
    asked = pace.length
    pace.succeeded(asked, seconds=0.1, lines=1)

    assert pace.length <= 2 * asked
    assert pace.length < timedelta(seconds=seconds) or seconds == 1
