"""Spec, check and write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteCatalog

from destinations.base import Echo, MessagingDestination
from destinations.http import CHECK_RETRIES
from destinations.inputs import Input
from destinations.outcomes import Outcomes
from destinations.rows import Rejected, Row
from destinations.rudderstack.configuration import SPECIFICATION, settings_of
from destinations.rudderstack.mapping import EventMapper
from destinations.rudderstack.sending import LARGEST_ITEM, Batch, Gateway, Item
from destinations.values import encoded


class DestinationRudderStack(MessagingDestination):
    """Delivers events in their order, in batches; a state sends what has gathered before it."""

    name = "rudderstack"
    specification = SPECIFICATION

    def check_connection(self, config: Mapping[str, Any]) -> None:
        settings = settings_of(config)
        with closing(Gateway(settings, Outcomes(settings.skip), CHECK_RETRIES)) as gateway:
            gateway.check_connection()

    def deliver(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,  # noqa: ARG002 - the base's signature
        messages: Iterable[Input],
        echo: Echo,
    ) -> None:
        settings = settings_of(config)
        outcomes = Outcomes(settings.skip)
        try:
            with closing(Gateway(settings, outcomes)) as gateway:
                _Writer(Batch(gateway), outcomes, echo).write(messages)
        finally:
            outcomes.report()


class _Writer:
    """One sync."""

    def __init__(self, batch: Batch, outcomes: Outcomes, echo: Echo) -> None:
        self._batch = batch
        self._outcomes = outcomes
        self._echo = echo
        self._mapper = EventMapper()

    def write(self, messages: Iterable[Input]) -> None:
        try:
            for message in messages:
                if isinstance(message, Row):
                    self._take(message)
                else:
                    self._batch.send()
                    self._echo(message.line)
        finally:  # what came before an unreadable line or a bad row is sent before that ends the sync
            self._batch.send()

    def _take(self, row: Row) -> None:
        try:
            events = [(encoded(event), moment) for event, moment in self._mapper.events_of(row)]
            item = Item(row, b",".join(event for event, moment in events if self._mapper.is_first(moment)))
        except Rejected as rejected:
            self._outcomes.reject(row, rejected.reason)
            return
        if not item.events:
            self._outcomes.skip("without a new moment")
        elif len(item.events) > LARGEST_ITEM:
            self._outcomes.reject(row, "it is larger than the 4 MB that RudderStack takes in a request")
        else:
            self._batch.add(item)
