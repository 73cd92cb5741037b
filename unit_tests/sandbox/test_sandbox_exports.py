"""Exports: which rows come, when, and in which form."""

from __future__ import annotations

import json

import pytest

from sandbox.iterable import data_types
from sandbox.iterable.events import between, event_of, shuffled
from sandbox.messages import BrokenOff

EXPORT = "/api/export/data.json"
USER_EVENTS = "/api/export/userEvents"
DAY = {"startDateTime": "2026-03-15 00:00:00", "endDateTime": "2026-03-16 00:00:00"}


def sends(*seconds: int) -> list[dict[str, object]]:
    return [{"createdAt": f"2026-03-15 10:00:{second:02} +00:00", "campaignId": second} for second in seconds]


def created(answer) -> list[str]:
    return sorted(row["createdAt"] for row in answer.rows)


def test_a_window_takes_its_first_second_and_leaves_its_last(empty, ask):
    empty.iterable.add_events("emailSend", sends(9, 10, 19, 20))
    window = {"startDateTime": "2026-03-15 10:00:10", "endDateTime": "2026-03-15 10:00:20"}

    answer = ask(empty, EXPORT, dataTypeName="emailSend", **window)

    assert created(answer) == ["2026-03-15 10:00:10 +00:00", "2026-03-15 10:00:19 +00:00"]
    assert (answer.status, answer.content_type) == (200, "text/plain; charset=utf-8")


def test_neighbouring_windows_share_no_row_and_lose_none_with_a_fraction_of_a_second(empty, ask):
    empty.iterable.add_events("emailSend", [{"createdAt": "2026-03-15T10:00:09.999Z"}])
    before = {"startDateTime": "2026-03-15 10:00:00", "endDateTime": "2026-03-15 10:00:10"}
    after = {"startDateTime": "2026-03-15 10:00:10", "endDateTime": "2026-03-15 10:00:20"}

    assert len(ask(empty, EXPORT, dataTypeName="emailSend", **before).rows) == 1
    assert len(ask(empty, EXPORT, dataTypeName="emailSend", **after).rows) == 0


@pytest.mark.parametrize(
    "start",
    [
        "2026-03-15 10:00:10",
        "2026-03-15 10:00:10 +00:00",
        "2026-03-15 10:00:10 +0000",
        "2026-03-15 11:00:10 +01:00",
        "2026-03-15 05:00:10 -05:00",
        "2026-03-15T10:00:10Z",
        "2026-03-15T10:00:10.900Z",
    ],
)
def test_the_same_second_may_be_spelt_in_many_ways(empty, ask, start):
    empty.iterable.add_events("emailSend", sends(9, 10))
    answer = ask(empty, EXPORT, dataTypeName="emailSend", startDateTime=start)
    assert created(answer) == ["2026-03-15 10:00:10 +00:00"]


@pytest.mark.parametrize(
    ("query", "msg"),
    [
        ({}, "Missing required parameter: dataTypeName"),
        ({"dataTypeName": "emailSent"}, "Invalid dataTypeName: emailSent"),
        ({"dataTypeName": "emailSend", "range": "Tomorrow"}, "Invalid value for range: Tomorrow"),
        (
            {"dataTypeName": "emailSend", "startDateTime": "2026-02-30 00:00:00"},
            "Invalid date time for startDateTime: 2026-02-30 00:00:00",
        ),
        (
            {"dataTypeName": "emailSend", "startDateTime": "2026-02-20"},
            "Invalid date time for startDateTime: expected yyyy-MM-dd HH:mm:ss [ZZ]",
        ),
        (
            {"dataTypeName": "emailSend", "endDateTime": "2026-02-20 00:00:00"},
            "endDateTime needs a startDateTime",
        ),
        (
            {
                "dataTypeName": "emailSend",
                "startDateTime": "2026-02-20 00:00:01",
                "endDateTime": "2026-02-20 00:00:00",
            },
            "endDateTime is before startDateTime",
        ),
        ({"dataTypeName": "emailSend", "campaignId": "x"}, "Parameter campaignId is not a number: x"),
    ],
)
def test_an_export_that_makes_no_sense_is_rejected_with_bad_params(empty, ask, query, msg):
    answer = ask(empty, EXPORT, **query)
    assert (answer.status, answer.json) == (400, {"msg": msg, "code": "BadParams", "params": None})


