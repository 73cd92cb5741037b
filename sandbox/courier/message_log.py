"""`/messages…`: what was sent to whom, how far each message has come, and what it looked like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf

from sandbox.courier import parameters
from sandbox.courier.errors import not_found
from sandbox.courier.listings import found
from sandbox.courier.paging import Position, newest_page, with_paging
from sandbox.courier.timestamps import DAY
from sandbox.courier.workspace import CourierWorkspace, Row, Rows
from sandbox.messages import HTML, TEXT, Reply, Request, json_reply, text_reply

HIDDEN = frozenset(("archived", "tags", "tenantId", "traceId"))
DETAILS_ONLY = frozenset(("providers",))

MOMENTS = {
    "canceledAt": "CANCELED",
    "sent": "SENT",
    "delivered": "DELIVERED",
    "opened": "OPENED",
    "clicked": "CLICKED",
}
"""The column of each moment, and the status it brings, in the order of a message's life."""

FAILURE = frozenset(("error", "reason", "reasonCode", "reasonDetails"))

FILTERS = {
    "event": "event",
    "list": "listId",
    "messageId": "id",
    "notification": "notification",
    "tenant_id": "tenantId",
    "traceId": "traceId",
}
"""Query parameters that ask for equality, and the column of each."""


def messages(workspace: CourierWorkspace, request: Request) -> Reply:
    """Ten a page, newest first."""
    page = newest_page(request, _chosen(workspace, request), _position)
    rows = [_without(row, HIDDEN | DETAILS_ONLY) for row in page.rows]
    return with_paging(workspace, replace(page, rows=rows), "results")


def details(workspace: CourierWorkspace, request: Request) -> Reply:
    return json_reply(_without(_message(workspace, request), HIDDEN))


def history(workspace: CourierWorkspace, request: Request) -> Reply:
    """All that has happened to a message so far, or with `type` the events of that type."""
    wanted = request.parameter("type")
    events = _kept(workspace, request, workspace.history)
    now = workspace.now
    shown = [row for row in events if row["ts"] <= now and wanted in (None, row["type"])]
    return json_reply({"results": shown})


def output(workspace: CourierWorkspace, request: Request) -> Reply:
    return json_reply({"results": _kept(workspace, request, workspace.outputs)})


def output_part(workspace: CourierWorkspace, request: Request) -> Reply:
    """One part of what a channel rendered, such as `html`, by itself: a text as it is, blocks as JSON."""
    rows = _kept(workspace, request, workspace.outputs)
    name = request.parts["part"]
    part = found(rows, "channel_id", request.parts["output"])["content"].get(name)
    if part is None:
        raise not_found()
    if isinstance(part, str):
        return text_reply(part, content_type=HTML if name == "html" else TEXT)
    return json_reply(part)


def _chosen(workspace: CourierWorkspace, request: Request) -> Iterator[Row]:
    """The messages in view that the query asks for, as far as each has come."""
    now = workspace.now
    first = _first(workspace, parameters.instant(request, "enqueued_after"))
    last = now - int(workspace.search_lag * 1000)
    is_wanted = _filter(request)
    for row in workspace.messages:
        if first <= row["enqueued"] <= last:
            shown = as_of(row, now)
            if is_wanted(shown):
                yield shown


def _first(workspace: CourierWorkspace, after: int | None) -> float:
    """The earliest millisecond that `enqueued_after` lets through."""
    if after is None:
        return -inf
    return after if workspace.after_is_inclusive else after + 1


def _filter(request: Request) -> Callable[[Row], bool]:
    with_archived = parameters.flag(request, "archived")
    recipient = request.parameter("recipient")
    statuses = parameters.names(request, "status")
    providers = parameters.names(request, "provider")
    tags = [names for name in ("tag", "tags") if (names := parameters.names(request, name))]
    equal = {column: value for name, column in FILTERS.items() if (value := request.parameter(name))}

    def is_wanted(row: Row) -> bool:
        return (
            (with_archived or not row.get("archived"))
            and all(row.get(column) == value for column, value in equal.items())
            and (statuses is None or row["status"] in statuses)
            and recipient in (None, row.get("recipientId"), row.get("recipient"))
            and (providers is None or any(one["provider"] in providers for one in row.get("providers", ())))
            and all(names.intersection(row.get("tags", ())) for names in tags)
        )

    return is_wanted


def as_of(row: Row, now: int) -> Row:
    """A message, or its delivery by one provider, without what is still to come; its status accordingly."""
    ahead = {name for name in MOMENTS if (row.get(name) or 0) > now}
    if not ahead:
        return row
    shown = _without(row, ahead | FAILURE)
    reached = [status for name, status in MOMENTS.items() if shown.get(name)]
    shown["status"] = reached[-1] if reached else "ENQUEUED"
    if "providers" in row:
        begun = [one for one in row["providers"] if (one.get("sent") or 0) <= now]
        shown["providers"] = [as_of(one, now) for one in begun]
    return shown


def _message(workspace: CourierWorkspace, request: Request) -> Row:
    """The message named in the path; 404 unless it is known, has begun and has not expired."""
    message_id = request.parts["id"]
    now = workspace.now
    row = next((row for row in workspace.messages if row["id"] == message_id), None)
    if row is None or row["enqueued"] > now or message_id in workspace.expired:
        raise not_found()
    return as_of(row, now)


def _kept(workspace: CourierWorkspace, request: Request, below: dict[str, Rows]) -> Rows:
    """What is held below a message; 404 when that is gone."""
    row = _message(workspace, request)
    days = workspace.retention_days
    if row["id"] not in below or (days is not None and row["enqueued"] < workspace.now - days * DAY):
        raise not_found()
    return below[row["id"]]


def _position(row: Row) -> Position:
    return row["enqueued"], row["id"]


def _without(row: Row, names: frozenset[str] | set[str]) -> Row:
    return {name: value for name, value in row.items() if name not in names}
