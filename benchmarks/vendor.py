"""A server in a process of its own that hands out one file of rows: `python -m benchmarks.vendor KIND FILE FIRST`.

It answers what a connector asks for to read that kind of row, windows and lists included, from bytes that are
ready. It prints its address, and ends when its standard input does, so that none is ever left behind.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

from benchmarks.data import LISTS, Period, RowFile
from benchmarks.programs import ROOT
from sandbox import Sandbox, serve
from sandbox.iterable.timestamps import epoch_seconds
from sandbox.messages import Reply, Request, json_reply, lines_reply


class Vendor(Sandbox):
    """A sandbox without data of its own: all its rows are the file's."""

    def __init__(self, kind: str, rows: RowFile, period: Period) -> None:
        super().__init__(seed=False, budgets=False)
        self._rows = rows
        self._period = period
        answers: dict[str, dict[str, Callable[[Request], Reply]]] = {
            "email_send": {"/api/export/data.json": self._window},
            "users": {"/api/export/data.json": self._window},
            "list_users": {"/api/lists": self._lists, "/api/lists/getUsers": self._members},
        }
        self._answers = answers[kind]

    def answer(self, request: Request) -> Reply:
        answer = self._answers.get(request.path)
        return json_reply({"code": "NotFound"}, 404) if answer is None else answer(request)

    def _window(self, request: Request) -> Reply:
        """The rows of [startDateTime, endDateTime)."""
        first = self._place(request.parameter("startDateTime"), 0)
        after = self._place(request.parameter("endDateTime"), inf)
        return lines_reply(self._rows.pieces(first, max(first, after)))

    def _place(self, moment: str | None, otherwise: float) -> int:
        rows = len(self._rows)
        seconds = otherwise if moment is None else epoch_seconds(moment)
        return rows if seconds == inf else self._period.place(seconds, rows)

    def _lists(self, _request: Request) -> Reply:
        rows = [{"id": number, "name": f"List {number}", "createdAt": 1} for number in range(1, LISTS + 1)]
        return json_reply({"lists": rows})

    def _members(self, request: Request) -> Reply:
        number, rows = int(request.parameter("listId") or 0), len(self._rows)
        return lines_reply(self._rows.pieces((number - 1) * rows // LISTS, number * rows // LISTS))


@contextmanager
def serving(kind: str, rows: RowFile, period: Period) -> Iterator[str]:
    """The address of a vendor in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.vendor", kind, str(rows.path), str(period.first)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as vendor:  # noqa: S603 — this module
        try:
            address = vendor.stdout.readline().strip() if vendor.stdout else ""
            if not address:
                raise RuntimeError("The benchmark's server did not start.")
            yield address
        finally:
            vendor.kill()


def main(kind: str, path: str, first: str) -> None:
    """Serve until standard input ends."""
    with serve(Vendor(kind, RowFile(Path(path)), Period(int(first)))) as address:
        print(address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
