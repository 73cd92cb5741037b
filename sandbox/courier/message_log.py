"""`/messages…`: what was sent to whom, how far each message has come, and what it looked like."""

from __future__ import annotations

from collections.abc import Collection

from sandbox.courier import parameters
from sandbox.courier.errors import not_found
from sandbox.courier.timestamps import DAY
from sandbox.courier.workspace import CourierWorkspace, Row, Rows
from sandbox.messages import Reply, Request, json_reply

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

FILTERS = ("status", "notification")
"""Query parameters that ask for equality."""


def messages(workspace: CourierWorkspace, request: Request, held: Rows) -> Rows:
    """The messages in view that the query asks for, newest first, as far as each has come."""
    after = parameters.instant(request, "enqueued_after")
    first = 0 if after is None else after + (not workspace.after_is_inclusive)
    in_view = [as_of(row, workspace.now) for row in held if first <= row["enqueued"] <= workspace.now]
    wanted = {name: value for name in FILTERS if (value := request.parameter(name))}
    with_archived = request.parameter("archived") == "true"
    chosen = [
        _without(row, HIDDEN | DETAILS_ONLY)
        for row in in_view
        if (with_archived or not row.get("archived")) and all(row.get(name) == value for name, value in wanted.items())
    ]
    return sorted(chosen, key=lambda row: (row["enqueued"], row["id"]), reverse=True)


def details(workspace: CourierWorkspace, request: Request) -> Reply:
    return json_reply(_without(_message(workspace, request), HIDDEN))


def history(workspace: CourierWorkspace, request: Request) -> Reply:
    """All that has happened to a message so far."""
    events = _kept(workspace, request, workspace.history)
    return json_reply({"results": [row for row in events if row["ts"] <= workspace.now]})


def output(workspace: CourierWorkspace, request: Request) -> Reply:
    return json_reply({"results": _kept(workspace, request, workspace.outputs)})


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
    """Return the rows below a message; 404 when that is gone."""
    row = _message(workspace, request)
    days = workspace.retention_days
    if row["id"] not in below or (days is not None and row["enqueued"] < workspace.now - days * DAY):
        raise not_found()
    return below[row["id"]]


def _without(row: Row, names: Collection[str]) -> Row:
    return {name: value for name, value in row.items() if name not in names}
