"""`/api/export/…`: rows of a window, and all events of one user, as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from zlib import crc32

from sandbox.iterable import data_types, parameters, selection
from sandbox.iterable.errors import bad_params
from sandbox.iterable.events import Event, Row, shuffled
from sandbox.iterable.project import IterableProject
from sandbox.iterable.timestamps import DAY, day_of, midnight, spelt
from sandbox.messages import BrokenOff, Ending, Reply, Request, json_line, lines_reply, without_last_newline

UNTERMINATED_SHARE = 4
"""One in so many export replies lacks the newline after its last line."""

INTERNAL = "itblInternal"


def data(project: IterableProject, request: Request) -> Reply:
    """`data.json`: the visible rows of [startDateTime, endDateTime), in no order of time."""
    now = project.clock()
    selected = selection.requested(request, _period(request, now))
    window = project.window(selected.data_type, selected.start, selected.end)
    lines: Iterable[bytes] = map(selected.line, selected.of(window, now))
    if crc32(f"{selected.data_type} {selected.start} {selected.end}".encode()) % UNTERMINATED_SHARE == 0:
        lines = without_last_newline(lines)
    return lines_reply(_cut(lines, project.cut_after_rows))


def user_events(project: IterableProject, request: Request) -> Reply:
    """`userEvents`: every visible event of one user, of every data type, in no order of time."""
    key, value = _user(request)
    with_custom = parameters.flag(request, "includeCustomEvents")
    now = project.clock()
    rows = (
        _user_event(data_type, event)
        for data_type in data_types.EVENTS
        if with_custom or data_type != data_types.CUSTOM_EVENT
        for event in selection.visible(shuffled(project.window(data_type, -inf, inf)), now)
        if event.row.get(key) == value
    )
    return lines_reply(_cut(map(json_line, rows), project.cut_after_rows))


def _period(request: Request, now: float) -> selection.Period:
    """A start needs no end, an end needs its start; neither means `range`."""
    bounds = selection.bounds(request)
    if bounds is None:
        return _range(request, midnight(day_of(now)))
    if bounds[0] == -inf:
        raise bad_params("endDateTime needs a startDateTime")
    return bounds


def _range(request: Request, today: float) -> selection.Period:
    ranges = {
        "Today": (today, today + DAY),
        "Yesterday": (today - DAY, today),
        "BeforeToday": (-inf, today),
        "All": (-inf, inf),
    }
    return ranges[parameters.choice(request, "range", ranges, "Today")]


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
