"""`/api/campaigns/metrics` and `/api/experiments/metrics`: CSV.

A campaign's figures are made up from its id and `sendSize`, so that they are the same every time.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from zlib import crc32

from sandbox.iterable import parameters
from sandbox.iterable.events import Row
from sandbox.iterable.project import IterableProject
from sandbox.messages import Reply, Request, text_reply

Cells = Mapping[str, str]


def _listed(names: str) -> tuple[str, ...]:
    return tuple(" ".join(names.split()).split(", "))


EVERY_MEDIUM = _listed("""
    Average Custom Conversion Value, Average Order Value, Revenue, Sum of Custom Conversions, Total Custom
    Conversions, Total Purchases, Unique Custom Conversions, Unique Purchases
""")
BY_MEDIUM = {
    "Email": _listed("""
        Purchases / M (Email), Revenue / M (Email), Total Complaints, Total Email Holdout, Total Email Opens,
        Total Email Opens (filtered), Total Email Send Skips, Total Email Sends, Total Emails Bounced, Total
        Emails Clicked, Total Emails Delivered, Total Hosted Unsubscribe Clicks, Total Unsubscribes, Unique
        Email Clicks, Unique Email Opens, Unique Email Opens (filtered), Unique Email Opens Or Clicks, Unique
        Email Sends, Unique Emails Bounced, Unique Emails Delivered, Unique Hosted Unsubscribe Clicks, Unique
        Unsubscribes
    """),
    "Push": _listed("""
        Purchases / M (Push), Revenue / M (Push), Total App Uninstalls, Total Push Holdout, Total Push Send
        Skips, Total Pushes Bounced, Total Pushes Delivered, Total Pushes Opened, Total Pushes Sent, Unique
        Pushes Bounced, Unique Pushes Delivered, Unique Pushes Opened, Unique Pushes Sent
    """),
    "InApp": _listed("""
        Total In-app Clicks, Total In-app Closes, Total In-app Deletes, Total In-app Holdout, Total In-app
        Opens, Total In-app Send Skips, Total In-app Sent, Total In-apps Delivered, Total Inbox Impressions,
        Unique In-app Clicks, Unique In-app Opens, Unique In-app Sends, Unique In-apps Delivered
    """),
    "SMS": _listed("""
        Purchases / M (SMS), Revenue / M (SMS), Total Inbound SMS, Total SMS Bounced, Total SMS Clicks, Total
        SMS Delivered, Total SMS Holdout, Total SMS Send Skips, Total SMS Sent, Unique Inbound SMS, Unique SMS
        Bounced, Unique SMS Clicks, Unique SMS Delivered, Unique SMS Sent
    """),
    "WebPush": _listed("""
        Total Web Push Clicks, Total Web Push Send Skips, Total Web Pushes Sent, Total WebPush Holdout, Unique
        Web Push Clicks, Unique Web Pushes Sent
    """),
}
EXPERIMENT_COLUMNS = _listed("""
    Campaign ID, Experiment ID, Template ID, Name, Type, Created by, Creation Date, Last modified, Subject,
    Improvement, Confidence, Total Email Sends, Email Delivery Rate, Total Emails Delivered, Total Email Opens,
    Unique Email Opens Or Clicks, Email Open Rate, Total Emails Clicked, Unique Email Clicks, Clicks / Opens, Email
    Click Rate, Revenue, Total Purchases, Unique Purchases, Average Order Value, Purchases / M, Revenue / M
""")


def campaign_metrics(project: IterableProject, request: Request) -> Reply:
    """One row per known campaign, with the columns of all their media; cells of another medium are blank."""
    ids = frozenset(parameters.integers(request, "campaignId"))
    if not ids:
        return text_reply("id,\n")
    parameters.required(request, "startDateTime")
    span = parameters.moment(request, "startDateTime") or -inf, parameters.moment(request, "endDateTime") or inf
    chosen = sorted((row for row in project.campaigns if row["id"] in ids), key=lambda row: row["id"])
    columns = sorted({column for row in chosen for column in _columns(row)})
    return text_reply(_csv(("id", *columns), (_cells(row, *span) for row in chosen)))


def experiment_metrics(project: IterableProject, request: Request) -> Reply:
    """The rows of the experiments asked for, of all when none are."""
    wanted = parameters.integers(request, "experimentId")
    chosen = [row for row in project.experiment_metrics if not wanted or int(row["Experiment ID"]) in wanted]
    return text_reply(_csv(EXPERIMENT_COLUMNS, chosen))


def _columns(campaign: Row) -> tuple[str, ...]:
    return EVERY_MEDIUM + BY_MEDIUM.get(campaign.get("messageMedium", ""), ())


def _cells(campaign: Row, start: float, end: float) -> Cells:
    """All figures of a campaign fall on the moment it started."""
    started = (campaign.get("startAt") or campaign["createdAt"]) / 1000
    size = (campaign.get("sendSize") or 0) if start <= started < end else 0
    return {"id": str(campaign["id"])} | {name: _figure(campaign["id"], name, size) for name in _columns(campaign)}


def _figure(campaign_id: int, column: str, size: int) -> str:
    number = crc32(f"{campaign_id} {column}".encode()) % (size + 1)
    return str(number) if column.startswith(("Total", "Unique")) else f"{number / 10:.1f}"


def _csv(columns: Sequence[str], rows: Iterable[Cells]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
