"""Faults: which calls are struck, and what a client sees on the wire."""

from __future__ import annotations

import http.client
import json
import socket

import pytest

from sandbox import Sandbox, serve
from sandbox.faults import Answer, Cut, Fault, Late, Mangle, Reset, Stall
from sandbox.messages import HTML, BrokenOff, Request

PATH = "/api/export/data.json?dataTypeName=emailSend&startDateTime=2026-01-01%2000:00:00"
KEY = {"Api-Key": "sandbox-iterable-key"}
HALF = b'{"createdAt":"2026-03-01'
"""Of any of the rows below."""


@pytest.fixture
def sends(empty):
    """A sandbox with eight rows to export, in replies that end with a newline."""
    rows = [{"createdAt": f"2026-03-01 10:00:0{second} +00:00", "n": second} for second in range(8)]
    empty.iterable.add_events("emailSend", rows)
    return empty


@pytest.fixture
def connection(sends):
    with serve(sends) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
        yield connection
        connection.close()


def read(connection, headers=KEY) -> tuple[bytes, Exception | None]:
    """Return the bytes that arrive, and the error it ends with."""
    got = b""
    try:
        connection.request("GET", PATH, headers=headers)
        response = connection.getresponse()
        while piece := response.read1():
            got += piece
    except (http.client.HTTPException, OSError) as error:
        return got, error
    return got, None


def stalled(connection, rows: int) -> http.client.HTTPResponse:
    """The reply when that many of its rows have arrived."""
    connection.request("GET", PATH, headers=KEY)
    response = connection.getresponse()
    assert lines(b"".join(response.readline() for _ in range(rows))) == rows
    return response


def lines(got: bytes) -> int:
    """Whole lines of JSON; a broken one fails."""
    return len([json.loads(line) for line in got.splitlines()])


def status(sandbox, ask, **query) -> int:
    return ask(sandbox, "/api/lists", **query).status


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        ({}, [500, 200, 200, 200]),
        ({"after": 1, "times": 2}, [200, 500, 500, 200]),
        ({"times": None}, [500, 500, 500, 500]),
    ],
)
def test_a_fault_strikes_once_unless_told_otherwise(empty, ask, options, statuses):
    empty.faults.add(Fault("/api/lists$", Answer(500), **options))
    assert [status(empty, ask) for _ in range(4)] == statuses
    empty.faults.clear()
    assert status(empty, ask) == 200


def test_a_fault_strikes_only_the_path_and_the_parameters_it_names(empty, ask):
    empty.faults.add(Fault("lists", Answer(500), query={"x": "1"}, times=None))
    assert ask(empty, "/api/channels", x="1").status == 200
    assert [status(empty, ask), status(empty, ask, x="2"), status(empty, ask, x=["2", "1"])] == [
        200,
        200,
        500,
    ]


def test_a_rejected_call_is_neither_struck_nor_counted(empty, ask):
    empty.faults.add(Fault("lists", Answer(500)))
    assert [status(empty, ask, headers={"api-key": "wrong"}), status(empty, ask)] == [401, 500]


def test_an_answer_is_json_or_text_of_any_type_with_its_headers(empty, ask):
    empty.faults.add(Fault("lists", Answer(429, "Slow down.", headers={"Retry-After": "7"})))
    empty.faults.add(Fault("lists", Answer(503, {"code": "GenericError"}), after=1))
    empty.faults.add(Fault("lists", Answer(502, "<html></html>", HTML), after=2))
    text, envelope, page = (ask(empty, "/api/lists") for _ in range(3))
    assert (text.status, text.text, text.headers) == (429, "Slow down.", {"Retry-After": "7"})
    assert (envelope.status, envelope.json) == (503, {"code": "GenericError"})
    assert (page.status, page.text, page.content_type) == (502, "<html></html>", HTML)


def test_a_fault_may_strike_for_a_stretch_of_the_clock(empty, ask, clock):
    empty.faults.add(Fault("lists", Answer(503), times=None, during=(clock.now + 60, clock.now + 120)))
    statuses = []
    for _ in range(4):
        statuses.append(status(empty, ask))
        clock.now += 40
    assert statuses == [200, 200, 503, 200]


def test_a_fault_may_strike_a_share_of_the_calls_always_the_same_ones(clock, ask):
    def struck() -> list[int]:
        sandbox = Sandbox(clock=clock, budgets=False, seed=False)
        sandbox.faults.add(Fault("lists", Answer(503), times=None, share=0.3))
        return [status(sandbox, ask) for _ in range(1000)]

    first = struck()
    assert 250 < first.count(503) < 350
    assert struck() == first


