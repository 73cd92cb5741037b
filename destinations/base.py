"""A destination on top of the CDK's: how files are read, and what a command answers."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from airbyte_cdk.destinations import Destination
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConnectorSpecification,
    Status,
    Type,
)
from airbyte_cdk.utils.airbyte_secrets_utils import get_secrets, update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from connector_process import config_error, read_json
from destinations import inputs
from destinations.inputs import Input
from destinations.settings import cleaned

logger = logging.getLogger("airbyte")

Echo = Callable[[str], None]
"""Takes a state, as the line it came in; workers call it, one at a time."""


class MessagingDestination(Destination):
    """A destination that tells mistakes in a way a user can act on.

    It differs from the CDK's in this: a mistake in a file or in the configuration is one sentence that quotes nothing;
    a line that is no message fails the sync instead of being printed; states are echoed to the letter.
    """

    name: ClassVar[str]
    specification: ClassVar[Mapping[str, Any]]

    @abstractmethod
    def check_connection(self, config: Mapping[str, Any]) -> None:
        """Try the key, without side effects. Errors: AirbyteTracedException that says what is wrong."""

    @abstractmethod
    def deliver(
        self, config: Mapping[str, Any], catalog: ConfiguredAirbyteCatalog, messages: Iterable[Input], echo: Echo
    ) -> None:
        """Deliver every row, and echo every state once all before it was accepted.

        Errors: AirbyteTracedException.
        """

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:  # noqa: ARG002 - the CDK's signature
        return ConnectorSpecification(
            connectionSpecification=dict(self.specification),
            supportsIncremental=True,
            supported_destination_sync_modes=list(inputs.SYNC_MODES),
        )

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:  # noqa: ARG002
        self._mask_secrets(config)
        try:
            self.check_connection(config)
        except AirbyteTracedException as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=error.message)
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def write(
        self,
        config: Mapping[str, Any],
        configured_catalog: ConfiguredAirbyteCatalog,
        input_messages: Iterable[AirbyteMessage],
    ) -> Iterable[AirbyteMessage]:
        """Yield the states when all is over, then raise the error if there is one.

        It is the CDK's way in, for callers that hold messages instead of a pipe.
        """
        self._mask_secrets(config)
        lines = (json.dumps(AirbyteMessageSerializer.dump(message)).encode() for message in input_messages)
        states: list[str] = []
        try:
            self._deliver(config, configured_catalog, lines, states.append)
        finally:
            yield from (AirbyteMessageSerializer.load(json.loads(state)) for state in states)

    def run_command(self, arguments: argparse.Namespace, print_line: Echo) -> None:
        """Run one command. Errors: AirbyteTracedException, also for files that cannot be used."""
        if arguments.command == "spec":
            print_line(as_line(AirbyteMessage(type=Type.SPEC, spec=self.spec(logger))))
            return
        config = _object(read_json(arguments.config, "config"), arguments.config)
        self._mask_secrets(config)
        if arguments.command == "check":
            status = self.check(logger, config)
            print_line(as_line(AirbyteMessage(type=Type.CONNECTION_STATUS, connectionStatus=status)))
            return
        self._deliver(config, _read_catalog(arguments.catalog), _lines_of_stdin(), print_line)

    def _deliver(
        self, config: Mapping[str, Any], catalog: ConfiguredAirbyteCatalog, lines: Iterable[bytes], echo: Echo
    ) -> None:
        inputs.check_catalog(catalog)
        self.deliver(config, catalog, inputs.read(lines, catalog), echo)

    def _mask_secrets(self, config: Mapping[str, Any]) -> None:
        secrets = get_secrets(self.specification, cleaned(config))
        update_secrets([secret for secret in secrets if isinstance(secret, str)])


def as_line(message: AirbyteMessage) -> str:
    return json.dumps(AirbyteMessageSerializer.dump(message), ensure_ascii=False, separators=(",", ":"))


def _lines_of_stdin() -> Iterable[bytes]:
    return sys.stdin.buffer


def _object(content: Any, path: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise config_error(f"The config file {path} must hold a JSON object.")
    return content


def _read_catalog(path: str) -> ConfiguredAirbyteCatalog:
    content = read_json(path, "catalog")
    try:
        return ConfiguredAirbyteCatalogSerializer.load(content)
    except Exception as error:  # the serializer documents no error type
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise config_error(f"The catalog file {path} is not a configured catalog: {reason}.") from error
