"""Writing `/profiles/{id}`."""

from __future__ import annotations

from copy import deepcopy

from sandbox.courier import bodies, patching, subscriptions
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Effect, Reply, Request, json_reply, no_content


def merge(workspace: CourierWorkspace, request: Request) -> Reply:
    user, given = request.parts["id"], bodies.nested(bodies.json_object(request), "profile")
    return _success(lambda: merge_profile(workspace, user, given))


def replace(workspace: CourierWorkspace, request: Request) -> Reply:
    user, given = request.parts["id"], bodies.nested(bodies.json_object(request), "profile")
    return _success(lambda: _set(workspace, user, given))


def patch(workspace: CourierWorkspace, request: Request) -> Reply:
    """JSON Patch; an id without a profile gets one."""
    user = request.parts["id"]
    operations = bodies.rows(bodies.json_object(request), "patch", "op")
    patched = patching.apply(operations, deepcopy(profile_of(workspace, user)))
    return _confirmed(workspace, lambda: _set(workspace, user, patched))


def delete(workspace: CourierWorkspace, request: Request) -> Reply:
    return _confirmed(workspace, lambda: _drop(workspace, request.parts["id"]))


def subscribe(workspace: CourierWorkspace, request: Request) -> Reply:
    """Adds the user to several lists."""
    user = request.parts["id"]
    wanted = bodies.rows(bodies.json_object(request), "lists", "listId")

    def effect() -> None:
        for row in wanted:
            subscriptions.add(workspace, row["listId"], user, row.get("preferences"))

    return _confirmed(workspace, effect)


def unsubscribe(workspace: CourierWorkspace, request: Request) -> Reply:
    """Removes the user from all lists."""
    return _confirmed(workspace, lambda: subscriptions.remove_everywhere(workspace, request.parts["id"]))


def profile_of(workspace: CourierWorkspace, user: str) -> Row:
    """The profile itself, empty where there is none."""
    profile: Row = workspace.profiles.get(user, {}).get("profile", {})
    return profile


def merge_profile(workspace: CourierWorkspace, user: str, given: Row) -> None:
    """Takes over what is given and leaves the rest; makes a profile where there is none."""
    known = profile_of(workspace, user)
    deep = workspace.profile_merge == "deep"
    _set(workspace, user, _merged(known, given) if deep else {**known, **given})


def _merged(known: Row, given: Row) -> Row:
    together = {
        name: _merged(known[name], value)
        for name, value in given.items()
        if isinstance(value, dict) and isinstance(known.get(name), dict)
    }
    return {**known, **given, **together}


def _set(workspace: CourierWorkspace, user: str, profile: Row) -> None:
    held = workspace.profiles.get(user, {"preferences": {}})
    workspace.profiles[user] = {**held, "profile": profile}


def _drop(workspace: CourierWorkspace, user: str) -> None:
    workspace.profiles.pop(user, None)


def _success(effect: Effect) -> Reply:
    return json_reply({"status": "SUCCESS"}, effect=effect)


def _confirmed(workspace: CourierWorkspace, effect: Effect) -> Reply:
    return _success(effect) if workspace.confirmation == "success" else no_content(effect)
