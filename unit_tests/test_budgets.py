"""The vendor's budgets are kept, not discovered; and who waits for one holds nobody else up."""

from collections import Counter
from datetime import datetime

from sandbox import Sandbox
from unit_tests.conftest import NOW, Syncing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.exports import DAY, rows_every

TWELVE = (
    "email_send", "email_open", "email_click", "email_bounce", "sms_send", "sms_click",
    "push_send", "push_open", "in_app_send", "in_app_open", "purchase", "custom_event",
)  # fmt: skip


def statuses(sandbox: Sandbox) -> Counter[int]:
    return Counter(call.status for call in sandbox.calls)


def seconds_since_noon(sandbox: Sandbox, path: str) -> list[int]:
    return [int(call.at - NOW.timestamp()) for call in sandbox.calls if call.path == path]


def test_a_first_sync_of_twelve_streams_sees_no_429_and_wastes_no_minute(sandbox: Sandbox, sync: Syncing) -> None:
    sync(*TWELVE)

    assert statuses(sandbox) == {200: 24}  # two windows each: 30 days, then the rest
    assert seconds_since_noon(sandbox, "/api/export/data.json")[-1] == 5 * 61


def test_an_incremental_sync_makes_one_export_call_a_stream(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock
) -> None:
    first = sync(*TWELVE)
    clock.advance(3600)
    sandbox.calls.clear()

    sync(*TWELVE, state=first.final_state)

    asked = Counter(call.query["dataTypeName"][0] for call in sandbox.calls)
    assert len(asked) == 12
    assert set(asked.values()) == {1}
    assert statuses(sandbox) == {200: 12}


def test_streams_that_wait_for_the_export_budget_do_not_hold_listings_up(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.iterable.campaigns = [{"id": 1, "createdAt": 1}]

    sync(*TWELVE, "lists", "campaigns", "channels")

    for path in ("/api/lists", "/api/campaigns", "/api/channels"):
        assert seconds_since_noon(sandbox, path) == [0]


def test_members_of_many_lists_are_read_five_lists_a_minute_and_hold_nobody_up(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.iterable.lists = [{"id": number} for number in range(100)]
    sandbox.iterable.list_members = {number: [f"{number}@example.com"] for number in range(100)}
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 1, 1), datetime(2026, 3, 1)))

    synced = sync("list_users", "email_send")

    assert statuses(sandbox)[429] == 0
    assert len(synced.records["list_users"]) == 100
    assert seconds_since_noon(sandbox, "/api/lists/getUsers")[-1] == 19 * 61
    assert seconds_since_noon(sandbox, "/api/export/data.json") == [0, 0]


def test_metrics_of_many_campaigns_are_asked_for_in_few_calls_of_a_legal_length(
    sandbox: Sandbox, sync: Syncing
) -> None:
    ids = [10**11 + number for number in range(1_000)]
    sandbox.iterable.campaigns = [{"id": number, "messageMedium": "Email", "createdAt": 1} for number in ids]

    synced = sync("campaigns_metrics")

    assert sorted(record["id"] for record in synced.records["campaigns_metrics"]) == ids
    assert statuses(sandbox) == {200: 1 + 13}
    assert seconds_since_noon(sandbox, "/api/campaigns/metrics")[-1] == 61