@pytest.mark.parametrize("name", ["emailUnSubscribe", "emailUnsubscribe", "EMAILUNSUBSCRIBE"])
def test_letter_case_does_not_matter_in_a_data_type(empty, ask, name):
    empty.iterable.add_events("emailUnsubscribe", sends(1))
    assert len(ask(empty, EXPORT, dataTypeName=name, **DAY).rows) == 1


def test_there_are_53_data_types():
    assert len(data_types.ALL) == len(set(data_types.ALL)) == 53


def test_an_empty_window_has_an_empty_body(empty, ask):
    answer = ask(empty, EXPORT, dataTypeName="emailSend", **DAY)
    assert (answer.status, answer.text) == (200, "")


@pytest.mark.parametrize(
    ("named", "days"),
    [
        ("Today", ["15"]),
        ("Yesterday", ["14"]),
        ("BeforeToday", ["13", "14"]),
        ("All", ["13", "14", "15"]),
        (None, ["15"]),
    ],
)
def test_a_range_is_made_of_utc_days(empty, ask, named, days):
    rows = [{"createdAt": f"2026-03-{day} 00:00:00 +00:00"} for day in (13, 14, 15)]
    empty.iterable.add_events("emailSend", rows)
    query = {"range": named} if named else {}
    answer = ask(empty, EXPORT, dataTypeName="emailSend", **query)
    assert [text[8:10] for text in created(answer)] == days


def test_fields_can_be_chosen_or_left_out_but_for_the_one_filtered_on(empty, ask):
    empty.iterable.add_events("emailSend", [{"createdAt": "2026-03-15 10:00:00 +00:00", "a": 1, "b": 2, "c": 3}])
    stamp = {"createdAt": "2026-03-15 10:00:00 +00:00"}

    def rows(**query):
        return ask(empty, EXPORT, dataTypeName="emailSend", **DAY, **query).rows

    assert rows(onlyFields="a,b") == [stamp | {"a": 1, "b": 2}]
    assert rows(onlyFields=["a", "c"]) == [stamp | {"a": 1, "c": 3}]
    assert rows(omitFields="a, createdAt") == [stamp | {"b": 2, "c": 3}]


def test_an_export_can_be_limited_to_a_campaign(empty, ask):
    empty.iterable.add_events("emailSend", sends(1, 2, 3))
    answer = ask(empty, EXPORT, dataTypeName="emailSend", campaignId=2, **DAY)
    assert [row["campaignId"] for row in answer.rows] == [2]


def test_a_row_is_not_there_before_it_happened(empty, ask, clock):
    empty.iterable.add_events("emailSend", [{"createdAt": "2026-03-15 12:00:01 +00:00"}])
    assert ask(empty, EXPORT, dataTypeName="emailSend", **DAY).rows == []
    clock.now += 1
    assert len(ask(empty, EXPORT, dataTypeName="emailSend", **DAY).rows) == 1


def test_a_row_is_not_there_before_it_is_indexed(empty, ask, clock):
    empty.iterable.add_events("emailSend", [{"createdAt": "2026-03-15 11:59:00 +00:00"}], indexed_after=90)
    clock.now += 29
    assert ask(empty, EXPORT, dataTypeName="emailSend", **DAY).rows == []
    clock.now += 1
    assert len(ask(empty, EXPORT, dataTypeName="emailSend", **DAY).rows) == 1


def test_profiles_are_exported_by_the_time_of_their_last_update(empty, ask):
    project = empty.iterable
    project.add_user({"email": "a@x.org", "profileUpdatedAt": "2026-03-14 08:00:00 +00:00", "plan": "free"})
    project.add_user({"email": "b@x.org", "profileUpdatedAt": "2026-03-15 08:00:00 +00:00"})
    project.add_user({"email": "a@x.org", "profileUpdatedAt": "2026-03-15 09:00:00 +00:00", "plan": "pro"})

    answer = ask(empty, EXPORT, dataTypeName="user", **DAY)

    assert sorted(answer.rows, key=lambda row: row["email"]) == [
        {"email": "a@x.org", "profileUpdatedAt": "2026-03-15 09:00:00 +00:00", "plan": "pro"},
        {"email": "b@x.org", "profileUpdatedAt": "2026-03-15 08:00:00 +00:00"},
    ]
    assert len(project.users) == 2


def test_assigning_users_replaces_them_all(empty):
    empty.iterable.add_user({"email": "a@x.org", "profileUpdatedAt": "2026-03-14 08:00:00 +00:00"})
    replacement = [{"email": "b@x.org", "profileUpdatedAt": "2026-03-15 08:00:00 +00:00"}]
    empty.iterable.users = replacement
    assert empty.iterable.users == replacement


