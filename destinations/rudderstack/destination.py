"""Spec, check and write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteCatalog

from destinations.base import Echo, MessagingDestination
from destinations.http import CHECK_RETRIES
from destinations.inputs import Input, State
from destinations.rejected import Rejected, Rejections, Row, failure
from destinations.rudderstack.configuration import SPECIFICATION, settings_of
from destinations.rudderstack.mapping import EventMapper, NotAnEvent, Told
from destinations.rudderstack.sending import Batch, Gateway, Item, item_of


class DestinationRudderStack(MessagingDestination):
    """Delivers events in their order, in batches; a state sends what has gathered before it."""

    name = "rudderstack"
    specification = SPECIFICATION

    def prove(self, config: Mapping[str, Any]) -> None:
        settings = settings_of(config)
        with closing(Gateway(settings, Rejections(settings.skip), CHECK_RETRIES)) as gateway:
            gateway.prove()

    def deliver(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,  # noqa: ARG002 - the base's signature
        messages: Iterable[Input],
        echo: Echo,
    ) -> None:
        settings = settings_of(config)
        rejections = Rejections(settings.skip)
        try:
            with closing(Gateway(settings, rejections)) as gateway:
                _Writer(Batch(gateway), rejections, echo).write(messages)
        finally:
            rejections.report()


class _Writer:
    """One sync."""

    def __init__(self, batch: Batch, rejections: Rejections, echo: Echo) -> None:
        self._batch = batch
        self._rejections = rejections
        self._echo = echo
        self._mapper = EventMapper()
        self._event_streams: set[str] = set()

    def write(self, messages: Iterable[Input]) -> None:
        for message in self._until_failure(messages):
            if isinstance(message, State):
                self._batch.send()
                self._echo(message.line)
                continue
            for item in self._items(message):
                self._batch.add(item)
        self._batch.send()

    def _until_failure(self, messages: Iterable[Input]) -> Iterable[Input]:
        """The same messages; what came before an unreadable one is sent before its error is told."""
        try:
            yield from messages
        except Exception:
            self._batch.send()
            raise

    def _items(self, row: Row) -> list[Item]:
        """The row's events; none when it is rejected, and what came before it is sent before that ends the sync."""
        try:
            items = [(item_of(event, row), moment) for event, moment in self._events(row)]
        except Rejected as rejected:
            if not self._rejections.skip:
                self._batch.send()
            self._rejections.reject(row, rejected.reason)
            return []
        return [item for item, moment in items if self._mapper.is_news(moment)]

    def _events(self, row: Row) -> list[Told]:
        try:
            events = self._mapper.events_of(row)
        except NotAnEvent as what_it_lacks:
            if row.stream in self._event_streams:
                raise Rejected(str(what_it_lacks)) from None
            self._batch.send()
            raise failure(
                f"The rows of stream {row.stream} are no events: this destination takes the streams messages, "
                "message_info and message_history of Courier, and rows with a `type` such as track or identify; "
                "take the stream out of the connection."
            ) from None
        self._event_streams.add(row.stream)
        return events
