"""Courier's routes, and what is checked before any of them answers: path, key, rate limit, size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import unquote

from sandbox.budgets import Budget, Limiter
from sandbox.courier import (
    inbound,
    invoking,
    listings,
    mapping,
    message_log,
    profiles,
    runs,
    sending,
    subscriptions,
    tenants,
)
from sandbox.courier.errors import Rejection, internal_error, not_found, rate_limited, too_large, unauthorized
from sandbox.courier.idempotency import Replays
from sandbox.courier.listings import (
    below,
    by_id,
    by_path,
    has_more,
    held,
    object_by_path,
    paging,
    single,
    templates,
    whole,
)
from sandbox.courier.timestamps import HOUR
from sandbox.courier.workspace import CourierWorkspace
from sandbox.messages import Reply, Request, json_reply
from sandbox.routing import path_parts


def _area(path: str) -> str:
    """The first segment of a path."""
    return path.removeprefix("/").partition("/")[0]


def _debug(workspace: CourierWorkspace, request: Request) -> Reply:
    """Says that the key is right, and does nothing."""
    return json_reply({})


@dataclass(frozen=True)
class Route:
    """An endpoint; of two patterns that fit a path the first one answers. Few calls are allowed to a `rare` one."""

    pattern: str
    answer: Callable[[CourierWorkspace, Request], Reply]
    method: str = "GET"
    rare: bool = False


READING = (
    Route("/messages", message_log.messages),
    Route("/messages/{id}", message_log.details),
    Route("/messages/{id}/history", message_log.history),
    Route("/messages/{id}/output", message_log.output),
    Route("/messages/{id}/output/{output}/{part}", message_log.output_part),
    Route("/audiences", paging(held("audiences"), "id", "items")),
    Route("/audiences/{id}", single(held("audiences"))),
    Route("/audiences/{id}/members", paging(below("audiences", "audience_members"), "member_id", "items")),
    Route("/lists", listings.lists),
    Route("/lists/{id}", single(held("lists"))),
    Route("/lists/{id}/subscriptions", paging(below("lists", "list_subscriptions"), "recipientId", "items")),
    Route("/tenants", has_more(listings.tenants, "id")),
    Route("/tenants/{id}", single(held("tenants"))),
    Route("/tenants/{id}/users", has_more(below("tenants", "tenant_users"), "user_id")),
    Route("/tenants/{id}/templates", has_more(by_path, "id")),
    Route("/profiles/{id}", listings.profile),
    Route("/profiles/{id}/lists", paging(listings.subscribed_lists, "id", "results")),
    Route("/users/{id}/tenants", has_more(listings.memberships, "tenant_id")),
    Route("/users/{id}/tokens", whole(by_id("user_tokens"), "tokens")),
    Route("/users/{id}/preferences", paging(by_id("user_preferences"), "topic_id", "items")),
    Route("/users/{id}/preferences/{topic}", single(by_id("user_preferences"), "topic_id", "topic", "topic")),
    Route("/automations", templates(held("automations"))),
    Route("/automations/runs", runs.listing("automation_runs", both_ways=False)),
    Route("/automations/runs/{id}/steps", runs.steps("automation_runs")),
    Route("/journeys", templates(held("journeys"))),
    Route("/journeys/runs", runs.listing("journey_runs", both_ways=True)),
    Route("/journeys/runs/{id}", single(held("journey_runs"), "run_id", wrapped_in="run")),
    Route("/journeys/runs/{id}/steps", runs.steps("journey_runs")),
    Route("/journeys/{id}", object_by_path),
    Route("/journeys/{id}/versions", paging(by_path, "version", "results")),
    Route("/journeys/{id}/templates", paging(by_path, "id", "results", limited=True)),
    Route("/broadcasts", paging(held("broadcasts"), "id", "results", limited=True)),
    Route("/bulk/{id}", object_by_path),
    Route("/bulk/{id}/users", paging(by_path, "recipient", "items")),
    Route("/brands", paging(held("brands"), "id", "results")),
    Route("/notifications", paging(listings.notifications, "id", "results")),
    Route("/notifications/{id}", object_by_path),
    Route("/notifications/{id}/content", object_by_path),
    Route("/notifications/{id}/versions", paging(by_path, "version", "versions")),
    Route("/notifications/{id}/{submission}/checks", object_by_path),
    Route("/routing-strategies", paging(held("routing_strategies"), "id", "results", limited=True)),
    Route("/preferences/sections", whole(listings.sections, "results")),
    Route(
        "/preferences/sections/{id}/topics",
        whole(below("preference_sections", "preference_topics"), "results"),
    ),
    Route("/audit-events", paging(held("audit_events"), "auditEventId", "results")),
    Route("/audit-events/{id}", single(held("audit_events"), "auditEventId")),
    Route("/providers", paging(held("providers"), "id", "results")),
    Route("/providers/catalog", paging(by_path, "provider", "results")),
    Route("/digests/schedules/{id}/instances", has_more(by_path, "digest_instance_id")),
    Route("/translations/default/{locale}", object_by_path),
    Route("/events", whole(mapping.events, "results")),
    Route("/events/{id}", mapping.event),
)

WRITING = (
    Route("/inbound/segment", inbound.segment, "POST"),
    Route("/inbound/rudderstack", inbound.rudderstack, "POST"),
    Route("/inbound/courier", inbound.courier, "POST"),
    Route("/send", sending.send, "POST"),
    Route("/profiles/{id}", profiles.merge, "POST"),
    Route("/profiles/{id}", profiles.replace, "PUT"),
    Route("/profiles/{id}", profiles.patch, "PATCH"),
    Route("/profiles/{id}", profiles.delete, "DELETE"),
    Route("/profiles/{id}/lists", profiles.subscribe, "POST"),
    Route("/profiles/{id}/lists", profiles.unsubscribe, "DELETE"),
    Route("/lists/{id}", subscriptions.put_list, "PUT", rare=True),
    Route("/lists/{id}", subscriptions.delete_list, "DELETE"),
    Route("/lists/{id}/subscriptions", subscriptions.replace_all, "PUT"),
    Route("/lists/{id}/subscriptions", subscriptions.add_all, "POST", rare=True),
    Route("/lists/{id}/subscriptions/{user}", subscriptions.put_one, "PUT"),
    Route("/lists/{id}/subscriptions/{user}", subscriptions.delete_one, "DELETE"),
    Route("/tenants/{id}", tenants.put, "PUT"),
    Route("/tenants/{id}", tenants.delete, "DELETE"),
    Route("/users/{id}/tenants", tenants.add_several, "PUT"),
    Route("/users/{id}/tenants", tenants.remove_all, "DELETE"),
    Route("/users/{id}/tenants/{tenant}", tenants.add_one, "PUT"),
    Route("/users/{id}/tenants/{tenant}", tenants.remove_one, "DELETE"),
    Route("/automations/invoke", invoking.by_steps, "POST"),
    Route("/automations/{id}/invoke", invoking.by_template, "POST"),
    Route("/events/{id}", mapping.put, "PUT", rare=True),
)

ROUTES = (*READING, *WRITING, Route("/debug", _debug, "POST"))

AREAS = frozenset(_area(route.pattern) for route in ROUTES)


class CourierApi:
    """A workspace behind its endpoints."""

    def __init__(self, workspace: CourierWorkspace, budgets: bool) -> None:
        self._workspace = workspace
        self._limiter = Limiter() if budgets else None
        self._replays = Replays()

    def serves(self, path: str) -> bool:
        return _area(path) in AREAS

    def answer(self, request: Request) -> Reply:
        try:
            route, parts = _route(request)
            self._admit(request, route)
            return self._answered(route, replace(request, parts=parts))
        except Rejection as rejection:
            return rejection.reply

    def _answered(self, route: Route, request: Request) -> Reply:
        space = self._workspace
        kept_for = space.idempotency_hours * HOUR
        return self._replays.answer(request, partial(self._endpoint, route), space.now, kept_for)

    def _endpoint(self, route: Route, request: Request) -> Reply:
        space = self._workspace
        if space.crashes[request.path] > 0:
            space.crashes[request.path] -= 1
            raise internal_error()
        return route.answer(space, request)

    def _admit(self, request: Request, route: Route) -> None:
        space = self._workspace
        if request.headers.get("authorization") != f"Bearer {space.api_key}":
            raise unauthorized()
        if not all(self._has_left(name, budget) for name, budget in self._budgets(route).items()):
            raise rate_limited(space.retry_after)
        if len(request.body) > space.largest_body:
            raise too_large()

    def _budgets(self, route: Route) -> dict[str, Budget | None]:
        """The budgets that a call is charged to."""
        space = self._workspace
        charged = {"all": space.budget}
        charged |= {"writes": space.writes_budget} if route in WRITING else {}
        return charged | ({f"{route.method} {route.pattern}": space.rare_writes_budget} if route.rare else {})

    def _has_left(self, name: str, budget: Budget | None) -> bool:
        if self._limiter is None or budget is None:
            return True
        return self._limiter.admits(name, budget, self._workspace.clock())


def _route(request: Request) -> tuple[Route, dict[str, str]]:
    """The endpoint that a request is for, and the decoded parts of its path."""
    for route in ROUTES:
        parts = path_parts(route.pattern, request.path) if request.method == route.method else None
        if parts is not None:
            return route, {name: unquote(part) for name, part in parts.items()}
    raise not_found()
