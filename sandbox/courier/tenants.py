"""Writing `/tenants/{id}` and who belongs to it."""

from __future__ import annotations

from sandbox.courier import bodies
from sandbox.courier.errors import bad_request, not_found
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Reply, Request, json_reply, no_content

OPTIONAL = ("parent_tenant_id", "brand_id", "properties", "user_profile", "default_preferences")


def put(workspace: CourierWorkspace, request: Request) -> Reply:
    """Replaces the whole tenant: what is not given is null afterwards."""
    body = bodies.json_object(request)
    row = {"id": request.parts["id"], "name": bodies.text(body, "name"), **{name: body.get(name) for name in OPTIONAL}}
    if row["parent_tenant_id"] is not None and _known(workspace, row["parent_tenant_id"]) is None:
        raise bad_request("parent_tenant_id is not a tenant")
    return json_reply(row, effect=lambda: _hold(workspace, row))


def add_user(workspace: CourierWorkspace, request: Request) -> Reply:
    """`PUT /users/{id}/tenants/{tenant}`; needs no body."""
    profile = bodies.optional(bodies.optional_object(request), "profile")
    user, tenant = request.parts["id"], request.parts["tenant"]
    if _known(workspace, tenant) is None:
        raise not_found()
    return no_content(lambda: _add(workspace, user, tenant, profile))


def take_group(workspace: CourierWorkspace, tenant_id: str, user: str | None, traits: Row) -> None:
    """Apply a group event: its tenant is created, or gains the traits; the user belongs to it."""
    known = _known(workspace, tenant_id) or {"id": tenant_id, "name": tenant_id, **dict.fromkeys(OPTIONAL)}
    name = traits.get("name") or known["name"]
    _hold(workspace, {**known, "name": name, "properties": {**(known.get("properties") or {}), **traits}})
    if user is not None:
        _add(workspace, user, tenant_id, None)


def _known(workspace: CourierWorkspace, tenant_id: str) -> Row | None:
    return next((row for row in workspace.tenants if row["id"] == tenant_id), None)


def _hold(workspace: CourierWorkspace, row: Row) -> None:
    known = _known(workspace, row["id"])
    if known is None:
        workspace.tenants.append(row)
    else:
        workspace.tenants[workspace.tenants.index(known)] = row


def _add(workspace: CourierWorkspace, user: str, tenant_id: str, profile: Row | None) -> None:
    """Someone who belongs to it already keeps the profile, unless another is given."""
    rows = workspace.tenant_users.setdefault(tenant_id, [])
    row = {"user_id": user, "tenant_id": tenant_id, "type": "user", "profile": profile}
    known = next((place for place, row in enumerate(rows) if row["user_id"] == user), None)
    if known is None:
        rows.append(row)
    elif profile is not None:
        rows[known] = row
