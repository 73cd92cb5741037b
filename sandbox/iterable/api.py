"""Iterable's routes, and what is checked before any of them answers: URL, route, key, rate limit."""

from __future__ import annotations

from sandbox.budgets import Budget, Limiter
from sandbox.iterable import export, listings, metrics
from sandbox.iterable.errors import action_not_found, bad_api_key, rate_limit_exceeded
from sandbox.iterable.jobs import endpoints as jobs
from sandbox.iterable.listings import LISTINGS, PLENTY
from sandbox.iterable.project import IterableProject
from sandbox.messages import Reply, Request, text_reply
from sandbox.routing import Rejection, Route, routed

HOST = "https://api.iterable.com"
LONGEST_URL = 2048
"""Characters, counted as though the request had gone to Iterable's own host."""

EXPORT = Budget(calls=4, seconds=60)
LIST_USERS = Budget(calls=5, seconds=60)
METRICS = Budget(calls=10, seconds=60)
SINGLE = Budget(calls=1, seconds=1)


ROUTES: tuple[Route[IterableProject], ...] = (
    Route("/api/export/data.json", export.data, budget=EXPORT, personal=True),
    Route("/api/export/userEvents", export.user_events, personal=True),
    Route("/api/export/start", jobs.start, "POST", SINGLE, personal=True),
    Route("/api/export/{jobId}/files", jobs.files, budget=SINGLE, personal=True),
    Route("/api/export/{jobId}", jobs.cancel, "DELETE", SINGLE, personal=True),
    Route("/api/lists/getUsers", listings.list_users, budget=LIST_USERS, personal=True),
    Route("/api/lists/{listId}/size", listings.list_size, budget=LIST_USERS),
    Route("/api/campaigns/metrics", metrics.campaign_metrics, budget=METRICS),
    Route("/api/experiments/metrics", metrics.experiment_metrics),
    Route("/api/templates/{medium}/get", listings.template),
    Route("/api/metadata/{table}/{key}", listings.table_item),
    *(Route(each.path, each.answer, budget=each.budget, personal=each.personal) for each in LISTINGS),
)


class IterableApi:
    """A project behind its endpoints, and the host that keeps its files."""

    def __init__(self, project: IterableProject, budgets: bool) -> None:
        self._project = project
        self._limiter = Limiter() if budgets else None

    def serves(self, path: str) -> bool:
        return path.startswith("/api/")

    def answer(self, request: Request) -> Reply:
        if jobs.is_file(request):
            return jobs.file(self._project, request)
        if len(HOST) + len(request.target) > LONGEST_URL:
            return text_reply("URI Too Long", 414)
        try:
            return self._answer(request)
        except Rejection as rejection:
            return rejection.reply

    def _answer(self, request: Request) -> Reply:
        project, found = self._project, routed(ROUTES, request)
        if found is None:
            raise action_not_found(request)
        route, request = found
        if not self._may(request, route):
            raise bad_api_key(request)
        if self._limiter and not self._limiter.admits(route.path, route.budget or PLENTY, project.clock()):
            raise rate_limit_exceeded(request, project.project_id, project.retry_after)
        return route.answer(project, request)

    def _may(self, request: Request, route: Route[IterableProject]) -> bool:
        key = request.headers.get("api-key") or request.headers.get("api_key")
        if key == self._project.read_only_key:
            return not route.personal
        return key == self._project.api_key
