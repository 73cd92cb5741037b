"""`/api/export/…`: rows of a window, and all events of one user, as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf
from zlib import crc32

from sandbox.iterable import data_types, parameters
from sandbox.iterable.errors import bad_params
from sandbox.iterable.events import Event, Row, shuffled
from sandbox.iterable.project import IterableProject
from sandbox.iterable.timestamps import spelt
from sandbox.messages import BrokenOff, Ending, Reply, Request, json_line, lines_reply, without_last_newline

UNTERMINATED_SHARE = 4
"""One in so many export replies lacks the newline after its last line."""

INTERNAL = "itblInternal"


@dataclass(frozen=True)
class Selection:
    """The rows that an export takes: a data type in [start, end), in epoch seconds; infinite where it is open."""

    data_type: str
    start: float
    end: float

    def events(self, project: IterableProject, now: float) -> Iterator[Event]:
        """Those that an export begun now delivers, in no order of time."""
        return visible(shuffled(project.window(self.data_type, self.start, self.end)), now)


def requested(request: Request) -> Selection:
    """Return what the parameters of an export of either kind select."""
    name = parameters.required(request, "dataTypeName")
    data_type = data_types.canonical(name)
    if data_type is None:
        raise bad_params(f"Invalid dataTypeName: {name}")
    start, end = parameters.second(request, "startDateTime"), parameters.second(request, "endDateTime")
    if start is not None and end is not None and end < start:
        raise bad_params("endDateTime is before startDateTime")
    return Selection(data_type, -inf if start is None else start, inf if end is None else end)


def data(project: IterableProject, request: Request) -> Reply:
    """`data.json`: the visible rows of [startDateTime, endDateTime), in no order of time."""
    parameters.required(request, "startDateTime")
    selection = requested(request)
    lines: Iterable[bytes] = (event.line for event in selection.events(project, project.clock()))
    if crc32(f"{selection.data_type} {selection.start} {selection.end}".encode()) % UNTERMINATED_SHARE == 0:
        lines = without_last_newline(lines)
    return lines_reply(_cut(lines, project.cut_after_rows))


def user_events(project: IterableProject, request: Request) -> Reply:
    """`userEvents`: every visible event of one user, of every data type, in no order of time."""
    key, value = _user(request)
    with_custom = parameters.flag(request, "includeCustomEvents")
    rows = (
        _user_event(data_type, event)
        for data_type in data_types.EVENTS
        if with_custom or data_type != data_types.CUSTOM_EVENT
        for event in Selection(data_type, -inf, inf).events(project, project.clock())
        if event.row.get(key) == value
    )
    return lines_reply(_cut(map(json_line, rows), project.cut_after_rows))


def visible(events: Iterable[Event], now: float) -> Iterator[Event]:
    """Those that have happened and are indexed."""
    return (event for event in events if event.at <= now and event.indexed_at <= now)


def _cut(lines: Iterable[bytes], rows: int | None) -> Iterator[bytes]:
    """Breaks off where the server tires of a long reply."""
    for number, line in enumerate(lines):
        if number == rows:
            raise BrokenOff(Ending.CLOSE)
        yield line


def _user(request: Request) -> tuple[str, str]:
    for key in ("email", "userId"):
        value = request.parameter(key)
        if value is not None:
            return key, value
    raise bad_params("Either email or userId is required")


def _user_event(data_type: str, event: Event) -> Row:
    """The event's row with its type, and Iterable's own fields nested."""
    dotted = f"{INTERNAL}."
    nested = {name.removeprefix(dotted): value for name, value in event.row.items() if name.startswith(dotted)}
    indexed = spelt(event.indexed_at)
    internal = {"documentCreatedAt": indexed, "documentUpdatedAt": indexed, **nested}
    internal |= event.row.get(INTERNAL) or {}
    fields = {name: value for name, value in event.row.items() if not name.startswith(dotted)}
    return {**fields, "_type": data_type, INTERNAL: internal}
