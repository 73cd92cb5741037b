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
    search_lag: seconds before a new message is listed; asked for by its id it is there at once.
    after_is_inclusive: whether `enqueued_after` includes that very millisecond.
    lists_key: the name of the array in `/lists`.
    last_cursor: what `paging` says beside `"more": false`: a null cursor, none, or the one of the page's end.
    unknown_profile: whether an id without a profile is a 404, or a 200 with an empty profile.
    writes_budget: calls for all that write together; rare_writes_budget: for each of the three kinds that Courier
        documents a limit for, 20 a minute: creating lists, adding subscriptions and mapping events.
    largest_body: bytes; a longer one is a 413.
    profile_merge: whether an object within a profile is replaced by a new one, or merged with it.
    confirmation: whether PATCH and DELETE of a profile, and both calls below its lists, end in
        `{"status":"SUCCESS"}` or in 204.
    inbound_checks: whether an event from Segment or RudderStack needs a known type and an id, else it is a 400; without
        them any object is taken, and one that says too little does nothing.
    segment_checks: whether `/inbound/segment` wants a `messageId` of text, which it takes once, null for ids only, and
        text for ids and times, as a public copy of its handler does; unconfirmed.
    rudderstack_says: whether `/inbound/rudderstack` answers with a message id or with `{}`.
    unknown_tenant: whether adding a user to a tenant that is not there is a 404, or creates it.
    unknown_automation: whether invoking a template that is not there is a 404, or runs.
    idempotency_hours: how long an answer is replayed for the same Idempotency-Key, unless the request says so.
    crashes: by path, how many more calls its endpoint itself answers with a 500. It is replayed as other answers are;
        what a fault of `sandbox.faults` puts in place of an answer is not.

    messages: as `/messages/{id}` shows them, with `providers`, in any order. `archived`, `tags`, `tenantId`
        and `traceId` filter but never leave.
    history, outputs: by message id; without an entry the message's is a 404.
    expired: ids of messages that are still listed, but whose details, history and output are gone.
    automations, journeys: rows whose `version` is published or draft.
    preference_topics: by section id. run_steps: by run id. user_preferences, user_tokens: by user id.
    profiles: by user id, objects with `profile` and `preferences`.
    inbound: every accepted inbound event, in order, with `route` (segment, rudderstack, courier), `messageId` (its own,
        or the one it was given), `event` (the body) and `at` (milliseconds).
    inbound_ids: the message ids that `/inbound/courier` has seen.
    mappings: the notification of each mapped event, by the event's id as the log tells it.
    invocations: every automation invoked, with `template` (None for one that brought its steps), `runId`, `body` and
        `idempotencyKey`; also those that an event asked for.
    collections, objects: what the endpoints without a container of their own hold, by path.
    """

    clock: Callable[[], float]
    api_key: str = "sandbox-courier-key"
    budget: Budget | None = None
    retry_after: int | None = None
    retention_days: float | None = None
    search_lag: float = 0
    after_is_inclusive: bool = True
    lists_key: Literal["items", "results"] = "items"
    last_cursor: Literal["null", "absent", "repeated"] = "null"
    unknown_profile: Literal["missing", "empty"] = "missing"
    writes_budget: Budget | None = None
    rare_writes_budget: Budget | None = None
    largest_body: int = 6 * 1024 * 1024
    profile_merge: Literal["shallow", "deep"] = "shallow"
    confirmation: Literal["success", "empty"] = "success"
    inbound_checks: bool = False
    segment_checks: bool = False
    rudderstack_says: Literal["messageId", "nothing"] = "messageId"
    unknown_tenant: Literal["missing", "created"] = "missing"
    unknown_automation: Literal["missing", "run"] = "run"
    idempotency_hours: float = 24
    crashes: Counter[str] = field(default_factory=Counter)

    messages: Rows = field(default_factory=list)
    history: Below = field(default_factory=dict)
    outputs: Below = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)

    audiences: Rows = field(default_factory=list)
    audience_members: Below = field(default_factory=dict)
    lists: Rows = field(default_factory=list)
    list_subscriptions: Below = field(default_factory=dict)
    tenants: Rows = field(default_factory=list)
    tenant_users: Below = field(default_factory=dict)
    profiles: dict[str, Row] = field(default_factory=dict)
    user_preferences: Below = field(default_factory=dict)
    user_tokens: Below = field(default_factory=dict)

    automations: Rows = field(default_factory=list)
    automation_runs: Rows = field(default_factory=list)
    journeys: Rows = field(default_factory=list)
    journey_runs: Rows = field(default_factory=list)
    run_steps: Below = field(default_factory=dict)
    broadcasts: Rows = field(default_factory=list)

    brands: Rows = field(default_factory=list)
    notifications: Rows = field(default_factory=list)
    routing_strategies: Rows = field(default_factory=list)
    preference_sections: Rows = field(default_factory=list)
    preference_topics: Below = field(default_factory=dict)
    providers: Rows = field(default_factory=list)
    audit_events: Rows = field(default_factory=list)

    inbound: Rows = field(default_factory=list)
    inbound_ids: set[str] = field(default_factory=set)
    mappings: dict[str, str] = field(default_factory=dict)
    invocations: Rows = field(default_factory=list)

    collections: Below = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)

    @property
    def now(self) -> int:
        """The present, in epoch milliseconds."""
        return int(self.clock() * 1000)
