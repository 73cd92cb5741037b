"""The values of `dataTypeName`: one for each schema of an event, so that a new schema is a data type here at once."""

from __future__ import annotations

from sandbox import samples

USER = "user"
CUSTOM_EVENT = "customEvent"
PURCHASE = "purchase"

_ODD = {"emailUnsubscribe": "emailUnSubscribe"}


def _spelt(schema: str) -> str:
    """`in_app_click` → `inAppClick`."""
    first, *others = schema.split("_")
    name = first + "".join(map(str.capitalize, others))
    return _ODD.get(name, name)


SCHEMAS = {_spelt(schema): schema for schema in samples.names("event")}
EVENTS = tuple(SCHEMAS)
ALL = (*EVENTS, USER)

_BY_LOWER_CASE = {name.lower(): name for name in ALL}


def canonical(name: str) -> str | None:
    """The documented spelling of a data type, whatever its letter case; None for an unknown one."""
    return _BY_LOWER_CASE.get(name.lower())


def filter_column(data_type: str) -> str:
    """The column that an export's window is about."""
    return "profileUpdatedAt" if data_type == USER else "createdAt"
