"""One HTTP/1.1 server in front of the sandbox, and the way of a reply's lines to bytes: blocks, gzip, chunks.

Each step streams. A `BrokenOff` raised by the lines passes through every step, after what was sent before it.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.core import Sandbox
from sandbox.messages import BrokenOff, Ending, Reply, Request

HOST = "127.0.0.1"


@contextmanager
def serve(sandbox: Sandbox, port: int = 0) -> Iterator[str]:
    """Serves from a daemon thread and yields the URL; port 0 is any free one, a taken one raises OSError."""
    server = Server(sandbox, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.stop()
        thread.join()


class Server(ThreadingHTTPServer):
    """Knows its open connections, so that stopping ends idle and stalled ones too."""

    daemon_threads = False  # so that none is left when it has stopped
    request_queue_size = 128

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        super().__init__((HOST, port), Handler)
        self.sandbox = sandbox
        self._open: set[socket.socket] = set()

    def stop(self) -> None:
        self.shutdown()
        for connection in tuple(self._open):
            _hang_up(connection)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may leave whenever it likes
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Turns a connection's requests into `Request`s, and `Reply`s into bytes."""

    protocol_version = "HTTP/1.1"
    server_version = "Sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        try:
            self._send(self.server.sandbox.answer(self._request()))
        except BrokenOff as broken:
            self._break_off(broken.ending)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The vendors' time, not the machine's."""
        return super().date_time_string(self.server.sandbox.clock() if timestamp is None else timestamp)

    def _request(self) -> Request:
        return Request(
            method=self.command,
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            client_ip=self.client_address[0],
        )

    def _send(self, reply: Reply) -> None:
        if reply.late:
            self.server.sandbox.sleep(reply.late)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status == HTTPStatus.NO_CONTENT:  # which has neither a body nor a length
            self.end_headers()
            return
        self.send_header("Content-Type", reply.content_type)
        pieces = self._encoded(reply)
        if reply.lines is not None:
            self._send_stream(pieces, reply.framed)
            return
        body = b"".join(pieces)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_stream(self, pieces: Iterator[bytes], framed: bool) -> None:
        if framed:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        for piece in (_chunked if framed else _unframed)(pieces):
            self.wfile.write(piece)

    def _encoded(self, reply: Reply) -> Iterator[bytes]:
        pieces = iter([reply.body]) if reply.lines is None else _blocks(reply.lines)
        if not self.server.sandbox.gzip or "gzip" not in self.headers.get("Accept-Encoding", ""):
            return pieces
        self.send_header("Content-Encoding", "gzip")
        return _gzipped(pieces)

    def _break_off(self, ending: Ending) -> None:
        self.close_connection = True
        if ending is Ending.RESET:
            self._reset()
        elif ending is Ending.STALL:
            while self.connection.recv(1024):
                pass

    def _reset(self) -> None:
        """Closes without lingering, which makes TCP send RST; a FIN must not go first."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)


BLOCK = 64 * 1024
"""Bytes gathered before they are written."""

MISSING = 1024
"""Bytes that a chunk announces beyond those sent when the connection breaks off inside it."""

GZIP = 31
"""zlib's `wbits` for the gzip format."""


def _blocks(lines: Iterable[bytes], size: int = BLOCK) -> Iterator[bytes]:
    """Joins lines into blocks of at least `size` bytes, the last one excepted."""
    pending: list[bytes] = []
    held = 0
    try:
        for line in lines:
            pending.append(line)
            held += len(line)
            if held >= size:
                yield b"".join(pending)
                pending, held = [], 0
    except BrokenOff:
        yield b"".join(pending)
        raise
    yield b"".join(pending)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=GZIP)
    try:
        for piece in pieces:
            yield compressor.compress(piece)
    except BrokenOff as broken:
        yield compressor.flush(zlib.Z_SYNC_FLUSH)
        if broken.tail is not None:
            broken.tail = compressor.compress(broken.tail) + compressor.flush(zlib.Z_SYNC_FLUSH)
        raise
    yield compressor.flush()


def _chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """HTTP/1.1 chunks with the terminator, which a reply that breaks off lacks."""
    try:
        for piece in filter(None, pieces):
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    except BrokenOff as broken:
        if broken.tail is not None:
            yield b"%x\r\n%b" % (len(broken.tail) + MISSING, broken.tail)
        raise
    yield b"0\r\n\r\n"


def _unframed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bare bytes, whose end is the end of the connection."""
    try:
        yield from pieces
    except BrokenOff as broken:
        if broken.tail:
            yield broken.tail
        raise
