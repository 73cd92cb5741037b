"""The queries of docs/sql.md run on a DuckDB file that `make sync` has made of the sandbox.

What they should find is counted here from what the sandbox holds, in Python and without the tables.
"""

import io
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest

import source_messaging as runner
from messaging_sync import __main__ as loader
from messaging_sync.console import Console
from sandbox import Sandbox, serve
from sandbox.iterable.timestamps import epoch_seconds
from scripts import streams
from source_messaging import load_manifest
from unit_tests.conftest import NOW
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import catalog_of, run
from unit_tests.support.source import FakeSource
from unit_tests.support.warehouse import needs_dbt

PAGE = streams.ROOT / "docs" / "sql.md"
MODEL_FILES = sorted((streams.ROOT / "dbt" / "models" / "messaging").glob("*.sql"))
# Title and query.
EXAMPLE = re.compile(r"^### (.+)$(?:(?!^### ).*\n)+?^```sql\n((?:.*\n)+?)```$", re.MULTILINE)
EXAMPLES = dict(EXAMPLE.findall(PAGE.read_text(encoding="utf-8")))
START = "2025-02-08T00:00:00Z"
FIVE_MINUTES_AGO = NOW.timestamp() - 300
# Nobody in the made-up data leaves a list.
LEAVING = [
    {
        "email": f"gone.{day}@example.com",
        "createdAt": f"2026-02-0{day} 09:00:00 +00:00",
        "unsubSource": "EmailLink",
        "emailListIds": [949814, 949815],
        "channelIds": [],
    }
    for day in (1, 2)
]
# One in so many, since each takes two calls; it shares no factor with the rounds in which they are made up.
EVERY_MESSAGE = 7

COLUMNS = {
    "Sends, opens and clicks of each campaign": ("campaign", "sent", "opened", "clicked", "open_rate", "click_rate"),
    "The funnel of each template, both vendors": (
        "vendor",
        "template",
        "month",
        "sent",
        "delivered",
        "opened",
        "clicked",
        "unsubscribed",
    ),
    "Opens and clicks without machines": ("month", "opens", "by_bots", "by_proxies", "by_people"),
    "Bounce rate by campaign and mail domain": ("campaign", "domain", "sent", "bounced", "hard", "bounce_rate"),
    "Custom fields of users": ("country", "users", "average_points", "with_industry", "gold"),
    "Which custom fields there are, and how many users have them": ("field", "type", "users"),
    "Members of each list, and those without a profile": ("list", "type", "members", "without_profile"),
    "Growth of lists": ("list", "month", "joined", "gone", "since_start"),
    "Unsubscribes by reason and channel": ("channel", "reason", "unsubscribes", "people"),
    "What Iterable counts, by month and medium": ("month", "medium", "campaigns", "recipients", "sent", "revenue"),
    "Journeys: their campaigns, and who leaves them": ("journey", "enabled", "campaigns", "exits", "latest_exit"),
    "Delivery time and status by provider and channel": (
        "provider",
        "channel",
        "messages",
        "undeliverable",
        "opened",
        "median_seconds",
    ),
    "Why messages did not arrive, by template": ("template", "status", "reason", "messages"),
    "The history of one message": (
        "position",
        "status",
        "occurred_at",
        "seconds_since_previous",
        "channel",
        "provider",
    ),
    "What one person got from both": ("iterable_user", "courier_user", "emails", "messages", "latest_contact"),
}


MODELS = "main_messaging."


def titles(named: Iterable[str]) -> pytest.MarkDecorator:
    """Each of the examples; those that read a model need dbt."""
    return pytest.mark.parametrize(
        "title", [pytest.param(title, marks=needs_dbt if MODELS in EXAMPLES[title] else ()) for title in named]
    )


@dataclass
class Loaded:
    """The sandbox, and the database it was loaded into."""

    sandbox: Sandbox
    database: Path
    has_models: bool = False

    def rows(self, title: str) -> list[dict[str, Any]]:
        if MODELS in EXAMPLES[title] and not self.has_models:
            self._make_models()
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(EXAMPLES[title])
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def _make_models(self) -> None:
        variables = [f"DESTINATION={self.database}", f"DBT_FILES={self.database.parent / 'dbt'}"]
        subprocess.run(["make", "--silent", "models", *variables], cwd=streams.ROOT, check=True)
        self.has_models = True

    def visible(self, data_type: str) -> list[dict[str, Any]]:
        """The rows an export has shown by now."""
        return [event.row for event in self.sandbox.iterable.events[data_type] if event.at < FIVE_MINUTES_AGO]