def test_an_unknown_data_type_cannot_be_filled(empty):
    with pytest.raises(ValueError, match="Iterable has no data type 'emailSent'"):
        empty.iterable.add_events("emailSent", [])


def test_rows_added_later_are_held_by_time(empty):
    empty.iterable.add_events("emailSend", sends(5, 1))
    empty.iterable.add_events("emailSend", sends(3))
    assert [row["campaignId"] for row in empty.iterable.rows("emailSend")] == [1, 3, 5]


def test_a_long_export_breaks_off_after_the_rows_the_server_puts_up_with(empty, ask):
    empty.iterable.add_events("emailSend", sends(*range(5)))
    empty.iterable.cut_after_rows = 4
    with pytest.raises(BrokenOff):
        ask(empty, EXPORT, dataTypeName="emailSend", **DAY)
    empty.iterable.cut_after_rows = 5
    assert len(ask(empty, EXPORT, dataTypeName="emailSend", **DAY).rows) == 5


@pytest.mark.parametrize("size", [2, 3, 5, 10, 100])
def test_rows_come_complete_in_one_order_which_is_not_that_of_time(size):
    events = [event_of("emailSend", row) for row in sends(*range(min(size, 60)))]
    order = list(shuffled(events))
    assert order != events
    assert sorted(order, key=lambda event: event.at) == events
    assert list(shuffled(events)) == order


def test_events_of_a_window_are_found_by_time():
    events = [event_of("emailSend", row) for row in sends(1, 2, 2, 3)]
    start = events[0].at
    assert [event.row["campaignId"] for event in between(events, start + 1, start + 2)] == [2, 2]


def test_some_replies_lack_the_newline_after_the_last_line_and_always_the_same_ones(empty, ask):
    empty.iterable.add_events("emailSend", sends(0))
    windows = [
        {"startDateTime": f"2026-03-{day:02} 00:00:00", "endDateTime": "2026-03-16 00:00:00"} for day in range(1, 16)
    ]
    texts = [ask(empty, EXPORT, dataTypeName="emailSend", **window).text for window in windows]
    assert {text.removesuffix("\n") for text in texts} == {json.dumps(sends(0)[0], separators=(",", ":"))}
    assert 0 < sum(text.endswith("\n") for text in texts) < len(texts)
    assert texts == [ask(empty, EXPORT, dataTypeName="emailSend", **window).text for window in windows]


def test_user_events_are_all_events_of_one_user_with_their_type_and_nested_internals(empty, ask):
    at = "2026-03-15 10:00:00 +00:00"
    dotted = {"itblInternal.documentCreatedAt": "2026-03-15 10:06:00 +00:00"}
    empty.iterable.add_events(
        "emailSend", [{"email": "a@x.org", "createdAt": at}, {"email": "b@x.org", "createdAt": at}]
    )
    empty.iterable.add_events("pushOpen", [{"email": "a@x.org", "createdAt": at, **dotted}], indexed_after=60)
    empty.iterable.add_events("customEvent", [{"email": "a@x.org", "createdAt": at, "eventName": "signup"}])

    answer = ask(empty, USER_EVENTS, email="a@x.org")

    assert answer.rows == [
        {
            "email": "a@x.org",
            "createdAt": at,
            "_type": "emailSend",
            "itblInternal": {"documentCreatedAt": at, "documentUpdatedAt": at},
        },
        {
            "email": "a@x.org",
            "createdAt": at,
            "_type": "pushOpen",
            "itblInternal": {
                "documentCreatedAt": "2026-03-15 10:06:00 +00:00",
                "documentUpdatedAt": "2026-03-15 10:01:00 +00:00",
            },
        },
    ]
    with_custom = ask(empty, USER_EVENTS, email="a@x.org", includeCustomEvents="true")
    assert [row["_type"] for row in with_custom.rows] == ["emailSend", "pushOpen", "customEvent"]


def test_user_events_can_be_asked_for_by_user_id(empty, ask):
    empty.iterable.add_events("emailSend", [{"userId": "u-1", "createdAt": "2026-03-15 10:00:00 +00:00"}])
    assert len(ask(empty, USER_EVENTS, userId="u-1").rows) == 1
    assert ask(empty, USER_EVENTS, userId="u-2").text == ""
    assert ask(empty, USER_EVENTS).json["msg"] == "Either email or userId is required"
