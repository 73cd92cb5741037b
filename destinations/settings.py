"""What both configurations have in common: how an address and a choice are checked, and how mistakes are said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from destinations.rejected import failure

Config = Mapping[str, Any]

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1", re.IGNORECASE)

ON_INVALID_RECORD: dict[str, Any] = {
    "type": "string",
    "title": "Rows that cannot be delivered",
    "description": "fail: the first one ends the sync. skip: they are left out, and counted in a warning at the end.",
    "enum": ["fail", "skip"],
    "default": "fail",
}


def refuse(mistakes: Iterator[str]) -> None:
    """Errors: config_error with a sentence for each mistake."""
    said = " ".join(mistakes)
    if said:
        raise failure(said)


def secret_mistakes(config: Config, field: str, what: str) -> Iterator[str]:
    value = config.get(field)
    if not isinstance(value, str) or not value.strip():
        yield f"Fill in `{field}`: {what}."
    elif value != value.strip() or not value.isascii() or not value.isprintable():
        yield f"`{field}` holds blanks or characters that no key has: copy it again."


def choice_mistakes(config: Config, field: str, choices: tuple[str, ...]) -> Iterator[str]:
    if field in config and config[field] not in choices:
        yield f"`{field}` must be {', '.join(choices[:-1])} or {choices[-1]}."


def address_mistakes(config: Config, field: str, needed: bool) -> Iterator[str]:
    """A key travels only over TLS, or within this machine."""
    address = config.get(field)
    if not needed and address in (None, ""):
        return
    if not isinstance(address, str) or not address:
        yield f"Fill in `{field}`: an address that starts with https://."
    elif not _is_safe(address):
        yield (
            f"`{field}` must be an address that starts with https://, without a query; plain http is accepted for this "
            "machine only (http://127.0.0.1:…)."
        )


def number_mistakes(config: Config, field: str, lowest: int, highest: int) -> Iterator[str]:
    if field not in config:
        return
    value = config[field]
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        yield f"`{field}` must be a whole number from {lowest} to {highest}."


def _is_safe(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    # A user name in an address could hold a password, and would be printed with it.
    if not host or parts.query or parts.fragment or "@" in parts.netloc or re.search(r"\s", address):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _LOOPBACK.fullmatch(host) is not None)
