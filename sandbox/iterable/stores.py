"""`/api/metadata…`, `/api/catalogs…` and `/api/experiments`: each has its own way of paging."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sandbox.iterable import parameters
from sandbox.iterable.errors import not_found
from sandbox.iterable.events import Row
from sandbox.iterable.paging import page
from sandbox.iterable.project import IterableProject
from sandbox.iterable.timestamps import epoch_seconds
from sandbox.messages import Reply, Request, json_reply

METADATA_PAGE = 10
"""Keys on a page of a metadata table."""


def tables(project: IterableProject, request: Request) -> Reply:
    return json_reply({"results": [{"name": name} for name in project.metadata]})


def table(project: IterableProject, request: Request) -> Reply:
    """Keys in alphabetical order, without values; `nextMarker` is the last key of all pages but the last."""
    name, items = _table(project, request)
    marker = (request.parameter("nextMarker") or "").lower()
    following = sorted((item for item in items if item["key"].lower() > marker), key=lambda item: item["key"].lower())
    shown = [{"table": name, **_without_value(item)} for item in islice(following, METADATA_PAGE)]
    more = len(following) > METADATA_PAGE
    return json_reply({"results": shown} | ({"nextMarker": shown[-1]["key"]} if more else {}))


def table_item(project: IterableProject, request: Request) -> Reply:
    name, items = _table(project, request)
    key = request.parts["key"].lower()
    item = next((item for item in items if item["key"].lower() == key), None)
    if item is None:
        raise not_found(f"No value found for key {request.parts['key']} in table {name}")
    return json_reply({"table": name, **item})


def _table(project: IterableProject, request: Request) -> tuple[str, list[Row]]:
    """A table by its name in any letter case; an unknown one is an empty one."""
    wanted = request.parts["table"]
    return next(
        ((name, items) for name, items in project.metadata.items() if name.lower() == wanted.lower()),
        (wanted, []),
    )


def _without_value(item: Row) -> Row:
    return {name: value for name, value in item.items() if name != "value"}


def catalogs(project: IterableProject, request: Request) -> Reply:
    names: list[Row] = [{"name": name} for name in project.catalogs]
    shown, links = page(request, names, 10, 1000)
    return _wrapped({"catalogNames": shown, "totalCatalogsCount": len(names), **links})


def catalog_items(project: IterableProject, request: Request) -> Reply:
    name = request.parts["catalog"]
    if name not in project.catalogs:
        raise not_found(f"No catalog found with name {name}")
    items = [{"catalogName": name, **item} for item in project.catalogs[name]]
    shown, links = page(request, items, 10, 1000)
    return _wrapped({"catalogItemsWithProperties": shown, "totalItemsCount": len(items), **links})


def _wrapped(params: Row) -> Reply:
    return json_reply({"msg": "", "code": "Success", "params": params})


def experiments(project: IterableProject, request: Request) -> Reply:
    limit = parameters.integer(request, "limit", 20, highest=100)
    offset = parameters.integer(request, "offset", 0, lowest=0)
    chosen = list(_experiments(project, request))
    pagination = {"limit": limit, "offset": offset, "total": len(chosen)}
    return json_reply({"experiments": chosen[offset : offset + limit], "pagination": pagination})


def _experiments(project: IterableProject, request: Request) -> Iterator[Row]:
    """Experiments by state and by the moment they started, both ends included."""
    states = request.query.get("state")
    start = parameters.moment(request, "startDateTime")
    end = parameters.moment(request, "endDateTime")
    for row in project.experiments:
        started = epoch_seconds(row["startDate"]) if row.get("startDate") else None
        if states is not None and row["status"] not in states:
            continue
        if start is not None and (started is None or started < start):
            continue
        if end is not None and (started is None or started > end):
            continue
        yield row
