"""What messages are made from, and who changed it: brands, templates, routing, topics, providers, audits."""

from __future__ import annotations

from datetime import date
from typing import Any

from sandbox.courier.seed.people import CREDENTIAL, user_id
from sandbox.courier.timestamps import DAY, HOUR, iso, midnight
from sandbox.courier.workspace import Below, Row

BRANDS = 11
NOTIFICATIONS = 14
TOPICS = (3, 1)
"""Of each preference section."""

EDITOR = "editor-1"


def brands(anchor: date) -> list[Row]:
    """The last one was never published."""
    return [_brand(number, midnight(anchor) - (300 + number) * DAY) for number in range(BRANDS)]


def _brand(number: int, created: int) -> Row:
    return {
        "id": f"brand-{number}",
        "name": f"Brand {number} ✨",
        "created": created,
        "updated": created + DAY,
        "published": None if number == BRANDS - 1 else created + 2 * DAY,
        "settings": {"colors": {"primary": "#9121c2"}, "email": {"header": {"logo": {"image": None}}}},
        "snippets": {"items": [{"name": "footer", "value": "© {{year}}"}]} if number % 2 else None,
        "version": "v2",
    }


def notifications(anchor: date) -> list[Row]:
    """Templates of both generations, which share no column but the id."""
    made = [midnight(anchor) - (90 + number) * DAY for number in range(NOTIFICATIONS)]
    return [_old(number, at) if number % 2 else _new(number, at) for number, at in enumerate(made)]


def _old(number: int, created: int) -> Row:
    return {
        "id": f"nt_{number:02}",
        "title": None if number == 3 else f"Order shipped {number}",
        "created_at": created,
        "updated_at": created + DAY,
        "event_ids": ["ORDER_SHIPPED"],
        "routing": {
            "method": "single",
            "channels": ["email", {"method": "all", "channels": ["sms", "push"]}],
        },
        "topic_id": "topic-0",
        "tags": {"data": [{"id": "tag-1", "name": "shop"}]},
        "note": "",
    }


def _new(number: int, created: int) -> Row:
    row: Row = {
        "id": f"nt_{number:02}",
        "name": f"Order shipped {number} 🚚",
        "state": "DRAFT" if number == 4 else "PUBLISHED",
        "tags": ["shop"] if number % 4 else [],
        "created": created,
        "creator": EDITOR,
    }
    published = {"updated": created + DAY, "updater": EDITOR, "subscription_topic_id": "topic-1"}
    return row if number == 4 else row | published


def routing_strategies(anchor: date) -> list[Row]:
    return [_strategy(number, midnight(anchor) - (50 + number) * DAY) for number in range(21)]


def _strategy(number: int, created: int) -> Row:
    row: Row = {"id": f"rs_{number:02}", "name": f"Strategy {number}", "created": created, "creator": EDITOR}
    changed = {
        "updated": created + DAY,
        "updater": EDITOR,
        "tags": ["default"],
        "description": "E-mail first",
    }
    return row if number % 4 == 3 else row | changed


def preference_sections(anchor: date) -> list[Row]:
    return [_section(number, midnight(anchor) - (400 + number) * DAY) for number in range(len(TOPICS))]


def _section(number: int, created: int) -> Row:
    return {
        "id": f"section-{number}",
        "name": ("Shop", "Account 🔐")[number],
        "description": "Orders and offers" if number == 0 else None,
        "has_custom_routing": number == 0,
        "routing_options": ["email", "push"] if number == 0 else [],
        "created": iso(created),
        "updated": iso(created + DAY) if number == 0 else None,
        "creator": EDITOR,
        "updater": EDITOR if number == 0 else None,
    }


def preference_topics(anchor: date) -> Below:
    created = midnight(anchor) - 399 * DAY
    first = [sum(TOPICS[:section]) for section in range(len(TOPICS))]
    return {
        f"section-{section}": [_topic(first[section] + place, created) for place in range(count)]
        for section, count in enumerate(TOPICS)
    }


def _topic(number: int, created: int) -> Row:
    """One of them collects messages into a digest, which is undocumented."""
    digest = {"digest": {"schedule_ids": ["daily"], "trigger_empty": False}} if number == 2 else {}
    return {
        "id": f"topic-{number}",
        "name": f"Topic {number}",
        "description": f"All about {number}" if number else None,
        "default_status": ("OPTED_IN", "OPTED_OUT", "REQUIRED")[number % 3],
        "allowed_preferences": ["snooze", "channel_preferences"] if number else [],
        "include_unsubscribe_header": number % 2 == 0,
        "routing_options": ["email"],
        "topic_data": {"weight": 9007199254740993},
        "created": iso(created),
        "updated": iso(created + DAY),
        "creator": EDITOR if number else None,
        "updater": EDITOR if number == 1 else None,
        **digest,
    }


