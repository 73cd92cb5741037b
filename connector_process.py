"""A connector as a process: how it reads its files, what of its surroundings it minds, and how it ends.

The source and the destinations share it. SIGINT and SIGTERM end a process within three seconds, after a whole message
if its reader takes one.
"""

import io
import json
import logging
import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

# Seconds that output waits at most, and a signal.
TICK: Final = 0.2
# Seconds in which a reader has to take what is printed when a signal ends the process.
PATIENCE: Final = 2.0
# The framework keeps hundreds open, and waits for ever when it may not; a Mac allows no more.
OPEN_FILES: Final = 10_240
LOOPBACK: Final = "localhost,127.0.0.0/8,::1"


def config_error(message: str) -> AirbyteTracedException:
    """An error that the user can mend, said in one sentence."""
    return AirbyteTracedException(message=message, failure_type=FailureType.config_error)


def read_json(path: str, kind: str) -> Any:
    """Return what a JSON file holds: a value, or a list of those on its lines.

    Errors: config_error, which never quotes the file, since it may hold a key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            first, *others = text.strip().split("\n")
            if not others or not first.endswith("}"):
                raise
            return [json.loads(line) for line in (first, *others)]
    except FileNotFoundError as error:
        raise config_error(f"The {kind} file {path} does not exist.") from error
    except OSError as error:
        raise config_error(f"The {kind} file {path} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        raise config_error(f"The {kind} file {path} is not valid JSON: {error}.") from error
    except UnicodeDecodeError as error:
        raise config_error(f"The {kind} file {path} is not UTF-8 text.") from error


def run_to_the_end(command: Callable[[], int], clean_up: Callable[[], None] = lambda: None) -> NoReturn:
    """Runs a command, which returns its exit code, and ends the process; by the signal itself if one ends it.

    Everything that may wait, for a reply or for the reader of the output, does so in other threads: the main thread is
    the only one that can act on a signal.
    clean_up: done last, however the command ends.
    """
    # Or each worker prints a stack trace when the reader of our output has gone.
    logging.raiseExceptions = False
    if isinstance(sys.__stdout__, io.TextIOWrapper):
        sys.__stdout__.reconfigure(encoding="utf-8")  # as the protocol has it, whatever the terminal's is
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), LOOPBACK)))
    allow_open_files()
    # Exit codes, those of signals below zero. A queue of this kind may be put to by a signal handler.
    ends: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: ends.put(-number))
    _start(lambda: ends.put(_finished(command)))
    _start(lambda: ends.put(_print_regularly()))
    code = None
    while code is None:
        with suppress(queue.Empty):  # now and then: a signal that another thread happens to receive wakes nobody
            code = ends.get(timeout=TICK)
    if code < 0:
        _start(_print_last).join(PATIENCE)
    clean_up()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        signal.raise_signal(-code)
    os._exit(abs(code) + 128 * (code < 0))  # the first process of a container outlives a signal that nobody handles


def allow_open_files() -> None:
    """Raises this process's limit of open files to OPEN_FILES, or as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(OPEN_FILES, hard)), hard))


def _start(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _finished(command: Callable[[], int]) -> int:
    """Run a command and print all it has left; its exit code, 1 if the reader of our output has gone."""
    try:
        code = command()
        PRINT_BUFFER.flush()
    except BaseException:  # noqa: BLE001 - it ends a thread that nobody else listens to
        return 1
    return code


def _print_regularly() -> int:
    """Pass on what the framework still buffers, until the reader has gone; the exit code for that."""
    try:
        while True:
            time.sleep(TICK)
            PRINT_BUFFER.flush()
    except BrokenPipeError:
        return 1


def _print_last() -> None:
    """Print what is buffered; the lock, never released, keeps other threads from beginning another message."""
    PRINT_BUFFER.lock.acquire()
    PRINT_BUFFER.flush()
