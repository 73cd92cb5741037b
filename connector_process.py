"""A connector as a process: how it reads its files, and how it ends.

The source and the destinations share it. SIGINT and SIGTERM end a process at once, but after a whole message.
"""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

# Seconds between two looks at a pending signal; output never waits longer than this either.
TICK: Final = 0.2
# Seconds another thread may hold the output before a stop goes ahead without it.
PATIENCE: Final = 2.0


def config_error(message: str) -> AirbyteTracedException:
    """An error that the user can mend, said in one sentence."""
    return AirbyteTracedException(message=message, failure_type=FailureType.config_error)


def read_json(path: str, kind: str) -> Any:
    """What a JSON file holds; a config_error never quotes it, since it may hold a key."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise config_error(f"The {kind} file {path} does not exist.") from error
    except OSError as error:
        raise config_error(f"The {kind} file {path} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        raise config_error(f"The {kind} file {path} is not valid JSON: {error}.") from error
    except UnicodeDecodeError as error:
        raise config_error(f"The {kind} file {path} is not UTF-8 text.") from error


def _nothing() -> None:
    pass


def run_to_the_end(
    command: Callable[[], int], call_off: Callable[[], None] = _nothing, clean_up: Callable[[], None] = _nothing
) -> NoReturn:
    """Runs a command, which returns its exit code, and ends the process.

    The command runs in a thread of its own, so that the main thread is free to notice a signal while the
    framework waits for a response, and to pass on what the framework still buffers.
    call_off: what is to be done first when a signal ends it; clean_up: what is to be done last, however it ends.
    """
    # Or each worker prints a stack trace when the reader of our output has gone.
    logging.raiseExceptions = False
    stop = _StopSignal(clean_up)
    exit_codes: list[int] = []
    running = threading.Thread(target=lambda: exit_codes.append(command()), name="command", daemon=True)
    running.start()
    try:
        while running.is_alive() and stop.number is None:
            running.join(TICK)
            PRINT_BUFFER.flush()
    except BrokenPipeError:
        _leave(1, clean_up)
    if stop.number is not None:
        call_off()
    _leave(128 + stop.number if stop.number is not None else exit_codes[0] if exit_codes else 1, clean_up)


class _StopSignal:
    """Remembers the first SIGINT or SIGTERM; a second one ends the process on the spot."""

    def __init__(self, clean_up: Callable[[], None]) -> None:
        self.number: int | None = None
        self._clean_up = clean_up
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.number is not None:
            self._clean_up()
            os._exit(128 + number)
        self.number = number


def _leave(exit_code: int, clean_up: Callable[[], None]) -> NoReturn:
    """Ends the process with what was printed flushed, and without waiting for requests in flight."""
    # The lock keeps every other thread from writing half a message from here on; it is never released.
    if PRINT_BUFFER.lock.acquire(timeout=PATIENCE):
        try:
            PRINT_BUFFER.flush()
        except BrokenPipeError:
            exit_code = 1
    clean_up()
    os._exit(exit_code)