def tables() -> tuple[str, ...]:
    """The streams that the queries and the models read."""
    models = "".join(file.read_text(encoding="utf-8") for file in MODEL_FILES)
    named = {*re.findall(r"\b(?:FROM|JOIN) (\w+)", "".join(EXAMPLES.values())), *re.findall(r"'(\w+)'", models)}
    known = streams.streams_of(streams.resolve(streams.MANIFEST.read_text(encoding="utf-8")))
    return tuple(stream.name for stream in known if stream.name in named)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("sql")
    table = runner.narrowed(load_manifest(), [*tables(), "lists", "email_send", "messages"])
    with VirtualClock(NOW).running() as clock, mock.patch.object(runner, "load_manifest", return_value=table):
        sandbox = Sandbox(anchor=NOW.date(), clock=clock.now, budgets=False)
        first, second, third = sandbox.iterable.rows("emailSend")[:3]
        sandbox.iterable.add_events("emailUnSubscribe", [first | LEAVING[0], second | LEAVING[1]])
        sandbox.iterable.add_events("emailBounce", [third | {"recipientState": "HardBounce"}])
        sandbox.courier.messages = sandbox.courier.messages[::EVERY_MESSAGE]
        with serve(sandbox) as address:
            config = {
                "api_key": sandbox.iterable.api_key,
                "start_date": START,
                "api_url": address,
                "courier": {"api_key": sandbox.courier.api_key, "api_url": address},
                "budget_share": 1000,
            }
            discovered = run(folder, "discover", config)
            read = run(folder, "read", config, catalog_of(discovered, tables()))
    source = FakeSource(folder)
    source.says("discover", discovered.messages)
    source.says("read", read.messages)
    database = folder / "messaging.duckdb"
    job = loader.Job(source.config, str(database), streams=tables(), command=source.command)
    assert loader.run(job, Console(io.StringIO())) == 0
    return Loaded(sandbox, database)


def test_every_block_of_sql_is_an_example_with_a_title_of_its_own() -> None:
    assert PAGE.read_text(encoding="utf-8").count("```sql\n") == len(EXAMPLES)
    assert list(EXAMPLES) == list(COLUMNS)


@titles(COLUMNS)
def test_an_example_finds_rows_with_the_columns_it_promises(loaded: Loaded, title: str) -> None:
    rows = loaded.rows(title)

    assert {tuple(row) for row in rows} == {COLUMNS[title]}


@titles(COLUMNS)
def test_no_column_of_an_example_is_empty_throughout(loaded: Loaded, title: str) -> None:
    rows = loaded.rows(title)

    assert [column for column in COLUMNS[title] if all(row[column] is None for row in rows)] == []


# ------------------------------------------------------------------------------------------------- expectations

Expectation = Callable[[Loaded], list[tuple[Any, ...]]]


SENDS = ("emailSend", "pushSend", "webPushSend", "inAppSend", "smsSend", "whatsAppSend", "embeddedSend", "rcsSend")
FETCHED = {"inAppSend": "inAppDelivery", "embeddedSend": "embeddedReceived"}
STEPS = {
    "opened": ("emailOpen", "pushOpen", "inAppOpen", "whatsAppSeen", "embeddedImpression"),
    "clicked": ("emailClick", "webPushClick", "inAppClick", "smsClick", "whatsAppClick", "embeddedClick"),
    "unsubscribed": ("emailUnSubscribe",),
}
BOUNCES = ("emailBounce", "pushBounce", "smsBounce", "whatsAppBounce")


def messages_sent(loaded: Loaded) -> Iterator[tuple[dict[str, Any], tuple[bool, ...]]]:
    """Each message that Iterable sent, and whether it was sent, delivered, opened, clicked and the reason to leave."""

    def messages(*names: str) -> set[str]:
        return {row.get("messageId") or row["seenMessageId"] for name in names for row in loaded.visible(name)}

    reached = {step: messages(*names) for step, names in STEPS.items()}
    bounced = messages(*BOUNCES)
    for name in SENDS:
        fetched = messages(FETCHED[name]) if name in FETCHED else None
        for row in loaded.visible(name):
            message = row["messageId"]
            arrived = message not in bounced if fetched is None else message in fetched
            yield row, (True, arrived, *(message in those for those in reached.values()))


