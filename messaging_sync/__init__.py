"""Loads what a source reads into a warehouse, without a platform: a source's command, a pipe, and dlt."""

import sys


def main() -> None:
    """The console script."""
    try:
        from messaging_sync.__main__ import main as run  # noqa: PLC0415 - dlt is an extra
    except ModuleNotFoundError as error:
        sys.exit(f'{error.name} is missing: pip install "messaging-connectors[load]"')
    run()