def providers(anchor: date) -> list[Row]:
    """With the settings that hold their credentials."""
    created = midnight(anchor) - 500 * DAY
    keys = {"sendgrid": "apiKey", "twilio": "authToken", "firebase-fcm": "serviceAccountJSON"}
    return [
        {
            "id": f"integration-{provider}",
            "provider": provider,
            "title": provider.title(),
            "alias": None,
            "settings": {key: f"{CREDENTIAL}{provider}", "from": "shop@example.com"},
            "created": created,
            "updated": created,
        }
        for provider, key in keys.items()
    ]


def broadcasts(anchor: date) -> list[Row]:
    return [_broadcast(number, midnight(anchor) - (20 + number) * DAY) for number in range(22)]


def _broadcast(number: int, created: int) -> Row:
    status = ("draft", "scheduled", "sending", "sent")[number % 4]
    wall_clock = {"scheduled_to": iso(created + 3 * DAY)[:19], "timezone": "Europe/Paris"}
    schedule = {"recipient_id": "eu.beta", "recipient_type": "list", **(wall_clock if number % 2 else {})}
    archived = {"archived_at": iso(created + 9 * DAY), "archived_by": EDITOR} if number % 8 == 7 else {}
    return {
        "id": f"bst_{number:02}",
        "name": f"Sale {number} 🏷",
        "channel": ("email", "sms", "push")[number % 3],
        "status": status,
        "schedule": None if status == "draft" else schedule,
        "created_at": iso(created),
        "created_by": EDITOR,
        "updated_at": iso(created + DAY),
        "updated_by": EDITOR,
        **archived,
    }


def audit_events(anchor: date) -> list[Row]:
    """Newest first; what was changed is told as a text or as an object."""
    return [_audit_event(number, midnight(anchor) - number * 5 * HOUR) for number in range(24)]


def _audit_event(number: int, at: int) -> Row:
    actor = {"id": EDITOR} if number % 3 == 0 else {"id": EDITOR, "email": "ops@example.com"}
    target: Any = {"id": "t-1", "email": None} if number % 4 == 3 else f"t-{number}"
    return {
        "auditEventId": f"audit-{number}",
        "actor": actor,
        "target": target,
        "source": "studio",
        "timestamp": iso(at),
        "type": ("api-key.created", "notification.published")[number % 2],
    }


def collections(anchor: date) -> Below:
    created = midnight(anchor) - 30 * DAY
    version = {"created": created, "creator": EDITOR, "has_changes": False}
    recipient: Row = {"recipient": user_id(0), "data": {}, "status": "ENQUEUED", "messageId": None}
    return {
        "/journeys/journey-0/versions": [{"version": "v001", "name": "Welcome", "published": created, **version}],
        "/journeys/journey-0/templates": [{"id": "nt_00", "name": "Order shipped"}],
        "/notifications/nt_00/versions": [{"version": "published:v001", **version}],
        "/tenants/acme/templates": [{"id": "tt-1", "version": "v1", "data": {"routing": {}}}],
        "/bulk/job-1/users": [recipient],
        "/providers/catalog": [{"provider": "sendgrid", "name": "SendGrid", "channel": "email"}],
        "/digests/schedules/daily/instances": [{"digest_instance_id": "d-1", "event_count": 2}],
    }


def objects(anchor: date) -> dict[str, Any]:
    created = midnight(anchor) - 60 * DAY
    job = {"definition": {"event": "ORDER_SHIPPED"}, "enqueued": 1, "failures": 0, "received": 1}
    return {
        "/journeys/journey-0": {"id": "journey-0", "name": "Welcome 0 👋", "nodes": [], "created": created},
        "/notifications/nt_00": {"id": "nt_00", "name": "Order shipped 0 🚚"},
        "/notifications/nt_00/content": {"version": "2022-01-01", "elements": []},
        "/notifications/nt_00/s-1/checks": {"checks": []},
        "/bulk/job-1": {"job": {**job, "status": "COMPLETED"}},
        "/translations/default/fr_FR": 'msgid "Hello"\nmsgstr "Bonjour"\n',
    }
