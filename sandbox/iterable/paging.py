"""Pages by number, the way campaigns, templates, journeys and catalogs are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from sandbox.iterable import parameters
from sandbox.iterable.errors import bad_params
from sandbox.iterable.events import Row
from sandbox.messages import Request


def page(request: Request, rows: Sequence[Row], default_size: int, max_size: int) -> tuple[Sequence[Row], Row]:
    """The rows of the page asked for, and the URLs of its neighbours: absent at either end."""
    number = parameters.integer(request, "page", 1)
    size = parameters.integer(request, "pageSize", default_size, highest=max_size)
    first, after = (number - 1) * size, number * size
    links = {}
    if after < len(rows):
        links["nextPageUrl"] = _url(request, number + 1, size)
    if number > 1:
        links["previousPageUrl"] = _url(request, number - 1, size)
    return rows[first:after], links


def _url(request: Request, number: int, size: int) -> str:
    query = {**request.query, "page": [str(number)], "pageSize": [str(size)]}
    return f"{request.path}?{urlencode(query, doseq=True)}"


def is_paged(request: Request) -> bool:
    return "page" in request.query or "pageSize" in request.query


def in_order(request: Request, rows: Sequence[Row], columns: Mapping[str, str]) -> list[Row]:
    """Rows by `sort`: a name, with `-` before it for descending; `columns` maps the names to row keys."""
    name = (request.parameter("sort") or "id").strip()  # an unescaped + arrives as a space
    key = columns.get(name.lstrip("+-"))
    if key is None:
        raise bad_params(f"Invalid sort: {name}")
    return sorted(rows, key=_present_first(key), reverse=name.startswith("-"))


def _present_first(key: str) -> Callable[[Row], tuple[bool, Any]]:
    return lambda row: (row.get(key) is None, row.get(key) or 0)
