"""Spec, check and write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteCatalog

from destinations.base import Echo, MessagingDestination
from destinations.courier.configuration import SPECIFICATION, CourierSettings, check_mappings, settings_of
from destinations.courier.events import NoMapping, event_of
from destinations.courier.mapping import Plan, plan
from destinations.courier.sending import Courier
from destinations.delivery import Delivery, GivenUp
from destinations.http import CHECK_RETRIES
from destinations.inputs import Input, State, names_in
from destinations.rejected import Rejected, Rejections, Row, failure


class DestinationCourier(MessagingDestination):
    """Delivers events by one of three routes, many users at a time."""

    name = "courier"
    specification = SPECIFICATION

    def prove(self, config: Mapping[str, Any]) -> None:
        with closing(Courier(settings_of(config), CHECK_RETRIES)) as courier:
            courier.prove()

    def deliver(
        self, config: Mapping[str, Any], catalog: ConfiguredAirbyteCatalog, messages: Iterable[Input], echo: Echo
    ) -> None:
        settings = settings_of(config)
        check_mappings(settings, names_in(catalog))
        rejections = Rejections(settings.skip)
        with closing(Courier(settings)) as courier:
            try:
                with Delivery(settings.workers, echo) as delivery:
                    _Writer(settings, courier, delivery, rejections).write(messages)
            finally:
                rejections.report()
                courier.report()


class _Writer:
    """One sync: rows become plans here, in their order, and are carried out by the workers."""

    def __init__(self, settings: CourierSettings, courier: Courier, delivery: Delivery, rejections: Rejections) -> None:
        self._settings = settings
        self._courier = courier
        self._delivery = delivery
        self._rejections = rejections
        self._event_streams: set[str] = set()

    def write(self, messages: Iterable[Input]) -> None:
        try:
            for message in messages:
                if self._delivery.failed:
                    break
                if isinstance(message, State):
                    self._delivery.state(message.line)
                else:
                    self._take(message)
        except Exception as error:  # noqa: BLE001 - `finish` raises it, unless an earlier row has failed
            self._delivery.fail(error)
        self._delivery.finish()

    def _take(self, row: Row) -> None:
        try:
            event_plan = self._plan(row)
        except Rejected as rejected:
            self._rejections.reject(row, rejected.reason)
            return
        self._delivery.submit(event_plan.lanes, lambda given_up: self._send(event_plan, row, given_up), row.size)

    def _plan(self, row: Row) -> Plan:
        mappings = self._settings.mappings
        mapping = mappings.get(row.stream) or mappings.get(row.name)
        try:
            event = event_of(row, mapping)
        except NoMapping:
            if row.stream not in self._event_streams:
                raise failure(
                    f"The rows of stream {row.stream} are no events, for they have no `type` such as track or "
                    "identify: say under `streams` which call they are and which columns hold the ids, or take the "
                    "stream out of the connection."
                ) from None
            event = dict(row.data)
        self._event_streams.add(row.stream)
        return plan(self._settings.route, event, row)

    def _send(self, event_plan: Plan, row: Row, given_up: GivenUp) -> None:
        try:
            self._courier.deliver(event_plan, row, given_up)
        except Rejected as rejected:
            self._rejections.reject(row, rejected.reason)
