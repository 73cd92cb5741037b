"""One Iterable project: what its endpoints read, in plain containers that a test may fill or replace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from sandbox.iterable import data_types
from sandbox.iterable.events import AT, Event, Row, between, event_of
from sandbox.iterable.jobs import Jobs


@dataclass
class IterableProject:
    """The data and the settings of a project.

    clock: the present, in epoch seconds; no endpoint shows a row that was not indexed by then.
    events: by data type, held by time; `user` holds the profiles.
    templates: rows with `templateType` and `messageMedium`, which filter but never leave.
    locales: those of each template, by its id. list_members: e-mail addresses and userIds, by the id of a list.
    experiment_metrics: rows of the CSV, by column.
    catalogs, metadata: the items of each catalog and table, by its name.
    retry_after: seconds for the header of that name on 429; None leaves it out.
    cut_after_rows: a synchronous export with more rows breaks off after so many; None never breaks.
    jobs: the asynchronous exports, with settings of their own.
    """

    clock: Callable[[], float]
    api_key: str = "sandbox-iterable-key"
    read_only_key: str = "sandbox-iterable-read-only-key"
    project_id: int = 4242
    retry_after: int | None = None
    cut_after_rows: int | None = None
    jobs: Jobs = field(default_factory=Jobs)
    events: dict[str, list[Event]] = field(default_factory=lambda: {name: [] for name in data_types.ALL})
    lists: list[Row] = field(default_factory=list)
    list_members: dict[int, list[str]] = field(default_factory=dict)
    campaigns: list[Row] = field(default_factory=list)
    channels: list[Row] = field(default_factory=list)
    message_types: list[Row] = field(default_factory=list)
    templates: list[Row] = field(default_factory=list)
    locales: dict[int, list[str]] = field(default_factory=dict)
    journeys: list[Row] = field(default_factory=list)
    experiments: list[Row] = field(default_factory=list)
    experiment_metrics: list[dict[str, str]] = field(default_factory=list)
    catalogs: dict[str, list[Row]] = field(default_factory=dict)
    metadata: dict[str, list[Row]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def held(self, name: str) -> Any:
        """Return the rows under a name, here or only in the table of listings."""
        return vars(self).setdefault(name, [])

    def add_events(self, data_type: str, rows: Iterable[Row], indexed_after: float = 0) -> None:
        """Takes rows as the vendor sends them; exports see each `indexed_after` seconds after its time."""
        name = data_types.canonical(data_type)
        if name is None:
            raise ValueError(f"Iterable has no data type {data_type!r}")
        new = [event_of(name, row, indexed_after) for row in rows]
        with self._lock:
            held = self.events.get(name, [])
            self.events[name] = sorted(_latest(held, new) if name == data_types.USER else [*held, *new], key=AT)

    @property
    def users(self) -> list[Row]:
        """The profiles, as a new list; assign one to replace them all."""
        return self.rows(data_types.USER)

    @users.setter
    def users(self, rows: Iterable[Row]) -> None:
        self.events[data_types.USER] = []
        self.add_events(data_types.USER, rows)

    def rows(self, data_type: str) -> list[Row]:
        """All rows held of a data type, visible or not, by time."""
        return [event.row for event in self.events[data_type]]

    def window(self, data_type: str, start: float, end: float) -> Sequence[Event]:
        """The events of [start, end), visible or not."""
        return between(self.events.get(data_type, []), start, end)


def _latest(held: list[Event], new: list[Event]) -> Iterable[Event]:
    return {_identity(event.row): event for event in (*held, *new)}.values()


def _identity(profile: Row) -> str | None:
    return profile.get("itblUserId") or profile.get("email") or profile.get("userId")
