"""`/automations/runs…` and `/journeys/runs…`: newest first, chosen by status, template and day."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from sandbox.courier import parameters
from sandbox.courier.listings import Endpoint, found, held
from sandbox.courier.paging import Position, newest_page, of_runs
from sandbox.courier.timestamps import milliseconds
from sandbox.courier.workspace import CourierWorkspace, Row, Rows
from sandbox.messages import Reply, Request, json_reply

DEFAULT_LIMIT, HIGHEST_LIMIT = 20, 50


def listing(container: str, both_ways: bool) -> Endpoint:
    """The runs, without `updated_at`, which only a single run tells."""

    def answer(workspace: CourierWorkspace, request: Request) -> Reply:
        size = parameters.limit(request, DEFAULT_LIMIT, HIGHEST_LIMIT)
        chosen = _chosen(workspace, request, held(container)(workspace, request))
        return of_runs(newest_page(request, chosen, _position, size), both_ways)

    return answer


def steps(container: str) -> Endpoint:
    """What one run did, in order."""

    def answer(workspace: CourierWorkspace, request: Request) -> Reply:
        run = found(held(container)(workspace, request), "run_id", request.parts["id"])
        return json_reply({"steps": workspace.run_steps.get(run["run_id"], [])})

    return answer


def _chosen(workspace: CourierWorkspace, request: Request, rows: Rows) -> Iterator[Row]:
    start = parameters.day_or_instant(request, "start_date")
    first = -inf if start is None else start
    end = parameters.day_or_instant(request, "end_date")
    last = workspace.now if end is None else min(end, workspace.now)
    statuses = parameters.names(request, "status")
    templates = parameters.names(request, "template_id")
    for row in rows:
        if (
            first <= _began(row) <= last
            and (statuses is None or row.get("status") in statuses)
            and (templates is None or row.get("template_id") in templates)
        ):
            yield {name: value for name, value in row.items() if name != "updated_at"}


def _began(row: Row) -> int:
    """Epoch milliseconds; 0 for a run that does not say, which makes it the oldest."""
    return milliseconds(row["created_at"]) if row.get("created_at") else 0


def _position(row: Row) -> Position:
    return _began(row), row["run_id"]
