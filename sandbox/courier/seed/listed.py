"""Rows of the listings: made from their schemas, but for what belongs together or is odd at the vendor's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from sandbox import samples
from sandbox.courier.listings import LISTINGS, VERSION, Listing, ids
from sandbox.courier.seed.people import CREDENTIAL, user_id
from sandbox.courier.timestamps import HOUR, MINUTE, iso, midnight
from sandbox.courier.workspace import CourierWorkspace, Row

COUNTS = {"preference_sections": 2, "notifications": 14, "tenants": 23, "broadcasts": 22, "routing_strategies": 21}
COUNT = 12
"""Rows of a listing that COUNTS does not name: more than a page."""

COUNTS_BELOW = {
    "audience_members": (25, 10, 1),
    "list_subscriptions": (21, 1, 10),
    "tenant_users": (27, 20, 1),
    "tenant_templates": (101, 1),
    "preference_topics": (3, 1),
    "digest_instances": (101, 0, 1),
    "notification_content": (2, 1),
    "broadcast_content": (1, 2),
    "translations": (1, 1, 1),
    "automation_run_steps": (0, 0, 0, 0, 0, 0, 3, 1),
    "journey_run_steps": (0, 0, 0, 0, 0, 0, 1, 3),
}
COUNT_BELOW = (11, 1)
"""Rows below the first parents; the others have none, and neither have runs that begin after the anchor's midnight."""

LISTS = ("eu.beta", "eu.beta.lyon", "us.beta", "vip ✨")

FIRST_DRAFT = 11


def fill(workspace: CourierWorkspace, anchor: date) -> None:
    """Fills each listing that holds nothing yet, parents before those below them."""
    workspace.held("automation_runs").extend(_runs("automation", 45, anchor))
    workspace.held("journey_runs").extend(_runs("journey", 25, anchor))
    workspace.held("digests").extend({"id": f"sch/{number}"} for number in range(4))
    workspace.held("locales").extend({"id": locale} for locale in ("fr_FR", "de_DE", "pt/BR"))
    for listing in LISTINGS:
        held = workspace.held(listing.name, below=listing.parents is not None)
        if not held and listing.parents is None:
            held.extend(_row(listing, number, anchor) for number in range(COUNTS.get(listing.name, COUNT)))
        elif not held:
            counts = COUNTS_BELOW.get(listing.name, COUNT_BELOW)
            for place, parent in enumerate(ids(workspace.held(str(listing.parents)))):
                first, count = sum(counts[:place]), sum(counts[place : place + 1])
                numbers = range(count) if listing.key != "id" else range(first, first + count)
                held[parent] = [_row(listing, number, anchor) for number in numbers]


def _row(listing: Listing, number: int, anchor: date) -> Row:
    """One row, which holds a credential where nobody would look for it."""
    at = midnight(anchor) - (number + 1) * 5 * HOUR
    parent = listing.path.partition("{")[2].partition("}")[0]
    schema = SCHEMAS.get(listing.name, listing.name)
    row = samples.row(schema, number, lambda kind: at if kind == "integer" else iso(at), (parent, "topics"))
    row[listing.key] = f"{listing.name}-{number}"
    row["integration"] = {"channels": [{"routingKey": f"{CREDENTIAL}-{number}", "kind": "push"}]}
    return row | (OWN[listing.name](number) if listing.name in OWN else {})


SCHEMAS = {"lists": "courier_lists", "journeys": "courier_journeys"}
"""Of listings whose stream has another name, since Iterable has one of that name."""


def _template(kind: str) -> Callable[[int], Row]:
    """Published ones, the last of them also as a draft under the same id."""
    return lambda number: {
        "id": f"{kind}-{min(number, FIRST_DRAFT - 1)}",
        "version": "draft" if number == FIRST_DRAFT else "published",
    }


def _notification(number: int) -> Row:
    """Templates of both generations."""
    old = {"title": f"Order shipped {number}", "name": None, "tags": {"data": [{"id": "tag-1", "name": "shop"}]}}
    return {"id": f"nt_{number:02}"} | (old if number % 2 else {"name": f"Order shipped {number} 🚚", "title": None})


def _content(number: int) -> Row:
    """Elements with locales: of one, and of one within another."""
    inner = {"type": "text", "checksum": "c", "locales": {"pt/BR": {"checksum": "c"}}}
    outer = {"type": "group", "checksum": "c", "locales": {"de_DE": {"checksum": "c"}}, "elements": [inner]}
    return {VERSION: ("published", "draft")[number], "elements": [outer] if number else []}


def tenant_id(number: int) -> str:
    return "acme" if number == 0 else f"tenant-{number}"


OWN: dict[str, Callable[[int], Row]] = {
    "automations": _template("automation"),
    "journeys": _template("journey"),
    "notifications": _notification,
    "brands": lambda number: {"published": None} if number == 0 else {},
    "audit_events": lambda number: {"target": {"id": "t-1", "email": None}} if number % 4 == 3 else {},
    "lists": lambda number: {"id": LISTS[number] if number < len(LISTS) else f"shop.{number}"},
    "audience_members": lambda number: {"member_id": user_id(number)},
    "list_subscriptions": lambda number: {"recipientId": user_id(number)},
    "tenants": lambda number: {
        "id": tenant_id(number),
        "parent_tenant_id": "acme" if number and number % 3 == 0 else None,
        "user_profile": {"slack": {"access_token": f"{CREDENTIAL}{number}", "channel": "C1"}, "desk": "north"},
    },
    "preference_topics": lambda number: {"digest": {"schedules": [{"schedule_id": f"sch/{number}"}]}},
    "notification_content": _content,
    "broadcast_content": _content,
    "tenant_templates": lambda number: {"data": {"routing": {"method": "all", "channels": ["email"]}}},
    "tenant_users": lambda number: {
        "user_id": user_id(number),
        "profile": {"title": "CTO", "firebaseToken": f"{CREDENTIAL}{number}"} if number % 2 == 0 else None,
    },
}
"""Values of a listing's rows in place of those made from the schema."""


def _runs(kind: str, count: int, anchor: date) -> list[Row]:
    """Two and two in the same millisecond, 32 hours apart, the last six after the anchor's midnight.

    The last one says hardly anything about itself.
    """
    latest = midnight(anchor) + 80 * HOUR
    full = [_run(kind, number, latest - number // 2 * 32 * HOUR) for number in range(count - 1)]
    return [*full, {"run_id": f"{kind}-run-{count - 1}", "source": []}]


def _run(kind: str, number: int, at: int) -> Row:
    template = f"{kind}-{number % FIRST_DRAFT}"
    sources: tuple[list[str], ...] = (
        ["segment/track/Order Shipped"],
        [f"invoke/{template}"],
        ["segment/page/Pricing Page", "api"],
        [],
    )
    return {
        "run_id": f"{kind}-run-{number}",
        "source": sources[number % len(sources)],
        "created_at": iso(at),
        "updated_at": iso(at + MINUTE),
        "status": ("PROCESSED", "PROCESSING", "WAITING", "CANCELED", "ERROR", "PAUSED")[number % 6],
        "template_id": template,
    }
