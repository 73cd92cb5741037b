"""This project's source as a program to measure."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PROGRAM: Final = ROOT / "source_messaging.py"
LIFTED: Final = 100_000  # times the vendor's call budgets, which leaves none
FULL_REFRESH: Final = frozenset({"list_users"})  # of the streams measured here

Json = dict[str, Any]


def command(name: str, folder: Path, program: Path = PROGRAM, **files: Json) -> list[str]:
    """A command line of the source; the files it names are written into the folder."""
    words = [sys.executable, str(program), name]
    for option, content in files.items():
        path = folder / f"{option}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        words += [f"--{option}", str(path)]
    return words


def read_command(stream: str, config: Json, folder: Path, program: Path = PROGRAM) -> list[str]:
    """Reads one stream, incrementally where it can."""
    mode = "full_refresh" if stream in FULL_REFRESH else "incremental"
    catalog = {"streams": [configured({"name": stream, "supported_sync_modes": ["full_refresh", mode]})]}
    return command("read", folder, program, config=config, catalog=catalog)


def configured(stream: Mapping[str, Any]) -> Json:
    """A stream as a catalog asks for it: incrementally where it can be."""
    is_incremental = "incremental" in stream["supported_sync_modes"]
    return {
        "stream": {"json_schema": {}, **stream},
        "sync_mode": "incremental" if is_incremental else "full_refresh",
        "destination_sync_mode": "append",
        "cursor_field": stream.get("default_cursor_field") or [],
        "primary_key": stream.get("source_defined_primary_key") or [],
    }


def config_of(address: str, start_date: str) -> Json:
    """Both vendors at one address, without call budgets."""
    return {
        "api_key": "benchmark",
        "api_url": address,
        "start_date": start_date,
        "budget_share": LIFTED,
        "courier": {"api_key": "benchmark", "api_url": address},
    }


_ROW: Final = re.compile(r'^    - \{\$ref: "#/definitions/(\w+)"(, \$parameters: \{name: (\w+).*)?\}\n', re.MULTILINE)
# The stream `messages` as a listing like the others, asked for under another address.
MESSAGES_AS_LISTING: Final = {
    "messages": (
        '    - {$ref: "#/definitions/courier_listing", $parameters: {name: messages, endpoint: messages-listed}, '
        'transformations: [{$ref: "#/definitions/enqueued_at"}], schema_loader: "#/schemas/messages"}\n'
    )
}


def copied(folder: Path, only: Container[str] | None = None, rows: Mapping[str, str] | None = None) -> Path:
    """A copy of the source with another table of streams: with fewer of them, or with rows in place of a stream's.

    Raises ValueError for a stream that the table has not.
    """
    missing = {*(rows or {})}

    def change(row: re.Match[str]) -> str:
        name = row[3] or row[1]
        missing.discard(name)
        return "" if only is not None and name not in only else (rows or {}).get(name, row[0])

    for path in ROOT.glob("*.py"):
        shutil.copy(path, folder)
    manifest = _ROW.sub(change, (ROOT / "manifest.yaml").read_text(encoding="utf-8"))
    if missing:
        raise ValueError(f"The manifest's table has no row for {', '.join(sorted(missing))}.")
    (folder / "manifest.yaml").write_text(manifest, encoding="utf-8")
    return folder / "source_messaging.py"
