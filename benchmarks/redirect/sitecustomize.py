"""Sends what a program asks of Iterable's host to another address; Python loads it before the program.

The program itself stays as it was installed. Nothing happens for a row, next to nothing for a request.
"""  # noqa: INP001 — found by its name on the import path, not as a part of a package

import os
from typing import Any

import requests
from requests.adapters import HTTPAdapter

HOST = "https://api.iterable.com"
ADDRESS = os.environ["REDIRECTED_TO"]

_send = HTTPAdapter.send


def _redirected(adapter: HTTPAdapter, request: requests.PreparedRequest, *rest: Any, **named: Any) -> requests.Response:
    if request.url and request.url.startswith(HOST):
        request.url = ADDRESS + request.url.removeprefix(HOST)
    return _send(adapter, request, *rest, **named)


HTTPAdapter.send = _redirected  # type: ignore[assignment, method-assign]