def added(count: list[int], steps: Iterable[bool]) -> list[int]:
    return [number + step for number, step in zip(count, steps, strict=True)]


def campaigns_funnels(loaded: Loaded) -> list[tuple[Any, ...]]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row, (sent, _, opened, clicked, _) in messages_sent(loaded):
        name = campaign_names(loaded)[row["campaignId"]]
        counts[name] = added(counts[name], (sent, opened, clicked))
    return [(name, *count) for name, count in counts.items()]


def funnels(loaded: Loaded) -> list[tuple[Any, ...]]:
    templates = {
        row["templateId"]: row.get("name") or str(row["templateId"]) for row in loaded.sandbox.iterable.templates
    }
    counts: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 5)
    for row, steps in messages_sent(loaded):
        key = ("iterable", templates[row["templateId"]], month_of(row).replace(tzinfo=None))
        counts[key] = added(counts[key], steps)
    return [*((*key, *count) for key, count in counts.items()), *funnels_of_courier(loaded)]


def funnels_of_courier(loaded: Loaded) -> list[tuple[Any, ...]]:
    workspace, now = loaded.sandbox.courier, NOW.timestamp() * 1000
    names = {row["id"]: row.get("name") or row.get("title") or row["id"] for row in workspace.held("notifications")}
    counts: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for message in workspace.messages:
        moments = [message.get(step) for step in ("sent", "delivered", "opened", "clicked")]
        if moments[0] and moments[0] <= now:
            sent = datetime.fromtimestamp(moments[0] / 1000, UTC)
            name = names[message["notification"]] if message.get("notification") else "none"
            key = ("courier", name, datetime(sent.year, sent.month, 1))
            counts[key] = added(counts[key], (bool(at and at <= now) for at in moments))
    return [(*key, *count, None) for key, count in counts.items()]


def campaign_names(loaded: Loaded) -> dict[int, str]:
    return {row["id"]: row["name"] for row in loaded.sandbox.iterable.campaigns}


def bounces(loaded: Loaded) -> list[tuple[Any, ...]]:
    def counted(data_type: str, **having: str) -> Counter[tuple[int, str]]:
        return Counter(
            (row["campaignId"], row["email"].partition("@")[2])
            for row in loaded.visible(data_type)
            if "email" in row and having.items() <= row.items()
        )

    sent, bounced = counted("emailSend"), counted("emailBounce")
    hard = counted("emailBounce", recipientState="HardBounce")
    return [
        (campaign_names(loaded)[key[0]], key[1], number, bounced[key], hard[key], round(100 * bounced[key] / number, 1))
        for key, number in sent.items()
    ]


def custom_fields(loaded: Loaded) -> list[tuple[Any, ...]]:
    by_country: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in loaded.visible("user"):
        by_country[row["country"]].append(row)
    return [
        (
            country,
            len(rows),
            sum("Industry" in row for row in rows),
            sum(row.get("loyalty.tier") == "gold" for row in rows),
        )
        for country, rows in by_country.items()
    ]


def members(loaded: Loaded) -> list[tuple[Any, ...]]:
    known = {row.get(name) for row in loaded.visible("user") for name in ("email", "userId")}
    project = loaded.sandbox.iterable
    found = []
    for each in project.lists:
        names = project.list_members.get(each["id"], [])
        found.append((each["name"], each["listType"], len(names), sum(name not in known for name in names)))
    return found


