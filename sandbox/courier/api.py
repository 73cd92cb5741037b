"""Courier's routes, and what is checked before any of them answers: path, key, rate limit."""

from __future__ import annotations

from functools import partial

from sandbox.budgets import Limiter
from sandbox.courier import inbound, invoking, listings, message_log, profiles, sending, tenants
from sandbox.courier.errors import not_found, rejection
from sandbox.courier.idempotency import Replays
from sandbox.courier.listings import LISTINGS
from sandbox.courier.timestamps import DAY
from sandbox.courier.workspace import CourierWorkspace
from sandbox.messages import Reply, Request
from sandbox.routing import Rejection, Route, routed


def _area(path: str) -> str:
    """The first segment of a path."""
    return path.removeprefix("/").partition("/")[0]


ROUTES: tuple[Route[CourierWorkspace], ...] = (
    *(Route(listing.path, listing.answer) for listing in LISTINGS),
    Route("/messages/{id}", message_log.details),
    Route("/messages/{id}/history", message_log.history),
    Route("/messages/{id}/output", message_log.output),
    Route("/profiles/{id}", listings.profile),
    Route("/tenants/{id}", listings.single("tenants")),
    Route("/inbound/segment", inbound.segment, "POST"),
    Route("/inbound/rudderstack", inbound.rudderstack, "POST"),
    Route("/inbound/courier", inbound.courier, "POST"),
    Route("/profiles/{id}", profiles.merge, "POST"),
    Route("/lists/{id}/subscriptions/{user}", profiles.subscribe, "PUT"),
    Route("/lists/{id}/subscriptions/{user}", profiles.unsubscribe, "DELETE"),
    Route("/tenants/{id}", tenants.put, "PUT"),
    Route("/users/{id}/tenants/{tenant}", tenants.add_user, "PUT"),
    Route("/automations/invoke", invoking.by_steps, "POST"),
    Route("/automations/{id}/invoke", invoking.by_template, "POST"),
    Route("/events/{id}", sending.put_mapping, "PUT"),
)

AREAS = frozenset(_area(route.path) for route in ROUTES)


class CourierApi:
    """A workspace behind its endpoints."""

    def __init__(self, workspace: CourierWorkspace, budgets: bool) -> None:
        self._workspace = workspace
        self._limiter = Limiter() if budgets else None
        self._replays = Replays()

    def serves(self, path: str) -> bool:
        return _area(path) in AREAS

    def answer(self, request: Request) -> Reply:
        space = self._workspace
        try:
            found = routed(ROUTES, request)
            if found is None:
                raise not_found()
            if request.headers.get("authorization") != f"Bearer {space.api_key}":
                raise rejection(401, "Unauthorized")
            if self._limiter and space.budget and not self._limiter.admits("all", space.budget, space.clock()):
                after = {} if space.retry_after is None else {"Retry-After": str(space.retry_after)}
                raise rejection(429, "Rate limit exceeded", after)
            return self._replays.answer(found[1], partial(self._endpoint, found[0]), space.now, DAY)
        except Rejection as refused:
            return refused.reply

    def _endpoint(self, route: Route[CourierWorkspace], request: Request) -> Reply:
        space = self._workspace
        if space.crashes[request.path] > 0:
            space.crashes[request.path] -= 1
            raise rejection(500, "Internal Server Error")
        return route.answer(space, request)
