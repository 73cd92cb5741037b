"""`/api/campaigns`, `/api/templates`, `/api/journeys` and the small listings that describe messages."""

from __future__ import annotations

from math import inf

from sandbox.iterable import parameters
from sandbox.iterable.events import Row
from sandbox.iterable.paging import in_order, is_paged, page
from sandbox.iterable.project import IterableProject
from sandbox.messages import Reply, Request, json_reply

MEDIA = ("Email", "Push", "InApp", "SMS", "WebPush", "Embedded", "WhatsApp", "RCS")
TEMPLATE_TYPES = ("Base", "Blast", "Triggered", "Workflow")
HIDDEN = ("templateType", "messageMedium")

CAMPAIGN_SORTS = {name: name for name in ("id", "name", "createdAt", "updatedAt", "startAt")}
TEMPLATE_SORTS = {"id": "templateId", "name": "name", "createdAt": "createdAt", "updatedAt": "updatedAt"}
JOURNEY_SORTS = {name: name for name in ("id", "name", "createdAt", "updatedAt")}


def campaigns(project: IterableProject, request: Request) -> Reply:
    states = request.query.get("campaignState")
    chosen = [row for row in project.campaigns if states is None or row.get("campaignState") in states]
    return _listing(request, "campaigns", in_order(request, chosen, CAMPAIGN_SORTS), 20, 1000)


def templates(project: IterableProject, request: Request) -> Reply:
    """Templates of one type and medium; those not asked for default to Blast and Email."""
    template_type = parameters.choice(request, "templateType", TEMPLATE_TYPES, "Blast")
    medium = parameters.choice(request, "messageMedium", MEDIA, "Email")
    start = parameters.moment(request, "startDateTime") or -inf
    end = parameters.moment(request, "endDateTime") or inf
    chosen = [
        {name: value for name, value in row.items() if name not in HIDDEN}
        for row in project.templates
        if (row["templateType"], row["messageMedium"]) == (template_type, medium)
        and start <= row["createdAt"] / 1000 < end
    ]
    return _listing(request, "templates", in_order(request, chosen, TEMPLATE_SORTS), 20, 1000)


def journeys(project: IterableProject, request: Request) -> Reply:
    """Journeys in use, or with state=Archived the archived ones."""
    archived = parameters.choice(request, "state", ("Archived", ""), "") == "Archived"
    chosen = [row for row in project.journeys if row.get("isArchived", False) is archived]
    rows, links = page(request, in_order(request, chosen, JOURNEY_SORTS), 10, 50)
    return json_reply({"journeys": rows, "totalJourneysCount": len(chosen), **links})


def channels(project: IterableProject, request: Request) -> Reply:
    return json_reply({"channels": project.channels})


def message_types(project: IterableProject, request: Request) -> Reply:
    return json_reply({"messageTypes": project.message_types})


def snippets(project: IterableProject, request: Request) -> Reply:
    return json_reply({"snippets": project.snippets})


def webhooks(project: IterableProject, request: Request) -> Reply:
    return json_reply({"webhooks": project.webhooks})


def _listing(request: Request, name: str, rows: list[Row], default_size: int, max_size: int) -> Reply:
    """A page under `name`; the total is told only to those who ask for pages."""
    shown, links = page(request, rows, default_size, max_size)
    total = {f"total{name.capitalize()}Count": len(rows)} if is_paged(request) else {}
    return json_reply({name: shown, **links, **total})
