"""Automations and journeys, alike but for their names: templates, runs of them, and what each run did."""

from __future__ import annotations

from datetime import date

from sandbox.courier.timestamps import DAY, HOUR, MINUTE, iso, midnight
from sandbox.courier.workspace import Row

TEMPLATES = 11

STATUSES = ("PROCESSED", "PROCESSING", "WAITING", "CANCELED", "ERROR", "THROTTLED", "NOT PROCESSED", "PAUSED")
"""The documented ones, and another."""

SOURCES: tuple[tuple[str, ...], ...] = (
    ("segment/track/Order Shipped",),
    ("invoke/{template}",),
    ("segment/page/Pricing Page", "api"),
    (),
)


def templates(kind: str, anchor: date) -> list[Row]:
    """Published ones, the first of them also as a draft under the same id, and one that is a draft only."""
    published = [_template(kind, number, "published", anchor) for number in range(TEMPLATES)]
    return [*published, *(_template(kind, number, "draft", anchor) for number in (0, TEMPLATES))]


def _template(kind: str, number: int, version: str, anchor: date) -> Row:
    created = midnight(anchor) - (60 + number) * DAY
    return {
        "id": f"{kind}-{number}",
        "name": f"Welcome {number} 👋",
        "version": version,
        "createdAt": iso(created),
        "updatedAt": iso(created + (DAY if version == "draft" else 0)),
    }


def runs(kind: str, count: int, anchor: date) -> list[Row]:
    """Two and two in the same millisecond, 32 hours apart, the last six after the anchor's midnight.

    The last one says hardly anything about itself.
    """
    latest = midnight(anchor) + 80 * HOUR
    full = [_run(kind, number, latest - number // 2 * 32 * HOUR) for number in range(count - 1)]
    return [*full, {"run_id": f"{kind}-run-{count - 1}", "source": []}]


def _run(kind: str, number: int, at: int) -> Row:
    template = f"{kind}-{number % TEMPLATES}"
    return {
        "run_id": f"{kind}-run-{number}",
        "source": [source.format(template=template) for source in SOURCES[number % len(SOURCES)]],
        "created_at": iso(at),
        "updated_at": iso(at + MINUTE),
        "status": STATUSES[number % len(STATUSES)],
        "template_id": template,
    }


def steps(run: Row) -> list[Row]:
    """A delay and a message."""
    actions = ("delay", "send") if run.get("created_at") else ()
    return [_step(run, number, action) for number, action in enumerate(actions)]


def _step(run: Row, number: int, action: str) -> Row:
    return {
        "step_id": f"{run['run_id']}-step-{number}",
        "action": action,
        "status": "PROCESSED",
        "created_at": run["created_at"],
        "updated_at": run["updated_at"],
        "message_id": None,
    }
