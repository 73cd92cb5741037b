"""Configurations: cleaned, and checked against their own specification."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from jsonschema import Draft7Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from connector_process import config_error

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

_KINDS: Final = {
    "array": "a list", "boolean": "true or false", "integer": "a whole number", "number": "a number",
    "object": "an object", "string": "a text",
}  # fmt: skip
_BOUNDS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
_ADDRESS: Final = (
    "an address that starts with https://, without a query; plain http is accepted for this machine only "
    "(http://127.0.0.1:…)"
)


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


def config_problems(specification: Mapping[str, Any], config: Config) -> Iterator[str]:
    """Yield a sentence for each thing in a configuration that its specification forbids; none shows a value.

    `{"num_workers": 0}` → "Fill in `api_key`.", "`num_workers` must be a whole number from 1 to 64."
    """
    errors = _Validator(specification, format_checker=_FORMATS).iter_errors(cleaned(config))
    yield from dict.fromkeys(sentence for error in errors for sentence in _sentences(error))


def validated(
    specification: Mapping[str, Any], config: Config, further: Callable[[Config], Iterable[str]] = lambda _: ()
) -> dict[str, Any]:
    """Return the configuration cleaned, with its defaults.

    further: problems that a specification has no words for, of a configuration that it allows.
    Errors: config_error with a sentence for each problem.
    """
    given: dict[str, Any] = cleaned(config)
    problems = [*config_problems(specification, given)] or [*further(given)]
    if problems:
        raise config_error(" ".join(problems))
    fields = specification["properties"]
    return {name: field["default"] for name, field in fields.items() if "default" in field} | given


def _sentences(error: ValidationError) -> Iterator[str]:
    path = [str(part) for part in error.absolute_path]
    schema: Any = error.schema
    holder: Any = error.instance
    if error.validator == "required":
        for name in schema["required"]:
            if name not in holder:
                choices = schema["properties"][name].get("enum")
                yield f"Fill in {_field(*path, name)}{f': {_one_of(choices)}' if choices else ''}."
    elif error.validator == "additionalProperties":
        for name in holder:
            if name not in schema["properties"]:
                yield f"There is no field {_field(*path, name)}; there are {', '.join(schema['properties'])}."
    elif error.validator == "airbyte_secret":
        yield f"{_field(*path)} holds blanks or characters that no key has: copy it again."
    else:
        yield f"{_field(*path)} must be {_wanted(schema)}."


def _field(*path: str) -> str:
    return f"`{'.'.join(path)}`"


def _wanted(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return _one_of(schema["enum"])
    if schema.get("format") == "uri":
        return _ADDRESS
    if schema.get("uniqueItems"):
        return "a list that names nothing twice"
    kind = "a date and time" if schema.get("format") == "date-time" else _KINDS[schema["type"]]
    if "minimum" in schema and "maximum" in schema:
        bounds = f" from {schema['minimum']} to {schema['maximum']}"
    else:
        said = [f"{words} {schema[name]}" for name, words in _BOUNDS.items() if name in schema]
        bounds = f", {' and '.join(said)}" if said else ""
    spelling = f" spelled like {schema['pattern_descriptor']}" if "pattern_descriptor" in schema else ""
    return kind + bounds + spelling


def _one_of(words: Sequence[Any]) -> str:
    """`["US", "EU"]` → "US or EU"."""
    *most, last = map(str, words)
    return f"{', '.join(most)} or {last}" if most else last


def _secret_errors(
    _validator: Any, is_secret: bool, value: Any, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """A key travels in a header."""
    if is_secret and isinstance(value, str) and not re.fullmatch(r"[!-~]*", value):
        yield ValidationError("no key")


_Validator: Any = extend(Draft7Validator, {"airbyte_secret": _secret_errors})  # type: ignore[no-untyped-call]
_FORMATS: Final = FormatChecker(formats=())


@_FORMATS.checks("date-time", ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value) is not None


@_FORMATS.checks("uri", ValueError)
def _is_safe_address(value: object) -> bool:
    """Return True for an address that a key may travel to: over TLS, or within this machine."""
    if not isinstance(value, str):
        return True
    parts = urlsplit(value)
    _ = parts.port  # which raises for a number that is none
    # A user name in an address could hold a password, and would be printed with it.
    if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc or re.search(r"\s", value):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(value))


def is_loopback(url: str) -> bool:
    """Return True for an address of this machine: `http://127.0.0.1:8642`, `http://[::1]`, `http://localhost`."""
    return re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", urlsplit(url).hostname or "") is not None
