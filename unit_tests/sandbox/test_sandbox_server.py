"""The HTTP server, and the command that starts it."""

from __future__ import annotations

import gzip
import http.client
import signal
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from sandbox import serve

ROOT = Path(__file__).parents[2]
KEY = {"Api-Key": "sandbox-iterable-key"}
EXPORT = "/api/export/data.json?dataTypeName=emailSend&startDateTime=2026-01-01%2000:00:00"


@pytest.fixture
def connection(empty):
    with serve(empty) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
        yield connection
        connection.close()


def get(connection, path, headers=KEY):
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response, response.read()


def test_a_listing_comes_with_its_length_over_a_connection_that_stays_open(empty, connection):
    response, body = get(connection, "/api/lists")
    first = connection.sock
    assert (response.status, body) == (200, b'{"lists":[]}')
    assert (response.headers["Content-Length"], response.headers["Content-Type"]) == (
        "12",
        "application/json",
    )
    get(connection, "/api/lists")
    assert connection.sock is first


def test_replies_are_compressed_only_when_switched_on_and_accepted(empty, connection):
    accepting = KEY | {"Accept-Encoding": "gzip, deflate"}
    assert get(connection, "/api/lists", accepting)[1] == b'{"lists":[]}'
    empty.gzip = True
    assert get(connection, "/api/lists")[1] == b'{"lists":[]}'
    response, body = get(connection, "/api/lists", accepting)
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == b'{"lists":[]}'
    response, body = get(connection, EXPORT, accepting)
    assert (response.headers["Transfer-Encoding"], gzip.decompress(body)) == ("chunked", b"")


def test_a_call_is_recorded_with_its_headers_and_its_body_without_gzip(empty, connection):
    headers = {"Authorization": "Bearer sandbox-courier-key", "Content-Encoding": "gzip"}
    for body in (gzip.compress(b'{"type":"identify"}'), b"no gzip"):
        connection.request("POST", "/inbound/segment", body=body, headers=headers)
        connection.getresponse().read()
    assert [(call.status, call.body) for call in empty.calls] == [(202, b'{"type":"identify"}'), (400, b"no gzip")]
    assert empty.calls[0].headers["content-encoding"] == "gzip"
    assert empty.calls[0].headers["authorization"] == "Bearer sandbox-courier-key"
    assert empty.courier.inbound[0]["event"] == {"type": "identify"}


def test_a_reply_without_content_has_neither_body_nor_length(empty, connection):
    headers = {"Authorization": "Bearer sandbox-courier-key"}
    for _ in range(2):
        connection.request("PUT", "/lists/a%2Fb/subscriptions/u%201", headers=headers)
        response = connection.getresponse()
        assert (response.status, response.read()) == (204, b"")
        assert (response.headers["Content-Length"], response.headers["Content-Type"]) == (None, None)
    assert [row["recipientId"] for row in empty.courier.list_subscriptions["a/b"]] == ["u 1"]


def test_a_stopped_server_frees_its_port_with_clients_still_connected(empty, connection):
    get(connection, "/api/lists")
    with serve(empty) as url:
        port = int(url.rpartition(":")[2])
        idle = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        get(idle, "/api/lists")
    with serve(empty, port) as again:
        assert again == url
    assert idle.sock.recv(1) == b""
    idle.close()


def test_a_large_export_is_streamed_in_flat_memory(empty):
    row = {"createdAt": "2026-03-01 10:00:00 +00:00", "text": "x" * 900}
    empty.iterable.add_events("emailSend", [row] * 8_000)
    for event in empty.iterable.events["emailSend"]:
        assert event.line  # encoded once, and kept
    with serve(empty) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
        tracemalloc.start()
        connection.request("GET", EXPORT, headers=KEY)
        response = connection.getresponse()
        size = 0
        while piece := response.read(65536):
            size += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        connection.close()
    assert size > 7_500_000
    assert peak < 2_000_000


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_the_command_says_where_it_listens_and_serves_until_it_is_stopped():
    running = {number: start("--anchor", "2026-03-15", "--no-budgets") for number in (signal.SIGINT, signal.SIGTERM)}
    for number, process in running.items():
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line.startswith("Sandbox listening on http://127.0.0.1:")
            connection = http.client.HTTPConnection(line.split("http://")[1].strip(), timeout=120)
            assert [get(connection, "/api/users/getFields")[0].status for _ in range(5)] == [200] * 5
            process.send_signal(number)
            assert process.wait(120) == 0
            assert process.stderr.read() == ""
            connection.close()


@pytest.mark.slow
def test_the_command_says_in_one_sentence_that_a_port_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start("--port", str(port)) as process:
            out, err = process.communicate(timeout=120)
    expected = f"The sandbox cannot listen on port {port}: Address already in use.\n"
    assert (process.returncode, out, err) == (1, "", expected)
