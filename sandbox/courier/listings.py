"""Everything but messages and runs: rows of a container, in one of the vendor's wrappings."""

from __future__ import annotations

import re
from collections.abc import Callable

from sandbox.courier import parameters
from sandbox.courier.errors import not_found
from sandbox.courier.paging import PAGE, keyed_page, of_templates, with_has_more, with_paging
from sandbox.courier.workspace import CourierWorkspace, Row, Rows
from sandbox.messages import Reply, Request, json_reply, text_reply

DEFAULT_LIMIT, HIGHEST_LIMIT = 20, 100

Endpoint = Callable[[CourierWorkspace, Request], Reply]
Source = Callable[[CourierWorkspace, Request], Rows]
"""Where an endpoint's rows come from."""


def paging(source: Source, key: str, array: str, limited: bool = False) -> Endpoint:
    """Ten rows a page, or limited to as many as `limit` says, and `paging`."""

    def answer(workspace: CourierWorkspace, request: Request) -> Reply:
        size = parameters.limit(request, DEFAULT_LIMIT, HIGHEST_LIMIT) if limited else PAGE
        return with_paging(workspace, keyed_page(request, source(workspace, request), key, size), array)

    return answer


def has_more(source: Source, key: str) -> Endpoint:
    """As many rows a page as `limit` says, and `has_more`."""

    def answer(workspace: CourierWorkspace, request: Request) -> Reply:
        size = parameters.limit(request, DEFAULT_LIMIT, HIGHEST_LIMIT)
        return with_has_more(request, keyed_page(request, source(workspace, request), key, size), size)

    return answer


def templates(source: Source) -> Endpoint:
    """Ten published templates a page, or with version=draft drafts."""

    def answer(workspace: CourierWorkspace, request: Request) -> Reply:
        version = request.parameter("version") or "published"
        chosen = [row for row in source(workspace, request) if row["version"] == version]
        return of_templates(keyed_page(request, chosen, "id"))

    return answer


def whole(source: Source, array: str) -> Endpoint:
    """All rows at once."""
    return lambda workspace, request: json_reply({array: source(workspace, request)})


def single(source: Source, key: str = "id", part: str = "id", wrapped_in: str | None = None) -> Endpoint:
    """The row whose `key` is that part of the path."""

    def answer(workspace: CourierWorkspace, request: Request) -> Reply:
        row = found(source(workspace, request), key, request.parts[part])
        return json_reply({wrapped_in: row} if wrapped_in else row)

    return answer


def held(container: str) -> Source:
    """The rows of that container of the workspace."""
    return lambda workspace, request: getattr(workspace, container)


def by_id(container: str) -> Source:
    """The rows that the container holds below the id in the path."""
    return lambda workspace, request: getattr(workspace, container).get(request.parts["id"], [])


def below(parents: str, container: str) -> Source:
    """The same; 404 for an id that no row of `parents` has."""

    def rows(workspace: CourierWorkspace, request: Request) -> Rows:
        found(getattr(workspace, parents), "id", request.parts["id"])
        return by_id(container)(workspace, request)

    return rows


def by_path(workspace: CourierWorkspace, request: Request) -> Rows:
    """The rows held for a path without a container of its own."""
    return workspace.collections.get(request.path, [])


def object_by_path(workspace: CourierWorkspace, request: Request) -> Reply:
    """An object, or a text; 404 for a path that holds none."""
    if request.path not in workspace.objects:
        raise not_found()
    value = workspace.objects[request.path]
    return text_reply(value) if isinstance(value, str) else json_reply(value)


def found(rows: Rows, key: str, value: str) -> Row:
    for row in rows:
        if str(row[key]) == value:
            return row
    raise not_found()


def lists(workspace: CourierWorkspace, request: Request) -> Reply:
    """Lists whose id fits `pattern`: in a dotted id `*` stands for one segment, `**` for any number."""
    pattern = request.parameter("pattern")
    expression = None if pattern is None else _expression(pattern)
    chosen = [row for row in workspace.lists if expression is None or expression.fullmatch(row["id"])]
    return with_paging(workspace, keyed_page(request, chosen, "id"), workspace.lists_key)


def _expression(pattern: str) -> re.Pattern[str]:
    wildcards = {"**": ".*", "*": "[^.]*"}
    pieces = re.split(r"(\*\*?)", pattern)
    return re.compile("".join(wildcards.get(piece, re.escape(piece)) for piece in pieces))


def tenants(workspace: CourierWorkspace, request: Request) -> Rows:
    parent = request.parameter("parent_tenant_id")
    return [row for row in workspace.tenants if parent in (None, row.get("parent_tenant_id"))]


def notifications(workspace: CourierWorkspace, request: Request) -> Rows:
    event = request.parameter("event_id")
    return [row for row in workspace.notifications if event is None or event in row.get("event_ids", [])]


def sections(workspace: CourierWorkspace, request: Request) -> Rows:
    """Preference sections, each with its topics."""
    topics = workspace.preference_topics
    return [{**row, "topics": topics.get(row["id"], [])} for row in workspace.preference_sections]


def profile(workspace: CourierWorkspace, request: Request) -> Reply:
    known = workspace.profiles.get(request.parts["id"])
    if known is None and workspace.unknown_profile == "missing":
        raise not_found()
    return json_reply({"profile": {}} if known is None else known)


def subscribed_lists(workspace: CourierWorkspace, request: Request) -> Rows:
    """The lists that a user is subscribed to, with the preferences given there."""
    user = request.parts["id"]
    return [
        {**row, "preferences": subscription.get("preferences")}
        for row in workspace.lists
        for subscription in workspace.list_subscriptions.get(row["id"], [])
        if subscription["recipientId"] == user
    ]


def memberships(workspace: CourierWorkspace, request: Request) -> Rows:
    """The tenants that a user belongs to."""
    users = [row for rows in workspace.tenant_users.values() for row in rows]
    return [row for row in users if row["user_id"] == request.parts["id"]]
