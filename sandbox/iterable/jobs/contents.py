"""The rows of a job as lines, and lines in files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.iterable.events import Event
from sandbox.iterable.selection import Selection

Lines = list[bytes]


@dataclass(frozen=True)
class Format:
    """An `outputFormat`: JSON lines, or CSV with a delimiter."""

    content_type: str
    extension: str
    delimiter: str = ","


JSON_LINES = Format("application/x-json-stream", "json")
CSV = Format("text/csv", "csv")
FORMATS = {each.content_type: each for each in (JSON_LINES, CSV)}


def files(selection: Selection, events: Sequence[Event], form: Format, rows: int, size: int) -> Iterator[Lines]:
    """Files of at most `rows` rows and `size` bytes, a single longer row excepted; each CSV has its header."""
    if form.content_type == JSON_LINES.content_type:
        yield from _packed(map(selection.line, events), rows, size)
        return
    chosen = [selection.row(event) for event in events]
    columns = list(dict.fromkeys([selection.filter_column, *(name for row in chosen for name in row)]))
    header = _csv_line(columns, form.delimiter, csv.QUOTE_MINIMAL)
    cells = ([_cell(row.get(name)) for name in columns] for row in chosen)
    lines = (_csv_line(row, form.delimiter, csv.QUOTE_NONNUMERIC) for row in cells)
    for packed in _packed(lines, rows, size - len(header)):
        yield [header, *packed]


def _packed(lines: Iterable[bytes], rows: int, size: int) -> Iterator[Lines]:
    pending: Lines = []
    held = 0
    for line in lines:
        if pending and (len(pending) == rows or held + len(line) > size):
            yield pending
            pending, held = [], 0
        pending.append(line)
        held += len(line)
    if pending:
        yield pending


def _csv_line(cells: Sequence[Any], delimiter: str, quoting: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """Text and numbers as they are, anything else as JSON; an absent field is an empty cell."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
