"""Failures on demand.

A fault names the calls it strikes and what becomes of them. It strikes only calls that would have been
answered with a 2xx: rejected ones (wrong key, rate limit) pass it by uncounted.

    from sandbox.faults import Answer, Cut, Fault, Late, Mangle, Reset, Stall

    add = sandbox.faults.add
    add(Fault("/api/lists$", Answer(500, {"msg": "…", "code": "GenericError", "params": None})))
    add(Fault("/api/lists$", Answer(502, "<html>…</html>", HTML), times=3))    # somebody's page, three times
    add(Fault("/api/campaigns$", Answer(429, "Slow down.", headers={"Retry-After": "7"}), times=None))  # every call
    add(Fault("/api/export/data.json", Cut(rows=3), query={"dataTypeName": "emailSend"}))   # breaks off half-way
    add(Fault("/api/export/data.json", Cut(rows=3, at="unframed"), after=1))   # the second call only
    add(Fault("/api/lists/getUsers", Cut(rows=None), times=None, during=(noon, noon + 300)))  # closed without a byte
    add(Fault("/api/export/", Reset(rows=None), times=None, share=0.3))        # reset, three calls in ten by chance
    add(Fault("/api/lists/getUsers", Late(330)))                               # the first byte after 330 seconds
    add(Fault("/api/lists/getUsers", Stall(rows=2)))                           # two lines, then silence
    add(Fault("/api/export/", Mangle(garbage_every=5, blank_every=3, last_newline=False)))
    add(Fault("/inbound/segment", Answer(503), method="POST"))                 # nothing has been taken
    add(Fault("/inbound/segment", Answer(504), has_effect=True))               # taken, but not confirmed
    add(Fault("/v1/batch", Reset(rows=None)))                                  # the same

`rows` counts lines of the body; a JSON listing is one line. `rows=None` breaks the connection before the
status line, and so does any number where there is no body (204). When several faults match a call, each
counts it and the first one that is due strikes.

A call that would write something, and gets another `Answer`, writes nothing; one whose connection breaks or whose
reply is mangled has written it. `has_effect` says otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import islice
from math import inf
from random import Random
from threading import Lock
from typing import Any, ClassVar, Literal

from sandbox.messages import JSON, TEXT, BrokenOff, Ending, Reply, Request, without_last_newline


@dataclass(frozen=True)
class Answer:
    """Another answer in place of the right one; a mapping is sent as JSON, a string as plain text or what is said."""

    status: int
    body: str | Mapping[str, Any] = ""
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)

    def apply(self, reply: Reply) -> Reply:
        if isinstance(self.body, str):
            return Reply(self.status, self.content_type, self.body.encode(), headers=self.headers)
        return Reply(self.status, JSON, json.dumps(self.body).encode(), headers=self.headers)


@dataclass(frozen=True)
class Cut:
    """`rows` lines, after which the connection closes at one of several places.

    line      half-way through the next line, before the terminating chunk
    line_end  right after a newline, at the start of another chunk
    chunk     right after a newline, before the terminating chunk
    unframed  half-way through the next line of a body without length or chunks, which HTTP takes for complete
    """

    rows: int | None = 0
    at: Literal["line", "line_end", "chunk", "unframed"] = "line"
    ending: ClassVar = Ending.CLOSE

    def apply(self, reply: Reply) -> Reply:
        if self.rows is None or reply.status == HTTPStatus.NO_CONTENT:
            raise BrokenOff(self.ending)
        lines = self._lines(reply.as_lines(), self.rows)
        return replace(reply, body=b"", lines=lines, framed=self.at != "unframed")

    def _lines(self, lines: Iterator[bytes], rows: int) -> Iterator[bytes]:
        yield from islice(lines, max(rows - 1, 0))
        last = next(lines, b"") if rows else b""
        following = next(lines, b"")
        yield last + (following[: len(following) // 2] if self.at in ("line", "unframed") else b"")
        raise BrokenOff(self.ending, b"" if self.at == "line_end" else None)


@dataclass(frozen=True)
class Reset(Cut):
    """`rows` lines, then a TCP reset."""

    at: Literal["line", "line_end", "chunk", "unframed"] = "chunk"
    ending: ClassVar = Ending.RESET


@dataclass(frozen=True)
class Stall(Reset):
    """`rows` lines, then silence until the client closes the connection or the server stops."""

    ending: ClassVar = Ending.STALL


@dataclass(frozen=True)
class Late:
    """The right answer, whose first byte comes after so many seconds of the sandbox's clock."""

    seconds: float

    def apply(self, reply: Reply) -> Reply:
        return replace(reply, late=self.seconds)


