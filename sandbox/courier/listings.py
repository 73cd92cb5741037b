"""Everything that is listed: a table of listings, and the five ways in which Courier wraps a page.

| wrapping        | asked for with    | says where to go on                       | rows in                  |
|-----------------|-------------------|-------------------------------------------|--------------------------|
| `with_paging`   | cursor            | `paging`: `cursor` and `more`             | `results`, `items` or so |
| `with_has_more` | cursor, limit     | `has_more`, then `cursor` and `next_url`  | `items`                  |
| `as_templates`  | cursor            | `cursor`, on all pages but the last       | `templates`              |
| `as_runs`       | cursor, limit     | `next_cursor`, on all pages but the last  | `runs`                   |
| `whole`         |                   |                                           | `results`                |

A cursor is opaque and names the last row of its page, so that rows added meanwhile neither shift nor hide others.

`Listing("/brands", "brands")` is all that a plain one needs, and
`Listing("/tenants/{tenant_id}/templates", "tenant_templates", parents="tenants")` one below others: the rows are those
that the workspace holds under the name, or some made from the schema of that name.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from sandbox.courier import message_log, parameters
from sandbox.courier.errors import bad_request, not_found
from sandbox.courier.timestamps import milliseconds
from sandbox.courier.workspace import CourierWorkspace, Row, Rows
from sandbox.messages import Reply, Request, json_reply

TEN, LIMITED, RUNS = (10, 10), (20, 100), (20, 50)
"""Rows on a page: by default, and at most where `limit` asks for more."""


@dataclass(frozen=True)
class Page:
    """Rows, and the cursor for those that follow; None on the last page."""

    rows: Rows
    cursor: str | None
    size: int


def with_paging(request: Request, page: Page, array: str) -> Row:
    return {"paging": {"cursor": page.cursor, "more": page.cursor is not None}, array: page.rows}


def with_has_more(request: Request, page: Page, array: str) -> Row:
    body: Row = {"items": page.rows, "type": "list", "url": request.path, "has_more": page.cursor is not None}
    query = urlencode({"cursor": page.cursor, "limit": page.size})
    return body | ({"next_url": f"{request.path}?{query}", "cursor": page.cursor} if page.cursor else {})


def as_templates(request: Request, page: Page, array: str) -> Row:
    return {"templates": page.rows} | ({"cursor": page.cursor} if page.cursor else {})


def as_runs(request: Request, page: Page, array: str) -> Row:
    return {"runs": page.rows} | ({"next_cursor": page.cursor} if page.cursor else {})


def whole(request: Request, page: Page, array: str) -> Row:
    return {array: page.rows}


@dataclass(frozen=True)
class Listing:
    """One listing.

    name: of the container in the workspace, and of the schema. key: tells its rows apart. parents: the container of
    those that the path names, and in which an unknown one is a 404. rows: where they come from, if not from `name`.
    """

    path: str
    name: str
    array: str = "results"
    key: str = "id"
    wrapped: Callable[[Request, Page, str], Row] = with_paging
    size: tuple[int, int] = TEN
    parents: str | None = None
    rows: Callable[[CourierWorkspace, Request], Rows] | None = None

    def answer(self, workspace: CourierWorkspace, request: Request) -> Reply:
        rows = self.rows(workspace, request) if self.rows else self._held(workspace, request)
        size = len(rows) if self.wrapped is whole else parameters.limit(request, *self.size)
        array = workspace.arrays.get(self.path, self.array)
        return json_reply(self.wrapped(request, self._page(request, rows, size), array))

    def _held(self, workspace: CourierWorkspace, request: Request) -> Rows:
        held = workspace.held(self.name, below=self.parents is not None)
        if self.parents is None:
            return list(held)
        (parent,) = request.parts.values()
        parents = workspace.held(self.parents)
        known = parents if isinstance(parents, dict) else {key_of(row) for row in parents}
        if parent not in known:
            raise not_found()
        return list(held.get(parent, []))

    def _page(self, request: Request, rows: Rows, size: int) -> Page:
        first = 0
        if cursor := request.parameter("cursor"):
            keys = [str(row[self.key]) for row in rows]
            first = keys.index(_decoded(cursor, keys)) + 1
        shown = rows[first : first + size]
        more = len(rows) > first + size
        return Page(shown, b64encode(str(shown[-1][self.key]).encode()).decode() if more else None, size)


def key_of(row: Row) -> str:
    """The id by which a path names the row."""
    return str(row["run_id"] if "run_id" in row else row["id"])


def found(rows: Rows, key: str, value: str) -> Row:
    for row in rows:
        if str(row[key]) == value:
            return row
    raise not_found()


def single(container: str) -> Callable[[CourierWorkspace, Request], Reply]:
    """One row of a container, by the id in the path."""
    return lambda workspace, request: json_reply(found(workspace.held(container), "id", request.parts["id"]))


def profile(workspace: CourierWorkspace, request: Request) -> Reply:
    known = workspace.profiles.get(request.parts["id"])
    if known is None and workspace.unknown_profile == "missing":
        raise not_found()
    return json_reply({"profile": {}} if known is None else known)


def _decoded(cursor: str, keys: list[str]) -> str:
    try:
        key = b64decode(cursor, validate=True).decode()
    except ValueError:
        key = ""
    if key not in keys:
        raise bad_request("Invalid cursor")
    return key


def _of_version(container: str) -> Callable[[CourierWorkspace, Request], Rows]:
    """Published templates, or with version=draft drafts."""

    def rows(workspace: CourierWorkspace, request: Request) -> Rows:
        version = request.parameter("version") or "published"
        return [row for row in workspace.held(container) if row["version"] == version]

    return rows


def _runs(container: str) -> Callable[[CourierWorkspace, Request], Rows]:
    """Runs that have begun since `start_date`, newest first, without `updated_at`."""

    def rows(workspace: CourierWorkspace, request: Request) -> Rows:
        first = parameters.day_or_instant(request, "start_date") or 0
        begun = [(_began(row), row["run_id"], row) for row in workspace.held(container)]
        chosen = sorted((run for run in begun if first <= run[0] <= workspace.now), key=lambda run: run[:2])
        return [{name: value for name, value in row.items() if name != "updated_at"} for _, _, row in chosen[::-1]]

    return rows


def _began(row: Row) -> int:
    """Epoch milliseconds; 0 for a run that does not say, which makes it the oldest."""
    return milliseconds(row["created_at"]) if row.get("created_at") else 0


def _sections(workspace: CourierWorkspace, request: Request) -> Rows:
    """Preference sections, each with its topics."""
    topics = workspace.preference_topics
    return [{**row, "topics": topics.get(row["id"], [])} for row in workspace.preference_sections]


LISTINGS = (
    Listing("/messages", "messages", rows=message_log.messages),
    Listing("/audiences", "audiences", "items"),
    Listing("/audiences/{audience_id}/members", "audience_members", "items", "member_id", parents="audiences"),
    Listing("/lists", "lists", "items"),
    Listing("/lists/{list_id}/subscriptions", "list_subscriptions", "items", "recipientId", parents="lists"),
    Listing("/tenants", "tenants", wrapped=with_has_more, size=LIMITED),
    Listing("/tenants/{tenant_id}/users", "tenant_users", "", "user_id", with_has_more, LIMITED, "tenants"),
    Listing("/automations", "automations", wrapped=as_templates, rows=_of_version("automations")),
    Listing("/automations/runs", "automation_runs", "", "run_id", as_runs, RUNS, rows=_runs("automation_runs")),
    Listing("/journeys", "journeys", wrapped=as_templates, rows=_of_version("journeys")),
    Listing("/journeys/runs", "journey_runs", "", "run_id", as_runs, RUNS, rows=_runs("journey_runs")),
    Listing("/broadcasts", "broadcasts", size=LIMITED),
    Listing("/brands", "brands"),
    Listing("/notifications", "notifications"),
    Listing("/routing-strategies", "routing_strategies", size=LIMITED),
    Listing("/preferences/sections", "preference_sections", wrapped=whole, rows=_sections),
    Listing(
        "/preferences/sections/{section_id}/topics", "preference_topics", wrapped=whole, parents="preference_sections"
    ),
    Listing("/audit-events", "audit_events", key="auditEventId"),
)
