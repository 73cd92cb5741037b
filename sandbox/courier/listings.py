"""Everything that is listed: a table of listings. `PAGING` has the ways in which a page says where to go on.

A cursor is opaque and names the last row of its page, so that rows added meanwhile neither shift nor hide others.

`Listing("/brands", "brands")` is all that a plain one needs, and
`Listing("/tenants/{tenant_id}/templates", "tenant_templates", parents="tenants")` one below others: the rows are those
that the workspace holds under the name, or some made from the schema of that name.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sandbox.courier import message_log, parameters
from sandbox.courier.errors import bad_request, not_found
from sandbox.courier.timestamps import milliseconds
from sandbox.courier.workspace import CourierWorkspace, Row, Rows
from sandbox.messages import Reply, Request, json_reply


def _has_more(path: str, cursor: str | None, size: int) -> Row:
    following = {"next_url": f"{path}?{urlencode({'cursor': cursor, 'limit': size})}", "cursor": cursor}
    return {"type": "list", "url": path, "has_more": cursor is not None, **(following if cursor else {})}


PAGING: dict[str, tuple[int, int, Callable[[str, str | None, int], Row]]] = {
    "paging": (10, 10, lambda path, cursor, size: {"paging": {"cursor": cursor, "more": cursor is not None}}),
    "has_more": (20, 100, _has_more),
    "cursor": (10, 10, lambda path, cursor, size: {"cursor": cursor} if cursor else {}),
    "next_cursor": (20, 50, lambda path, cursor, size: {"next_cursor": cursor} if cursor else {}),
}
"""Rows on a page, by default and if `limit` asks for more, and what goes with them; no cursor goes with the last."""


@dataclass(frozen=True)
class Listing:
    """One listing.

    name: of the container in the workspace, and of the schema. key: tells its rows apart. parents: the container of
    those that the path names, and in which an unknown one is a 404. paged: a key of `PAGING`, or nothing for a whole
    listing. chosen: the rows that are listed, of those held. reply: what is said in place of a page.
    """

    path: str
    name: str
    array: str = "results"
    key: str = "id"
    parents: str | None = None
    paged: str = "paging"
    chosen: Callable[[CourierWorkspace, Request, Rows], Rows] | None = None
    reply: Callable[[Request, Rows], Any] | None = None

    def answer(self, workspace: CourierWorkspace, request: Request) -> Reply:
        held = self._held(workspace, request)
        rows = self.chosen(workspace, request, held) if self.chosen else held
        if self.reply:
            return json_reply(self.reply(request, rows))
        array = workspace.arrays.get(self.path, self.array)
        if not self.paged:
            return json_reply({array: rows})
        default, highest, paging = PAGING[self.paged]
        size = parameters.limit(request, default, highest)
        shown, cursor = self._page(request, rows, size)
        return json_reply({**paging(request.path, cursor, size), array: shown})

    def _held(self, workspace: CourierWorkspace, request: Request) -> Rows:
        held = workspace.held(self.name, below=self.parents is not None)
        if self.parents is None:
            return list(held)
        (parent,) = request.parts.values()
        if parent not in ids(workspace.held(self.parents)):
            raise not_found()
        return list(held.get(parent, []))

    def _page(self, request: Request, rows: Rows, size: int) -> tuple[Rows, str | None]:
        first = 0
        if cursor := request.parameter("cursor"):
            keys = [str(row[self.key]) for row in rows]
            first = keys.index(_decoded(cursor, keys)) + 1
        shown, rest = rows[first : first + size], rows[first + size :]
        return shown, b64encode(str(shown[-1][self.key]).encode()).decode() if rest else None


def ids(held: Any) -> list[str]:
    """The ids by which paths name what a container holds."""
    return [*held] if isinstance(held, dict) else [str(row["run_id"] if "run_id" in row else row["id"]) for row in held]


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


def _of_version(workspace: CourierWorkspace, request: Request, held: Rows) -> Rows:
    """Published templates, or with version=draft drafts."""
    return [row for row in held if row["version"] == (request.parameter("version") or "published")]


def _runs(workspace: CourierWorkspace, request: Request, held: Rows) -> Rows:
    """Runs that have begun since `start_date`, newest first, without `updated_at`."""
    first = parameters.day_or_instant(request, "start_date") or 0
    begun = [(milliseconds(row.get("created_at") or "1970-01-01"), row["run_id"], row) for row in held]
    chosen = sorted((run for run in begun if first <= run[0] <= workspace.now), key=lambda run: run[:2], reverse=True)
    return [{name: value for name, value in row.items() if name != "updated_at"} for _, _, row in chosen]


def _sections(workspace: CourierWorkspace, request: Request, held: Rows) -> Rows:
    """Preference sections, each with its topics."""
    return [{**row, "topics": workspace.preference_topics.get(row["id"], [])} for row in held]


VERSION, TEXT = "requested_version", "translation"


def _version(request: Request, rows: Rows) -> Row:
    """The content of one version, which does not say that it was asked for."""
    row = found(rows, VERSION, request.parameter("version") or "published")
    return {name: value for name, value in row.items() if name != VERSION}


LISTINGS = (
    Listing("/messages", "messages", chosen=message_log.messages),
    Listing("/audiences", "audiences", "items"),
    Listing("/audiences/{audience_id}/members", "audience_members", "items", "member_id", "audiences"),
    Listing("/lists", "lists", "items"),
    Listing("/lists/{list_id}/subscriptions", "list_subscriptions", "items", "recipientId", "lists"),
    Listing("/tenants", "tenants", "items", paged="has_more"),
    Listing("/tenants/{tenant_id}/users", "tenant_users", "items", "user_id", "tenants", "has_more"),
    Listing("/tenants/{tenant_id}/templates", "tenant_templates", "items", "id", "tenants", "has_more"),
    Listing("/users/{user_id}/preferences", "user_preferences", "items", "topic_id", "profiles"),
    Listing("/automations", "automations", "templates", paged="cursor", chosen=_of_version),
    Listing("/automations/runs", "automation_runs", "runs", "run_id", paged="next_cursor", chosen=_runs),
    Listing("/automations/runs/{run_id}/steps", "automation_run_steps", "steps", "step_id", "automation_runs", ""),
    Listing("/journeys", "journeys", "templates", paged="cursor", chosen=_of_version),
    Listing("/journeys/{journey_id}/versions", "journey_versions", key="version", parents="journeys"),
    Listing("/journeys/{journey_id}/templates", "journey_templates", parents="journeys"),
    Listing("/journeys/runs", "journey_runs", "runs", "run_id", paged="next_cursor", chosen=_runs),
    Listing("/journeys/runs/{run_id}/steps", "journey_run_steps", "steps", "node_id", "journey_runs", ""),
    Listing("/broadcasts", "broadcasts"),
    Listing("/broadcasts/{broadcast_id}/content", "broadcast_content", "", VERSION, "broadcasts", reply=_version),
    Listing("/brands", "brands"),
    Listing("/notifications", "notifications"),
    Listing("/notifications/{notification_id}/versions", "notification_versions", "versions", "id", "notifications"),
    Listing("/notifications/{id}/content", "notification_content", "", VERSION, "notifications", reply=_version),
    Listing("/routing-strategies", "routing_strategies"),
    Listing("/routing-strategies/{id}/notifications", "routing_strategy_notifications", parents="routing_strategies"),
    Listing("/preferences/sections", "preference_sections", paged="", chosen=_sections),
    Listing("/preferences/sections/{section_id}/topics", "preference_topics", parents="preference_sections", paged=""),
    Listing("/digests/schedules/{schedule_id}/instances", "digest_instances", "items", "id", "digests", "has_more"),
    Listing("/translations/default/{locale}", "translations", "", TEXT, "locales", reply=lambda _, rows: rows[0][TEXT]),
    Listing("/audit-events", "audit_events", key="auditEventId"),
)
