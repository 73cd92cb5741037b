"""The fields of an event beside its user and createdAt: made from the schema of its data type, but for what means more.

What belongs together (campaigns, messages, journeys), what examples look for, and what is odd at the vendor's stands
here; the rest is a value of the column's type.
"""

from __future__ import annotations

from random import Random
from typing import Any

from sandbox import samples
from sandbox.iterable.data_types import CUSTOM_EVENT, PURCHASE, SCHEMAS
from sandbox.iterable.events import Row
from sandbox.iterable.seed.messaging import FIRST_JOURNEY, JOURNEYS, ids_of
from sandbox.iterable.timestamps import spelt

MEDIA = {"push": "Push", "in": "InApp", "sms": "SMS", "web": "WebPush", "embedded": "Embedded", "whats": "WhatsApp"}
"""By the first word of the schema; others are about e-mail."""

ELSEWHERE = ("event_id", "createdAt", "email", "userId", "itblUserId", "itblInternal", "_type")
"""Columns that are not the data type's own, or not the vendor's."""

TRANSACTIONAL_DATA = ('{"orderId":"A-17"}', "{}", '{"data":[]}', "", '{"orderId":', '"text"', "null")
"""JSON as text, now and then broken, empty, or not an object."""

CUSTOM_VALUES: tuple[Any, ...] = (4411, 0.82, "news", True, None, ["a", "b"], {"deep": {"er": [1, None]}}, [], {})
"""Of one custom field: another JSON type from row to row."""

ITEMS: list[Row] = [
    {"id": "sku-1", "sku": "sku-1", "name": "Mug", "price": 14.95, "quantity": 2, "categories": ["home"]},
    {"id": "sku-9", "name": "Lamp", "price": 30.0, "quantity": 1, "dataFields": {"gift": True}},
]


def fields(data_type: str, number: int, at: float, chance: Random) -> Row:
    """The fields of the `number`-th row of a data type."""
    schema = SCHEMAS[data_type]
    meaning = _meaning(schema, number, at, chance)
    made = samples.row(schema, number, lambda _: spelt(at), ELSEWHERE)
    made |= {name: meaning[name] for name in samples.columns(schema) if name in meaning}
    return made | _odd(data_type, number, made)


def _meaning(schema: str, number: int, at: float, chance: Random) -> Row:
    """Columns whose values matter, whichever data types have them."""
    proxy = number % 4 == 0
    return {
        **ids_of(MEDIA.get(schema.partition("_")[0], "Email"), number),
        "messageId": f"{chance.getrandbits(128):032x}",
        "transactionalData": TRANSACTIONAL_DATA[number % len(TRANSACTIONAL_DATA)],
        "recipientState": "HardBounce" if number % 2 == 0 else "SoftBounce",
        "url": f"https://example.com/sale?item={number}&ref=é",
        "ip": "66.249.81.11" if proxy else f"198.51.100.{number % 250}",
        "proxySource": "Gmail" if proxy else None,
        "isBot": number % 9 == 1,
        "emailListIds": [949815],
        "channelIds": [39583],
        "unsubSource": ("EmailLink", "HardBounce", "Import")[number % 3],
        "workflowId": FIRST_JOURNEY + number % JOURNEYS,
        "profileUpdatedAt": spelt(at - 1),
        "sentAt": spelt(at + 1),
        "eventName": ("articleRead", "signup")[number % 2],
        "id": f"order-{9000 + number}" if schema == PURCHASE else None,
        "total": 59.9,
        "shoppingCartItems": ITEMS,
    }


def _odd(data_type: str, number: int, made: Row) -> Row:
    """Fields that are nested in some rows and dotted in others, or that somebody made up."""
    if data_type == PURCHASE and number % 3 == 0:
        del made["shoppingCartItems"]
        columns = ("id", "name", "price", "quantity")
        return {f"shoppingCartItems.{name}": [item[name] for item in ITEMS] for name in columns}
    if data_type == CUSTOM_EVENT:
        value = CUSTOM_VALUES[number % len(CUSTOM_VALUES)]
        own = {"Section": "News", "section": value, "page title 📰": "Ça va", "cart.total": samples.LARGE}
        return {"data": value, **own}
    if data_type == "smsBounce" and number % 2:
        response = {"status": 404, "message": "number not found", "code": 20404}
        made.pop("smsProviderResponse", None)
        return {f"smsProviderResponse.{name}": value for name, value in response.items()}
    if data_type == "whatsAppReceived":  # nested, and under dotted names as well
        text = {"type": "text", "text": f"ok {number}"}
        return {"whatsAppMessage": text, **{f"whatsAppMessage.{name}": value for name, value in text.items()}}
    return {}
