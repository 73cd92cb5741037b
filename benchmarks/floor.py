"""The floor: parse each line with orjson, serialise it again, write it. `python -m benchmarks.floor FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson


def main(path: str) -> None:
    """Lines that are no JSON are serialised as the one field of an object."""
    write = sys.stdout.buffer.write
    with Path(path).open("rb") as lines:
        is_json = lines.read(1) == b"{"
        lines.seek(0)
        for line in lines:
            row = orjson.loads(line) if is_json else {"line": line.decode().rstrip()}
            write(orjson.dumps(row) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
