"""Rows that cannot be delivered: the first one fails the sync, or all are left out and counted."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

logger = logging.getLogger("airbyte")

# How many rows of a kind are named, and how many kinds are told apart; the rest is counted only.
ROWS_NAMED: Final = 5
KINDS_TOLD: Final = 50
OTHER_REASONS: Final = "other reasons"
LONGEST_REASON: Final = 200
LONGEST_TEXT: Final = 10_000  # in which a reason is looked for

# Bounded, as is what they are searched in: without bounds a long text takes the square of its length.
_EMAIL_ADDRESS = re.compile(r"[^\s\"'<>(),;:“”]{1,320}(@|%40)[^\s\"'<>(),;:“”]{1,320}")
_MARKUP = re.compile(r"(?s)<(script|style).*?</\1>|<[^<>]*>")


class Rejected(Exception):  # noqa: N818 - what has become of a row
    """A row that neither is nor will become deliverable, and why; the reason holds nothing of the row's content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = presentable(reason)


@dataclass(frozen=True)
class Row:
    """A record as it came.

    stream: how its stream is called in messages, with its namespace if it has one; name: the stream's name alone;
    position: from 1, in its stream within this sync; size: bytes of its line.
    """

    stream: str
    name: str
    position: int
    data: Any
    size: int


class Rejections:
    """What becomes of rejected rows, as `on_invalid_record` says. Workers share it."""

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self._lock = threading.Lock()
        self._rows: Counter[tuple[str, str]] = Counter()
        self._named: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._last: Row | None = None

    def reject(self, row: Row, reason: str) -> None:
        """Counts the row, once however many events it stands for.

        Errors: config_error, unless rejected rows are to be skipped.
        """
        if not self.skip:
            raise failure(
                f"Row {row.position} of stream {row.stream} was rejected: {reason} (mend it, or set "
                "`on_invalid_record` to skip to leave such rows out)."
            )
        with self._lock:
            if row is self._last:
                return
            self._last = row
            kind = self._kind(row.stream, reason)
            self._rows[kind] += 1
            if len(self._named[kind]) < ROWS_NAMED:
                self._named[kind].append(row.position)

    def report(self) -> None:
        """One warning for each stream and reason."""
        with self._lock:
            for (stream, reason), count in sorted(self._rows.items()):
                positions = [str(position) for position in sorted(self._named[stream, reason])]
                more = ", …" if count > len(positions) else ""
                verb = "was" if count == 1 else "were"
                logger.warning(
                    f"{count} row{'' if count == 1 else 's'} of stream {stream} {verb} rejected and left out: {reason} "
                    f"(row{'' if count == 1 else 's'} {', '.join(positions)}{more})."
                )

    def _kind(self, stream: str, reason: str) -> tuple[str, str]:
        kind = stream, reason
        return kind if kind in self._rows or len(self._rows) < KINDS_TOLD else (stream, OTHER_REASONS)


def failure(message: str, kind: FailureType = FailureType.config_error) -> AirbyteTracedException:
    """An error said in one sentence; of the kind that a person can mend, unless told otherwise."""
    return AirbyteTracedException(message=message, failure_type=kind)


def presentable(text: str, content: Any = None) -> str:
    """The text in one line, of bounded length, without markup, secrets, e-mail addresses and values of the content."""
    # Before it is cut: half a key, or half a value, would not be known for one.
    words = _without_content(filter_secrets(_in_one_line(text[:LONGEST_TEXT])), content)
    return _EMAIL_ADDRESS.sub("…", words)[:LONGEST_REASON]


def _in_one_line(text: str) -> str:
    return " ".join(_MARKUP.sub(" ", text).split())


def _without_content(text: str, content: Any) -> str:
    """The line without the values it quotes.

    Values of one or two characters stay: they say nothing, and are part of many words.
    """
    spellings = (_in_one_line(spelling) for value in _scalars(content) for spelling in _spellings(value))
    values = {spelling for spelling in spellings if len(spelling) > 2 and spelling in text}
    if not values:
        return text
    longest_first = "|".join(re.escape(value) for value in sorted(values, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", "…", text)


def _spellings(value: str) -> Iterator[str]:
    """The value as it is, and as it stands in JSON."""
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
