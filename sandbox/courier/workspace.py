"""One Courier workspace: what its endpoints read, in plain containers that a test may fill or replace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.budgets import Budget

Row = dict[str, Any]
Rows = list[Row]
Below = dict[str, Rows]
"""Rows by the id of what they belong to."""


@dataclass
class CourierWorkspace:
    """The data and the settings of a workspace. Rows are held the way the vendor sends them.

    clock: the present, in epoch seconds. A message or a run shows once it has begun, as far as it has come.
    budget: calls for the whole workspace; None is any number of them.
    retry_after: seconds for the header of that name on 429; None leaves it out.
    retention_days: history and output of older messages are gone (404); None keeps them for ever.
    after_is_inclusive: whether `enqueued_after` includes that very millisecond.
    arrays: by path, another name for the array of a listing.
    unknown_profile: whether an id without a profile is a 404, or a 200 with an empty profile.
    inbound_checks: whether an event from Segment or RudderStack needs a known type and an id, else it is a 400; without
        them any object is taken, and one that says too little does nothing.
    segment_checks: whether `/inbound/segment` wants a `messageId` of text, which it takes once, null for ids only, and
        text for ids and times, as a public copy of its handler does; unconfirmed.
    rudderstack_says: whether `/inbound/rudderstack` answers with a message id or with `{}`.
    unknown_automation: whether invoking a template that is not there is a 404, or runs.
    crashes: by path, how many more calls its endpoint itself answers with a 500. It is replayed as other answers are;
        what a fault of `sandbox.faults` puts in place of an answer is not.

    messages: as `/messages/{id}` shows them, with `providers`, in any order. `archived`, `tags`, `tenantId`
        and `traceId` never leave.
    history, outputs: by message id; without an entry the message's is a 404.
    expired: ids of messages that are still listed, but whose details, history and output are gone.
    automations, journeys: rows whose `version` is published or draft.
    profiles: by user id, objects with `profile` and `preferences`.
    inbound: every accepted inbound event, in order, with `route` (segment, rudderstack, courier), `messageId` (its own,
        or the one it was given), `event` (the body) and `at` (milliseconds).
    inbound_ids: the message ids that `/inbound/courier` has seen.
    mappings: the notification of each mapped event, by the event's id as the log tells it.
    invocations: every automation invoked, with `template` (None for one that brought its steps), `runId`, `body` and
        `idempotencyKey`; also those that an event asked for.
    """

    clock: Callable[[], float]
    api_key: str = "sandbox-courier-key"
    budget: Budget | None = None
    retry_after: int | None = None
    retention_days: float | None = None
    after_is_inclusive: bool = True
    arrays: dict[str, str] = field(default_factory=dict)
    unknown_profile: Literal["missing", "empty"] = "missing"
    inbound_checks: bool = False
    segment_checks: bool = False
    rudderstack_says: Literal["messageId", "nothing"] = "messageId"
    unknown_automation: Literal["missing", "run"] = "run"
    crashes: Counter[str] = field(default_factory=Counter)

    messages: Rows = field(default_factory=list)
    history: Below = field(default_factory=dict)
    outputs: Below = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)

    audience_members: Below = field(default_factory=dict)
    brands: Rows = field(default_factory=list)
    lists: Rows = field(default_factory=list)
    list_subscriptions: Below = field(default_factory=dict)
    tenants: Rows = field(default_factory=list)
    tenant_users: Below = field(default_factory=dict)
    profiles: dict[str, Row] = field(default_factory=dict)

    automations: Rows = field(default_factory=list)
    automation_runs: Rows = field(default_factory=list)
    journeys: Rows = field(default_factory=list)

    preference_sections: Rows = field(default_factory=list)
    preference_topics: Below = field(default_factory=dict)

    inbound: Rows = field(default_factory=list)
    inbound_ids: set[str] = field(default_factory=set)
    mappings: dict[str, str] = field(default_factory=dict)
    invocations: Rows = field(default_factory=list)

    @property
    def now(self) -> int:
        """The present, in epoch milliseconds."""
        return int(self.clock() * 1000)

    def held(self, name: str, below: bool = False) -> Any:
        """Return the rows under a name, here or in the table of listings: rows, or rows by the id of their parent."""
        return vars(self).setdefault(name, {} if below else [])
