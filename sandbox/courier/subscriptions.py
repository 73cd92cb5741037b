"""Writing `/lists/{id}` and who is subscribed to it."""

from __future__ import annotations

from sandbox.courier import bodies
from sandbox.courier.errors import Rejection
from sandbox.courier.listings import found
from sandbox.courier.timestamps import iso
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Reply, Request, no_content


def put_list(workspace: CourierWorkspace, request: Request) -> Reply:
    body = bodies.json_object(request)
    name, preferences = bodies.text(body, "name"), bodies.optional(body, "preferences")
    return no_content(lambda: _put_list(workspace, request.parts["id"], name, preferences))


def delete_list(workspace: CourierWorkspace, request: Request) -> Reply:
    row = found(workspace.lists, "id", request.parts["id"])

    def effect() -> None:
        workspace.lists.remove(row)
        workspace.list_subscriptions.pop(row["id"], None)

    return no_content(effect)


def add_all(workspace: CourierWorkspace, request: Request) -> Reply:
    """Adds to those who are subscribed."""
    return _subscribed(workspace, request, replacing=False)


def replace_all(workspace: CourierWorkspace, request: Request) -> Reply:
    """Leaves no others subscribed."""
    return _subscribed(workspace, request, replacing=True)


def _subscribed(workspace: CourierWorkspace, request: Request, replacing: bool) -> Reply:
    list_id = request.parts["id"]
    recipients = bodies.rows(bodies.json_object(request), "recipients", "recipientId")

    def effect() -> None:
        if replacing:
            workspace.list_subscriptions[list_id] = []
        _ensure(workspace, list_id)
        for row in recipients:
            add(workspace, list_id, row["recipientId"], row.get("preferences"))

    return no_content(effect)


def put_one(workspace: CourierWorkspace, request: Request) -> Reply:
    """Needs no body."""
    preferences = bodies.optional(bodies.optional_object(request), "preferences")
    return no_content(lambda: add(workspace, request.parts["id"], request.parts["user"], preferences))


def delete_one(workspace: CourierWorkspace, request: Request) -> Reply:
    """404 for someone who is not subscribed."""
    rows = workspace.list_subscriptions.get(request.parts["id"], [])
    row = found(rows, "recipientId", request.parts["user"])
    return no_content(lambda: rows.remove(row))


def add(workspace: CourierWorkspace, list_id: str, user: str, preferences: Row | None) -> None:
    """Subscribes a user, to a list that is created if need be; the day of an earlier subscription stays."""
    _ensure(workspace, list_id)
    rows = workspace.list_subscriptions[list_id]
    given = {"preferences": preferences} if preferences is not None else {}
    for row in rows:
        if row["recipientId"] == user:
            row.update(given)
            return
    rows.append({"recipientId": user, "created": iso(workspace.now), **given})


def remove_everywhere(workspace: CourierWorkspace, user: str) -> None:
    for list_id, rows in workspace.list_subscriptions.items():
        workspace.list_subscriptions[list_id] = [row for row in rows if row["recipientId"] != user]


def _put_list(workspace: CourierWorkspace, list_id: str, name: str, preferences: Row | None) -> None:
    row = _ensure(workspace, list_id)
    row.pop("preferences", None)
    row |= {"name": name, "updated": iso(workspace.now)}
    row |= {} if preferences is None else {"preferences": preferences}


def _ensure(workspace: CourierWorkspace, list_id: str) -> Row:
    """The list, made where there is none; it is then called by its id."""
    workspace.list_subscriptions.setdefault(list_id, [])
    try:
        return found(workspace.lists, "id", list_id)
    except Rejection:
        at = iso(workspace.now)
        row = {"id": list_id, "name": list_id, "created": at, "updated": at}
        workspace.lists.append(row)
        return row
