"""The fields that rows of each data type carry beside the user and createdAt.

`SHAPES` names, for every data type, its medium and the groups of fields it is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from sandbox.iterable.events import Row
from sandbox.iterable.seed.messaging import ids_of
from sandbox.iterable.timestamps import spelt


@dataclass(frozen=True)
class Draw:
    """What a row's fields are made from: its number within its data type, moment, medium, and chance."""

    number: int
    at: float
    medium: str
    chance: Random

    @property
    def ids(self) -> Row:
        return ids_of(self.medium, self.number)

    def hexadecimal(self, digits: int = 32) -> str:
        return f"{self.chance.getrandbits(4 * digits):0{digits}x}"


Fields = Callable[[Draw], Row]


def campaign(draw: Draw) -> Row:
    return {name: draw.ids[name] for name in ("campaignId", "templateId")}


def message(draw: Draw) -> Row:
    return {**campaign(draw), "messageId": draw.hexadecimal()}


def channel(draw: Draw) -> Row:
    return {name: draw.ids[name] for name in ("channelId", "messageTypeId")}


def content(draw: Draw) -> Row:
    return {"contentId": 12_000_000 + draw.number}


def catalog(draw: Draw) -> Row:
    names = ("catalogLookupCount", "catalogCollectionCount", "productRecommendationCount")
    return dict.fromkeys(names, draw.number % 2)


TRANSACTIONAL_DATA = ('{"orderId":"A-17"}', "{}", '{"data":[]}', "", '{"orderId":', '"text"', "null")
"""JSON as text, now and then broken, empty, or not an object."""


def transaction(draw: Draw) -> Row:
    return {"transactionalData": TRANSACTIONAL_DATA[draw.number % len(TRANSACTIONAL_DATA)]}


def send(draw: Draw) -> Row:
    return message(draw) | content(draw) | channel(draw) | catalog(draw) | transaction(draw)


def skip(draw: Draw) -> Row:
    reasons = ("DuplicateMarketingMessage", "NotEligible", "NoPhoneNumber")
    return message(draw) | channel(draw) | {"reason": draw.chance.choice(reasons)}


def email_send(draw: Draw) -> Row:
    bus = {"messageBusId": draw.hexadecimal(), "espName": "sparkpost"}
    return send(draw) | bus


def client(draw: Draw) -> Row:
    """Who opened or clicked; requests through a proxy have no place."""
    if draw.number % 4 == 0:
        return {"ip": "66.249.81.11", "userAgent": "GoogleImageProxy", "proxySource": "Gmail", "isBot": False}
    place = {"city": "Lyon", "region": "ARA", "country": "France"}
    device = {"userAgent": "Mozilla/5.0 (Macintosh)", "userAgentDevice": "Mac"}
    return {"ip": f"198.51.100.{draw.number % 250}", **place, **device, "isBot": draw.number % 9 == 1}


def link(draw: Draw) -> Row:
    return {"url": f"https://example.com/sale?item={draw.number}&ref=é", "hrefIndex": draw.number % 5}


def clicked_url(draw: Draw) -> Row:
    return {"clickedUrl": f"https://example.com/s/{draw.number}"}


def bounce(draw: Draw) -> Row:
    hard = draw.number % 2 == 0
    return {"recipientState": "HardBounce" if hard else "SoftBounce", "status": "5.1.1" if hard else "4.2.2"}


def complaint(draw: Draw) -> Row:
    return {"recipientState": "Complaint"}


def subscription(draw: Draw) -> Row:
    lists = {"emailListIds": [949815], "channelIds": [], "messageTypeIds": []}
    return {**lists, "signupSource": "ListAPI", "profileUpdatedAt": spelt(draw.at - 1)}


def unsubscription(draw: Draw) -> Row:
    source = ("EmailLink", "HardBounce", "Import")[draw.number % 3]
    return {"unsubSource": source, "channelIds": [39583], "emailListIds": [], "messageTypeIds": []}


def endpoint(draw: Draw) -> Row:
    return {"platformEndpoint": f"arn:aws:sns:us-east-1:1:endpoint/APNS/app/{draw.hexadecimal(8)}"}


def sent_at(draw: Draw) -> Row:
    return {"sentAt": spelt(draw.at + 1)}


def device(draw: Draw) -> Row:
    platform = ("iOS", "Android", "Web")[draw.number % 3]
    return {"deviceInfo": {"deviceId": "D-77", "platform": platform, "appPackageName": "com.example.shop"}}


def context(draw: Draw) -> Row:
    place = ("in-app", "inbox")[draw.number % 2]
    return {"messageContext": {"saveToInbox": True, "silentInbox": False, "location": place}}


