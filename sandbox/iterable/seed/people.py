"""Users of a hybrid project (e-mail addresses, userIds, both), and the lists they are on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from random import Random
from typing import Any
from uuid import UUID, uuid5

from sandbox.iterable.events import Row
from sandbox.iterable.timestamps import DAY, days_after, epoch_seconds, midnight, milliseconds, spelt

USERS = 220
IMPORTED = 130
"""Members of the large list that have no profile."""

VIP, NEWSLETTER, ACTIVE, SUPPRESSED, STAFF, EMPTY = range(949814, 949820)

_NAMESPACE = UUID("9d1c4a52-6f0e-4a6b-8f0b-3c2a7d5e9b10")
_FIRST_NAMES = ("Ana", "Leo", "Ira", "Zoë", "Bjørn", "Mei", "Tomás", "Noor", "Jan", "Olga")
_PLACES = (
    ("Lyon", "ARA", "France", "fr_FR", "Europe/Paris"),
    ("San Jose", "CA", "United States", "en_US", "America/Los_Angeles"),
    ("大阪市", "27", "Japan", "ja_JP", "Asia/Tokyo"),
)

_CUSTOM_FIELDS: tuple[Row, ...] = (
    {
        "Industry": "Retail",
        "industry": "retail",
        "INDUSTRY": None,
        "loyalty.tier": "gold",
        "account id": 9007199254740993,
        "mood 🎨": "🙂🙃",
        "nickname": None,
        "": "a field without a name",
    },
    {
        "data": {"plan": "pro", "seats": 3, "history": [{"plan": "free", "until": None}]},
        "id": "crm-0002",
        'quote"d': 'a "quoted" value with a \\ and a\nnewline',
        "line\u2028separator": "\u2028\u2029\u0085",
    },
    {"data": "text this time", "id": 17, "balance": -0.1, "huge": 1e300, "big": 18446744073709551615},
    {"data": None, "tags": [], "empty": {}, "renewsAt": "2025-12-19T22:43:34.134105.000Z", "_type": "person"},
)


def users(anchor: date) -> list[Row]:
    """Profiles, most of them last updated in the 400 days before the anchor, a few soon after it."""
    return [_user(number, anchor) for number in range(USERS)]


def _user(number: int, anchor: date) -> Row:
    updated = _updated_at(number, anchor)
    created = updated - (number % 50) * DAY
    offset = "+0000" if number % 9 == 4 else "+00:00"
    city, region, country, locale, zone = _PLACES[number % len(_PLACES)]
    return {
        **identifiers(number),
        "firstName": _FIRST_NAMES[number % len(_FIRST_NAMES)],
        "emailListIds": [NEWSLETTER, VIP] if number % 4 == 0 else [NEWSLETTER],
        "userListIds": [],
        "subscribedMessageTypeIds": [],
        "unsubscribedChannelIds": [39583] if number % 13 == 0 else [],
        "unsubscribedMessageTypeIds": [],
        "signupDate": spelt(created, offset),
        "signupSource": ("API", "Import", "WebForm")[number % 3],
        "profileUpdatedAt": spelt(updated, offset),
        "city": city,
        "region": region,
        "country": country,
        "locale": locale,
        "timeZone": zone,
        "itblInternal.documentCreatedAt": spelt(created, offset),
        "itblInternal.documentUpdatedAt": spelt(updated, offset),
        "loyaltyPoints": number * 10,
        **_contact(number),
        **(_CUSTOM_FIELDS[number] if number < len(_CUSTOM_FIELDS) else {}),
    }


def _updated_at(number: int, anchor: date) -> float:
    """One on the stroke of midnight, one in twenty after the anchor, the others at any second before it."""
    if number == 0:
        return days_after(anchor, -1)
    if number % 20 == 19:
        return midnight(anchor) + (number // 20) * 4 * 3600 + number
    return midnight(anchor) - Random(f"user {number}").randrange(1, 400 * DAY)


def identifiers(number: int) -> Row:
    """What tells a user: one in ten has no address, one in seven no userId, one in eleven no itblUserId."""
    has_email = number % 10 != 3
    named: Row = {}
    if has_email:
        named["email"] = f"{_FIRST_NAMES[number % 10].lower()}.{number}@example.com"
        named["itblInternal.emailDomain"] = "example.com"
    if not has_email or number % 7 != 5:
        named["userId"] = f"u-{1001 + number}"
    if number % 11 != 6:
        named["itblUserId"] = str(uuid5(_NAMESPACE, str(number)))
    return named


def _contact(number: int) -> Row:
    """A phone and its device for every third user; older profiles hold devices column by column."""
    if number % 3:
        return {}
    phone = {"phoneNumber": f"+3360000{number:04}", "itblInternal.phoneCountry": "FR"}
    if number % 2:
        return phone | {"devices.token": [f"token-{number}"], "devices.platform": ["APNS"]}
    device = {"token": f"token-{number}", "platform": "APNS", "endpointEnabled": True}
    return phone | {"devices": [device]}


def lists(anchor: date) -> list[Row]:
    kinds = (
        (VIP, "VIP", "Standard"),
        (NEWSLETTER, "Newsletter ✉", "Standard"),
        (ACTIVE, "Active within 30 days", "Dynamic"),
        (SUPPRESSED, "Complaints", "Suppression"),
        (STAFF, "Staff", "Internal"),
        (EMPTY, "Not yet imported", "Standard"),
    )
    return [_list(anchor, *kind) for kind in kinds]


def _list(anchor: date, list_id: int, name: str, list_type: str) -> Row:
    row = {"id": list_id, "name": name, "createdAt": milliseconds(days_after(anchor, VIP - list_id - 300))}
    row |= {"description": f"{name}, made up"} if list_type == "Standard" else {}
    return row | {"listType": list_type} | ({"isGlobalSuppressionEnabled": True} if list_id == SUPPRESSED else {})


def list_members(people: Sequence[Row]) -> dict[int, list[str]]:
    """Members in no particular order, by e-mail address, or by userId where there is none."""
    everyone = [person.get("email") or person["userId"] for person in people]
    newsletter = everyone + [f"reader{number:04}@example.net" for number in range(IMPORTED)]
    Random("newsletter").shuffle(newsletter)
    return {
        VIP: everyone[::4],
        NEWSLETTER: newsletter,
        ACTIVE: everyone[1:60:2],
        SUPPRESSED: ["ira@example.org", "gone@example.net"],
        STAFF: everyone[:3],
        EMPTY: [],
    }


def field_types(people: Sequence[Row]) -> dict[str, str]:
    """Iterable's type of every field in use; nested names are dotted, an array's type is its element's."""
    types: dict[str, str] = {}
    for person in people:
        for name, value in person.items():
            types |= _types(name, value)
    return dict(sorted(types.items()))


def _types(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, list):
        return _types(name, value[0]) if value else {}
    if isinstance(value, dict):
        nested = [_types(f"{name}.{key}", inner) for key, inner in value.items()]
        return {name: "object"} | {key: kind for types in nested for key, kind in types.items()}
    kind = _scalar_type(value)
    return {name: kind} if kind else {}


def _scalar_type(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    if isinstance(value, float):
        return "double"
    return "date" if _is_date(value) else "string"


def _is_date(text: str) -> bool:
    try:
        epoch_seconds(text)
    except ValueError:
        return False
    return True
