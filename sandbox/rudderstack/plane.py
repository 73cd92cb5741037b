"""One data plane with one source: the events that its gateway handed on, in plain containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.budgets import Budget

Event = dict[str, Any]


@dataclass
class DataPlane:
    """The events and the settings of a data plane.

    clock: the present, in epoch seconds.
    disabled: whether the source of the write key is switched off.
    budget: requests that are let through; None, as with a gateway of one's own, is any number.
    largest_body: bytes without gzip; a longer one is a 413. Audience lists may be longer.
    suppressed: user ids whose events are confirmed and dropped.

    events: what was accepted, in order, each with what the gateway adds: `messageId`, `receivedAt`, `request_ip` and
        `rudderId`; it deduplicates nothing.
    """

    clock: Callable[[], float]
    write_key: str = "sandbox-rudderstack-key"
    disabled: bool = False
    budget: Budget | None = None
    largest_body: int = 4000 * 1024
    suppressed: set[str] = field(default_factory=set)

    events: list[Event] = field(default_factory=list)
