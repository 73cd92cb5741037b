"""Channels, message types, campaigns, templates, journeys, experiments, catalogs, and what else is listed.

Campaign i, template i, channel i and message type i are of the medium at place i in `MEDIA`, counted round
and round, which is how made-up events find ids that belong together.
"""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Any

from sandbox import samples
from sandbox.iterable.events import Row
from sandbox.iterable.listings import MEDIA, TEMPLATE_TYPES
from sandbox.iterable.metrics import EXPERIMENT_COLUMNS
from sandbox.iterable.timestamps import DAY, days_after, iso, milliseconds

CAMPAIGNS = 55
JOURNEYS = 23
EXPERIMENTS = 24

FIRST_CAMPAIGN = 5551201
FIRST_TEMPLATE = 7320011
FIRST_CHANNEL = 39581
FIRST_MESSAGE_TYPE = 47257
FIRST_JOURNEY = 76786
FIRST_EXPERIMENT = 12041

AUTHOR = "ops@example.com"
RECURRING = FIRST_CAMPAIGN + 8
_STATES = ("Finished", "Running", "Draft", "Scheduled", "Archived", "Aborted", "Recalled")


def ids_of(medium: str, number: int) -> Row:
    """Ids that belong together; `number` picks one of the medium's campaigns."""
    place = MEDIA.index(medium)
    campaign = place + len(MEDIA) * (number % (CAMPAIGNS // len(MEDIA)))
    return {
        "campaignId": FIRST_CAMPAIGN + campaign,
        "templateId": FIRST_TEMPLATE + campaign,
        "channelId": FIRST_CHANNEL + place,
        "messageTypeId": FIRST_MESSAGE_TYPE + place,
    }


def _made(schema: str, number: int, at: float, first_id: int | None = None, **own: Any) -> Row:
    """A row of a schema, created at that moment, with what is its own."""
    row = samples.row(schema, number, lambda _: milliseconds(at)) | {"createdAt": milliseconds(at)} | own
    return row if first_id is None else row | {"id": first_id + number}


def channels() -> list[Row]:
    kinds = [*((medium, "Marketing") for medium in MEDIA), ("Email", "Transactional")]
    return [
        {"id": FIRST_CHANNEL + place, "name": f"{kind} {medium}", "channelType": kind, "messageMedium": medium}
        for place, (medium, kind) in enumerate(kinds)
    ]


def message_types(anchor: date) -> list[Row]:
    own = {"frequencyCap": {"days": 7, "messages": 3}}
    return [
        _made(
            "message_types", place, days_after(anchor, -700 + place), FIRST_MESSAGE_TYPE, channelId=channel["id"], **own
        )
        for place, channel in enumerate(channels())
    ]


def campaigns(anchor: date) -> list[Row]:
    """A week apart, the last one just before the anchor."""
    return [_campaign(number, days_after(anchor, 7 * (number - CAMPAIGNS))) for number in range(CAMPAIGNS)]


def _campaign(number: int, at: float) -> Row:
    """Drafts have neither start nor size; a blast goes to a list, and a journey sends what is triggered."""
    campaign_id, triggered = FIRST_CAMPAIGN + number, number % 3 == 2
    state = "Recurring" if campaign_id == RECURRING else _STATES[number % len(_STATES)]
    started = None if state == "Draft" else milliseconds(at) + 42_900_544
    kind = {"type": "Triggered" if triggered else "Blast", "messageMedium": MEDIA[number % len(MEDIA)]}
    journey = {"workflowId": FIRST_JOURNEY + number % JOURNEYS if triggered else None, "listIds": [949815]}
    sent = {"campaignState": state, "startAt": started, "sendSize": started and 100 + 37 * number}
    made = {"name": f"Campaign {number} 🚀", "templateId": FIRST_TEMPLATE + number}
    recurring = {"recurringCampaignId": RECURRING if campaign_id in (RECURRING + 8, RECURRING + 16) else None}
    return _made("campaigns", number, at, FIRST_CAMPAIGN, **kind, **journey, **sent, **made, **recurring)


def templates(anchor: date) -> list[Row]:
    """One for each campaign; all types occur with all media."""
    return [_template(number, days_after(anchor, 7 * (number - CAMPAIGNS))) for number in range(CAMPAIGNS)]


def _template(number: int, at: float) -> Row:
    place = number % len(MEDIA)
    kind = TEMPLATE_TYPES[number // len(MEDIA) % len(TEMPLATE_TYPES)]
    ids = {"templateId": FIRST_TEMPLATE + number, "messageTypeId": FIRST_MESSAGE_TYPE + place}
    return _made("templates", number, at, **ids, templateType=kind, messageMedium=MEDIA[place])


def journeys(anchor: date) -> list[Row]:
    """Every seventh is archived, every fifth holds an unpublished draft."""
    return [_journey(number, days_after(anchor, 10 * (number - JOURNEYS))) for number in range(JOURNEYS)]


def _journey(number: int, at: float) -> Row:
    own = {"name": f"Journey {number}", "enabled": number % 3 != 0, "isArchived": number % 7 == 6}
    draft = {"draft": {"id": 900 + number, "createdAt": milliseconds(at)}} if number % 5 == 0 else {}
    return _made("journeys", number, at, FIRST_JOURNEY, **own, **draft)


def experiments(anchor: date) -> list[Row]:
    """On e-mail campaigns; the newest has not finished."""
    first = days_after(anchor, -14 * EXPERIMENTS) + 36000
    return [_experiment(number, first + 14 * DAY * number) for number in range(EXPERIMENTS)]


def _experiment(number: int, at: float) -> Row:
    running = number == EXPERIMENTS - 1
    status = {"status": "running" if running else "finished", "finishDate": None if running else iso(at + 7 * 86400)}
    names = {"name": f"Subject test {number}", "channelType": "email", "author": AUTHOR}
    return {"id": FIRST_EXPERIMENT + number, "startDate": iso(at), **names, **status}


def experiment_metrics(anchor: date) -> list[dict[str, str]]:
    """A control and a variant of every experiment."""
    return [
        _variant(row, number, variant, name)
        for number, row in enumerate(experiments(anchor))
        for variant, name in enumerate(("Control", "-"))
    ]


def _variant(experiment: Row, number: int, variant: int, name: str) -> dict[str, str]:
    ids = ids_of("Email", number)
    return {
        **{name: str(number) for name in EXPERIMENT_COLUMNS if name.startswith(("Total", "Unique"))},
        **{name: "0.25" for name in EXPERIMENT_COLUMNS if name.endswith("Rate")},
        "Campaign ID": str(ids["campaignId"]),
        "Experiment ID": str(experiment["id"]),
        "Template ID": str(ids["templateId"] + 100_000 * variant),
        "Name": experiment["name"],
        "Type": name,
        "Created By": AUTHOR,
        "Creation Date": experiment["startDate"],
        "Last Modified": experiment["startDate"],
        "Subject": f'Save {number + variant}%, "today" only',
        "Improvement": "N/A" if variant == 0 else f"{number / 10:.1f}",
        "Confidence": "N/A" if variant == 0 else "NaN",
    }


def metadata(anchor: date) -> dict[str, list[Row]]:
    """A table of several pages, one of a single page, and an empty one."""
    about = {"size": 25, "lastModified": milliseconds(days_after(anchor, -90))}
    stores = [{"key": f"store{number:02}", **about, "value": {"city": "Lyon"}} for number in range(25)]
    return {"stores": stores, "rates": [{"key": "EUR", **about, "value": {"usd": 1.08, "note": None}}], "unused": []}


def catalogs(anchor: date) -> dict[str, list[Row]]:
    """Eleven catalogs, one more than a page holds; the first has items for several pages."""
    small = {f"season{number:02}": [_product(number, anchor)] for number in range(10)}
    return {"products": [_product(number, anchor) for number in range(23)], **small}


def _product(number: int, anchor: date) -> Row:
    value = {"name": f"Mug {number}", "stock": {"lyon": number}, "id": f"own-id-{number}", "color.name": "bleu ciel"}
    modified = milliseconds(days_after(anchor, -number - 1))
    return {"itemId": f"sku-{number}", "lastModified": modified, "size": 100 + number, "value": value}


def hashes(prefix: str, count: int) -> list[str]:
    """SHA-256 of as many invented identifiers."""
    return [sha256(f"{prefix}{number}@example.com".encode()).hexdigest() for number in range(count)]
