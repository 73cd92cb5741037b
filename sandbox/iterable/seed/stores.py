"""Metadata tables, catalogs, snippets, webhooks, and hashes of forgotten users."""

from __future__ import annotations

from datetime import date
from hashlib import sha256

from sandbox.iterable.events import Row
from sandbox.iterable.timestamps import days_after, iso, milliseconds


def metadata(anchor: date) -> dict[str, list[Row]]:
    """A table of several pages, one of a single page, and an empty one."""
    return {
        "stores": [_item(f"store{number:02}", {"city": "Lyon", "open": True}, anchor) for number in range(25)],
        "rates": [_item("EUR", {"usd": 1.08}, anchor), _item("JPY", {"usd": 0.0067, "note": None}, anchor)],
        "unused": [],
    }


def _item(key: str, value: Row, anchor: date) -> Row:
    return {
        "key": key,
        "size": len(str(value)),
        "lastModified": milliseconds(days_after(anchor, -90)),
        "value": value,
    }


def catalogs(anchor: date) -> dict[str, list[Row]]:
    """Eleven catalogs, one more than a page holds; the first has items for several pages."""
    small = {f"season{number:02}": [_product(number, anchor)] for number in range(10)}
    return {"products": [_product(number, anchor) for number in range(23)], **small}


def _product(number: int, anchor: date) -> Row:
    value: Row = {"name": f"Mug {number}", "price": 14.95 + number, "stock": {"lyon": number}}
    value |= {"id": f"own-id-{number}", "color.name": "bleu ciel"} if number % 5 == 0 else {}
    modified = milliseconds(days_after(anchor, -number - 1))
    return {"itemId": f"sku-{number}", "lastModified": modified, "size": 100 + number, "value": value}


def snippets(anchor: date) -> list[Row]:
    return [_snippet(number, anchor) for number in range(4)]


def _snippet(number: int, anchor: date) -> Row:
    return {
        "id": 300 + number,
        "name": f"footer-{number}",
        "content": "<p>{{address}} ©</p>",
        "description": "",
        "variables": ["address"],
        "projectId": 4242,
        "createdAt": iso(days_after(anchor, -200 - number)),
        "updatedAt": iso(days_after(anchor, -100 - number)),
        "createdBy": "ops@example.com",
        "updatedBy": "ops@example.com",
    }


def webhooks() -> list[Row]:
    return [_webhook(number, auth_type) for number, auth_type in enumerate(("NoAuth", "Basic", "OAuth2"), start=1)]


def _webhook(number: int, auth_type: str) -> Row:
    return {
        "id": number,
        "endpoint": f"https://hooks.example.com/{number}",
        "authType": auth_type,
        "enabled": number != 3,
        "blastSendEnabled": False,
        "triggeredSendEnabled": True,
        "channelIds": [],
        "messageTypeIds": [],
    }


def hashes(prefix: str, count: int) -> list[str]:
    """SHA-256 of as many invented identifiers."""
    return [sha256(f"{prefix}{number}@example.com".encode()).hexdigest() for number in range(count)]
