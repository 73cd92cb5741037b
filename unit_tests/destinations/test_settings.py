"""The things that any specification forbids, in sentences."""

from typing import Any

import pytest
import yaml

from destinations.settings import cleaned, config_problems
from unit_tests.destinations.conftest import ROOT

SPECIFICATION = {
    "type": "object",
    "required": ["key"],
    "properties": {
        "key": {"type": "string", "airbyte_secret": True},
        "since": {
            "type": "string", "format": "date-time", "pattern": "Z$", "pattern_descriptor": "YYYY-MM-DDTHH:mm:ssZ",
        },
        "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "tries": {"type": "integer", "minimum": 0},
        "loud": {"type": "boolean"},
        "inner": {
            "type": "object",
            "required": ["mode"],
            "additionalProperties": False,
            "properties": {
                "mode": {"type": "string", "enum": ["a", "b", "c"]}, "url": {"type": "string", "format": "uri"},
            },
        },
    },
}  # fmt: skip
SINCE = "`since` must be a date and time spelled like YYYY-MM-DDTHH:mm:ssZ."
SHARE = "`share` must be a number, above 0 and at most 1."
TRIES = "`tries` must be a whole number, at least 0."


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        ({}, ["Fill in `key`."]),
        ({"key": "secret value"}, ["`key` holds blanks or characters that no key has: copy it again."]),
        ({"key": ["secret"]}, ["`key` must be a text."]),
        ({"key": "k", "since": "2026-02-30T00:00:00Z"}, [SINCE]),
        ({"key": "k", "since": "0000-01-01T00:00:00Z"}, [SINCE]),
        ({"key": "k", "since": "2026-02-03T00:00:00+01:00"}, [SINCE]),
        ({"key": "k", "since": 5}, [SINCE]),
        ({"key": "k", "share": 0}, [SHARE]),
        ({"key": "k", "share": 2.5, "tries": -1}, [SHARE, TRIES]),
        ({"key": "k", "tries": 5.5}, [TRIES]),
        ({"key": "k", "tries": "5"}, [TRIES]),
        ({"key": "k", "tries": False, "loud": 1}, [TRIES, "`loud` must be true or false."]),
        ({"key": "k", "inner": "secret"}, ["`inner` must be an object."]),
        ({"key": "k", "inner": {"mode": ""}}, ["Fill in `inner.mode`: a, b or c."]),
        ({"key": "k", "inner": {"mode": "d", "more": 1}}, [
            "There is no field `inner.more`; there are mode, url.", "`inner.mode` must be a, b or c.",
        ]),
        ({"key": "k\n", "since": "2026-02-03T00:00:00Z ", "tries": 5.0, "inner": None, "other": 1}, []),
        ({"key": "k", "inner": {"mode": "a", "url": "http://LOCALHOST:1/x"}}, []),
    ],
)  # fmt: skip
def test_what_a_specification_forbids_is_told_in_its_words(config: dict[str, Any], problems: list[str]) -> None:
    assert sorted(config_problems(SPECIFICATION, config)) == sorted(problems)


def test_the_sources_specification_has_words_for_all_that_it_forbids() -> None:
    manifest = yaml.safe_load((ROOT / "manifest.yaml").read_text(encoding="utf-8"))
    specification = manifest["spec"]["connection_specification"]
    names = specification["properties"]

    said = list(config_problems(specification, {name: [1] for name in names}))

    assert [sentence.split()[0] for sentence in said] == [f"`{name}`" for name in names]


def test_a_configuration_is_cleaned_down_to_its_last_list() -> None:
    given = {"a": [{"b": " x\n", "c": " ", "d": None, "e": 5.0, "f": 0.5, "g": 0, "h": False}], "i": {}}

    assert cleaned(given) == {"a": [{"b": "x", "e": 5, "f": 0.5, "g": 0, "h": False}], "i": {}}
