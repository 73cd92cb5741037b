"""A row, and how a row or a whole sync fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


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


def failure(kind: FailureType, sentence: str) -> AirbyteTracedException:
    """Return an error that ends the sync."""
    return AirbyteTracedException(message=sentence, failure_type=kind)
