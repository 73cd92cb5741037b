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
from unit_tests.support.connector import Sync
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
    size = AdaptiveWindowSize(timedelta(seconds=seconds))
    size.broke(timedelta(seconds=seconds))
    asked = size.length
    size.succeeded(asked, seconds=0.1, lines=1)

    assert size.length <= 2 * asked
    assert size.length < timedelta(seconds=seconds) or seconds == 1


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (1618418942, "2021-04-14T16:49:02+00:00"),
        ("1618418942", "2021-04-14T16:49:02+00:00"),
        (1618418942000, "2021-04-14T16:49:02+00:00"),
        (10**17, None),
        (-(10**17), None),
        ("99999-01-01T00:00:00Z", None),
    ],
)
def test_a_number_for_a_date_is_seconds_or_milliseconds_and_beyond_the_calendar_it_stays_as_it_is(
    sandbox: Sandbox, sync: Syncing, number: Any, moment: str | None
) -> None:
    updated = "2026-03-01 00:00:00 +00:00"
    sandbox.iterable.users = [{"itblUserId": "i", "profileUpdatedAt": updated, "signupDate": number}]

    (record,) = sync("users").records["users"]

    assert record.get("signupDate") == moment
    assert record.get("data") == (None if moment else {"signupDate": number})


def test_one_odd_item_of_an_array_costs_that_value_and_nothing_is_lost(sandbox: Sandbox, sync: Syncing) -> None:
    items = [
        {"sku": "A", "price": "9.50", "quantity": 2, "categories": ["x"]},
        {"sku": "B", "price": 1, "quantity": 0.5, "categories": "y"},
    ]
    sandbox.iterable.add_events("purchase", [{"createdAt": "2026-03-01 00:00:00 +00:00", "shoppingCartItems": items}])

    (record,) = sync("purchase").records["purchase"]

    assert record["shoppingCartItems"] == [
        {"sku": "A", "price": 9.5, "quantity": 2, "categories": ["x"]},
        {"sku": "B", "price": 1, "quantity": None, "categories": None},
    ]
    assert record["data"] == {"shoppingCartItems": items}


@pytest.mark.parametrize(
    ("stream", "data_type", "keeps_key"),
    [
        ("purchase", "purchase", True),
        ("custom_event", "customEvent", True),
        ("events", "purchase", True),
        ("events", "customEvent", True),
        ("email_send", "emailSend", False),
        ("events", "emailSend", False),
    ],
)
def test_what_its_sender_changes_under_its_id_keeps_its_key(
    sandbox: Sandbox, sync: Syncing, stream: str, data_type: str, keeps_key: bool
) -> None:
    sandbox.iterable.lists, sandbox.iterable.list_members = [{"id": 1}], {1: ["ana@example.com"]}
    row = {"id": "o-1", "email": "ana@example.com", "createdAt": "2026-03-01 00:00:00 +00:00", "total": 1}
    changed = {**row, "total": 2, "createdAt": "2026-03-01 00:00:05 +00:00", "eventUpdatedAt": "2026-03-02 00:00:00Z"}
    without_id = {name: value for name, value in row.items() if name != "id"}
    keys = []
    for rows in ([row, without_id], [changed, {**without_id, "total": 2}], [{**row, "id": "o-2"}]):
        sandbox.iterable.events[data_type] = []
        sandbox.iterable.add_events(data_type, rows)
        keys += [record["event_id"] for record in sync(stream).records[stream]]

    assert len(keys) == 5
    assert len(set(keys)) == (4 if keeps_key else 5)


def test_variants_of_an_experiment_that_share_a_template_have_keys_of_their_own(
    sandbox: Sandbox, sync: Syncing, discovered: Sync
) -> None:
    sandbox.iterable.experiments = [{"id": 1}]
    sandbox.iterable.experiment_metrics = [
        {"Experiment ID": "1", "Template ID": "7", "Name": name, "Total Email Sends": str(number)}
        for number, name in enumerate(["Control", "B", "B", ""])
    ]
    found = {each["name"]: each for each in discovered.of_type("CATALOG")[0]["streams"]}
    (key,) = zip(*found["experiment_metrics"]["source_defined_primary_key"], strict=True)

    records = sync("experiment_metrics").records["experiment_metrics"]

    assert {tuple(row[column] for column in key): row["total_email_sends"] for row in records} == {
        (1, 7, "Control"): 0,
        (1, 7, "B"): 1,
        (1, 7, "B (2)"): 2,
        (1, 7, ""): 3,
    }
