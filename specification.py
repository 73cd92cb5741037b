"""What a specification forbids of a configuration, in sentences: the commands of source and destinations say them.

The framework's own words name neither field nor remedy.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft7Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from components import is_safe_address, is_sendable

_KINDS = {"boolean": "true or false", "integer": "a whole number", "array": "a list", "object": "an object"}


def config_problems(specification: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Say what a specification forbids: `` `courier.region` must be US or EU. ``; no value is shown.

    Beyond JSON schema, a `uri` is an address that a key may be sent to, and an `airbyte_secret` can stand in a header.
    """
    for error in _Validator(specification, format_checker=_FORMATS).iter_errors(config):
        path = [str(name) for name in error.absolute_path]
        if error.validator == "required":
            path.append(error.message.split("'")[1])
            yield f"Fill in `{'.'.join(path)}`."
        elif error.validator == "airbyte_secret":
            yield f"`{'.'.join(path)}` holds characters that no key has: copy it again."
        else:
            yield f"`{'.'.join(path)}` must be {_wanted(error.schema)}."


def _wanted(schema: Mapping[str, Any]) -> str:
    """Return a schema in words: `{"type": "integer", "minimum": 0, "maximum": 9}` is "a whole number from 0 to 9"."""
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("format") == "uri":
        return "an address that starts with https://, or http:// on this machine"
    if schema.get("format") == "date-time":
        return f"a date in the past, spelled like {schema['pattern_descriptor']}"
    kind = _KINDS.get(schema["type"], "a number" if schema["type"] == "number" else "a text")
    if "exclusiveMinimum" in schema:
        return f"{kind} above {schema['exclusiveMinimum']}"
    return f"{kind} from {schema['minimum']} to {schema['maximum']}" if "maximum" in schema else kind


def _no_key(_validator: Any, is_secret: bool, value: Any, _schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if is_secret and isinstance(value, str) and not is_sendable(value):
        yield ValidationError("no key")


_Validator: Any = extend(Draft7Validator, {"airbyte_secret": _no_key})  # type: ignore[no-untyped-call]
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("uri")
def _is_safe(url: Any) -> bool:
    return not isinstance(url, str) or is_safe_address(url)
