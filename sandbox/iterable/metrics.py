"""`/api/campaigns/metrics` and `/api/experiments/metrics`: CSV.

A campaign's figures are made up from its id and `sendSize`, so that they are the same every time.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, reduce
from math import inf
from zlib import crc32

from sandbox import samples
from sandbox.iterable import parameters
from sandbox.iterable.events import Row
from sandbox.iterable.project import IterableProject
from sandbox.messages import Reply, Request, text_reply

Cells = Mapping[str, str]
FIGURES = [name for name in samples.columns("campaigns_metrics") if name not in ("id", "data")]
SPELLINGS = {" Id": " ID", " M ": " / M ", "In App": "In-app", "Sms": "SMS", "Filtered": "(filtered)"}
PARTS = {
    "WebPush": "web_push",
    "Push": "push|app_uninstalls",
    "InApp": "in_app|inbox",
    "SMS": "sms",
    "Email": "email|complaint|unsubscribe",
}
"""What the columns about a medium are called; all others are about every medium."""


@cache
def _header(column: str) -> str:
    """Return what the vendor calls a column: `purchases_m_email` becomes `Purchases / M (Email)`."""
    name = re.sub(r"(?<= M )(\w+)$", r"(\1)", column.replace("_", " ").title())
    return reduce(lambda name, spelling: name.replace(*spelling), SPELLINGS.items(), name)


NOT_SENT = ("variant", "data")
EXPERIMENT_COLUMNS = [_header(name) for name in samples.columns("experiment_metrics") if name not in NOT_SENT]


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


def _columns(campaign: Row) -> list[str]:
    return [_header(name) for name in FIGURES if _medium(name) in ("", campaign.get("messageMedium"))]


@cache
def _medium(column: str) -> str:
    return next((medium for medium, parts in PARTS.items() if re.search(parts, column)), "")


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
