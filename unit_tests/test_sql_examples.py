"""The queries of docs/sql.md run on a DuckDB file that `make sync` has made of the sandbox.

What they should find is counted here from what the sandbox holds, in Python and without the tables.
"""

import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
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

PAGE = streams.ROOT / "docs" / "sql.md"
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
    "The history of one message": ("position", "type", "at", "seconds_since_the_step_before", "channel", "provider"),
    "What one person got from both": ("iterable_user", "courier_user", "emails", "messages", "latest_contact"),
}


@dataclass
class Loaded:
    """The sandbox, and the database it was loaded into."""

    sandbox: Sandbox
    connection: duckdb.DuckDBPyConnection

    def rows(self, title: str) -> list[dict[str, Any]]:
        found = self.connection.execute(EXAMPLES[title])
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def visible(self, data_type: str) -> list[dict[str, Any]]:
        """The rows an export has shown by now."""
        return [event.row for event in self.sandbox.iterable.events[data_type] if event.at < FIVE_MINUTES_AGO]


def tables() -> tuple[str, ...]:
    """The streams that the queries read."""
    named = set(re.findall(r"\b(?:FROM|JOIN) (\w+)", "".join(EXAMPLES.values())))
    known = streams.streams_of(streams.resolve(streams.MANIFEST.read_text(encoding="utf-8")))
    return tuple(stream.name for stream in known if stream.name in named)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("sql")
    table = runner.narrowed(load_manifest(), [*tables(), "lists", "email_send", "messages"])
    with VirtualClock(NOW).running() as clock, mock.patch.object(runner, "load_manifest", return_value=table):
        sandbox = Sandbox(anchor=NOW.date(), clock=clock.now, budgets=False)
        sandbox.iterable.add_events("emailUnSubscribe", LEAVING)
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
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield Loaded(sandbox, connection)


def test_every_block_of_sql_is_an_example_with_a_title_of_its_own() -> None:
    assert PAGE.read_text(encoding="utf-8").count("```sql\n") == len(EXAMPLES)
    assert list(EXAMPLES) == list(COLUMNS)


@pytest.mark.parametrize("title", COLUMNS)
def test_an_example_finds_rows_with_the_columns_it_promises(loaded: Loaded, title: str) -> None:
    rows = loaded.rows(title)

    assert {tuple(row) for row in rows} == {COLUMNS[title]}


@pytest.mark.parametrize("title", COLUMNS)
def test_no_column_of_an_example_is_empty_throughout(loaded: Loaded, title: str) -> None:
    rows = loaded.rows(title)

    assert [column for column in COLUMNS[title] if all(row[column] is None for row in rows)] == []


# ------------------------------------------------------------------------------------------------- expectations

Expectation = Callable[[Loaded], list[tuple[Any, ...]]]


def funnel(loaded: Loaded) -> list[tuple[Any, ...]]:
    opened, clicked = ({row["messageId"] for row in loaded.visible(name)} for name in ("emailOpen", "emailClick"))
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in loaded.visible("emailSend"):
        count = counts[campaign_names(loaded)[row["campaignId"]]]
        for place, counted in enumerate((True, row["messageId"] in opened, row["messageId"] in clicked)):
            count[place] += counted
    return [(name, *count) for name, count in counts.items()]


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
    "Sends, opens and clicks of each campaign": (funnel, ("campaign", "sent", "opened", "clicked")),
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


@pytest.mark.parametrize("title", EXPECTED)
def test_an_example_finds_what_the_vendors_hold(loaded: Loaded, title: str) -> None:
    expectation, columns = EXPECTED[title]
    found = [tuple(row[column] for column in columns) for row in loaded.rows(title)]

    assert sorted(found) == sorted(expectation(loaded))


def test_the_history_of_a_message_comes_in_the_order_of_its_steps(loaded: Loaded) -> None:
    workspace = loaded.sandbox.courier
    now = NOW.timestamp() * 1000
    steps_of = {
        message["id"]: [step for step in workspace.history.get(message["id"], []) if step["ts"] <= now]
        for message in sorted(workspace.messages, key=lambda message: message["enqueued"])
    }
    newest = [steps for steps in steps_of.values() if any(step["type"] == "CLICKED" for step in steps)][-1]
    rows = loaded.rows("The history of one message")

    assert [(row["position"], row["type"]) for row in rows] == [
        (position, step["type"]) for position, step in enumerate(newest)
    ]
    assert [row["seconds_since_the_step_before"] for row in rows[1:]] == [
        (later["ts"] - step["ts"]) / 1000 for step, later in pairwise(newest)
    ]
