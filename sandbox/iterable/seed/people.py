"""Users of a hybrid project (e-mail addresses, userIds, both), and the lists they are on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from random import Random
from uuid import UUID, uuid5

from sandbox import samples
from sandbox.iterable.events import Row
from sandbox.iterable.timestamps import DAY, days_after, midnight, milliseconds, spelt

USERS = 220
IMPORTED = 130
"""Members of the large list that have no profile."""

VIP, NEWSLETTER, ACTIVE, SUPPRESSED, STAFF, EMPTY = range(949814, 949820)

_NAMESPACE = UUID("9d1c4a52-6f0e-4a6b-8f0b-3c2a7d5e9b10")
_FIRST_NAMES = ("Ana", "Leo", "Ira", "Zoë", "Bjørn", "Mei", "Tomás", "Noor", "Jan", "Olga")

_CUSTOM_FIELDS: tuple[Row, ...] = (
    {"Industry": "Retail", "industry": "retail", "INDUSTRY": None, "loyalty.tier": "gold", "account id": samples.LARGE},
    {"mood 🎨": "🙂🙃", "nickname": None, "": "a field without a name", "line\u2028separator": "\u2028\u2029\u0085"},
    {"data": {"plan": "pro", "history": [{"until": None}]}, "id": "crm-0002", 'quote"d': 'a "quoted" \\\nline'},
    {"data": "text this time", "id": 17, "balance": -0.1, "huge": 1e300, "big": 18446744073709551615},
    {"data": None, "tags": [], "empty": {}, "renewsAt": "2025-12-19T22:43:34.134105.000Z", "_type": "person"},
)


def users(anchor: date) -> list[Row]:
    """Profiles, most of them last updated in the 400 days before the anchor, a few soon after it."""
    return [_user(number, anchor) for number in range(USERS)]


def _user(number: int, anchor: date) -> Row:
    updated = _updated_at(number, anchor)
    spelled = spelt(updated, "+0000" if number % 9 == 4 else "+00:00")
    left_out = ("email", "userId", "itblUserId", "user_key", "itblInternal.emailDomain", "phoneNumber")
    return {
        **samples.row("users", number, lambda _: spelled, left_out),
        **identifiers(number),
        "profileUpdatedAt": spelled,
        "country": ("France", "United States", "日本")[number % 3],
        "emailListIds": [NEWSLETTER, VIP] if number % 4 == 0 else [NEWSLETTER],
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
    """Return a user's identifiers: one in ten has no address, one in seven no userId, one in eleven no itblUserId."""
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
    kinds = ("Standard", "Standard", "Dynamic", "Suppression", "Internal", "Standard")
    row = {"createdAt": milliseconds(days_after(anchor, -300)), "description": "Made up ✉"}
    return [{"id": VIP + place, "name": f"{kind} {place}", "listType": kind, **row} for place, kind in enumerate(kinds)]


def list_members(people: Sequence[Row]) -> dict[int, list[str]]:
    """Members in no particular order, by e-mail address, or by userId where there is none."""
    everyone = [person.get("email") or person["userId"] for person in people]
    newsletter = everyone + [f"reader{number:04}@example.net" for number in range(IMPORTED)]
    Random("newsletter").shuffle(newsletter)
    gone = ["ira@example.org", "gone@example.net"]
    small = {VIP: everyone[::4], ACTIVE: everyone[1:60:2], SUPPRESSED: gone, STAFF: everyone[:3], EMPTY: []}
    return {NEWSLETTER: newsletter, **small}


def field_types(people: Sequence[Row]) -> dict[str, str]:
    """Iterable's type of every field in use."""
    types: dict[type, str] = {bool: "boolean", int: "long", float: "double", str: "string", dict: "object"}
    return {name: types[type(value)] for person in people for name, value in person.items() if type(value) in types}
