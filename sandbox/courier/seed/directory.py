"""Who can be written to: audiences, lists and tenants, with those who belong to them."""

from __future__ import annotations

from datetime import date

from sandbox.courier.seed.people import CREDENTIAL, user_id
from sandbox.courier.timestamps import DAY, iso, midnight
from sandbox.courier.workspace import Below, Row

AUDIENCES = 12
MEMBERS = (25, 10, 1)
"""Of the first audiences; the others are empty."""

LISTS = ("eu.beta", "eu.beta.lyon", "us.beta", "vip ✨", *(f"shop.{number}" for number in range(8)))
SUBSCRIBERS = (21, 1, 10)

TENANTS = 23
USERS = (27, 20, 1)


def audiences(anchor: date) -> list[Row]:
    return [_audience(number, anchor) for number in range(AUDIENCES)]


def _audience(number: int, anchor: date) -> Row:
    """The last one has no filter yet."""
    created = midnight(anchor) - (200 + number) * DAY
    nested = {"operator": "OR", "filters": [{"operator": "EXISTS", "path": "phone_number"}]}
    conditions = [{"operator": "EQ", "path": "plan", "value": "pro"}, nested]
    return {
        "id": f"audience-{number}",
        "name": f"Audience {number} 🎯",
        "description": "",
        "filter": None if number == AUDIENCES - 1 else {"operator": "AND", "filters": conditions},
        "operator": "AND",
        "created_at": iso(created),
        "updated_at": iso(created + number * DAY),
    }


def audience_members(anchor: date) -> Below:
    return {
        f"audience-{number}": [_member(number, person, anchor) for person in range(count)]
        for number, count in enumerate(MEMBERS)
    }


def _member(number: int, person: int, anchor: date) -> Row:
    return {
        "audience_id": f"audience-{number}",
        "audience_version": 3,
        "member_id": user_id(person),
        "added_at": iso(midnight(anchor) - person * DAY + 250),
        "reason": "EQ('plan','pro') => true",
    }


def lists(anchor: date) -> list[Row]:
    return [_list(number, list_id, anchor) for number, list_id in enumerate(LISTS)]


def _list(number: int, list_id: str, anchor: date) -> Row:
    """Some do not say when they were made."""
    created = midnight(anchor) - (100 + number) * DAY
    row: Row = {"id": list_id, "name": f"List {number}"}
    return row if number % 5 == 4 else {**row, "created": iso(created), "updated": iso(created + DAY)}


def list_subscriptions(anchor: date) -> Below:
    return {
        list_id: [_subscription(person, anchor) for person in range(count)]
        for list_id, count in zip(LISTS, SUBSCRIBERS, strict=False)
    }


def _subscription(person: int, anchor: date) -> Row:
    created = iso(midnight(anchor) - person * DAY)
    forms: tuple[Row, ...] = (
        {"created": created, "preferences": {"notifications": {}}},
        {"created": created},
        {},
    )
    return {"recipientId": user_id(person), **forms[person % len(forms)]}


def tenants() -> list[Row]:
    """The first is the parent of every third."""
    return [_tenant(number) for number in range(TENANTS)]


def tenant_id(number: int) -> str:
    return "acme" if number == 0 else f"tenant-{number}"


def _tenant(number: int) -> Row:
    topic = {"id": "topic-0", "status": "OPTED_IN", "has_custom_routing": False, "custom_routing": None}
    return {
        "id": tenant_id(number),
        "name": f"Tenant {number} 🏢",
        "parent_tenant_id": "acme" if number and number % 3 == 0 else None,
        "brand_id": f"brand-{number}" if number < 3 else None,
        "properties": {"tier": "gold", "seats": 9007199254740993},
        "user_profile": {
            "slack": {"access_token": f"{CREDENTIAL}tenant-{number}", "channel": "C1"},
            "desk": "north",
        },
        "default_preferences": {"items": [topic]} if number % 2 else None,
    }


def tenant_users() -> Below:
    return {tenant_id(number): [_user(number, person) for person in range(count)] for number, count in enumerate(USERS)}


def _user(number: int, person: int) -> Row:
    """Every other one says nothing about the user."""
    profile = {"title": "CTO", "firebaseToken": f"{CREDENTIAL}tenant-user-{person}"} if person % 2 == 0 else None
    return {"user_id": user_id(person), "tenant_id": tenant_id(number), "type": "user", "profile": profile}
