"""Adds a stream of a usual kind: a row of the manifest, a schema to fill in, and what the sandbox and dbt need of it.

    make new-stream NAME=sms_read KIND=iterable-event

Every test passes afterwards; what the vendor documents of the columns is then written into the schema.
"""

import argparse
import json
import re
from collections.abc import Iterator

from scripts import docs, schemas
from scripts.streams import ENDPOINTS, MANIFEST, ROOT, Json

INSTANT: Json = {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
LISTED: Json = {"createdAt": INSTANT, "updatedAt": INSTANT, "name": {"type": ["null", "string"]}}
DATA: Json = {"data": {"$ref": "shared/data.json"}}
COLUMNS: dict[str, Json] = {
    "iterable-event": {"$ref": "shared/event.json#/properties", "_type": {"$ref": "shared/event_type.json"}},
    "iterable-listing": {"id": {"type": "integer"}, **LISTED},
    "courier-listing": {"id": {"type": "string"}, **LISTED},
}
ROW = '    - {{$ref: "#/definitions/{}", $parameters: {{{}}}, schema_loader: "#/schemas/{}"}}\n'


def main() -> None:
    parser = argparse.ArgumentParser("make new-stream", description=__doc__.splitlines()[0])
    parser.add_argument("name", metavar="NAME", help="in snake_case: sms_read; the vendor's spelling follows from it")
    parser.add_argument("kind", metavar="KIND", choices=COLUMNS)
    arguments = parser.parse_args()
    schema = ROOT / "schemas" / f"{arguments.name}.json"
    if not re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", arguments.name):
        parser.error(f"NAME={arguments.name} is no snake_case name, such as sms_read.")
    if schema.exists():
        parser.error(f"There is a stream in schemas/{schema.name} already.")
    for path, neighbours, lines in insertions(arguments.name, arguments.kind):
        text = (ROOT / path).read_text(encoding="utf-8")
        end = [match.end() for match in re.finditer(neighbours, text, re.MULTILINE)][-1]
        (ROOT / path).write_text(text[:end] + lines + text[end:], encoding="utf-8")
    schema.write_text(skeleton(COLUMNS[arguments.kind] | DATA), encoding="utf-8")
    schemas.main()
    docs.main()
    print(f"Describe the columns of {arguments.name} in schemas/{schema.name}; then `make schemas docs test`.")


def insertions(name: str, kind: str) -> Iterator[tuple[str, str, str]]:
    """Yield what to write: a file, the lines of its kind behind the last of which to write, and the text."""
    family = {"iterable-event": "export", "iterable-listing": "listing", "courier-listing": "courier_listing"}[kind]
    endpoint = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
    parameters = f"name: {name}, endpoint: {endpoint}" if kind == "iterable-listing" else f"name: {name}"
    yield MANIFEST.name, rf'^    - \{{\$ref: "#/definitions/{family}".*\n', ROW.format(family, parameters, name)
    if kind == "iterable-event":
        yield "dbt/macros/events.sql", r"^        '.*',\n", f"        '{name}',\n"
        yield "dbt/models/sources.yml", r"^      - name: unknown_session\n", f"      - name: {name}\n"
    else:
        vendor, path = kind.removesuffix("-listing"), f"/{name.replace('_', '-')}"
        address = path if vendor == "courier" else f"/api/{endpoint}"
        plain = r'^    Listing\("[^"{]*", "\w+"\),\n'
        yield f"sandbox/{vendor}/listings.py", plain, f'    Listing("{address}", "{name}"),\n'
        if f"  {address}: " not in ENDPOINTS.read_text(encoding="utf-8"):
            yield "docs/endpoints.yaml", rf"^{vendor.capitalize()}:\n(  .*\n)+", f"  {address}: {{}}\n"


def skeleton(columns: Json) -> str:
    """Return a schema with one line a column."""
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(column)}" for name, column in columns.items())
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": True}
    return f'{json.dumps(head, indent=2)[:-2]},\n  "properties": {{\n{lines}\n  }}\n}}\n'


if __name__ == "__main__":
    main()
