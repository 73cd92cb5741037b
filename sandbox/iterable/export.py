"""`/api/export/…`: rows of a window, and all events of one user, as lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from zlib import crc32

from sandbox.iterable import data_types, parameters
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
    data_type = _data_type(request)
    now = project.clock()
    start, end = _period(request, now)
    chosen = _visible(shuffled(project.window(data_type, start, end)), now)
    campaign = parameters.optional_integer(request, "campaignId")
    if campaign is not None:
        chosen = (event for event in chosen if event.row.get("campaignId") == campaign)
    encode = _encoder(request, data_types.filter_column(data_type))
    lines: Iterable[bytes] = (encode(event) for event in chosen)
    if crc32(f"{data_type} {start} {end}".encode()) % UNTERMINATED_SHARE == 0:
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
        for event in _visible(shuffled(project.window(data_type, -inf, inf)), now)
        if event.row.get(key) == value
    )
    return lines_reply(_cut(map(json_line, rows), project.cut_after_rows))


def _data_type(request: Request) -> str:
    name = parameters.required(request, "dataTypeName")
    data_type = data_types.canonical(name)
    if data_type is None:
        raise bad_params(f"Invalid dataTypeName: {name}")
    return data_type


def _period(request: Request, now: float) -> tuple[float, float]:
    """[start, end) in epoch seconds. A start needs no end, an end needs its start; neither means `range`."""
    start = parameters.second(request, "startDateTime")
    end = parameters.second(request, "endDateTime")
    if start is None and end is None:
        return _range(request, midnight(day_of(now)))
    if start is None:
        raise bad_params("endDateTime needs a startDateTime")
    if end is not None and end < start:
        raise bad_params("endDateTime is before startDateTime")
    return start, inf if end is None else end


def _range(request: Request, today: float) -> tuple[float, float]:
    ranges = {
        "Today": (today, today + DAY),
        "Yesterday": (today - DAY, today),
        "BeforeToday": (-inf, today),
        "All": (-inf, inf),
    }
    return ranges[parameters.choice(request, "range", ranges, "Today")]


def _visible(events: Iterable[Event], now: float) -> Iterator[Event]:
    return (event for event in events if event.at <= now and event.indexed_at <= now)


def _encoder(request: Request, always: str) -> Callable[[Event], bytes]:
    """How to write an event: whole, or with the fields asked for; the filter column always stays."""
    only = parameters.names(request, "onlyFields")
    omitted = parameters.names(request, "omitFields") or frozenset()
    if only is None and not omitted:
        return lambda event: event.line

    def stays(name: str) -> bool:
        return name == always or ((only is None or name in only) and name not in omitted)

    return lambda event: json_line({name: value for name, value in event.row.items() if stays(name)})


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
    nested = {
        name.removeprefix(dotted): value for name, value in event.row.items() if name.startswith(dotted)
    }
    indexed = spelt(event.indexed_at)
    internal = {"documentCreatedAt": indexed, "documentUpdatedAt": indexed, **nested}
    internal |= event.row.get(INTERNAL) or {}
    fields = {name: value for name, value in event.row.items() if not name.startswith(dotted)}
    return {**fields, "_type": data_type, INTERNAL: internal}
