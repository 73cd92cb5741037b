"""What an export is asked for: a data type, a window, a campaign, some fields. Both kinds of export read it alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

from sandbox.iterable import data_types, parameters
from sandbox.iterable.errors import bad_params
from sandbox.iterable.events import Event, Row, shuffled
from sandbox.messages import Request, json_line

Period = tuple[float, float]
"""[start, end) in epoch seconds; infinite where it is open."""


@dataclass(frozen=True)
class Selection:
    """Which rows an export takes, and which of their fields: `only` None takes all that are not `omitted`."""

    data_type: str
    start: float
    end: float
    campaign: int | None = None
    only: frozenset[str] | None = None
    omitted: frozenset[str] = frozenset()

    def of(self, window: Sequence[Event], now: float) -> Iterator[Event]:
        """The events of the window that an export begun now delivers, in no order of time."""
        chosen = visible(shuffled(window), now)
        if self.campaign is None:
            return chosen
        return (event for event in chosen if event.row.get("campaignId") == self.campaign)

    def row(self, event: Event) -> Row:
        """The fields asked for; the column filtered on always stays."""
        return {name: value for name, value in event.row.items() if self._stays(name)}

    def line(self, event: Event) -> bytes:
        return event.line if self._is_whole else json_line(self.row(event))

    @cached_property
    def filter_column(self) -> str:
        return data_types.filter_column(self.data_type)

    @property
    def _is_whole(self) -> bool:
        return self.only is None and not self.omitted

    def _stays(self, name: str) -> bool:
        chosen = self.only is None or name in self.only
        return name == self.filter_column or (chosen and name not in self.omitted)


def requested(request: Request, period: Period) -> Selection:
    """What the parameters ask for, within a period read before."""
    return Selection(
        data_type(request),
        *period,
        campaign=parameters.optional_integer(request, "campaignId"),
        only=parameters.names(request, "onlyFields"),
        omitted=parameters.names(request, "omitFields") or frozenset(),
    )


def data_type(request: Request) -> str:
    name = parameters.required(request, "dataTypeName")
    known = data_types.canonical(name)
    if known is None:
        raise bad_params(f"Invalid dataTypeName: {name}")
    return known


def bounds(request: Request) -> Period | None:
    """From startDateTime to endDateTime, open where one of them is missing; None without either."""
    start = parameters.second(request, "startDateTime")
    end = parameters.second(request, "endDateTime")
    if start is None and end is None:
        return None
    if start is not None and end is not None and end < start:
        raise bad_params("endDateTime is before startDateTime")
    return -inf if start is None else start, inf if end is None else end


def visible(events: Iterable[Event], now: float) -> Iterator[Event]:
    """Those that have happened and are indexed."""
    return (event for event in events if event.at <= now and event.indexed_at <= now)
