"""Spec, check and write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteCatalog

from destinations.base import Echo, MessagingDestination
from destinations.courier.configuration import SPECIFICATION, CourierSettings, check_mappings, settings_of
from destinations.courier.events import event_of
from destinations.courier.mapping import Plan, plan
from destinations.courier.sending import Courier
from destinations.delivery import Delivery, IsCancelled
from destinations.http import CHECK_RETRIES
from destinations.inputs import Input, State, names_in
from destinations.outcomes import Outcomes
from destinations.rows import Rejected, Row


class DestinationCourier(MessagingDestination):
    """Delivers events by one of three routes, many users at a time."""

    name = "courier"
    specification = SPECIFICATION

    def check_connection(self, config: Mapping[str, Any]) -> None:
        with closing(Courier(settings_of(config), CHECK_RETRIES)) as courier:
            courier.check_connection()

    def deliver(
        self, config: Mapping[str, Any], catalog: ConfiguredAirbyteCatalog, messages: Iterable[Input], echo: Echo
    ) -> None:
        settings = settings_of(config)
        check_mappings(settings, names_in(catalog))
        outcomes = Outcomes(settings.skip)
        with closing(Courier(settings)) as courier, closing(Delivery(settings.workers, echo)) as delivery:
            try:
                _Writer(settings, courier, delivery, outcomes).write(messages)
            finally:
                outcomes.report()


class _Writer:
    """One sync: rows become plans here, in their order, and are carried out by the workers."""

    def __init__(self, settings: CourierSettings, courier: Courier, delivery: Delivery, outcomes: Outcomes) -> None:
        self._settings = settings
        self._courier = courier
        self._delivery = delivery
        self._outcomes = outcomes

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
        mappings = self._settings.mappings
        try:
            event = event_of(row, mappings.get(row.stream) or mappings.get(row.name))
            kind = str(event.get("type")).lower()
            if kind in self._settings.ignored_types:
                self._outcomes.skip(f"of type {kind}")
                return
            event_plan = plan(self._settings.route, event, row)
        except Rejected as rejected:
            self._outcomes.reject(row, rejected.reason)
            return
        self._delivery.submit(event_plan.keys, lambda is_cancelled: self._send(event_plan, row, is_cancelled), row.size)

    def _send(self, event_plan: Plan, row: Row, is_cancelled: IsCancelled) -> None:
        try:
            is_new = self._courier.deliver(event_plan, row, is_cancelled)
        except Rejected as rejected:
            self._outcomes.reject(row, rejected.reason)
        else:
            self._outcomes.deliver(remark="" if is_new else "known to Courier by their messageId already")
