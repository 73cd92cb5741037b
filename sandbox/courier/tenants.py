"""Writing `/tenants/{id}` and who belongs to it."""

from __future__ import annotations

from sandbox.courier import bodies
from sandbox.courier.errors import bad_request, not_found
from sandbox.courier.listings import found
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Reply, Request, json_reply, no_content

LEVELS = 4
"""A tenant, its parent, and so on."""

OPTIONAL = ("parent_tenant_id", "brand_id", "properties", "user_profile", "default_preferences")


def put(workspace: CourierWorkspace, request: Request) -> Reply:
    """Replaces the whole tenant: what is not given is null afterwards."""
    body = bodies.json_object(request)
    tenant_id, name = request.parts["id"], bodies.text(body, "name")
    row = {"id": tenant_id, "name": name, **{column: body.get(column) for column in OPTIONAL}}
    _check_levels(workspace, tenant_id, row["parent_tenant_id"])
    return json_reply(row, effect=lambda: _hold(workspace, row))


def delete(workspace: CourierWorkspace, request: Request) -> Reply:
    row = found(workspace.tenants, "id", request.parts["id"])

    def effect() -> None:
        workspace.tenants.remove(row)
        workspace.tenant_users.pop(row["id"], None)

    return no_content(effect)


def add_several(workspace: CourierWorkspace, request: Request) -> Reply:
    """Adds a user to several tenants."""
    wanted = bodies.rows(bodies.json_object(request), "tenants", "tenant_id")
    profiles = {row["tenant_id"]: bodies.optional(row, "profile") for row in wanted}
    return _added(workspace, request.parts["id"], profiles)


def add_one(workspace: CourierWorkspace, request: Request) -> Reply:
    """Needs no body."""
    profile = bodies.optional(bodies.optional_object(request), "profile")
    return _added(workspace, request.parts["id"], {request.parts["tenant"]: profile})


def remove_one(workspace: CourierWorkspace, request: Request) -> Reply:
    return no_content(lambda: _remove(workspace, request.parts["id"], {request.parts["tenant"]}))


def remove_all(workspace: CourierWorkspace, request: Request) -> Reply:
    return no_content(lambda: _remove(workspace, request.parts["id"], set(workspace.tenant_users)))


def take_group(workspace: CourierWorkspace, tenant_id: str, user: str | None, traits: Row) -> None:
    """What a group event does: its tenant is created, or gains the traits; the user belongs to it."""
    known = _known(workspace, tenant_id) or _blank(tenant_id)
    name = traits.get("name") or known["name"]
    _hold(workspace, {**known, "name": name, "properties": {**(known.get("properties") or {}), **traits}})
    if user is not None:
        _add(workspace, user, tenant_id, None)


def _added(workspace: CourierWorkspace, user: str, profiles: dict[str, Row | None]) -> Reply:
    if workspace.unknown_tenant == "missing" and not all(_known(workspace, tenant) for tenant in profiles):
        raise not_found()

    def effect() -> None:
        for tenant_id, profile in profiles.items():
            if _known(workspace, tenant_id) is None:
                _hold(workspace, _blank(tenant_id))
            _add(workspace, user, tenant_id, profile)

    return no_content(effect)


def _check_levels(workspace: CourierWorkspace, tenant_id: str, parent: object) -> None:
    parents: dict[str, object] = {row["id"]: row.get("parent_tenant_id") for row in workspace.tenants}
    if parent is not None and parent not in parents:
        raise bad_request("parent_tenant_id is not a tenant")
    parents[tenant_id] = parent
    if any(_level(parents, tenant) > LEVELS for tenant in parents):
        raise bad_request(f"Tenants can be nested {LEVELS} levels deep")


def _level(parents: dict[str, object], tenant: object) -> int:
    """1 for a tenant without a parent; one that is its own ancestor is too deep."""
    level = 1
    while level <= LEVELS and (tenant := parents.get(str(tenant))) is not None:
        level += 1
    return level


def _known(workspace: CourierWorkspace, tenant_id: str) -> Row | None:
    return next((row for row in workspace.tenants if row["id"] == tenant_id), None)


def _blank(tenant_id: str) -> Row:
    """A tenant that is called by its id."""
    return {"id": tenant_id, "name": tenant_id, **dict.fromkeys(OPTIONAL)}


def _hold(workspace: CourierWorkspace, row: Row) -> None:
    known = _known(workspace, row["id"])
    if known is None:
        workspace.tenants.append(row)
    else:
        workspace.tenants[workspace.tenants.index(known)] = row


def _add(workspace: CourierWorkspace, user: str, tenant_id: str, profile: Row | None) -> None:
    rows = workspace.tenant_users.setdefault(tenant_id, [])
    row = {"user_id": user, "tenant_id": tenant_id, "type": "user", "profile": profile}
    for place, known in enumerate(rows):
        if known["user_id"] == user:
            rows[place] = row if profile is not None else known
            return
    rows.append(row)


def _remove(workspace: CourierWorkspace, user: str, tenant_ids: set[str]) -> None:
    for tenant_id in tenant_ids & set(workspace.tenant_users):
        rows = workspace.tenant_users[tenant_id]
        workspace.tenant_users[tenant_id] = [row for row in rows if row["user_id"] != user]
