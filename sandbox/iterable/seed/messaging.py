"""Channels, message types, campaigns, templates, journeys and experiments.

Campaign i, template i, channel i and message type i are of the medium at place i in `MEDIA`, counted round
and round, which is how made-up events find ids that belong together.
"""

from __future__ import annotations

from datetime import date

from sandbox.iterable.campaigns import MEDIA, TEMPLATE_TYPES
from sandbox.iterable.events import Row
from sandbox.iterable.timestamps import days_after, iso, milliseconds

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


def channels() -> list[Row]:
    marketing = [_channel(place, medium, "Marketing") for place, medium in enumerate(MEDIA)]
    return [*marketing, _channel(len(MEDIA), "Email", "Transactional")]


def _channel(place: int, medium: str, channel_type: str) -> Row:
    return {
        "id": FIRST_CHANNEL + place,
        "name": f"{channel_type} {medium}",
        "channelType": channel_type,
        "messageMedium": medium,
    }


def message_types(anchor: date) -> list[Row]:
    return [_message_type(place, channel, anchor) for place, channel in enumerate(channels())]


def _message_type(place: int, channel: Row, anchor: date) -> Row:
    created = milliseconds(days_after(anchor, -700 + place))
    row = {
        "id": FIRST_MESSAGE_TYPE + place,
        "createdAt": created,
        "updatedAt": created + place * 1000,
        "name": f"{channel['name']} message",
        "channelId": channel["id"],
        "subscriptionPolicy": "OptIn" if place == 3 else "OptOut",
    }
    return row | ({"frequencyCap": {"days": 7, "messages": 3}, "rateLimitPerMinute": 600} if place == 0 else {})


def campaigns(anchor: date) -> list[Row]:
    return [_campaign(number, anchor) for number in range(CAMPAIGNS)]


def _campaign(number: int, anchor: date) -> Row:
    """Campaigns a week apart, the last one just before the anchor. Drafts have neither start nor size."""
    campaign_id = FIRST_CAMPAIGN + number
    created = milliseconds(days_after(anchor, 7 * (number - CAMPAIGNS)))
    row: Row = {
        "id": campaign_id,
        "name": f"Campaign {number} 🚀" if number % 10 == 0 else f"Campaign {number}",
        "type": "Triggered" if number % 3 == 2 else "Blast",
        "campaignState": "Recurring" if campaign_id == RECURRING else _STATES[number % len(_STATES)],
        "messageMedium": MEDIA[number % len(MEDIA)],
        "createdAt": created,
        "updatedAt": created + 42_900_545,
        "createdByUserId": AUTHOR,
        "templateId": FIRST_TEMPLATE + number,
        "labels": ["spring", "vip"] if number % 5 == 0 else [],
    }
    if row["campaignState"] != "Draft":
        row |= {
            "startAt": created + 42_900_544,
            "endedAt": created + 42_915_336,
            "sendSize": 100 + 37 * number,
        }
    if row["type"] == "Blast":
        row |= {"listIds": [949815], "suppressionListIds": [949817], "updatedByUserId": AUTHOR}
    else:
        row |= {"workflowId": FIRST_JOURNEY + number % JOURNEYS}
    return row | ({"recurringCampaignId": RECURRING} if campaign_id in (RECURRING + 8, RECURRING + 16) else {})


def templates(anchor: date) -> list[Row]:
    """One for each campaign; all types occur with all media."""
    return [_template(number, anchor) for number in range(CAMPAIGNS)]


def _template(number: int, anchor: date) -> Row:
    created = milliseconds(days_after(anchor, 7 * (number - CAMPAIGNS)))
    row: Row = {
        "templateId": FIRST_TEMPLATE + number,
        "createdAt": created,
        "updatedAt": created + 3_600_000 * (number % 4),
        "name": f"Template {number}",
        "creatorUserId": AUTHOR,
        "messageTypeId": FIRST_MESSAGE_TYPE + number % len(MEDIA),
        "templateType": TEMPLATE_TYPES[number // len(MEDIA) % len(TEMPLATE_TYPES)],
        "messageMedium": MEDIA[number % len(MEDIA)],
    }
    row |= {} if row["templateType"] == "Base" else {"campaignId": FIRST_CAMPAIGN + number}
    return row | ({"clientTemplateId": f"tpl-{number}"} if number % 6 == 0 else {})


def journeys(anchor: date) -> list[Row]:
    """Every seventh is archived, every fifth holds an unpublished draft."""
    return [_journey(number, anchor) for number in range(JOURNEYS)]


def _journey(number: int, anchor: date) -> Row:
    created = milliseconds(days_after(anchor, 10 * (number - JOURNEYS)))
    stamps = {"createdAt": created, "updatedAt": created + 40_000_000, "creatorUserId": AUTHOR}
    row: Row = {
        "id": FIRST_JOURNEY + number,
        "name": f"Journey {number}",
        "description": "",
        "enabled": number % 3 != 0,
        "isArchived": number % 7 == 6,
        "journeyType": "Published",
        "lifetimeLimit": 1,
        "simultaneousLimit": 1,
        "startTileId": 31 + number,
        "triggerEventNames": ["signup"] if number % 2 == 0 else [],
        **stamps,
    }
    return row | ({"draft": {"id": 900 + number, "name": f"Draft {number}", **stamps}} if number % 5 == 0 else {})


def experiments(anchor: date) -> list[Row]:
    return [_experiment(number, anchor) for number in range(EXPERIMENTS)]


def _experiment(number: int, anchor: date) -> Row:
    """Experiments on e-mail campaigns; the newest has not finished."""
    started = days_after(anchor, 14 * (number - EXPERIMENTS)) + 36000
    running = number == EXPERIMENTS - 1
    return {
        "id": FIRST_EXPERIMENT + number,
        "name": f"Subject test {number}",
        "status": "running" if running else "finished",
        "channelType": "email",
        "author": AUTHOR,
        "startDate": iso(started),
        "finishDate": None if running else iso(started + 7 * 86400),
    }


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
        "Campaign ID": str(ids["campaignId"]),
        "Experiment ID": str(experiment["id"]),
        "Template ID": str(ids["templateId"] + 100_000 * variant),
        "Name": experiment["name"],
        "Type": name,
        "Created by": AUTHOR,
        "Creation Date": experiment["startDate"],
        "Last modified": experiment["startDate"],
        "Subject": f'Save {number + variant}%, "today" only',
        "Improvement": "N/A" if variant == 0 else f"{number / 10:.1f}",
        "Confidence": "N/A" if variant == 0 else "NaN",
        "Total Email Sends": str(600 + number),
        "Email Delivery Rate": "0.99",
        "Total Emails Delivered": str(594 + number),
        "Total Email Opens": str(200 + number),
        "Unique Email Opens Or Clicks": str(150 + number),
        "Email Open Rate": "0.25",
        "Total Emails Clicked": str(40 + number),
        "Unique Email Clicks": str(30 + number),
        "Clicks / Opens": "0.2",
        "Email Click Rate": "0.05",
        "Revenue": "0.0",
        "Total Purchases": "0",
        "Unique Purchases": "0",
    }