def in_app_send(draw: Draw) -> Row:
    trigger = {"saveToInbox": True, "silentInbox": False, "trigger": "immediate"}
    return {"expiresAt": spelt(draw.at + 90 * 86400), "priorityLevel": 300.5, "messageContext": trigger}


def inbox_session(draw: Draw) -> Row:
    counts = {"startTotalMessageCount": 3, "endTotalMessageCount": 2}
    span = {"inboxSessionStart": spelt(draw.at - 50), "inboxSessionEnd": spelt(draw.at)}
    return {"inboxSessionId": draw.hexadecimal(), **span, **counts}


def impression(draw: Draw) -> Row:
    return {"displayCount": 1 + draw.number % 3, "displayDuration": draw.number / 10}


def phones(draw: Draw) -> Row:
    return {"toPhoneNumber": "+33600000001", "fromPhoneNumber": "+14155550100", "espName": "twilio"}


def sms_counts(draw: Draw) -> Row:
    return {
        "smsSendCount": 1,
        "mmsSendCount": 0,
        "isSMSEstimation": draw.number % 2 == 0,
        "billingParty": "Iterable",
    }


def sms_received(draw: Draw) -> Row:
    return {
        "smsMessage": ("STOP", "yes 👍", "")[draw.number % 3],
        "smsReceiveCount": 1,
        "espAccountId": "AC123",
    }


def provider_response(draw: Draw) -> Row:
    response = {"status": 404, "message": "number not found", "code": 20404}
    if draw.number % 2:
        return {f"smsProviderResponse.{name}": value for name, value in response.items()}
    return {"smsProviderResponse": response}


def placement(draw: Draw) -> Row:
    return {"placementId": 12 + draw.number % 2}


def session(draw: Draw) -> Row:
    return {"session": {"id": draw.hexadecimal(), "start": spelt(draw.at - 70), "end": spelt(draw.at)}}


def whats_app_phones(draw: Draw) -> Row:
    """The account is a number in some rows and text in others."""
    account: int | str = 77 if draw.number % 2 else "77"
    numbers = {"fromWhatsAppPhoneNumber": "+14155550101", "toWhatsAppPhoneNumber": "+33600000001"}
    return {**numbers, "espName": "infobip", "espAccountId": account}


def whats_app_seen(draw: Draw) -> Row:
    return {"seenMessageId": draw.hexadecimal(), "seenAt": spelt(draw.at), "sentAt": spelt(draw.at - 60)}


def whats_app_received(draw: Draw) -> Row:
    """The text appears twice: nested, and under dotted names."""
    text = {"type": "text", "text": f"ok {draw.number}"}
    dotted = {f"whatsAppMessage.{name}": value for name, value in text.items()}
    reply = {"replyToMessageId": draw.hexadecimal(), "receivedAt": spelt(draw.at), "attributionType": "reply"}
    return {**reply, "whatsAppMessage": text, **dotted, "sanitized.inputText": text["text"]}


def purchase(draw: Draw) -> Row:
    """Items as objects, or, in every third row, column by column."""
    items: list[Row] = [
        {"id": "sku-1", "sku": "sku-1", "name": "Mug", "price": 14.95, "quantity": 2, "categories": ["home"]},
        {"id": "sku-9", "name": "Lamp", "price": 30.0, "quantity": 1, "dataFields": {"gift": True}},
    ]
    row = {"id": f"order-{9000 + draw.number}", "total": 59.9, "currency": "EUR"}
    if draw.number % 3:
        return row | {"shoppingCartItems": items}
    columns = ("id", "name", "price", "quantity")
    return row | {f"shoppingCartItems.{name}": [item[name] for item in items] for name in columns}


CUSTOM_VALUES: tuple[Any, ...] = (
    4411,
    0.82,
    "news",
    True,
    None,
    ["a", "b"],
    {"deep": {"er": [1, None]}},
    [],
    {},
)


def custom(draw: Draw) -> Row:
    """Fields of the customer's own making, the same name holding another JSON type from row to row."""
    value = CUSTOM_VALUES[draw.number % len(CUSTOM_VALUES)]
    own = {
        "data": value,
        "Section": "News",
        "section": value,
        "page title 📰": "Ça va",
        "cart.total": 9007199254740993,
    }
    return {"eventName": ("articleRead", "signup")[draw.number % 2], "eventUpdatedAt": spelt(draw.at), **own}


def journey(draw: Draw) -> Row:
    return {"workflowId": 76786 + draw.number % 23, "workflowName": f"Journey {draw.number % 23}"}


def unknown_session(draw: Draw) -> Row:
    last = int(draw.at)
    sessions = {"firstUnknownSession": last - 6000, "lastUnknownSession": last}
    return {"totalUnknownSessionCount": 1 + draw.number % 5, **sessions, "matchedCriteriaId": 14}


