"""Everything that is listed: a table of listings, and the four ways in which Iterable pages.

`Listing("/api/snippets", "snippets")` is all that a plain one needs: the rows are those that the project holds under
the name, or three made from `schemas/snippets.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from sandbox import samples
from sandbox.budgets import Budget
from sandbox.iterable import parameters
from sandbox.iterable.errors import bad_params, envelope, not_found
from sandbox.iterable.events import Row
from sandbox.iterable.project import IterableProject
from sandbox.iterable.timestamps import iso
from sandbox.messages import Reply, Request, json_reply, lines_reply, text_reply

PLENTY = Budget(calls=100, seconds=1)
RARE = Budget(calls=3, seconds=1)

MEDIA = ("Email", "Push", "InApp", "SMS", "WebPush", "Embedded", "WhatsApp", "RCS")
TEMPLATE_TYPES = ("Base", "Blast", "Triggered", "Workflow")
HIDDEN = ("templateType", "messageMedium")
"""Fields that select templates and are not in the reply."""

METADATA_PAGE = 10
"""Keys on a page of a metadata table."""

Rows = Callable[[IterableProject, Request], Any]
Page = Callable[[Request, Any], tuple[Any, Row]]
"""From all rows to those of the page asked for, and to what the reply says beside them."""


def whole(request: Request, rows: Any) -> tuple[Any, Row]:
    return rows, {}


def by_number(default: int, highest: int) -> Page:
    """Pages by `page` and `pageSize`; a reply names its neighbours by URL, absent at either end."""

    def page(request: Request, rows: Sequence[Row]) -> tuple[Any, Row]:
        number = parameters.integer(request, "page", 1)
        size = parameters.integer(request, "pageSize", default, highest=highest)
        neighbours = {"nextPageUrl": number + 1 if number * size < len(rows) else 0, "previousPageUrl": number - 1}
        links = {name: _url(request, other, size) for name, other in neighbours.items() if other}
        return rows[(number - 1) * size : number * size], links

    return page


BY_THOUSANDS = by_number(20, 1000)


def _url(request: Request, number: int, size: int) -> str:
    query = {**request.query, "page": [str(number)], "pageSize": [str(size)]}
    return f"{request.path}?{urlencode(query, doseq=True)}"


def by_offset(request: Request, rows: Sequence[Row]) -> tuple[Any, Row]:
    limit = parameters.integer(request, "limit", 20, highest=100)
    offset = parameters.integer(request, "offset", 0, lowest=0)
    pagination = {"limit": limit, "offset": offset, "total": len(rows)}
    return rows[offset : offset + limit], {"pagination": pagination}


def by_marker(request: Request, rows: Sequence[Row]) -> tuple[Any, Row]:
    """Keys in alphabetical order; `nextMarker` is the last key of all pages but the last."""
    marker = (request.parameter("nextMarker") or "").lower()
    following = sorted((row for row in rows if row["key"].lower() > marker), key=lambda row: row["key"].lower())
    shown = list(islice(following, METADATA_PAGE))
    return shown, {"nextMarker": shown[-1]["key"]} if len(following) > METADATA_PAGE else {}


@dataclass(frozen=True)
class Listing:
    """One listing. Two calls that differ in the parts of the path share a budget; `personal` needs the full key.

    name: of the container in the project, and of the schema. array: of the rows in the reply, by default what the path
    ends with. enveloped: the reply stands below `params`. rows: where they come from, if not from the container.
    """

    path: str
    name: str
    array: str = ""
    page: Page = whole
    enveloped: bool = False
    rows: Rows | None = None
    budget: Budget = PLENTY
    personal: bool = False

    def answer(self, project: IterableProject, request: Request) -> Reply:
        rows = self.rows(project, request) if self.rows else project.held(self.name)
        shown, beside = self.page(request, rows)
        body = {self.array or self.path.rpartition("/")[2]: shown, **beside}
        return envelope(200, "Success", "", body) if self.enveloped else json_reply(body)


def _names(name: str) -> Rows:
    """The names of what a container holds by name."""
    return lambda project, request: [{"name": each} for each in project.held(name)]


def _templates(project: IterableProject, request: Request) -> list[Row]:
    """Templates of one type and medium; those not asked for default to Blast and Email."""
    template_type = parameters.choice(request, "templateType", TEMPLATE_TYPES, "Blast")
    medium = parameters.choice(request, "messageMedium", MEDIA, "Email")
    return [
        {name: value for name, value in row.items() if name not in HIDDEN}
        for row in project.templates
        if (row["templateType"], row["messageMedium"]) == (template_type, medium)
    ]


def _of_client(project: IterableProject, request: Request) -> list[Row]:
    """The templates with an id of the customer's, and the locales of each."""
    wanted = parameters.required(request, "clientTemplateId")
    found = (row["templateId"] for row in project.templates if row.get("clientTemplateId") == wanted)
    return [{"templateId": each, "locales": project.locales.get(each, [])} for each in found]


def template(project: IterableProject, request: Request) -> Reply:
    """`/api/templates/{medium}/get`: what one says, in a locale."""
    wanted, locale = parameters.integer(request, "templateId", 0), request.parameter("locale") or None
    for row in project.templates:
        if row["templateId"] == wanted and row["messageMedium"].lower() == request.parts["medium"]:
            if locale not in (None, *project.locales.get(wanted, [])):
                raise not_found("Content does not exist for specified locale")
            return json_reply(content(row, locale))
    raise bad_params("Invalid templateId")


