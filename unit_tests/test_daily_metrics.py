"""Metrics by day: every day once, the last seven again, and none skipped for another's trouble."""

from datetime import date, timedelta

import pytest

from sandbox import Sandbox
from sandbox.faults import Answer, Fault
from unit_tests.conftest import Syncing
from unit_tests.support.clock import VirtualClock

DAILY = "campaigns_metrics_daily"
START = {"start_date": "2026-03-01T15:30:00Z"}


@pytest.fixture(autouse=True)
def _campaigns(sandbox: Sandbox) -> None:
    """One campaign, sent at six in the morning of the third, and one of 81 that make a second group."""
    sent = {"createdAt": 1_772_517_600_000, "messageMedium": "Email"}
    sandbox.iterable.campaigns = [{"id": number, "sendSize": 0, **sent} for number in range(2, 82)]
    sandbox.iterable.campaigns.append({"id": 1, "sendSize": 1000, **sent})


def march(first: int, last: int) -> list[str]:
    return [f"2026-03-{day:02}" for day in range(first, last + 1)]


def asked(sandbox: Sandbox) -> list[str]:
    """Return the days asked for since the last look, each of two groups, each until the day after."""
    queries = [call.query for call in sandbox.calls if call.path == "/api/campaigns/metrics"]
    sandbox.calls.clear()
    days = [query["startDateTime"][0] for query in queries]
    after = [str(date.fromisoformat(day) + timedelta(days=1)) for day in days]
    assert [query["endDateTime"][0] for query in queries] == after
    assert days[::2] == days[1::2]
    return days[::2]


def test_every_day_since_the_start_is_read_today_included(sandbox: Sandbox, sync: Syncing) -> None:
    synced = sync(DAILY, config=START)

    assert asked(sandbox) == march(1, 15)
    assert sorted((row["day"], row["id"]) for row in synced.records[DAILY]) == [
        (day, number) for day in march(1, 15) for number in range(1, 82)
    ]
    assert {row["day"] for row in synced.records[DAILY] if row["total_email_sends"]} == {"2026-03-03"}
    saved = [state["day"] for state in synced.states[DAILY]]
    assert list(dict.fromkeys(saved)) == march(2, 16)


def test_days_of_the_last_week_come_again_until_they_are_final(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock
) -> None:
    first = sync(DAILY, config=START)
    asked(sandbox)
    clock.advance(2 * 86_400)

    second = sync(DAILY, config=START, state=first.final_state)

    assert asked(sandbox) == march(8, 17)
    assert second.states[DAILY][-1] == {"day": "2026-03-18"}


def test_a_day_that_cannot_be_had_is_asked_for_again(sandbox: Sandbox, sync: Syncing, clock: VirtualClock) -> None:
    sandbox.faults.add(Fault("/metrics$", Answer(503, ""), times=None, query={"startDateTime": "2026-03-12"}))

    failed = sync(DAILY, config=START | {"max_retries": 0}, fails=True)

    assert failed.states[DAILY][-1] == {"day": "2026-03-12"}
    assert sorted({row["day"] for row in failed.records[DAILY]}) == [*march(1, 11), *march(13, 15)]
    assert failed.errors[DAILY]["message"].startswith(f"Stream {DAILY} lacks 2 of its items; all others were read")
    sandbox.faults.clear()
    sandbox.calls.clear()
    clock.advance(60)
    sync(DAILY, config=START, state=failed.final_state)
    assert asked(sandbox) == march(4, 15)