def growth(loaded: Loaded) -> list[tuple[Any, ...]]:
    names = {row["id"]: row["name"] for row in loaded.sandbox.iterable.lists}
    changes: dict[str, dict[datetime, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for place, data_type in enumerate(("emailSubscribe", "emailUnSubscribe")):
        for row in loaded.visible(data_type):
            for number in row["emailListIds"]:
                changes[names[number]][month_of(row)][place] += 1
    found = []
    for name, months in changes.items():
        total = 0
        for month, (joined, gone) in sorted(months.items()):
            total += joined - gone
            found.append((name, month, joined, gone, total))
    return found


def month_of(row: Mapping[str, Any]) -> datetime:
    at = datetime.fromtimestamp(epoch_seconds(row["createdAt"]), UTC)
    return datetime(at.year, at.month, 1, tzinfo=UTC)


def unsubscribes(loaded: Loaded) -> list[tuple[Any, ...]]:
    names = {row["id"]: row["name"] for row in loaded.sandbox.iterable.channels}
    people: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for row in loaded.visible("emailUnSubscribe"):
        for channel in row["channelIds"]:
            people[names[channel], row["unsubSource"]].append(row.get("email"))
    return [(*key, len(emails), len(set(emails) - {None})) for key, emails in people.items()]


def exits(loaded: Loaded) -> list[tuple[Any, ...]]:
    project = loaded.sandbox.iterable
    left = Counter(row["workflowId"] for row in loaded.visible("journeyExit"))
    campaigns = Counter(row.get("workflowId") for row in project.campaigns)
    return [(row["name"], row["enabled"], campaigns[row["id"]], left[row["id"]]) for row in project.journeys]


def deliveries(loaded: Loaded) -> list[tuple[Any, ...]]:
    workspace = loaded.sandbox.courier
    now = NOW.timestamp() * 1000
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for message in workspace.messages:
        if message["id"] not in workspace.expired and (message.get("sent") or now + 1) <= now:
            for delivery in message["providers"]:
                found[delivery["provider"], delivery["channel"]["key"]].append(delivery["sent"])
    return [(*key, len(sent)) for key, sent in found.items()]


def people_of_both(loaded: Loaded) -> list[tuple[Any, ...]]:
    sends = loaded.visible("emailSend")
    workspace = loaded.sandbox.courier
    received = Counter(
        message.get("recipientId") for message in workspace.messages if message["enqueued"] <= NOW.timestamp() * 1000
    )
    return [
        (
            user.get("itblUserId") or user.get("email") or user["userId"],
            user_id,
            sum(any(row.get(name) == user.get(name) is not None for name in IDENTITY) for row in sends),
            received[user_id],
        )
        for user in loaded.visible("user")
        for user_id, held in workspace.profiles.items()
        if user_id == user.get("userId")
        or held["profile"]["email"] == user.get("email")
        or held["profile"]["phone_number"] == user.get("phoneNumber") is not None
    ]


IDENTITY = ("itblUserId", "email", "userId")
EXPECTED: dict[str, tuple[Expectation, tuple[str, ...]]] = {
    "Sends, opens and clicks of each campaign": (campaigns_funnels, ("campaign", "sent", "opened", "clicked")),
    "The funnel of each template, both vendors": (funnels, COLUMNS["The funnel of each template, both vendors"]),
    "Bounce rate by campaign and mail domain": (bounces, COLUMNS["Bounce rate by campaign and mail domain"]),
    "Custom fields of users": (custom_fields, ("country", "users", "with_industry", "gold")),
    "Members of each list, and those without a profile": (
        members,
        COLUMNS["Members of each list, and those without a profile"],
    ),
    "Growth of lists": (growth, COLUMNS["Growth of lists"]),
    "Unsubscribes by reason and channel": (unsubscribes, COLUMNS["Unsubscribes by reason and channel"]),
    "Journeys: their campaigns, and who leaves them": (exits, ("journey", "enabled", "campaigns", "exits")),
    "Delivery time and status by provider and channel": (deliveries, ("provider", "channel", "messages")),
    "What one person got from both": (people_of_both, ("iterable_user", "courier_user", "emails", "messages")),
}


@titles(EXPECTED)
def test_an_example_finds_what_the_vendors_hold(loaded: Loaded, title: str) -> None:
    expectation, columns = EXPECTED[title]
    found = [tuple(row[column] for column in columns) for row in loaded.rows(title)]

    assert sorted(found, key=str) == sorted(expectation(loaded), key=str)


@titles(["The history of one message"])
def test_the_history_of_a_message_comes_in_the_order_of_its_steps(loaded: Loaded, title: str) -> None:
    workspace = loaded.sandbox.courier
    now = NOW.timestamp() * 1000
    steps_of = {
        message["id"]: [step for step in workspace.history.get(message["id"], []) if step["ts"] <= now]
        for message in sorted(workspace.messages, key=lambda message: message["enqueued"])
    }
    newest = [steps for steps in steps_of.values() if any(step["type"] == "CLICKED" for step in steps)][-1]
    rows = loaded.rows(title)

    assert [(row["position"], row["status"]) for row in rows] == [
        (position, step["type"]) for position, step in enumerate(newest)
    ]
    assert [row["seconds_since_previous"] for row in rows[1:]] == [
        (later["ts"] - step["ts"]) / 1000 for step, later in pairwise(newest)
    ]
