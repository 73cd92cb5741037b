"""Other people's words, made fit for a log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from components import MARKUP, redact
from destinations.values import parsed_object

LONGEST_TEXT: Final = 10_000  # in which a reason is looked for


def presentable(text: str, rows: Iterable[Any] = (), longest: int = 200) -> str:
    """Return a text in one line, of bounded length, without markup, secrets, e-mail addresses and values of rows.

    `"<p>ada@example.com  is unknown</p>"` → `"… is unknown"`
    """
    # Before it is cut: half a value would not be known for one. Secrets go first, for they may hold a value.
    words = filter_secrets(_in_one_line(text[:LONGEST_TEXT]))
    return redact(_without_values(words, rows), longest)


def _in_one_line(text: str) -> str:
    return " ".join(MARKUP.sub(" ", text).split())


def _without_values(text: str, rows: Iterable[Any]) -> str:
    """Return the line without the values it quotes, but for those of one or two characters, which say nothing."""
    spellings = (_in_one_line(spelling) for row in rows for value in _scalars(row) for spelling in _spellings(value))
    values = {spelling for spelling in spellings if len(spelling) > 2 and spelling in text}
    if not values:
        return text
    longest_first = "|".join(re.escape(value) for value in sorted(values, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", "…", text)


def _spellings(value: str) -> Iterator[str]:
    """Yield the value as it is, and as it stands in JSON."""
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]


def _scalars(value: Any) -> Iterator[str]:
    value = parsed_object(value)
    if isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _scalars(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
