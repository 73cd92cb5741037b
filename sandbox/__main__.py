"""`python -m sandbox`: serves the sandbox until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import date
from threading import Event

from sandbox import Sandbox, serve
from sandbox.core import RECEIVED
from sandbox.courier.workspace import CourierWorkspace
from sandbox.iterable.project import IterableProject
from sandbox.rudderstack.plane import DataPlane


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A local stand-in for the APIs of Iterable and Courier, and for RudderStack's data plane.",
        epilog=f"""API keys:
  Iterable     {IterableProject.api_key}
  Courier      {CourierWorkspace.api_key}
  RudderStack  {DataPlane.write_key} (write key)

What the data plane has received: GET {RECEIVED}""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument(
        "--anchor",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="day the data is arranged around (default: today)",
    )
    parser.add_argument("--no-budgets", dest="budgets", action="store_false", help="lift all rate limits")
    parser.add_argument("--empty", dest="seed", action="store_false", help="start without made-up data")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        sandbox = Sandbox(anchor=arguments.anchor, budgets=arguments.budgets, seed=arguments.seed)
        with serve(sandbox, arguments.port) as url:
            print(f"Sandbox listening on {url}", flush=True)
            stop.wait()
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "there is no such port"
        print(f"The sandbox cannot listen on port {arguments.port}: {reason}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