@dataclass(frozen=True)
class Mangle:
    """A complete reply with odd lines.

    Every `garbage_every`-th line is replaced by `garbage`; a blank line goes before every `blank_every`-th;
    `last_newline=False` drops the newline at the very end.
    """

    garbage_every: int | None = None
    blank_every: int | None = None
    last_newline: bool = True
    garbage: bytes = b"<upstream connect error>"

    def apply(self, reply: Reply) -> Reply:
        lines = self._lines(reply.as_lines())
        return replace(reply, body=b"", lines=lines if self.last_newline else without_last_newline(lines))

    def _lines(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for number, line in enumerate(lines, start=1):
            if self.blank_every and number % self.blank_every == 0:
                yield b"\n"
            mangled = self.garbage_every and number % self.garbage_every == 0
            yield self.garbage + b"\n" if mangled else line


@dataclass(frozen=True)
class Fault:
    """Which calls are struck, and how.

    path: a regular expression, searched in the path; query: parameters with these values must be present;
    method: None for any; after: matching calls left alone first; times: calls struck, None for all;
    during: a stretch of the sandbox's clock, in epoch seconds; share: of the calls that are due, by chance.
    has_effect: whether what the call asks for is done; None goes by the kind.
    """

    path: str
    kind: Answer | Cut | Late | Mangle
    times: int | None = 1
    query: Mapping[str, str] | None = None
    after: int = 0
    during: tuple[float, float] = (-inf, inf)
    share: float = 1
    method: str | None = None
    has_effect: bool | None = None

    @property
    def lets_through(self) -> bool:
        return not isinstance(self.kind, Answer) if self.has_effect is None else self.has_effect

    def matches(self, request: Request, now: float) -> bool:
        wanted = (self.query or {}).items()
        return (
            self.method in (None, request.method)
            and self.during[0] <= now < self.during[1]
            and bool(re.search(self.path, request.path))
            and all(value in request.query.get(name, []) for name, value in wanted)
        )

    def is_due(self, seen: int) -> bool:
        """Return True if the `seen`-th matching call (from 1) is struck."""
        return seen > self.after and (self.times is None or seen <= self.after + self.times)


class Faults:
    """The faults in force, and how many matching calls each has seen."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: list[Fault] = []
        self._seen: list[int] = []
        self._chance = Random("faults")

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)
            self._seen.append(0)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self._seen.clear()

    def strike(self, request: Request, reply: Reply, now: float) -> Reply:
        """The reply that leaves, once its effect is there; raises BrokenOff when nothing leaves at all."""
        fault = self._due(request, now) if 200 <= reply.status < 300 else None
        if fault is None or fault.lets_through:
            reply.effect()
        return reply if fault is None else fault.kind.apply(reply)

    def _due(self, request: Request, now: float) -> Fault | None:
        with self._lock:
            due: Fault | None = None
            for position, fault in enumerate(self._faults):
                if fault.matches(request, now):
                    self._seen[position] += 1
                    struck = fault.share == 1 or self._chance.random() < fault.share
                    if due is None and struck and fault.is_due(self._seen[position]):
                        due = fault
            return due
