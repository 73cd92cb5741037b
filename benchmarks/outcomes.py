"""What a sync took on a clock that skips the waiting; virtual.py makes them, works.py judges them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from sandbox.iterable.api import EXPORT

LISTINGS: Final = (
    "lists", "campaigns", "channels", "message_types", "snippets", "webhooks", "templates", "journeys", "metadata",
    "catalogs", "experiments", "user_fields",
)  # fmt: skip
"""The streams that an incremental sync reads beside the exports."""


@dataclass(frozen=True)
class Outcome:
    """Calls, rows and time of one sync.

    calls: of any kind. exports: of the export API. least_exports: how many cover the time in windows that at most
    double. refused: calls of any kind answered with 429. minutes: from the first call to the end of the sync.
    last_listing: seconds after the first call at which the last listing was complete; None unless all of them were.
    """

    name: str
    calls: int
    exports: int
    least_exports: int
    refused: int
    minutes: float
    last_listing: float | None
    rows: int

    @property
    def least_minutes(self) -> float:
        """What the least calls take at the vendor's budget."""
        return self.least_exports / EXPORT.calls * EXPORT.seconds / 60

    def as_line(self) -> str:
        return json.dumps(asdict(self))


def read_outcomes(lines: Iterable[bytes]) -> dict[str, Outcome]:
    """Outcomes by name, from what `as_line` wrote among other lines."""
    outcomes = [Outcome(**json.loads(line)) for line in lines if line.startswith(b'{"name"')]
    return {outcome.name: outcome for outcome in outcomes}
