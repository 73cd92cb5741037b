"""Configurations: cleaned, and checked against their own specification."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from connector_process import config_error
from specification import config_problems

Config = Mapping[str, Any]

ON_INVALID_RECORD: Final = {
    "type": "string",
    "title": "Rejected rows",
    "description": (
        "What to do with rows that cannot be delivered. fail: the first one ends the sync. skip: they are left out "
        "and counted in a warning at the end."
    ),
    "enum": ["fail", "skip"],
    "default": "fail",
}


def cleaned(value: Any) -> Any:
    """Return a configuration without blanks around texts and without empty fields; 5.0 becomes 5.

    `{"api_key": " k ", "region": "", "streams": None, "num_workers": 5.0}` → `{"api_key": "k", "num_workers": 5}`
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        entries = ((name, cleaned(inner)) for name, inner in value.items())
        return {name: inner for name, inner in entries if inner is not None and inner != ""}
    return [cleaned(inner) for inner in value] if isinstance(value, list) else value


def validated(
    specification: Mapping[str, Any], config: Config, further: Callable[[Config], Iterable[str]] = lambda _: ()
) -> dict[str, Any]:
    """Return the configuration cleaned, with its defaults.

    further: problems that a specification has no words for, of a configuration that it allows.
    Errors: config_error with a sentence for each problem.
    """
    given: dict[str, Any] = cleaned(config)
    problems = [*config_problems(specification, given)] or further(given)
    if said := " ".join(dict.fromkeys(problems)):
        raise config_error(said)
    fields = specification["properties"]
    return {name: field["default"] for name, field in fields.items() if "default" in field} | given
