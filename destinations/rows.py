"""A row, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4


@dataclass(frozen=True)
class Row:
    """A record as it came.

    stream: how its stream is called in messages, with its namespace if it has one; name: the stream's name alone;
    position: from 1, in its stream within this sync; size: bytes of its line; delivery_id: its own alone.
    """

    stream: str
    name: str
    position: int
    data: Any
    size: int
    delivery_id: str = field(default_factory=lambda: f"delivery-{uuid4().hex}")


class Rejected(Exception):  # noqa: N818 - what has become of a row
    """A row that neither is nor will become deliverable, and why; the reason holds nothing of the row's content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