def content(template: Row, locale: str | None) -> Row:
    schema = {"InApp": "in_app"}.get(template["messageMedium"], template["messageMedium"].lower()) + "_templates"
    created = iso(template["createdAt"] / 1000)
    made = samples.row(schema, template["templateId"], lambda _: created, ("requestedLocale",))
    return made | {"templateId": template["templateId"], "locale": locale}


def _journeys(project: IterableProject, request: Request) -> list[Row]:
    """Journeys in use, or with state=Archived the archived ones."""
    archived = parameters.choice(request, "state", ("Archived", ""), "") == "Archived"
    return [row for row in project.journeys if row.get("isArchived", False) is archived]


def _table(project: IterableProject, request: Request) -> list[Row]:
    """The keys of a table, by its name in any letter case, without their values; an unknown one is an empty one."""
    name, items = _items(project, request)
    return [{"table": name, **{key: value for key, value in item.items() if key != "value"}} for item in items]


def _items(project: IterableProject, request: Request) -> tuple[str, list[Row]]:
    wanted = request.parts["table"]
    known = ((name, items) for name, items in project.metadata.items() if name.lower() == wanted.lower())
    return next(known, (wanted, []))


def table_item(project: IterableProject, request: Request) -> Reply:
    """`/api/metadata/{table}/{key}`: one key, with its value."""
    (name, items), wanted = _items(project, request), request.parts["key"]
    for item in items:
        if item["key"].lower() == wanted.lower():
            return json_reply({"table": name, **item})
    raise not_found(f"No value found for key {wanted} in table {name}")


def _campaigns(project: IterableProject, request: Request) -> list[Row]:
    """Campaigns in the states asked for, else all."""
    states = request.query.get("campaignState")
    return [row for row in project.campaigns if not states or row["campaignState"] in states]


def _children(project: IterableProject, request: Request) -> list[Row]:
    parent = next((row for row in project.campaigns if str(row["id"]) == request.parts["id"]), {})
    if parent.get("campaignState") != "Recurring":
        raise bad_params("Campaign is not recurring")
    return [row for row in project.campaigns if row.get("recurringCampaignId") == parent["id"]]


def _catalog(project: IterableProject, request: Request) -> list[Row]:
    name = request.parts["catalog"]
    if name not in project.catalogs:
        raise not_found(f"No catalog found with name {name}")
    return [{"catalogName": name, **item} for item in project.catalogs[name]]


def _fields(project: IterableProject, request: Request) -> dict[str, str | None]:
    """The fields of a catalog's items, without a type where they hold an object."""
    values = {name: value for item in _catalog(project, request) for name, value in item["value"].items()}
    return {name: None if isinstance(value, dict) else "string" for name, value in values.items()}


def _by_definition(request: Request, types: dict[str, str | None]) -> tuple[Any, Row]:
    defined = {name: kind for name, kind in types.items() if kind}
    return defined, {"undefinedFields": [*types.keys() - defined.keys()]}


def list_size(project: IterableProject, request: Request) -> Reply:
    """`/api/lists/{listId}/size`: nothing but a number."""
    return text_reply(str(len(_members(project, request.parts["listId"]))))


def list_users(project: IterableProject, request: Request) -> Reply:
    """`/api/lists/getUsers`: one identifier a line; with preferUserId the userId of members that have both."""
    members = _members(project, parameters.required(request, "listId"))
    both = (row for row in project.users if row.get("email") and row.get("userId"))
    user_ids = {row["email"]: row["userId"] for row in both} if parameters.flag(request, "preferUserId") else {}
    return lines_reply(f"{user_ids.get(member, member)}\n".encode() for member in members)


def _members(project: IterableProject, list_id: str) -> list[str]:
    known = {str(row["id"]): row["id"] for row in project.lists}
    if list_id not in known:
        raise bad_params("Invalid email list id", {"projectId": str(project.project_id), "listId": list_id})
    return project.list_members.get(known[list_id], [])


LISTINGS = (
    Listing("/api/lists", "lists"),
    Listing("/api/channels", "channels"),
    Listing("/api/messageTypes", "message_types"),
    Listing("/api/snippets", "snippets"),
    Listing("/api/webhooks", "webhooks"),
    Listing("/api/campaigns", "campaigns", page=BY_THOUSANDS, rows=_campaigns),
    Listing("/api/campaigns/recurring/{id}/childCampaigns", "campaigns", "campaigns", BY_THOUSANDS, rows=_children),
    Listing("/api/templates", "templates", page=BY_THOUSANDS, rows=_templates),
    Listing("/api/templates/getByClientTemplateId", "templates", "templates", rows=_of_client),
    Listing("/api/journeys", "journeys", page=by_number(10, 50), rows=_journeys),
    Listing("/api/experiments", "experiments", page=by_offset),
    Listing("/api/metadata", "metadata", "results", rows=_names("metadata")),
    Listing("/api/metadata/{table}", "metadata", "results", by_marker, rows=_table),
    Listing("/api/catalogs", "catalogs", "catalogNames", by_number(10, 100), enveloped=True, rows=_names("catalogs")),
    Listing(
        "/api/catalogs/{catalog}/items", "catalogs", "catalogItemsWithProperties", by_number(10, 1000), True, _catalog
    ),
    Listing("/api/catalogs/{catalog}/fieldMappings", "catalogs", "definedMappings", _by_definition, True, _fields),
    Listing("/api/users/getFields", "user_fields", "fields", budget=RARE),
    Listing("/api/users/forgotten", "forgotten", "hashedEmails", budget=RARE, personal=True),
    Listing("/api/users/forgottenUserIds", "forgotten_user_ids", "hashedUserIds", budget=RARE, personal=True),
)
