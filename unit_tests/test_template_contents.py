"""What templates say: each in all its locales, again only when it has changed, and none lost for another's trouble."""

from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.faults import Answer, Fault
from unit_tests.conftest import NOW, Syncing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import Sync

MEDIA = {
    "email_templates": "Email",
    "push_templates": "Push",
    "sms_templates": "SMS",
    "in_app_templates": "InApp",
    "embedded_templates": "Embedded",
}
NOON = int(NOW.timestamp() * 1000)
media = pytest.mark.parametrize("stream", MEDIA)


@pytest.fixture
def templates(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Three of each medium: the first has two more locales, and shares an id with the second, which lacks them."""
    sandbox.iterable.templates = [
        {"templateId": number, "templateType": "Blast", "messageMedium": medium, "createdAt": 1_772_000_000_000}
        | {
            "updatedAt": 1_773_000_000_000 + number,
            "clientTemplateId": None if number % 10 == 3 else f"ours 🎉 {medium}",
        }
        for tens, medium in enumerate(MEDIA.values(), 1)
        for number in range(10 * tens + 1, 10 * tens + 4)
    ]
    sandbox.iterable.locales = {number: ["de", "pt_BR"] for number in range(1, 60, 10)}
    return sandbox.iterable.templates


def versions(synced: Sync, stream: str) -> list[tuple[int, str]]:
    """Which template of its medium in which locale, as `(1, "de")`."""
    return sorted((row["templateId"] % 10, row["requestedLocale"]) for row in synced.records[stream])


def asked(sandbox: Sandbox, stream: str) -> list[tuple[int, str]]:
    """Return the templates and locales asked for since the last look."""
    path = f"/api/templates/{MEDIA[stream].lower()}/get"
    queries = [call.query for call in sandbox.calls if call.path == path]
    sandbox.calls.clear()
    return sorted((int(query["templateId"][0]) % 10, query.get("locale", [""])[0]) for query in queries)


LISTINGS = [("/api/templates$", spared) for spared in range(8)]
"""The listings of the four types, for the locales and for the default one."""
ALL = [(1, ""), (1, "de"), (1, "pt_BR"), (2, ""), (3, "")]


@media
def test_only_a_changed_template_is_asked_for_again(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, templates: list[dict[str, Any]], stream: str
) -> None:
    first = sync(stream)
    assert versions(first, stream) == ALL
    clock.advance(3600)
    sandbox.calls.clear()

    second = sync(stream, state=first.final_state)
    assert (versions(second, stream), asked(sandbox, stream)) == ([], [])

    changed = next(row for row in templates if row["messageMedium"] == MEDIA[stream])
    changed["updatedAt"] = NOON + 5_400_000
    clock.advance(3600)
    third = sync(stream, state=second.final_state)
    assert versions(third, stream) == asked(sandbox, stream) == ALL[:3]
    assert {row["updatedAt"] for row in third.records[stream]} == {NOON + 5_400_000}

    clock.advance(3600)
    assert versions(sync(stream, state=third.final_state), stream) == []


@media
@pytest.mark.parametrize(("status", "code"), [(400, "BadParams"), (404, "NotFound"), (500, "GenericError")])
def test_a_template_that_is_refused_costs_itself_alone(
    sandbox: Sandbox, sync: Syncing, templates: list[dict[str, Any]], stream: str, status: int, code: str
) -> None:
    gone = next(str(row["templateId"] + 1) for row in templates if row["messageMedium"] == MEDIA[stream])
    refusal = Answer(status, {"msg": "No.", "code": code})
    sandbox.faults.add(Fault("/get$", refusal, times=None, query={"templateId": gone}))

    synced = sync(stream)

    assert versions(synced, stream) == [version for version in ALL if version != (2, "")]
    assert any(f"{stream}: 3 left out so far." in line for line in synced.logs)


@pytest.mark.parametrize("query", [{"templateId": "11", "locale": "de"}, {"templateId": "12"}])
def test_a_template_that_cannot_be_had_is_asked_for_by_the_next_sync(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, templates: list[dict[str, Any]], query: dict[str, str]
) -> None:
    sandbox.faults.add(Fault("/get$", Answer(503, ""), times=None, query=query))
    failed = sync("email_templates", fails=True, config={"max_retries": 1})
    sandbox.faults.clear()
    clock.advance(3600)

    again = sync("email_templates", state=failed.final_state)

    lost = int(query["templateId"]) % 10, query.get("locale", "")
    assert versions(failed, "email_templates") == [version for version in ALL if version != lost]
    assert lost in versions(again, "email_templates")


@pytest.mark.parametrize(("path", "spared"), [("ClientTemplateId$", 0), ("ClientTemplateId$", 1), *LISTINGS])
def test_whatever_fails_on_the_way_is_brought_by_the_next_sync(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, templates: list[dict[str, Any]], path: str, spared: int
) -> None:
    templates[1]["clientTemplateId"], sandbox.iterable.locales[12] = "second", ["fr"]
    sandbox.faults.add(Fault(path, Answer(503, ""), times=None, after=spared))
    failed = sync("email_templates", fails=True, config={"max_retries": 1})
    sandbox.faults.clear()
    clock.advance(3600)

    again = sync("email_templates", state=failed.final_state)

    assert {*versions(failed, "email_templates"), *versions(again, "email_templates")} == {*ALL, (2, "fr")}
