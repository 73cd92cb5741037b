"""Path patterns with named parts: `/api/lists/{listId}/size`."""

from __future__ import annotations

import re
from functools import cache


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", pattern)
    literals = [re.escape(piece) for piece in pieces[::2]]
    names = [f"(?P<{name}>[^/]+)" for name in pieces[1::2]]
    return re.compile("".join(a + b for a, b in zip(literals, [*names, ""], strict=True)))


def path_parts(pattern: str, path: str) -> dict[str, str] | None:
    """The named parts of a path that fits the pattern, else None."""
    match = _expression(pattern).fullmatch(path)
    return None if match is None else match.groupdict()
