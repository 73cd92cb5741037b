"""Messages between the HTTP server and a vendor's endpoints: requests, and replies, which may break off."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Request:
    """An HTTP request. Header names are lower case; `parts` are the pieces of the path that a route names."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client_ip: str = "127.0.0.1"
    parts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def content(self) -> bytes:
        """The body without gzip; raises Undecodable where it says that it is gzip and is not."""
        if self.headers.get("content-encoding") != "gzip":
            return self.body
        try:
            return gzip.decompress(self.body)
        except (OSError, EOFError, zlib.error) as error:
            raise Undecodable from error

    @cached_property
    def path(self) -> str:
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def parameter(self, name: str) -> str | None:
        """The first non-blank value of a query parameter."""
        return next((value for value in self.query.get(name, []) if value), None)


class Undecodable(ValueError):
    """A request's body is not compressed the way its headers say."""


Effect = Callable[[], None]
"""Changes a vendor's data."""


def no_effect() -> None:
    """Of a request that changes nothing."""


@dataclass(frozen=True)
class Reply:
    """An HTTP reply: either `body`, sent with its length, or `lines`, streamed in chunks.

    `late`: seconds until the first byte leaves.
    `framed=False` streams the lines without length or chunks: only the closed connection marks the end.
    `effect` is what the request does; it is left to the sandbox, which may have the request fail instead.
    """

    status: int = 200
    content_type: str = JSON
    body: bytes = b""
    lines: Iterable[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    framed: bool = True
    late: float = 0
    effect: Effect = no_effect

    def as_lines(self) -> Iterator[bytes]:
        """The content line by line, each with its newline, whichever way it is held."""
        return iter(self.body.splitlines(keepends=True) if self.lines is None else self.lines)


class Ending(Enum):
    """The end of a connection that breaks off."""

    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"


class BrokenOff(Exception):
    """Raised by the lines of a reply at the point where the connection breaks off, or in place of a reply.

    `tail` is sent last, in a chunk announced longer than it is; None breaks off between two chunks.
    """

    def __init__(self, ending: Ending, tail: bytes | None = None) -> None:
        super().__init__(ending.value)
        self.ending = ending
        self.tail = tail


def json_line(value: Any) -> bytes:
    """Compact JSON and a newline."""
    return _encode(value).encode() + b"\n"


def json_reply(
    value: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    effect: Effect = no_effect,
) -> Reply:
    return Reply(status, JSON, _encode(value).encode(), headers=headers or {}, effect=effect)


def no_content(effect: Effect) -> Reply:
    return Reply(204, effect=effect)


def text_reply(text: str, status: int = 200, content_type: str = TEXT) -> Reply:
    return Reply(status, content_type, text.encode())


def lines_reply(lines: Iterable[bytes], content_type: str = TEXT) -> Reply:
    return Reply(content_type=content_type, lines=lines)


def without_last_newline(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same lines, the last one unterminated."""
    feed = iter(lines)
    held = next(feed, b"")
    for line in feed:
        yield held
        held = line
    if held:
        yield held.removesuffix(b"\n")
