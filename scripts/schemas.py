"""Writes the schemas of the streams into the tail of manifest.yaml, where they can be imported with it.

The files are edited in `schemas/`; a field set or an object used by several streams stands once in `schemas/shared/`
and is referred to as `{"$ref": "shared/event.json#/properties"}`. In the manifest the reference becomes
`#/schemas/event/schema/properties`, so that shared fields stand once there, too. Each entry of the tail is a loader,
ready to be named by a stream's row.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "manifest.yaml"
MARKER = "# ---- written from schemas/ by `make schemas`; edit the files there, not what follows ----\n"
SHARED_REFERENCE = re.compile(r"shared/(\w+)\.json(?:#(/.*))?")


def main() -> None:
    MANIFEST.write_text(with_tail(MANIFEST.read_text(encoding="utf-8")), encoding="utf-8")


def with_tail(manifest: str) -> str:
    """The manifest's hand-written part, followed by the schemas as they are in the files now."""
    head, _, _ = manifest.partition(MARKER)
    return f"{head.rstrip()}\n\n{MARKER}schemas:\n{''.join(_tail())}"


def _tail() -> Iterator[str]:
    folder = ROOT / "schemas"
    for file in [*sorted((folder / "shared").glob("*.json")), *sorted(folder.glob("*.json"))]:
        yield f"  {file.stem}:\n    type: InlineSchemaLoader\n    schema:\n"
        for name, value in json.loads(file.read_text(encoding="utf-8")).items():
            yield from _lines(name, value)


def _lines(name: str, value: Any) -> Iterator[str]:
    """One line a field of the schema, and one for each of its properties."""
    if name != "properties":
        yield f"      {_text(name)}: {_text(value)}\n"
        return
    yield "      properties:\n"
    for column, schema in value.items():
        yield f"        {_text(column)}: {_text(schema)}\n"


def _text(value: Any) -> str:
    """JSON, which is YAML, with references turned into the manifest's own."""
    return json.dumps(_in_manifest(value), ensure_ascii=False)


def _in_manifest(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_manifest(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_manifest(item) for item in value]
    reference = SHARED_REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return f"#/schemas/{reference[1]}/schema{reference[2] or ''}" if reference else value


if __name__ == "__main__":
    main()
