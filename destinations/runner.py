"""Runs a destination on this machine: `destination-courier spec|check|write`, and `destination-rudderstack` likewise.

* Messages leave whole, and a state as soon as it may be echoed.
* What a user can mend is one sentence without a stack trace. A bug comes with the places in the code it passed, but
  without its own words, which may quote a row.
* SIGINT and SIGTERM end the command at once. What was not echoed counts as not delivered, so nothing is lost.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

from airbyte_cdk.logger import PRINT_BUFFER, init_logger
from airbyte_cdk.models import (
    AirbyteErrorTraceMessage,
    AirbyteMessage,
    AirbyteTraceMessage,
    FailureType,
    TraceType,
    Type,
)
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from connector_process import run_to_the_end
from destinations.base import MessagingDestination, as_line


def main(destination: MessagingDestination) -> None:
    """The console script."""
    init_logger("airbyte")
    arguments = parse_arguments(destination, sys.argv[1:])
    run_to_the_end(lambda: run(destination, arguments))


def parse_arguments(destination: MessagingDestination, words: Sequence[str]) -> argparse.Namespace:
    """Return the command line, read by the CDK's own parser; a wrong one prints its usage and exits 2."""
    if not words:
        print(f"destination-{destination.name}: say what to do: spec, check or write", file=sys.stderr)
        sys.exit(2)
    return destination.parse_args(list(words))


def run(destination: MessagingDestination, arguments: argparse.Namespace) -> int:
    """Run one command, messages to stdout. Return the exit code, which is 0 for a `check` that says FAILED."""
    try:
        destination.run_command(arguments, print_line)
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        return 1
    except AirbyteTracedException as error:
        return _report(arguments.command, error)
    except Exception as error:  # noqa: BLE001 - the outermost frame: a bug becomes a message
        print_line(as_line(_trace(*_bug(error))))
        return 1
    return 0


def print_line(line: str) -> None:
    """Write one message whole, at once."""
    with PRINT_BUFFER.lock:
        PRINT_BUFFER.write(f"{line}\n")
        PRINT_BUFFER.flush()


def _report(command: str, error: AirbyteTracedException) -> int:
    """Print a failed status for a `check`, else a trace without a stack."""
    status = error.as_connection_status_message()
    if command == "check" and status is not None:
        print_line(as_line(status))
        return 0
    print_line(as_line(_trace(str(error), error.failure_type)))
    return 1


def _trace(message: str, kind: FailureType, stack: str | None = None) -> AirbyteMessage:
    error = AirbyteErrorTraceMessage(message=filter_secrets(message), failure_type=kind, stack_trace=stack)
    now = time.time_ns() // 1_000_000
    return AirbyteMessage(type=Type.TRACE, trace=AirbyteTraceMessage(type=TraceType.ERROR, emitted_at=now, error=error))


def _bug(error: Exception) -> tuple[str, FailureType, str]:
    places = "".join(traceback.format_tb(error.__traceback__))
    kind = type(error).__name__
    return (
        f"The destination failed with {kind}, which is a mistake in it: please report it.",
        FailureType.system_error,
        places,
    )
