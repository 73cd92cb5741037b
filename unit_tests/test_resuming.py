"""A sync that ends anywhere, for any reason, is taken up where it was: nothing is lost, repeats carry the same key."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import Sandbox
from sandbox.faults import Answer, Cut, Fault
from unit_tests.conftest import Syncing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import State, Sync
from unit_tests.support.drawing import SYNCS
from unit_tests.support.exports import DAY, EXPORT, Engine, delivered, held, over_both_engines, rows_every, windows


def killed_after(sync: Sync, messages: int) -> Sync:
    """Return what a platform has of a sync that was killed: the messages up to some point, and nothing else."""
    return Sync(messages=sync.messages[:messages])


def known_state(sync: Sync, before: State | None) -> State:
    """The state to go on from: the last one of each stream that arrived, else the one from before."""
    known = {entry["stream"]["stream_descriptor"]["name"]: entry for entry in [*(before or []), *sync.final_state]}
    return list(known.values())


def event_ids(syncs: Sequence[Sync]) -> dict[str, str]:
    """The message id of each key that was delivered, however often."""
    return {row["event_id"]: row["messageId"] for sync in syncs for row in sync.records["email_send"]}


@pytest.mark.slow
@over_both_engines
def test_thirty_syncs_in_a_row_with_random_kills_lose_nothing_and_repeat_only_under_the_same_key(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, engine: Engine
) -> None:
    chance = random.Random(20260315)
    sandbox.iterable.add_events("emailSend", rows_every(DAY / 8, datetime(2026, 1, 1), datetime(2026, 4, 20)))
    syncs: list[Sync] = []
    state: State | None = None
    for number in range(30):
        whole = sync("email_send", state=state)
        seen = killed_after(whole, chance.randrange(len(whole.messages))) if number < 29 else whole
        state = known_state(seen, state)
        syncs.append(seen)
        clock.advance(chance.uniform(60, 2 * 86_400))

    visible = [event.row["messageId"] for event in sandbox.iterable.events["emailSend"] if event.at < last_end(sandbox)]
    keys = event_ids(syncs)
    assert sorted(keys.values()) == sorted(visible)
    assert len(set(keys.values())) == len(keys)


def last_end(sandbox: Sandbox) -> float:
    return datetime.fromisoformat(windows(sandbox)[-1][1]).replace(tzinfo=UTC).timestamp()


@over_both_engines
def test_a_window_that_fails_for_good_keeps_the_state_of_those_before_it(
    sandbox: Sandbox, sync: Syncing, engine: Engine
) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2025, 1, 1), datetime(2026, 3, 1)))
    broken = Answer(500, {"msg": "An error occurred.", "code": "GenericError", "params": None})
    sandbox.faults.add(Fault(engine.asks, broken, times=None, after=2))

    first = sync("email_send", fails=True, config={"start_date": "2025-01-01T00:00:00Z"})
    sandbox.faults.clear()
    second = sync("email_send", state=first.final_state, config={"start_date": "2025-01-01T00:00:00Z"})

    assert first.states["email_send"][-1] == {"createdAt": "2025-04-01T00:00:00+00:00"}
    assert sorted(delivered(first) + delivered(second)) == held(sandbox)


def test_a_broken_stream_leaves_the_others_untouched_and_the_error_names_it(sandbox: Sandbox, sync: Syncing) -> None:
    for data_type in ("emailSend", "emailOpen"):
        sandbox.iterable.add_events(data_type, rows_every(DAY, datetime(2026, 1, 1), datetime(2026, 3, 1)))
    sandbox.faults.add(Fault(EXPORT, Cut(rows=0), times=None, query={"dataTypeName": "emailOpen"}))

    synced = sync("email_open", "email_send", fails=True)

    assert synced.statuses == {"email_open": "INCOMPLETE", "email_send": "COMPLETE"}
    assert set(synced.errors) == {"email_open"}
    assert "email_open" in str(synced.crash)
    assert delivered(synced) == held(sandbox)
    assert delivered(synced, "email_open") == []


@over_both_engines
def test_full_refresh_reads_everything_again(sandbox: Sandbox, sync: Syncing, engine: Engine) -> None:
    sandbox.iterable.add_events("emailSend", rows_every(DAY, datetime(2026, 1, 1), datetime(2026, 3, 1)))

    first = sync("email_send", mode="full_refresh")
    second = sync("email_send", mode="full_refresh")

    assert delivered(first) == delivered(second) == held(sandbox)


moments = st.integers(0, 73 * 86_400).map(lambda second: datetime(2026, 1, 1) + timedelta(seconds=second))


@pytest.mark.slow
@settings(SYNCS, max_examples=12)
@over_both_engines
@given(
    created=st.lists(moments, max_size=40),
    cut_after=st.none() | st.integers(3, 30),
    cuts=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), max_size=3),
    kills=st.lists(st.integers(0, 60), max_size=2),
)
def test_whatever_is_cut_and_killed_what_is_delivered_keyed_is_what_is_held(
    sync: Syncing,
    sandbox: Sandbox,
    engine: Engine,
    created: list[datetime],
    cut_after: int | None,
    cuts: list[tuple[int, int]],
    kills: list[int],
) -> None:
    sandbox.iterable.events.clear()
    sandbox.faults.clear()
    for number, moment in enumerate(created):
        sandbox.iterable.add_events("emailSend", rows_every(DAY, moment, count=1, prefix=f"row-{number}"))
    densest = max((created.count(moment) for moment in created), default=0)
    sandbox.iterable.cut_after_rows = max(cut_after, densest) if cut_after else None
    for after, rows in cuts:
        sandbox.faults.add(Fault(engine.rows, Cut(rows=rows), after=after))
    syncs: list[Sync] = []
    state: State | None = None

    for kill in [*kills, None]:
        whole = sync("email_send", state=state)
        seen = whole if kill is None else killed_after(whole, kill)
        state = known_state(seen, state)
        syncs.append(seen)

    assert sorted(event_ids(syncs).values()) == (held(sandbox) if created else [])
