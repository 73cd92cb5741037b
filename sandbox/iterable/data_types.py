"""The values of `dataTypeName`, by the family Iterable's export page puts them in."""

from __future__ import annotations

EMAIL = (
    "emailSend",
    "emailOpen",
    "emailClick",
    "emailBounce",
    "emailComplaint",
    "emailSendSkip",
    "hostedUnsubscribeClick",
    "emailSubscribe",
    "emailUnSubscribe",
)
PUSH = ("pushSend", "pushOpen", "pushBounce", "pushSendSkip", "pushUninstall")
IN_APP = (
    "inAppSend",
    "inAppOpen",
    "inAppClick",
    "inAppClose",
    "inAppDelete",
    "inAppDelivery",
    "inAppSendSkip",
    "inAppRecall",
)
INBOX = ("inboxSession", "inboxMessageImpression")
SMS = ("smsSend", "smsBounce", "smsClick", "smsReceived", "smsSendSkip", "smsUsageInfo")
WEB_PUSH = ("webPushSend", "webPushClick", "webPushSendSkip")
EMBEDDED = (
    "embeddedSend",
    "embeddedSendSkip",
    "embeddedReceived",
    "embeddedImpression",
    "embeddedClick",
    "embeddedSession",
)
WHATS_APP = (
    "whatsAppSend",
    "whatsAppSeen",
    "whatsAppClick",
    "whatsAppReceived",
    "whatsAppBounce",
    "whatsAppSendSkip",
    "whatsAppUsageInfo",
)
RCS = ("rcsSend", "rcsSendSkip")
OTHER = ("purchase", "customEvent", "journeyExit", "unknownSession")

USER = "user"
CUSTOM_EVENT = "customEvent"

EVENTS = (*EMAIL, *PUSH, *IN_APP, *INBOX, *SMS, *WEB_PUSH, *EMBEDDED, *WHATS_APP, *RCS, *OTHER)
ALL = (*EVENTS, USER)

_BY_LOWER_CASE = {name.lower(): name for name in ALL}


def canonical(name: str) -> str | None:
    """The documented spelling of a data type, whatever its letter case; None for an unknown one."""
    return _BY_LOWER_CASE.get(name.lower())


def filter_column(data_type: str) -> str:
    """The column that an export's window is about."""
    return "profileUpdatedAt" if data_type == USER else "createdAt"