def test_a_late_reply_is_held_by_the_sandboxs_clock(empty, connection):
    held: list[float] = []
    connection.request("GET", PATH, headers=KEY)
    assert (connection.getresponse().read() != b"", held) == (True, [])
    empty.sleep = held.append
    empty.faults.add(Fault("export", Late(330)))
    assert (lines(read(connection)[0]), held) == (8, [330])


@pytest.mark.parametrize(("at", "rest"), [("line", HALF), ("line_end", b""), ("chunk", b"")])
def test_a_cut_reply_ends_in_an_incomplete_read(sends, connection, at, rest):
    sends.faults.add(Fault("export", Cut(rows=3, at=at)))
    connection.request("GET", PATH, headers=KEY)
    with pytest.raises(http.client.IncompleteRead) as caught:
        connection.getresponse().read()
    got = caught.value.partial
    assert (got.count(b"\n"), got.rpartition(b"\n")[2]) == (3, rest)


def test_a_reset_comes_after_its_rows(sends, connection):
    sends.faults.add(Fault("export", Reset(rows=3)))
    got, error = read(connection)
    assert lines(got) in (0, 3)  # a reset may overtake what was sent before it
    assert isinstance(error, ConnectionResetError)


@pytest.mark.parametrize(
    ("kind", "error"), [(Reset(None), ConnectionResetError), (Cut(None), http.client.RemoteDisconnected)]
)
def test_a_connection_can_end_before_the_status_line(sends, connection, kind, error):
    sends.faults.add(Fault("export", kind))
    assert isinstance(read(connection)[1], error)


def test_a_stalled_reply_falls_silent_after_its_rows(sends, connection):
    sends.faults.add(Fault("export", Stall(rows=2)))
    response = stalled(connection, rows=2)
    connection.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        response.read1()


def test_a_stall_ends_when_the_server_stops(sends):
    with serve(sends) as url:
        sends.faults.add(Fault("export", Stall(rows=1)))
        host, port = url.removeprefix("http://").split(":")
        client = socket.create_connection((host, int(port)), timeout=120)
        client.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nApi-Key: sandbox-iterable-key\r\n\r\n".encode())
        assert client.recv(10) == b"HTTP/1.1 2"
    while client.recv(65536):
        pass
    client.close()


def test_mangled_lines_are_garbage_blank_or_unterminated(sends, connection):
    whole, _ = read(connection)
    sends.faults.add(Fault("export", Mangle(garbage_every=3, blank_every=4, last_newline=False, garbage=b"oops")))
    got, error = read(connection)
    expected = whole.splitlines(keepends=True)
    expected[2] = expected[5] = b"oops\n"
    expected.insert(7, b"\n")
    expected.insert(3, b"\n")
    assert (got, error) == (b"".join(expected).removesuffix(b"\n"), None)


COURIER = {"authorization": "Bearer sandbox-courier-key"}
IDENTIFY = b'{"type":"identify","userId":"u","traits":{}}'


def written(sandbox, method="POST", path="/inbound/segment", body=IDENTIFY) -> int:
    return sandbox.answer(Request(method, path, COURIER, body)).status


def test_a_fault_strikes_calls_that_would_be_answered_with_any_2xx(empty):
    empty.faults.add(Fault("/inbound/segment", Answer(503)))
    empty.faults.add(Fault("/subscriptions/", Answer(503)))
    empty.faults.add(Fault("/subscriptions/", Answer(500), method="DELETE"))
    assert [written(empty), written(empty)] == [503, 202]
    path = "/lists/a/subscriptions/u"
    assert [written(empty, method, path, b"") for method in ("PUT", "PUT", "DELETE")] == [503, 204, 500]


def test_a_call_with_another_answer_writes_nothing_unless_told_otherwise(empty):
    empty.faults.add(Fault("/inbound/segment", Answer(503)))
    empty.faults.add(Fault("/inbound/segment", Answer(504), after=1, has_effect=True))
    assert written(empty) == 503
    assert empty.courier.inbound == []
    assert written(empty) == 504
    assert len(empty.courier.inbound) == 1


@pytest.mark.parametrize("kind", [Cut(None), Reset(None), Stall(None)])
def test_a_call_whose_connection_breaks_has_written_unless_told_otherwise(empty, kind):
    for has_effect in (None, False):
        empty.faults.add(Fault("/inbound/segment", kind, has_effect=has_effect))
        with pytest.raises(BrokenOff):
            written(empty)
        empty.faults.clear()
    assert len(empty.courier.inbound) == 1


def test_a_reply_without_a_body_breaks_before_its_status_line(empty):
    empty.faults.add(Fault("/lists/", Reset(rows=3)))
    with pytest.raises(BrokenOff):
        written(empty, "PUT", "/lists/a/subscriptions/u", b"")
    assert [row["recipientId"] for row in empty.courier.list_subscriptions["a"]] == ["u"]
