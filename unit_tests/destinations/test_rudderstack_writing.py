"""destination-rudderstack against the sandbox: which events a row becomes, and how batches leave."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from destinations.rows import Rejected, Row
from destinations.rudderstack import mapping
from destinations.rudderstack.mapping import EventMapper, Moment, message_id
from destinations.values import encoded, rfc3339
from sandbox import Sandbox
from sandbox.faults import Answer, Fault, Reset
from unit_tests.destinations.conftest import Writing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.destination import record, records, state

SECOND = 1000
ENQUEUED = 1_700_000_000_000
MESSAGE = {
    "id": "1-65535a80-0a1b2c3d4e5f60718293a4b5", "status": "CLICKED", "enqueued": ENQUEUED, "sent": ENQUEUED + SECOND,
    "delivered": ENQUEUED + 2 * SECOND, "opened": ENQUEUED + 3 * SECOND, "clicked": ENQUEUED + 4 * SECOND + 5,
    "recipient": "ada@example.com", "recipientId": "ada", "event": "ORDER_SHIPPED", "error": None,
}  # fmt: skip
ID = MESSAGE["id"]
LIBRARY = mapping.LIBRARY


def message(number: int, status: str = "SENT", **columns: Any) -> dict[str, Any]:
    return {"id": f"m{number}", "status": status, "enqueued": ENQUEUED, "recipientId": f"u{number % 3}", **columns}


def moment(number: int, kind: str, ts: int | None, **columns: Any) -> dict[str, Any]:
    return {"message_id": f"m{number}", "message_enqueued": ENQUEUED, "type": kind, "ts": ts, "position": 0, **columns}


def event(user: str, /, **more: Any) -> dict[str, Any]:
    return {"type": "track", "userId": user, "event": "E", "messageId": f"id-{user}", **more}


def told(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [(event["messageId"], event["originalTimestamp"]) for event in sandbox.rudderstack.events]


def names(sandbox: Sandbox) -> list[str]:
    return [event["event"] for event in sandbox.rudderstack.events]


# --- messages ----------------------------------------------------------------


def test_a_message_becomes_an_event_for_each_moment_it_has_reached(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    to_rudderstack(records("messages", MESSAGE), of=["messages"])

    added = ("receivedAt", "request_ip", "rudderId")
    arrived = [{k: v for k, v in one.items() if k not in added} for one in sandbox.rudderstack.events]
    properties = {name: value for name, value in MESSAGE.items() if value is not None}
    assert arrived == [
        {
            "type": "track", "userId": "ada", "event": f"Message {name}", "messageId": f"courier:{ID}:{name.lower()}",
            "timestamp": at, "originalTimestamp": at, "context": {"library": LIBRARY}, "properties": properties,
        }
        for name, at in [
            ("Sent", "2023-11-14T22:13:21.000Z"), ("Delivered", "2023-11-14T22:13:22.000Z"),
            ("Opened", "2023-11-14T22:13:23.000Z"), ("Clicked", "2023-11-14T22:13:24.005Z"),
        ]
    ]  # fmt: skip
    assert arrived[0]["context"]["library"]["name"] == "messaging-connectors"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"status": "ENQUEUED"}, []),
        ({"status": "UNMAPPED"}, []),
        ({"status": "TELEPORTED", "sent": ENQUEUED}, [("sent", ENQUEUED)]),
        ({"status": "SENT"}, [("sent", ENQUEUED)]),
        ({"status": "DELIVERED", "sent": ENQUEUED + 9}, [("sent", ENQUEUED + 9), ("delivered", ENQUEUED + 9)]),
        ({"status": "OPENED", "opened": ENQUEUED + 9}, [("opened", ENQUEUED + 9)]),
        ({"status": "UNROUTABLE"}, [("unroutable", ENQUEUED)]),
        ({"status": "UNDELIVERABLE", "sent": ENQUEUED + 9}, [("sent", ENQUEUED + 9), ("undeliverable", ENQUEUED + 9)]),
        ({"status": "SENT", "sent": str(ENQUEUED)}, [("sent", ENQUEUED)]),
        ({"status": "SENT", "sent": "2023-11-14T22:13:20Z"}, [("sent", ENQUEUED)]),
        ({"status": "SENT", "sent": "2023-11-14 23:13:20+01:00"}, [("sent", ENQUEUED)]),
        ({"status": "SENT", "sent": float(ENQUEUED)}, [("sent", ENQUEUED)]),
        ({"status": "SENT", "sent": "  "}, [("sent", ENQUEUED)]),
    ],
)
def test_the_moments_of_a_message_are_those_its_row_shows(
    columns: dict[str, Any], expected: list[tuple[str, int]], sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    to_rudderstack([*records("messages", message(1, **columns)), state(1)], of=["messages"])

    assert told(sandbox) == [
        (f"courier:m1:{name}", rfc3339(datetime.fromtimestamp(at / 1000, UTC))) for name, at in expected
    ]


def test_a_later_row_of_a_message_brings_only_what_is_new(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    rows = [message(1, sent=ENQUEUED), message(1, "OPENED", sent=ENQUEUED, opened=ENQUEUED + 5)]

    to_rudderstack(records("messages", *rows, *rows), of=["messages"])

    assert [one["messageId"] for one in sandbox.rudderstack.events] == ["courier:m1:sent", "courier:m1:opened"]


def test_a_sync_that_reads_a_message_again_gives_its_events_the_same_ids(
    sandbox: Sandbox, to_rudderstack: Writing, clock: VirtualClock
) -> None:
    to_rudderstack(records("messages", message(1, sent=ENQUEUED)), of=["messages"])
    clock.advance(86_400)
    to_rudderstack(records("messages", message(1, "DELIVERED", sent=ENQUEUED, delivered=ENQUEUED + 1)), of=["messages"])

    assert told(sandbox)[0] == told(sandbox)[1]
    assert {one["messageId"] for one in sandbox.rudderstack.events} == {"courier:m1:sent", "courier:m1:delivered"}


def test_a_row_without_the_time_of_its_message_is_left_out_among_messages(
    sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    rows = [message(1, sent=ENQUEUED), message(2, sent=ENQUEUED, enqueued=None)]

    written = to_rudderstack(records("messages", *rows), of=["messages"], on_invalid_record="skip")

    assert [one["messageId"] for one in sandbox.rudderstack.events] == ["courier:m1:sent"]
    assert written.warnings[0].endswith("with a `type` such as track: take its stream out of the connection (row 2).")


def test_a_time_that_is_no_number_any_more_is_that_rows_fault(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    rows = [message(1, sent="9" * 5000), message(2, sent=ENQUEUED)]

    written = to_rudderstack(records("messages", *rows), of=["messages"], on_invalid_record="skip")

    assert [one["messageId"] for one in sandbox.rudderstack.events] == ["courier:m2:sent"]
    assert written.warnings == [
        "1 row of stream messages was rejected and left out: a column that tells a time holds none (row 1)."
    ]


def test_the_details_of_a_message_are_the_same_events_as_its_listing(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    details = message(1, sent=ENQUEUED, providers=[{"provider": "sendgrid"}])

    to_rudderstack(
        [record("messages", message(1, sent=ENQUEUED)), record("message_info", details)],
        of=["messages", "message_info"],
    )

    assert names(sandbox) == ["Message Sent"]


def test_an_address_is_the_user_only_where_no_id_is_known(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    rows = [message(1, sent=ENQUEUED, recipientId=None, recipient="+123"), message(2, sent=ENQUEUED, recipientId=None)]

    to_rudderstack(records("messages", *rows), of=["messages"])

    users = [(one.get("userId"), one.get("anonymousId")) for one in sandbox.rudderstack.events]
    assert users == [("+123", None), (None, "m2")]


# --- history -----------------------------------------------------------------


def test_a_history_becomes_the_events_of_its_types_at_their_times(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    kinds = ["ENQUEUED", "PROFILE_LOADED", "MAPPED", "RENDERED", "DELIVERING", "SENT", "DELIVERED", "OPENED", "CLICKED"]
    rows = [moment(1, kind, ENQUEUED + number, recipient="ada") for number, kind in enumerate(kinds)]
    failed = [moment(2, "UNDELIVERABLE", ENQUEUED + 7), moment(3, "UNROUTABLE", None)]

    to_rudderstack(records("message_history", *rows, *failed), of=["message_history"])

    assert names(sandbox) == [
        f"Message {name}" for name in ("Sent", "Delivered", "Opened", "Clicked", "Undeliverable", "Unroutable")
    ]
    assert [at[-5:] for _, at in told(sandbox)] == [".005Z", ".006Z", ".007Z", ".008Z", ".007Z", ".000Z"]
    assert sandbox.rudderstack.events[0]["properties"] == rows[5]


def test_what_both_streams_tell_is_one_event_and_a_second_opening_is_another(
    sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    row = message(1, "OPENED", sent=ENQUEUED, opened=ENQUEUED + 5)
    history = [
        moment(1, "SENT", ENQUEUED), moment(1, "OPENED", ENQUEUED + 5), moment(1, "OPENED", ENQUEUED + 5),
        moment(1, "OPENED", ENQUEUED + 60 * SECOND),
    ]  # fmt: skip
    lines = [record("messages", row), *records("message_history", *history)]
    expected = ["courier:m1:sent", "courier:m1:opened", "courier:m1:opened:2023-11-14T22:14:20.000Z"]

    for order in (lines, lines[1:] + lines[:1]):
        sandbox.rudderstack.events.clear()
        to_rudderstack(order, of=["messages", "message_history"])
        assert [one["messageId"] for one in sandbox.rudderstack.events] == expected


def test_a_history_is_for_whom_its_message_or_its_beginning_names(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    lines = [
        record("messages", message(1, "ENQUEUED")), record("message_history", moment(1, "SENT", ENQUEUED)),
        record("message_history", moment(2, "ENQUEUED", ENQUEUED, recipient="bob")),
        record("message_history", moment(2, "SENT", ENQUEUED)), record("message_history", moment(3, "SENT", ENQUEUED)),
    ]  # fmt: skip

    to_rudderstack(lines, of=["messages", "message_history"])

    users = [(one.get("userId"), one.get("anonymousId")) for one in sandbox.rudderstack.events]
    assert users == [("u1", None), ("bob", None), (None, "m3")]


def test_the_moments_and_the_user_of_a_message_are_remembered_whatever_comes_between(
    sandbox: Sandbox, to_rudderstack: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "_REMEMBERED", 10)
    columns = {"sent": ENQUEUED, "delivered": ENQUEUED + 1, "opened": ENQUEUED + 2, "clicked": ENQUEUED + 3}
    messages = [message(number, "CLICKED", **columns) for number in range(10)]
    kinds = ["SENT", "DELIVERED", "OPENED", "CLICKED", "UNDELIVERABLE"]
    history = [moment(number, kind, ENQUEUED + at) for number in range(10) for at, kind in enumerate(kinds)]
    lines = [*records("messages", *messages), *records("message_history", *history)]

    to_rudderstack(lines, of=["messages", "message_history"])

    ids = [one["messageId"] for one in sandbox.rudderstack.events]
    assert len(ids) == len(set(ids)) == 50
    users = {one["messageId"]: one.get("userId") for one in sandbox.rudderstack.events}
    assert users["courier:m4:sent"] == users["courier:m4:undeliverable"] == "u1"


def test_what_is_remembered_of_a_sync_is_bounded(
    sandbox: Sandbox, to_rudderstack: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "_REMEMBERED", 10)
    rows = [message(number, sent=ENQUEUED) for number in range(100)]

    to_rudderstack(records("messages", *rows, rows[95], rows[5]), of=["messages"])

    assert [one["messageId"] for one in sandbox.rudderstack.events[100:]] == ["courier:m5:sent"]


def test_sending_by_two_channels_at_the_same_time_is_two_events(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    by_email, by_sms = ({"id": channel, "label": "x"} for channel in ("email", "sms"))
    history = [
        moment(1, "SENT", ENQUEUED, channel=by_email), moment(1, "SENT", ENQUEUED, channel=by_sms),
        moment(1, "SENT", ENQUEUED, channel=by_email), moment(1, "SENT", ENQUEUED, channel=by_sms),
        moment(1, "SENT", ENQUEUED + 1, channel={}), moment(1, "SENT", ENQUEUED + 2, channel={"id": ""}),
    ]  # fmt: skip

    to_rudderstack(records("message_history", *history), of=["message_history"])

    assert [one["messageId"] for one in sandbox.rudderstack.events] == [
        "courier:m1:sent", "courier:m1:sent:2023-11-14T22:13:20.000Z:sms",
        "courier:m1:sent:2023-11-14T22:13:20.001Z", "courier:m1:sent:2023-11-14T22:13:20.002Z",
    ]  # fmt: skip


def test_a_message_id_is_never_too_long() -> None:
    assert message_id(Moment("m" * 90, "SENT")) != message_id(Moment("m" * 90, "OPENED"))
    assert max(len(message_id(Moment("m" * length, "SENT"))) for length in range(200)) <= 100


def test_a_prefix_that_a_connection_gives_its_streams_does_not_hide_them(
    sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    lines = [
        record("courier_messages", message(1, sent=ENQUEUED)),
        record("courier_message_history", moment(1, "OPENED", ENQUEUED)),
    ]

    to_rudderstack(lines, of=["courier_messages", "courier_message_history"])

    assert names(sandbox) == ["Message Sent", "Message Opened"]


# --- events as they are ------------------------------------------------------


def test_an_event_passes_as_it_is(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    whole = event(
        "ada", originalTimestamp="2026-03-01T00:00:00.000Z", sentAt="2026-03-02T00:00:00.000Z",
        timestamp="2026-03-03T00:00:00.000Z", context={"library": {"name": "own"}, "ip": "::1"}, properties={"a": None},
    )  # fmt: skip

    to_rudderstack(records("events", whole))

    (arrived,) = sandbox.rudderstack.events
    assert {name: arrived[name] for name in whole} == whole
    assert arrived.keys() - whole.keys() == {"receivedAt", "request_ip", "rudderId"}


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        ({}, {}),
        ({"timestamp": "T"}, {"timestamp": "T", "originalTimestamp": "T"}),
        ({"originalTimestamp": "O"}, {"timestamp": "O", "originalTimestamp": "O"}),
        ({"originalTimestamp": "O", "sentAt": "S"}, {"originalTimestamp": "O", "sentAt": "S", "timestamp": "O"}),
        ({"timestamp": "T", "sentAt": "S"}, {"originalTimestamp": "T", "sentAt": "S", "timestamp": "T"}),
        ({"sentAt": "S"}, {"sentAt": "S", "timestamp": "S", "originalTimestamp": "S"}),
        ({"timestamp": None, "sentAt": None}, {}),
        ({"timestamp": " ", "originalTimestamp": "", "sentAt": "\t"}, {}),
        ({"timestamp": " ", "originalTimestamp": "O"}, {"timestamp": "O", "originalTimestamp": "O"}),
        *(
            ({name: value}, {"timestamp": "2024-05-06T07:08:09.000Z", "originalTimestamp": "2024-05-06T07:08:09.000Z"})
            for name in ("timestamp", "originalTimestamp")
            for value in (1714979289000, "1714979289000", 1714979289000.0)
        ),
    ],
)
def test_an_event_gets_the_id_time_and_context_it_lacks_and_keeps_its_own_time(
    timing: dict[str, Any], expected: dict[str, Any], sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    to_rudderstack(records("events", {"type": "identify", "userId": "ada", "context": {"ip": "::1"}, **timing}))

    (arrived,) = sandbox.rudderstack.events
    assert {name: arrived[name] for name in ("timestamp", "originalTimestamp", "sentAt") if name in arrived} == expected
    assert arrived["context"] == {"library": LIBRARY, "ip": "::1"}


def test_a_track_without_an_id_is_known_by_its_content_and_what_may_change_something_back_is_not(
    sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    types = ["track", "identify", "group", "alias", "page"]
    rows = [{"type": kind, "userId": "ada"} for kind in types]

    to_rudderstack(records("events", *rows, *rows))

    sent = [json.loads(call.body)["batch"] for call in sandbox.calls]
    assert [[one.get("messageId") for one in batch] for batch in sent] == [
        ["row-eeb6bf51930cbed3d46839aadff83951fa5b3bf4", None, None, None, None] * 2
    ]


def test_events_of_every_type_the_gateway_knows_pass_in_any_stream(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    types = ["identify", "track", "page", "screen", "group", "alias", "merge", "Track"]

    to_rudderstack(records("messages", *[{"type": kind, "anonymousId": 7} for kind in types]), of=["messages"])

    assert [one["type"] for one in sandbox.rudderstack.events] == types


# --- batches -----------------------------------------------------------------


def test_events_leave_as_gzip_in_their_order_and_below_the_limit(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    events = [event(f"u{number}", properties={"text": f"{number:05}" * 4000}) for number in range(450)]

    to_rudderstack(records("events", *events))

    assert [one["userId"] for one in sandbox.rudderstack.events] == [f"u{number}" for number in range(450)]
    assert [call.status for call in sandbox.calls] == [200] * 3
    assert {call.path for call in sandbox.calls} == {"/v1/batch"}
    assert {call.headers["content-encoding"] for call in sandbox.calls} == {"gzip"}
    sizes = [len(call.body) for call in sandbox.calls]
    assert max(sizes) <= 4_000_000
    assert min(sizes[:2]) > 3_900_000


def test_an_event_may_be_as_large_as_a_request(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    def of_size(size: int) -> dict[str, Any]:
        """An event that fills a batch of this size alone."""
        stub = event("ada", originalTimestamp="O", timestamp="T", context={"library": {}}, properties={"t": ""})
        stub["properties"]["t"] = "x" * (size - len(encoded({"batch": [stub]})))
        return stub

    large, too_large = of_size(4_000_000), of_size(4_000_001)

    written = to_rudderstack(
        [*records("events", event("ann"), large, too_large, event("bob")), state(1)], on_invalid_record="skip"
    )

    assert [one["userId"] for one in sandbox.rudderstack.events] == ["ann", "ada", "bob"]
    assert written.warnings == [
        "1 row of stream events was rejected and left out: it is larger than the 4 MB that RudderStack takes in a "
        "request (row 3)."
    ]
    assert (written.states, written.counts) == ([state(1)], "3 delivered, 0 skipped, 1 rejected")


@pytest.mark.parametrize("words", ["request size exceeds max limit\n", "<html>413 Request Entity Too Large</html>"])
def test_a_lower_limit_is_found_by_halving_and_only_the_gateways_own_rejects_a_row(
    words: str, sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    answer = sandbox.answer

    def limited(request: Any) -> Any:
        if len(gzip.decompress(request.body)) > 1000:
            sandbox.faults.add(Fault("/v1/batch", Answer(413, words)))
        return answer(request)

    sandbox.answer = limited  # type: ignore[method-assign]
    rows = [event(f"u{number}", properties={"t": "x" * (2000 if number == 6 else 1)}) for number in range(10)]
    is_gateways = words.startswith("request")

    written = to_rudderstack([*records("events", *rows), state(1)], on_invalid_record="skip", fails=not is_gateways)

    arrived = [int(one["userId"][1:]) for one in sandbox.rudderstack.events]
    assert arrived == ([0, 1, 2, 3, 4, 5, 7, 8, 9] if is_gateways else [0, 1, 2, 3, 4, 5])
    assert written.counts == f"{len(arrived)} delivered, 0 skipped, {int(is_gateways)} rejected"
    assert written.states == [state(1)][: int(is_gateways)]


def test_a_state_is_echoed_when_all_before_it_was_accepted(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    sandbox.faults.add(Fault("/v1/batch", Answer(401, "invalid write key"), after=1))
    lines = [
        *records("events", event("a"), event("b")), state(1), *records("events", event("c")), state(2),
        *records("events", event("d")), state(3),
    ]  # fmt: skip

    written = to_rudderstack(lines, fails=True)

    assert written.states == [state(1)]
    assert [one["userId"] for one in sandbox.rudderstack.events] == ["a", "b"]
    assert written.errors == [
        (
            "config_error",
            "RudderStack does not know the write key (HTTP 401, “invalid write key”): fill in `write_key` as its "
            "source shows it.",
        )
    ]


def only_good(sandbox: Sandbox) -> None:
    """Lets the gateway refuse a whole batch for each event whose name is bad, as it does for one without ids."""
    answer = sandbox.answer

    def strict(request: Any) -> Any:
        reply = answer
        if b"BAD" in gzip.decompress(request.body):
            sandbox.faults.add(Fault("/v1/batch", Answer(400, "event is not a valid rudder event\n")))
        return reply(request)

    sandbox.answer = strict  # type: ignore[method-assign]


def test_a_batch_that_is_refused_is_split_until_the_bad_rows_stand_alone(
    sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    only_good(sandbox)
    bad = {3, 64, 65, 99}
    events = [event(f"u{number}", properties={"t": "BAD" if number in bad else ""}) for number in range(100)]

    written = to_rudderstack([*records("events", *events), state(1)], on_invalid_record="skip")

    good = [f"u{number}" for number in range(100) if number not in bad]
    assert [one["userId"] for one in sandbox.rudderstack.events] == good
    assert written.states == [state(1)]
    assert written.warnings == [
        "4 rows of stream events were rejected and left out: RudderStack answered HTTP 400, “event is not a valid "
        "rudder event” (rows 4, 65, 66, 100)."
    ]


def test_a_bad_row_fails_the_sync_when_all_before_it_is_delivered(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    only_good(sandbox)
    events = [event(f"u{number}", properties={"t": "BAD" if number == 6 else ""}) for number in range(10)]

    written = to_rudderstack([state(1), *records("events", *events), state(2)], fails=True)

    assert [one["userId"] for one in sandbox.rudderstack.events] == [f"u{number}" for number in range(6)]
    assert written.states == [state(1)]
    assert written.errors[0][1].startswith(
        "Row 7 of stream events was rejected: RudderStack answered HTTP 400, “event is"
    )


@pytest.mark.parametrize("status", [400, 422])
def test_no_value_of_a_row_is_in_what_the_gateway_is_quoted_with(
    status: int, sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    sandbox.faults.add(Fault("/v1/batch", Answer(status, "x" * 190 + " Ada  Lovelace"), times=None))
    people = [event("u", traits='{"name": "Ada  Lovelace"}'), event("v")]

    written = to_rudderstack(records("events", *people), fails=True)

    assert f"HTTP {status}, “xxx" in written.errors[0][1]
    assert "Ada" not in written.output


def test_a_gateway_with_a_lower_limit_gets_smaller_batches(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    sandbox.rudderstack.largest_body = 2000

    to_rudderstack(records("events", *[event(f"u{number}") for number in range(50)]))

    assert [one["userId"] for one in sandbox.rudderstack.events] == [f"u{number}" for number in range(50)]


def test_a_gateway_that_cannot_read_the_batches_fails_the_sync_and_blames_no_row(
    sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    sandbox.faults.add(Fault("/v1/batch", Answer(400, "invalid json\n"), times=None))

    written = to_rudderstack(
        [*records("events", event("a"), event("b")), state(1)], fails=True, on_invalid_record="skip"
    )

    assert written.errors == [
        (
            "config_error",
            "`data_plane_url` cannot read what was sent as JSON in gzip (HTTP 400, “invalid json”): check the address, "
            "and that whatever stands before the data plane takes gzip.",
        )
    ]
    assert (len(sandbox.calls), written.states, written.warnings) == (1, [], [])


@pytest.mark.parametrize("setting", ["fail", "skip"])
@pytest.mark.parametrize("status", [200, 400, 413, 422])
def test_a_proxys_page_rejects_and_delivers_no_row(
    status: int, setting: str, sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    page = Answer(status, "<html>Sign in</html>", headers={"Content-Type": "text/html"})
    sandbox.faults.add(Fault("/v1/batch", page, times=None))
    lines = [*records("events", *[event(f"u{number}") for number in range(4)]), state(1)]

    written = to_rudderstack(lines, on_invalid_record=setting, fails=True)

    assert written.errors == [
        (
            "config_error",
            f"`data_plane_url` does not answer as RudderStack's data planes do (HTTP {status}, “Sign in”): check the "
            "address.",
        )
    ]
    assert (written.states, written.warnings) == ([], [])
    assert written.counts == "0 delivered, 0 skipped, 0 rejected"


def test_rows_that_have_nothing_new_to_tell_are_counted_apart(to_rudderstack: Writing) -> None:
    rows = [message(1, sent=ENQUEUED), message(1, sent=ENQUEUED), message(2, "ENQUEUED")]

    written = to_rudderstack(records("messages", *rows), of=["messages"])

    assert written.counts == "1 delivered, 2 skipped (2 without a new moment), 0 rejected"


def test_a_row_that_is_rejected_here_fails_the_sync_when_all_before_it_is_delivered(
    sandbox: Sandbox, to_rudderstack: Writing
) -> None:
    lines = [*records("events", event("a")), state(1), *records("events", event("b"), {"type": "track"}, event("c"))]

    written = to_rudderstack(lines, fails=True)

    assert [one["userId"] for one in sandbox.rudderstack.events] == ["a", "b"]
    assert written.states == [state(1)]
    assert written.errors == [
        (
            "config_error",
            "Row 3 of stream events was rejected: request neither has anonymousId nor userId (mend it, or set "
            "`on_invalid_record` to skip to leave such rows out).",
        )
    ]


@pytest.mark.parametrize(
    ("stream", "row", "reason"),
    [
        ("events", {"type": "Ada Lovelace", "userId": "u"}, "its type is not supported"),
        ("events", {"type": "track", "userId": " "}, "request neither has anonymousId nor userId"),
        ("events", {"type": "track", "userId": "u", "context": "text"}, "context must be an object"),
        ("events", {"type": "track", "userId": {}}, "an id must be text or a whole number"),
        ("events", {"type": "track", "userId": "u", "timestamp": []}, "a column that tells a time holds none"),
        ("events", "text", "its data is no object"),
        ("messages", {"enqueued": ENQUEUED, "status": "SENT"}, "id is missing"),
        ("messages", {"enqueued": "", "id": "m", "status": "SENT"}, "it has a status, but no time"),
        ("messages", {"enqueued": ENQUEUED, "id": "m", "sent": "yesterday"}, "a column that tells a time holds none"),
        ("messages", {"enqueued": ENQUEUED, "id": "m", "sent": 10**30}, "a column that tells a time holds none"),
        ("messages", {"enqueued": ENQUEUED, "id": "m", "sent": "9" * 5000}, "a column that tells a time holds none"),
        ("messages", {"id": "m", "type": "Ada Lovelace"}, "its type is not supported"),
        ("message_history", {"type": "SENT"}, "message_id is missing"),
        ("message_history", {"message_id": "m"}, "type is missing"),
        ("message_history", {"message_id": "m", "type": "SENT"}, "it has no time"),
    ],
)
def test_a_row_that_cannot_be_an_event_is_rejected_with_its_reason(stream: str, row: Any, reason: str) -> None:
    with pytest.raises(Rejected) as rejected:
        EventMapper().events_of(Row(stream, stream, 1, row, 0))

    assert rejected.value.reason == reason


@pytest.mark.parametrize("problem", [Answer(429, "max requests limit reached"), Answer(503), Reset(rows=None)])
def test_what_may_pass_is_tried_again(problem: Any, sandbox: Sandbox, to_rudderstack: Writing) -> None:
    sandbox.faults.add(Fault("/v1/batch", problem, times=3, has_effect=False))

    written = to_rudderstack([*records("events", event("a")), state(1)])

    assert [one["userId"] for one in sandbox.rudderstack.events] == ["a"]
    assert written.states == [state(1)]
    assert len(sandbox.calls) == 4


def test_an_answer_that_is_lost_repeats_events_under_the_same_ids(sandbox: Sandbox, to_rudderstack: Writing) -> None:
    sandbox.faults.add(Fault("/v1/batch", Reset(rows=None), has_effect=True))

    to_rudderstack(records("messages", message(1, sent=ENQUEUED)), of=["messages"])

    assert [one["messageId"] for one in sandbox.rudderstack.events] == ["courier:m1:sent"] * 2
