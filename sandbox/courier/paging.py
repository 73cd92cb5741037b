"""Pages, and the four ways Courier wraps them. Cursors are opaque: base64 of where a page ended.

| wrapping        | asked for with    | says where to go on                       | rows in                  |
|-----------------|-------------------|-------------------------------------------|--------------------------|
| `with_paging`   | cursor            | `paging`: `cursor` and `more`             | `results`, `items` or so |
| `with_has_more` | cursor, limit     | `has_more`, then `cursor` and `next_url`  | `items`                  |
| `of_templates`  | cursor            | `cursor`, on all pages but the last       | `templates`              |
| `of_runs`       | cursor, limit     | `next_cursor`, on all pages but the last  | `runs`                   |

A cursor names the last row of its page, so that rows added meanwhile neither shift nor hide others.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from sandbox.courier.errors import bad_request
from sandbox.courier.workspace import CourierWorkspace, Row, Rows
from sandbox.messages import Reply, Request, json_reply

PAGE = 10
"""Rows on a page where `limit` has no meaning."""

Position = tuple[int, str]
"""The place of a row in the order of time: epoch milliseconds and id."""

LATEST: Position = (10**15, "")
"""Later than any row."""


@dataclass(frozen=True)
class Page:
    """Rows, whether others follow, the cursor for those (None on an empty page), and for the page before."""

    rows: Rows
    more: bool
    cursor: str | None
    previous: str | None = None


def keyed_page(request: Request, rows: Rows, key: str, size: int = PAGE) -> Page:
    """The next rows in the order in which they are held, after the one whose `key` the cursor holds."""
    last = _decoded(request)
    following = rows if last is None else rows[_place(rows, key, last) + 1 :]
    shown = following[:size]
    return Page(shown, len(following) > size, _encoded(str(shown[-1][key])) if shown else None)


def newest_page(request: Request, rows: Iterable[Row], position: Callable[[Row], Position], size: int = PAGE) -> Page:
    """The newest rows, or those older than the row whose position the cursor holds."""
    last = _decoded(request)
    ordered = sorted(rows, key=position, reverse=True)
    places = [position(row) for row in ordered]
    first = 0 if last is None else _first_before(places, _position(last))
    shown = ordered[first : first + size]
    end = _at(places[first + len(shown) - 1]) if shown else None
    start = first - size - 1
    previous = None if first == 0 else _at(places[start] if start >= 0 else LATEST)
    return Page(shown, len(ordered) > first + size, end, previous)


def _first_before(places: list[Position], last: Position) -> int:
    return next((index for index, place in enumerate(places) if place < last), len(places))


def _at(position: Position) -> str:
    return _encoded("{},{}".format(*position))


def _place(rows: Rows, key: str, value: str) -> int:
    for place, row in enumerate(rows):
        if str(row[key]) == value:
            return place
    raise bad_request("Invalid cursor")


def _position(text: str) -> Position:
    at, _, row_id = text.partition(",")
    try:
        return int(at), row_id
    except ValueError:
        raise bad_request("Invalid cursor") from None


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _decoded(request: Request) -> str | None:
    cursor = request.parameter("cursor")
    if cursor is None:
        return None
    try:
        return b64decode(cursor, validate=True).decode()
    except ValueError:
        raise bad_request("Invalid cursor") from None


def with_paging(workspace: CourierWorkspace, page: Page, array: str) -> Reply:
    if page.more or workspace.last_cursor == "repeated":
        paging: Row = {"cursor": page.cursor, "more": page.more}
    else:
        paging = {"more": False} | ({"cursor": None} if workspace.last_cursor == "null" else {})
    return json_reply({"paging": paging, array: page.rows})


def with_has_more(request: Request, page: Page, size: int) -> Reply:
    body: Row = {"items": page.rows, "type": "list", "url": request.path, "has_more": page.more}
    if page.more:
        query = urlencode({"cursor": page.cursor, "limit": size})
        body |= {"next_url": f"{request.path}?{query}", "cursor": page.cursor}
    return json_reply(body)


def of_templates(page: Page) -> Reply:
    body: Row = {"templates": page.rows} | ({"cursor": page.cursor} if page.more else {})
    return json_reply(body)


def of_runs(page: Page, both_ways: bool) -> Reply:
    """both_ways: with `prev_cursor` on all pages but the first."""
    body: Row = {"runs": page.rows} | ({"next_cursor": page.cursor} if page.more else {})
    return json_reply(body | ({"prev_cursor": page.previous} if both_ways and page.previous else {}))
