"""Exports: which rows come, when, and in which form."""

from __future__ import annotations

import json

import pytest

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


@pytest.mark.parametrize("start", ["2026-03-15 10:00:10", "2026-03-15 05:00:10 -05:00", "2026-03-15T10:00:10.900Z"])
def test_the_same_second_may_be_spelt_in_many_ways(empty, ask, start):
    empty.iterable.add_events("emailSend", sends(9, 10))
    answer = ask(empty, EXPORT, dataTypeName="emailSend", startDateTime=start)
    assert created(answer) == ["2026-03-15 10:00:10 +00:00"]


@pytest.mark.parametrize(
    ("query", "msg"),
    [
        (DAY, "Missing required parameter: dataTypeName"),
        ({"dataTypeName": "emailSent", **DAY}, "Invalid dataTypeName: emailSent"),
        (
            {"dataTypeName": "emailSend", "startDateTime": "2026-02-30 00:00:00"},
            "Invalid date time for startDateTime: 2026-02-30 00:00:00",
        ),
        ({"dataTypeName": "emailSend"}, "Missing required parameter: startDateTime"),
        (
            {"dataTypeName": "emailSend", **DAY, "endDateTime": "2026-03-14 00:00:00"},
            "endDateTime is before startDateTime",
        ),
    ],
)
def test_an_export_that_makes_no_sense_is_rejected_with_bad_params(empty, ask, query, msg):
    answer = ask(empty, EXPORT, **query)
    assert (answer.status, answer.json) == (400, {"msg": msg, "code": "BadParams", "params": None})


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
    old = {"email": "a@x.org", "profileUpdatedAt": "2026-03-14 08:00:00 +00:00"}
    other = {"email": "b@x.org", "profileUpdatedAt": "2026-03-15 08:00:00 +00:00"}
    new = {"email": "a@x.org", "profileUpdatedAt": "2026-03-15 09:00:00 +00:00"}
    empty.iterable.add_events("user", [old, other])
    empty.iterable.add_events("user", [new])

    answer = ask(empty, EXPORT, dataTypeName="user", **DAY)

    assert sorted(answer.rows, key=lambda row: row["email"]) == [new, other]
    assert len(empty.iterable.users) == 2


def test_a_long_export_breaks_off_after_the_rows_the_server_puts_up_with(empty, ask):
    empty.iterable.add_events("emailSend", sends(*range(5)))
    empty.iterable.cut_after_rows = 4
    with pytest.raises(BrokenOff):
        ask(empty, EXPORT, dataTypeName="emailSend", **DAY)
    empty.iterable.cut_after_rows = 5
    assert len(ask(empty, EXPORT, dataTypeName="emailSend", **DAY).rows) == 5


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

    email, push = ask(empty, USER_EVENTS, email="a@x.org").rows

    assert (email["_type"], push["_type"]) == ("emailSend", "pushOpen")
    assert email["itblInternal"] == {"documentCreatedAt": at, "documentUpdatedAt": at}
    assert push["itblInternal"] == {
        "documentCreatedAt": "2026-03-15 10:06:00 +00:00",
        "documentUpdatedAt": "2026-03-15 10:01:00 +00:00",
    }
    with_custom = ask(empty, USER_EVENTS, email="a@x.org", includeCustomEvents="true")
    assert [row["_type"] for row in with_custom.rows] == ["customEvent", "emailSend", "pushOpen"]
    assert ask(empty, USER_EVENTS).json["msg"] == "Either email or userId is required"