def message_status(draw: Draw) -> Row:
    return {"messageStatus": ("delivered", "undelivered")[draw.number % 2], "errorCode": 7001}


def browser(draw: Draw) -> Row:
    return {"browserToken": f"cZn_{draw.hexadecimal(16)}"}


def push_open(draw: Draw) -> Row:
    return {"appAlreadyRunning": draw.number % 2 == 0, "actionIdentifier": "default"}


def ghost(draw: Draw) -> Row:
    return {"isGhostPush": draw.number % 2 == 1}


def button(draw: Draw) -> Row:
    return {"buttonIdentifier": "primary", "targetUrl": "https://example.com/x"}


def close(draw: Draw) -> Row:
    return {"closeAction": ("link", "back")[draw.number % 2]}


def delete(draw: Draw) -> Row:
    return {"deleteAction": "inbox-swipe"}


Shape = tuple[str, tuple[Fields, ...]]

SHAPES: dict[str, Shape] = {
    "emailSend": ("Email", (email_send,)),
    "emailOpen": ("Email", (message, content, client)),
    "emailClick": ("Email", (message, content, client, link)),
    "emailBounce": ("Email", (message, bounce)),
    "emailComplaint": ("Email", (message, complaint)),
    "emailSendSkip": ("Email", (skip, content, transaction)),
    "hostedUnsubscribeClick": ("Email", (message, client, link)),
    "emailSubscribe": ("Email", (subscription,)),
    "emailUnSubscribe": ("Email", (message, unsubscription)),
    "pushSend": ("Push", (send, endpoint)),
    "pushOpen": ("Push", (message, sent_at, push_open)),
    "pushBounce": ("Push", (message, channel, endpoint)),
    "pushSendSkip": ("Push", (skip,)),
    "pushUninstall": ("Push", (message, ghost, endpoint)),
    "inAppSend": ("InApp", (send, in_app_send)),
    "inAppOpen": ("InApp", (message, device, context)),
    "inAppClick": ("InApp", (message, device, context, clicked_url, sent_at)),
    "inAppClose": ("InApp", (message, device, context, close)),
    "inAppDelete": ("InApp", (message, device, context, delete)),
    "inAppDelivery": ("InApp", (message, device, context)),
    "inAppSendSkip": ("InApp", (skip,)),
    "inAppRecall": ("InApp", (message,)),
    "inboxSession": ("InApp", (inbox_session, device)),
    "inboxMessageImpression": ("InApp", (message, impression, device)),
    "smsSend": ("SMS", (send, phones, sms_counts)),
    "smsBounce": ("SMS", (message, channel, provider_response)),
    "smsClick": ("SMS", (message, clicked_url)),
    "smsReceived": ("SMS", (phones, sms_received)),
    "smsSendSkip": ("SMS", (skip,)),
    "smsUsageInfo": ("SMS", (message, phones, sms_counts, message_status)),
    "webPushSend": ("WebPush", (send, browser)),
    "webPushClick": ("WebPush", (message,)),
    "webPushSendSkip": ("WebPush", (skip,)),
    "embeddedSend": ("Embedded", (message, channel)),
    "embeddedSendSkip": ("Embedded", (skip,)),
    "embeddedReceived": ("Embedded", (message, device)),
    "embeddedImpression": ("Embedded", (message, placement, impression)),
    "embeddedClick": ("Embedded", (message, button, device)),
    "embeddedSession": ("Embedded", (session, device)),
    "whatsAppSend": ("WhatsApp", (send, whats_app_phones)),
    "whatsAppSeen": ("WhatsApp", (campaign, whats_app_phones, whats_app_seen)),
    "whatsAppClick": ("WhatsApp", (message, clicked_url)),
    "whatsAppReceived": ("WhatsApp", (campaign, whats_app_phones, whats_app_received)),
    "whatsAppBounce": ("WhatsApp", (message, channel, whats_app_phones, message_status)),
    "whatsAppSendSkip": ("WhatsApp", (skip,)),
    "whatsAppUsageInfo": ("WhatsApp", (message, message_status)),
    "rcsSend": ("RCS", (message, content, channel)),
    "rcsSendSkip": ("RCS", (skip,)),
    "purchase": ("Email", (campaign, purchase)),
    "customEvent": ("Email", (custom,)),
    "journeyExit": ("Email", (journey,)),
    "unknownSession": ("Email", (unknown_session,)),
}


def fields(data_type: str, number: int, at: float, chance: Random) -> Row:
    """The fields of the `number`-th row of a data type."""
    medium, groups = SHAPES[data_type]
    draw = Draw(number, at, medium, chance)
    return {name: value for group in groups for name, value in group(draw).items()}
