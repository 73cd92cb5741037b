"""Writing `/profiles/{id}` and `/lists/{id}/subscriptions/{user}`."""

from __future__ import annotations

from sandbox.courier import bodies
from sandbox.courier.listings import found
from sandbox.courier.timestamps import iso
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Reply, Request, json_reply, no_content


def merge(workspace: CourierWorkspace, request: Request) -> Reply:
    user, given = request.parts["id"], bodies.nested(bodies.json_object(request), "profile")
    return json_reply({"status": "SUCCESS"}, effect=lambda: merge_profile(workspace, user, given))


def profile_of(workspace: CourierWorkspace, user: str) -> Row:
    """The profile itself, empty where there is none."""
    profile: Row = workspace.profiles.get(user, {}).get("profile", {})
    return profile


def merge_profile(workspace: CourierWorkspace, user: str, given: Row) -> None:
    """Takes over what is given and leaves the rest; makes a profile where there is none."""
    held = workspace.profiles.get(user, {"preferences": {}})
    workspace.profiles[user] = {**held, "profile": {**profile_of(workspace, user), **given}}


def subscribe(workspace: CourierWorkspace, request: Request) -> Reply:
    """Needs no body; a list that is not there is created, and called by its id."""
    preferences = bodies.optional(bodies.optional_object(request), "preferences")
    given = {} if preferences is None else {"preferences": preferences}
    return no_content(lambda: _add(workspace, request.parts["id"], request.parts["user"], given))


def unsubscribe(workspace: CourierWorkspace, request: Request) -> Reply:
    """404 for someone who is not subscribed."""
    rows = workspace.list_subscriptions.get(request.parts["id"], [])
    row = found(rows, "recipientId", request.parts["user"])
    return no_content(lambda: rows.remove(row))


def _add(workspace: CourierWorkspace, list_id: str, user: str, given: Row) -> None:
    """The day of an earlier subscription stays."""
    at = iso(workspace.now)
    if all(row["id"] != list_id for row in workspace.lists):
        workspace.lists.append({"id": list_id, "name": list_id, "created": at, "updated": at})
    rows = workspace.list_subscriptions.setdefault(list_id, [])
    known = next((row for row in rows if row["recipientId"] == user), None)
    if known is None:
        rows.append({"recipientId": user, "created": at, **given})
    else:
        known.update(given)
