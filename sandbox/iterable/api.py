"""Iterable's routes, and what is checked before any of them answers: URL, route, key, rate limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote

from sandbox.budgets import Budget, Limiter
from sandbox.iterable import audience, campaigns, export, metrics, stores
from sandbox.iterable.errors import (
    Rejection,
    action_not_found,
    bad_api_key,
    rate_limit_exceeded,
    uri_too_long,
)
from sandbox.iterable.jobs import endpoints as jobs
from sandbox.iterable.jobs import storage
from sandbox.iterable.project import IterableProject
from sandbox.messages import Reply, Request
from sandbox.routing import path_parts

HOST = "https://api.iterable.com"
LONGEST_URL = 2048
"""Characters, counted as though the request had gone to Iterable's own host."""

PLENTY = Budget(calls=100, seconds=1)
EXPORT = Budget(calls=4, seconds=60)
LIST_USERS = Budget(calls=5, seconds=60)
METRICS = Budget(calls=10, seconds=60)
RARE = Budget(calls=3, seconds=1)
SINGLE = Budget(calls=1, seconds=1)


@dataclass(frozen=True)
class Route:
    """An endpoint. `personal` ones are closed to a read-only key; the budget is the project's, by pattern."""

    pattern: str
    answer: Callable[[IterableProject, Request], Reply]
    budget: Budget = PLENTY
    personal: bool = False
    method: str = "GET"


ROUTES = (
    Route("/api/export/data.json", export.data, EXPORT, personal=True),
    Route("/api/export/userEvents", export.user_events, personal=True),
    Route("/api/export/start", jobs.start, SINGLE, personal=True, method="POST"),
    Route("/api/export/jobs", jobs.listing, personal=True),
    Route("/api/export/{jobId}/files", jobs.files, SINGLE, personal=True),
    Route("/api/export/{jobId}", jobs.cancel, SINGLE, personal=True, method="DELETE"),
    Route("/api/lists", audience.lists),
    Route("/api/lists/getUsers", audience.list_users, LIST_USERS, personal=True),
    Route("/api/lists/{listId}/size", audience.list_size, LIST_USERS),
    Route("/api/users/getFields", audience.user_fields, RARE),
    Route("/api/users/getByEmail", audience.user_by_email, personal=True),
    Route("/api/users/forgotten", audience.forgotten, RARE, personal=True),
    Route("/api/users/forgottenUserIds", audience.forgotten_user_ids, RARE, personal=True),
    Route("/api/campaigns", campaigns.campaigns),
    Route("/api/campaigns/metrics", metrics.campaign_metrics, METRICS),
    Route("/api/channels", campaigns.channels),
    Route("/api/messageTypes", campaigns.message_types),
    Route("/api/templates", campaigns.templates),
    Route("/api/journeys", campaigns.journeys),
    Route("/api/snippets", campaigns.snippets),
    Route("/api/webhooks", campaigns.webhooks),
    Route("/api/experiments", stores.experiments),
    Route("/api/experiments/metrics", metrics.experiment_metrics),
    Route("/api/metadata", stores.tables),
    Route("/api/metadata/{table}", stores.table),
    Route("/api/metadata/{table}/{key}", stores.table_item),
    Route("/api/catalogs", stores.catalogs),
    Route("/api/catalogs/{catalog}/items", stores.catalog_items),
)


class IterableApi:
    """A project behind its endpoints, and the host that keeps its files."""

    def __init__(self, project: IterableProject, budgets: bool) -> None:
        self._project = project
        self._limiter = Limiter() if budgets else None

    def serves(self, path: str) -> bool:
        return path.startswith("/api/")

    def answer(self, request: Request) -> Reply:
        if storage.serves(request):
            return storage.answer(self._project, request)
        if len(HOST) + len(request.target) > LONGEST_URL:
            return uri_too_long()
        for route in ROUTES:
            parts = path_parts(route.pattern, request.path)
            if parts is not None and request.method == route.method:
                decoded = {name: unquote(part) for name, part in parts.items()}
                return self._answer(route, replace(request, parts=decoded))
        return action_not_found(request)

    def _answer(self, route: Route, request: Request) -> Reply:
        project = self._project
        if not self._may(request, route):
            return bad_api_key(request)
        if self._limiter and not self._limiter.admits(route.pattern, route.budget, project.clock()):
            return rate_limit_exceeded(request, project.project_id, project.retry_after)
        try:
            return route.answer(project, request)
        except Rejection as rejection:
            return rejection.reply

    def _may(self, request: Request, route: Route) -> bool:
        key = request.headers.get("api-key") or request.headers.get("api_key")
        if key == self._project.read_only_key:
            return not route.personal
        return key == self._project.api_key
