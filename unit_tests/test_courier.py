"""Courier: alone or beside Iterable, paged to the end, read again as far back as messages change."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import quote, unquote

import pytest
import requests

from sandbox import Sandbox
from sandbox.courier.timestamps import milliseconds
from sandbox.courier.workspace import CourierWorkspace
from sandbox.faults import Answer, Cut, Fault
from sandbox.messages import json_reply
from scripts.streams import MANIFEST, Stream, resolve, streams_of
from unit_tests.conftest import NOW, Command, Syncing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import Sync

STREAMS = streams_of(resolve(MANIFEST.read_text(encoding="utf-8")))
CHILDREN = [each for each in STREAMS if (each.vendor, each.kind) == ("Courier", "children") and each.primary_key[1:]]

DAY = 86_400
NOON = int(NOW.timestamp() * 1000)


@pytest.fixture
def config(address: str) -> dict[str, Any]:
    return {"courier": {"api_key": "sandbox-courier-key", "api_url": address}}


def message(number: int, days_ago: float, **fields: Any) -> dict[str, Any]:
    enqueued = NOON - int(days_ago * DAY * 1000)
    return {"id": f"m{number}", "status": "SENT", "enqueued": enqueued, "recipientId": f"user-{number}", **fields}


def paths(sandbox: Sandbox) -> Counter[str]:
    return Counter(call.path for call in sandbox.calls)


def waits(clock: VirtualClock) -> list[int]:
    return [round(seconds) for seconds in clock.slept if seconds > 3]


def test_messages_are_paged_to_the_end_and_come_out_once(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.courier.messages = [message(number, days_ago=number) for number in range(1, 48)]

    synced = sync("messages")

    held = sorted(row["id"] for row in sandbox.courier.messages)
    assert sorted(row["id"] for row in synced.records["messages"]) == held
    assert paths(sandbox) == {"/messages": 5}
    assert synced.states["messages"][-1] == {"enqueued": str(NOON - DAY * 1000)}


def test_a_second_sync_goes_back_as_far_as_messages_change(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock
) -> None:
    sandbox.courier.messages = [message(number, days_ago=number) for number in range(1, 48)]
    first = sync("messages")
    sandbox.courier.messages[2]["status"] = "CLICKED"
    clock.advance(3600)
    sandbox.calls.clear()

    second = sync("messages", state=first.final_state)

    assert sandbox.calls[0].query["enqueued_after"] == [str(NOON - 8 * DAY * 1000 - 1)]
    assert {row["id"]: row["status"] for row in second.records["messages"]} == {
        f"m{number}": "CLICKED" if number == 3 else "SENT" for number in range(1, 9)
    }


def test_messages_that_arrive_while_paging_neither_repeat_nor_hide_others(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.courier.messages = [message(number, days_ago=number) for number in range(1, 31)]
    before = sorted(row["id"] for row in sandbox.courier.messages)
    answer = sandbox.answer

    def answer_and_receive(request: Any) -> Any:
        reply = answer(request)
        sandbox.courier.messages += [message(1000 + len(sandbox.calls) * 10 + place, days_ago=0) for place in range(7)]
        return reply

    with mock.patch.object(sandbox, "answer", answer_and_receive):
        synced = sync("messages")

    assert sorted(row["id"] for row in synced.records["messages"]) == before


@pytest.mark.parametrize("stream", CHILDREN, ids=lambda stream: stream.name)
def test_what_is_deleted_before_its_turn_costs_its_own_rows_alone(
    seeded: Sandbox, sync: Syncing, stream: Stream
) -> None:
    midnight = NOON - DAY * 1000 // 2
    seeded.courier.messages = [row for row in seeded.courier.messages if row["enqueued"] < midnight]
    parent = stream.primary_key[0]
    whole = sync(stream.name).records[stream.name]
    gone = whole[0][parent]
    path = re.escape(stream.paths[0].format(quote(gone, safe="")))
    seeded.faults.add(Fault(f"^{path}$", Answer(404, {"message": "Not Found"}), times=None))

    synced = sync(stream.name)

    left = [row for row in whole if row[parent] != gone]
    assert sorted(map(json.dumps, synced.records[stream.name])) == sorted(map(json.dumps, left))
    assert left
    refused = f"{stream.name}: 1 left out so far. The API refused stream {stream.name}: HTTP 404, “Not Found”."
    assert refused in synced.logs


def test_a_message_from_the_future_hides_none_from_the_next_sync(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.courier.messages = [message(1, days_ago=1), message(2, days_ago=2)]
    page = {"paging": {"more": False}, "results": [message(3, days_ago=-20_000), *sandbox.courier.messages]}
    sandbox.faults.add(Fault("^/messages$", Answer(200, page)))

    first = sync("messages")
    second = sync("messages", state=first.final_state)

    assert [row["id"] for row in second.records["messages"]] == ["m1", "m2"]
    assert [line for line in second.logs if "messages: the saved state lies in the future" in line]


@pytest.mark.parametrize("enqueued", ["soon", True])
def test_a_time_that_is_none_costs_no_message(sandbox: Sandbox, sync: Syncing, enqueued: Any) -> None:
    odd = message(1, days_ago=1) | {"enqueued": enqueued}
    page = {"paging": {"more": False}, "results": [odd, message(2, days_ago=2)]}
    sandbox.faults.add(Fault("^/messages$", Answer(200, page)))

    synced = sync("messages")

    assert [(row["id"], row.get("enqueued_at")) for row in synced.records["messages"]] == [
        ("m1", None),
        ("m2", "2026-03-13T12:00:00+00:00"),
    ]
    assert synced.states["messages"][-1] == {"enqueued": str(NOON - 2 * DAY * 1000)}


def test_a_cursor_that_looks_like_a_number_is_handed_back_as_it_is(sandbox: Sandbox, sync: Syncing) -> None:
    cursors = ["1e5", "12_34", "None", "[1]"]
    asked: list[str | None] = []

    def page(request: Any) -> Any:
        asked.append(request.parameter("cursor"))
        following = cursors[len(asked) - 1 : len(asked)]
        paging = {"more": bool(following), "cursor": following[0] if following else None}
        return json_reply({"paging": paging, "results": []})

    with mock.patch.object(sandbox, "answer", page):
        sync("messages")

    assert asked == [None, *cursors]


def test_the_time_of_a_message_is_there_as_a_timestamp_too(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.courier.messages = [message(1, days_ago=0.5)]

    (record,) = sync("messages").records["messages"]

    assert record["enqueued"] == NOON - DAY * 500
    assert record["enqueued_at"] == "2026-03-15T00:00:00+00:00"


def test_the_lookback_can_be_set(sandbox: Sandbox, sync: Syncing, config: dict[str, Any]) -> None:
    sandbox.courier.messages = [message(number, days_ago=number) for number in range(1, 48)]
    courier = config["courier"] | {"lookback_days": 2}

    first = sync("messages", config={"courier": courier})
    second = sync("messages", config={"courier": courier}, state=first.final_state)

    assert sorted(row["id"] for row in second.records["messages"]) == ["m1", "m2", "m3"]


@pytest.mark.parametrize("inclusive", [True, False])
def test_nothing_from_the_start_date_on_is_missed_whether_the_vendors_bound_is_inclusive_or_not(
    sandbox: Sandbox, sync: Syncing, config: dict[str, Any], inclusive: bool
) -> None:
    sandbox.courier.after_is_inclusive = inclusive
    midnight = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
    for number, moment in enumerate((midnight - 2, midnight, midnight + 1)):
        sandbox.courier.messages.append({"id": f"m{number}", "status": "SENT", "enqueued": moment})

    synced = sync("messages", config={"courier": config["courier"] | {"start_date": "2026-03-01T00:00:00Z"}})

    assert sorted(row["id"] for row in synced.records["messages"]) == ["m1", "m2"]


def test_the_state_stays_when_a_later_page_fails(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.courier.messages = [message(number, days_ago=number) for number in range(1, 48)]
    refused = Answer(403, {"message": "No", "type": "authorization_error"})
    sandbox.faults.add(Fault("^/messages$", refused, times=None, after=2))

    synced = sync("messages", fails=True)

    assert len(synced.records["messages"]) == 20
    assert synced.states["messages"] == [{"enqueued": "86400000"}]
    assert synced.errors["messages"]["message"] == (
        "The API refused stream messages: HTTP 403, “No”: the key may not read it; give it the permission, or remove "
        "the stream from the connection."
    )


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3), (2, 3, 1)])
def test_the_state_moves_to_the_newest_message_wherever_it_stands(
    sandbox: Sandbox, sync: Syncing, order: tuple[int, ...]
) -> None:
    rows = [message(number, days_ago=number) for number in order]
    undated = {"id": "m0", "status": "SENT", "recipientId": "user-0"}
    listing = {"paging": {"more": False}, "results": [*rows[:2], undated, *rows[2:]]}
    sandbox.faults.add(Fault("^/messages$", Answer(200, listing)))

    synced = sync("messages")

    assert sorted(row["id"] for row in synced.records["messages"]) == ["m0", "m1", "m2", "m3"]
    assert synced.states["messages"][-1] == {"enqueued": str(NOON - DAY * 1000)}


def test_every_status_passes_known_or_not(sandbox: Sandbox, sync: Syncing) -> None:
    statuses = [
        "CANCELED", "CLICKED", "DELAYED", "DELIVERED", "DIGESTED", "ENQUEUED", "FILTERED", "OPENED", "ROUTED", "SENT",
        "SIMULATED", "THROTTLED", "UNDELIVERABLE", "UNMAPPED", "UNROUTABLE", "TELEPORTED",
    ]  # fmt: skip
    sandbox.courier.messages = [
        message(number, days_ago=number + 1, status=status) for number, status in enumerate(statuses)
    ]

    synced = sync("messages")

    assert sorted(row["status"] for row in synced.records["messages"]) == sorted(statuses)


def test_history_rows_are_told_apart_by_their_place(sandbox: Sandbox, sync: Syncing) -> None:
    for number in range(7):
        sandbox.courier.messages.append(message(number, days_ago=1))
        sandbox.courier.history[f"m{number}"] = [{"type": "OPENED", "ts": 1} for _ in range(3)]

    synced = sync("message_history")

    keys = [(row["message_id"], row["position"]) for row in synced.records["message_history"]]
    assert sorted(keys) == [(f"m{number}", place) for number in range(7) for place in range(3)]
    assert {row["message_enqueued"] for row in synced.records["message_history"]} == {NOON - DAY * 1000}


@pytest.mark.parametrize(
    ("stream", "below"), [("message_info", ""), ("message_history", "/history"), ("message_output", "/output")]
)
def test_children_ask_only_for_messages_of_the_window(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, stream: str, below: str
) -> None:
    sandbox.courier.messages = [message(number, days_ago=number) for number in range(1, 31)]
    first = sync(stream)
    clock.advance(3600)
    sandbox.calls.clear()

    sync(stream, state=first.final_state)

    asked = {path for path in paths(sandbox) if path != "/messages"}
    assert asked == {f"/messages/m{number}{below}" for number in range(1, 9)}


@pytest.mark.parametrize("kind", ["automation", "journey"])
def test_steps_are_asked_for_only_of_runs_of_the_window(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, kind: str
) -> None:
    began = {number: (NOW - timedelta(days=number)).isoformat() for number in range(1, 31)}
    runs = [{"run_id": f"r{number}", "source": [], "created_at": at} for number, at in began.items()]
    vars(sandbox.courier)[f"{kind}_runs"] = runs
    vars(sandbox.courier)[f"{kind}_run_steps"] = {run["run_id"]: 2 * [{"action": "send"}] for run in runs}
    first = sync(f"{kind}_run_steps")
    clock.advance(3600)
    sandbox.calls.clear()

    second = sync(f"{kind}_run_steps", state=first.final_state)

    asked = {path for path in paths(sandbox) if path.endswith("/steps")}
    assert asked == {f"/{kind}s/runs/r{number}/steps" for number in range(1, 9)}
    keys = [(row["run_id"], row["position"], row["run_created_at"]) for row in second.records[f"{kind}_run_steps"]]
    assert sorted(keys) == [(f"r{number}", place, began[number]) for number in range(1, 9) for place in range(2)]


def test_a_run_that_does_not_say_when_it_began_costs_no_step(sandbox: Sandbox, sync: Syncing) -> None:
    dated = {"run_id": "r1", "source": [], "created_at": "2026-03-14T12:00:00Z"}
    sandbox.faults.add(Fault("^/automations/runs$", Answer(200, {"runs": [{"run_id": "r0", "source": []}, dated]})))
    sandbox.courier.automation_runs = [dated, {**dated, "run_id": "r0"}]
    vars(sandbox.courier)["automation_run_steps"] = {run: [{"action": "send"}] for run in ("r0", "r1")}

    synced = sync("automation_run_steps")

    assert sorted((row["run_id"], row.get("run_created_at")) for row in synced.records["automation_run_steps"]) == [
        ("r0", None),
        ("r1", "2026-03-14T12:00:00+00:00"),
    ]


def test_a_message_whose_history_is_gone_is_left_out_with_a_count(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.courier.messages = [message(number, days_ago=1) for number in range(4)]
    sandbox.courier.history = {f"m{number}": [{"type": "SENT", "ts": 1}] for number in range(4)}
    sandbox.courier.expired.update({"m1", "m2"})

    synced = sync("message_history")

    assert sorted(row["message_id"] for row in synced.records["message_history"]) == ["m0", "m3"]
    assert "message_history: 2 left out so far." in synced.logs


@pytest.mark.parametrize("key", ["items", "results"])
def test_lists_are_found_under_either_name(sandbox: Sandbox, sync: Syncing, key: str) -> None:
    sandbox.courier.arrays["/lists"] = key
    sandbox.courier.lists = [{"id": f"list-{number}", "name": "VIP ✨"} for number in range(25)]

    synced = sync("courier_lists")

    assert len({row["id"] for row in synced.records["courier_lists"]}) == 25


def everybody_met(workspace: CourierWorkspace) -> set[str]:
    """To whom something had been sent by noon, and who belongs to something."""
    sent = {row["recipientId"] for row in workspace.messages if row["enqueued"] <= NOON and row.get("recipientId")}
    members = {row["member_id"] for rows in workspace.audience_members.values() for row in rows}
    subscribers = {row["recipientId"] for rows in workspace.list_subscriptions.values() for row in rows}
    users = {row["user_id"] for rows in workspace.tenant_users.values() for row in rows}
    return sent | members | subscribers | users


@pytest.mark.parametrize("unknown", ["missing", "empty"])
def test_profiles_are_read_once_for_everybody_met(seeded: Sandbox, sync: Syncing, unknown: Any) -> None:
    seeded.courier.unknown_profile = unknown
    met = everybody_met(seeded.courier)

    synced = sync("profiles")

    asked = [unquote(call.path) for call in seeded.calls if call.path.startswith("/profiles/")]
    assert sorted(asked) == sorted(f"/profiles/{user}" for user in met)
    users = [row["user_id"] for row in synced.records["profiles"]]
    assert sorted(users) == sorted(met & seeded.courier.profiles.keys())
    assert "crm/7 ü+ö?#%" in users


def test_preferences_are_read_once_for_everybody_met(seeded: Sandbox, sync: Syncing) -> None:
    seeded.courier.held("user_preferences", below=True)["crm/7 ü+ö?#%"] = [{"topic_id": "t1", "status": "OPTED_OUT"}]

    synced = sync("user_preferences")

    calls = [call for call in seeded.calls if call.path.startswith("/users/") and "cursor" not in call.query]
    asked = [unquote(call.path) for call in calls]
    assert sorted(asked) == sorted(f"/users/{user}/preferences" for user in everybody_met(seeded.courier))
    assert {"user_id": "crm/7 ü+ö?#%", "topic_id": "t1", "status": "OPTED_OUT"} in synced.records["user_preferences"]


def test_a_recipient_that_is_an_id_has_a_profile_even_if_the_listing_names_no_recipient_id(
    sandbox: Sandbox, sync: Syncing
) -> None:
    recipients = ["user-1", "crm|7", "ana@example.com", "+15550100", "", None]
    sandbox.courier.messages = [
        {**message(number, days_ago=1, recipient=recipient), "recipientId": None}
        for number, recipient in enumerate(recipients)
    ] + [message(9, days_ago=1, recipient="ana@example.com")]
    sandbox.courier.profiles = {user: {"profile": {"name": user}} for user in ("user-1", "crm|7", "user-9")}

    synced = sync("profiles")

    asked = [unquote(call.path) for call in sandbox.calls if call.path.startswith("/profiles/")]
    assert sorted(asked) == ["/profiles/crm|7", "/profiles/user-1", "/profiles/user-9"]
    assert sorted(row["user_id"] for row in synced.records["profiles"]) == ["crm|7", "user-1", "user-9"]


@pytest.mark.parametrize(("stream", "container"), [("automations", "automations"), ("courier_journeys", "journeys")])
def test_drafts_are_read_beside_what_is_published(
    sandbox: Sandbox, sync: Syncing, discovered: Sync, stream: str, container: str
) -> None:
    rows = [{"id": "a", "version": version} for version in ("published", "draft")] + [{"id": "b", "version": "draft"}]
    vars(sandbox.courier)[container] = rows

    records = sync(stream).records[stream]

    assert sorted((row["id"], row["version"]) for row in records) == [
        ("a", "draft"),
        ("a", "published"),
        ("b", "draft"),
    ]
    found = {each["name"]: each for each in discovered.of_type("CATALOG")[0]["streams"]}
    assert found[stream]["source_defined_primary_key"] == [["id"], ["version"]]


@pytest.mark.parametrize(("stream", "listing"), [("notification", "notifications"), ("broadcast", "broadcasts")])
def test_content_is_read_in_both_versions_and_keeps_its_own(
    sandbox: Sandbox, sync: Syncing, stream: str, listing: str
) -> None:
    vars(sandbox.courier)[listing] = [{"id": name} for name in ("both", "new", "gone")]
    vars(sandbox.courier)[f"{stream}_content"] = {
        "both": [
            {"requested_version": "published", "version": "v002"},
            {"requested_version": "draft", "version": "v3"},
        ],
        "new": [{"requested_version": "draft", "elements": [{"type": "text", "checksum": "c", "content": "Hi"}]}],
    }

    synced = sync(f"{stream}_content")

    rows = sorted(synced.records[f"{stream}_content"], key=lambda row: (row[f"{stream}_id"], row["requested_version"]))
    assert rows == [
        {f"{stream}_id": "both", "requested_version": "draft", "version": "v3"},
        {f"{stream}_id": "both", "requested_version": "published", "version": "v002"},
        {
            f"{stream}_id": "new",
            "requested_version": "draft",
            "elements": [{"type": "text", "checksum": "c", "content": "Hi"}],
        },
    ]


def test_a_journey_that_has_a_draft_beside_what_is_published_is_asked_about_once(
    sandbox: Sandbox, sync: Syncing
) -> None:
    sandbox.courier.journeys = [{"id": "j", "version": version} for version in ("published", "draft")]
    vars(sandbox.courier)["journey_versions"] = {"j": [{"version": "v1", "name": "Welcome"}]}

    synced = sync("journey_versions")

    assert synced.records["journey_versions"] == [{"journey_id": "j", "version": "v1", "name": "Welcome"}]
    assert paths(sandbox)["/journeys/j/versions"] == 1


def test_translations_are_read_of_every_locale_that_profiles_and_templates_name(
    sandbox: Sandbox, sync: Syncing
) -> None:
    sandbox.courier.messages = [message(number, days_ago=1) for number in range(3)]
    attributes = ({"locale": "fr_FR"}, {"locale": ["xx"], "": "no name"}, {"locale": "fr_FR"})
    sandbox.courier.profiles = {f"user-{number}": {"profile": each} for number, each in enumerate(attributes)}
    vars(sandbox.courier)["notifications"] = [{"id": "new"}, {"id": "old"}]
    inner = {"type": "text", "checksum": "c", "locales": {"pt/BR": {"checksum": "c"}}}
    vars(sandbox.courier)["notification_content"] = {
        "new": [
            {
                "requested_version": "draft",
                "elements": [{"elements": [{"elements": [inner]}], "locales": {"fr_FR": {}}}],
            }
        ],
        "old": [
            {
                "requested_version": "published",
                "blocks": [{"id": "b", "type": "text", "locales": {"de": "Hallo"}}],
                "channels": [{"id": "c", "locales": {"it": {"subject": "Ciao"}}}, {"id": "d"}],
            }
        ],
    }
    vars(sandbox.courier)["locales"] = [{"id": locale} for locale in ("fr_FR", "pt/BR", "de", "xx")]
    vars(sandbox.courier)["translations"] = {
        locale: [{"translation": f'msgid "a"\nmsgstr "{locale}"'}] for locale in ("fr_FR", "pt/BR", "de", "xx")
    }

    synced = sync("translations")

    assert sorted((row["locale"], row["translation"]) for row in synced.records["translations"]) == [
        (locale, f'msgid "a"\nmsgstr "{locale}"') for locale in ("de", "fr_FR", "pt/BR")
    ]
    asked = {unquote(path): times for path, times in paths(sandbox).items() if path.startswith("/translations")}
    assert asked == {f"/translations/default/{locale}": 1 for locale in ("de", "fr_FR", "it", "pt/BR")}


@pytest.mark.parametrize("reply", ['msgid "a"\nmsgstr "b"\n', json.dumps('msgid "a"\nmsgstr "b"\n')])
def test_a_translation_is_the_same_whether_the_reply_is_a_file_or_quotes_one(
    sandbox: Sandbox, sync: Syncing, reply: str
) -> None:
    sandbox.courier.messages = [message(1, days_ago=1)]
    sandbox.courier.profiles = {"user-1": {"profile": {"locale": "fr_FR"}}}
    vars(sandbox.courier)["locales"] = [{"id": "fr_FR"}]
    vars(sandbox.courier)["translations"] = {"fr_FR": [{"translation": ""}]}
    sandbox.faults.add(Fault("^/translations/", Answer(200, reply)))

    synced = sync("translations")

    assert synced.records["translations"] == [{"locale": "fr_FR", "translation": 'msgid "a"\nmsgstr "b"\n'}]


def test_the_bag_of_a_history_row_stays_what_the_sender_put_into_it(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.courier.messages = [message(1, days_ago=1)]
    sandbox.courier.history = {"m1": [{"type": "ENQUEUED", "ts": 1, "data": {"order": 7}, "later": True}]}

    (row,) = sync("message_history").records["message_history"]

    assert row["data"] == {"order": 7}
    assert row["other_fields"] == {"later": True}


def test_what_is_no_credential_is_kept_and_what_is_taken_out_is_counted(sandbox: Sandbox, sync: Syncing) -> None:
    kept = {"two_factor_authentication": True, "loyalty_tokens": 12, "token_budget": "high", "secret": None}
    taken = {"deviceToken": "t", "apn": {"token": "t"}, "x": [{"password": "p"}]}
    sandbox.courier.messages = [message(number, days_ago=1) for number in range(4)]
    sandbox.courier.profiles = {f"user-{number}": {"profile": {**kept, **taken}} for number in range(4)}

    synced = sync("profiles")

    assert [row["profile"] for row in synced.records["profiles"]] == 4 * [{**kept, "x": [{}]}]
    assert [line for line in synced.logs if "credential" in line] == [
        f"profiles: {number} fields named like a credential are taken out so far." for number in (1, 10)
    ]


# A page of every style, which names itself as the next one.
ITSELF = {
    "paging": {"cursor": "again", "more": True},
    "has_more": True,
    "cursor": "again",
    "next_cursor": "again",
    "nextPageUrl": "/api/x?page=2&pageSize=1000",
    "nextMarker": "again",
    **{name: [] for name in ("results", "items", "templates", "runs", "campaigns", "journeys", "catalogNames")},
    "catalogItemsWithProperties": [],
}


@pytest.mark.parametrize(
    ("stream", "path", "listing"),
    [
        ("brands", "^/brands$", "brands"),
        ("messages", "^/messages$", "messages"),
        ("tenants", "^/tenants$", "tenants"),
        ("automations", "^/automations$", "automations"),
        ("automation_runs", "^/automations/runs$", "automation_runs"),
        ("courier_lists", "^/lists$", "courier_lists"),
        ("profiles", "^/messages$", "messages"),
        ("campaigns", "/api/campaigns$", "campaigns"),
        ("journeys", "/api/journeys$", "journeys"),
        ("catalogs", "/api/catalogs$", "catalogs"),
        ("catalog_items", "/api/catalogs/c/items$", "catalog_items"),
        ("templates", "/api/templates$", "templates"),
        ("metadata_items", "/api/metadata/t$", "metadata_keys"),
    ],
)
def test_a_page_that_names_itself_as_the_next_one_fails_the_stream_and_never_loops(
    sandbox: Sandbox, sync: Syncing, config: dict[str, Any], stream: str, path: str, listing: str
) -> None:
    sandbox.iterable.catalogs, sandbox.iterable.metadata = {"c": []}, {"t": []}
    iterable = {"api_key": sandbox.iterable.api_key, "start_date": "2026-01-01T00:00:00Z"}
    asked: Counter[str] = Counter()
    answer = sandbox.answer

    def again(request: Any) -> Any:
        if not re.search(path, request.path):
            return answer(request)
        asked[request.target] += 1
        return json_reply(ITSELF)

    with mock.patch.object(sandbox, "answer", again):
        synced = sync(stream, fails=True, config={**iterable, "api_url": config["courier"]["api_url"]})

    assert synced.errors[stream]["failure_type"] == "transient_error"
    assert (
        f"A page of stream {listing} names itself as the next one: its listing has no end."
        in (synced.errors[stream]["message"])
    )
    assert set(asked.values()) == {1}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(429, {"message": "Slow down", "type": "rate_limit_error"}), [5, 10]),
        (Answer(429, {"message": "Slow down"}, headers={"Retry-After": "33"}), [33, 33]),
        (Answer(500, {"message": "Oops", "type": "api_error"}), [5, 10]),
        (Cut(rows=0), [5, 10]),
    ],
    ids=["429", "429-retry-after", "500", "cut"],
)
def test_what_may_pass_is_retried_with_growing_patience(
    sandbox: Sandbox, sync: Syncing, clock: VirtualClock, answer: Any, expected: list[int]
) -> None:
    sandbox.courier.brands = [{"id": "b1", "name": "Main"}]
    sandbox.faults.add(Fault("^/brands$", answer, times=2))

    synced = sync("brands")

    assert [row["id"] for row in synced.records["brands"]] == ["b1"]
    assert waits(clock) == expected


def test_runs_are_read_again_as_far_back_as_they_change(seeded: Sandbox, sync: Syncing) -> None:
    first = sync("automation_runs", "journey_runs")
    second = sync("automation_runs", "journey_runs", state=first.final_state)

    held_runs = {"automation_runs": seeded.courier.automation_runs, "journey_runs": seeded.courier.held("journey_runs")}
    for stream, held in held_runs.items():
        began = {row["run_id"]: milliseconds(row["created_at"]) for row in held if "created_at" in row}
        by_now = {run: at for run, at in began.items() if at <= NOON}
        again = [run for run, at in by_now.items() if at >= max(by_now.values()) - 7 * DAY * 1000]
        assert sorted(row["run_id"] for row in first.records[stream]) == sorted(by_now)
        assert sorted(row["run_id"] for row in second.records[stream]) == sorted(again)
        assert len(by_now) > len(again) > 0


@pytest.mark.parametrize(
    ("region", "host"), [("US", "api.courier.com"), ("EU", "api.eu.courier.com"), (None, "api.courier.com")]
)
def test_the_region_decides_the_host(command: Command, clock: VirtualClock, region: str | None, host: str) -> None:
    asked: list[str] = []

    def unreachable(adapter: Any, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        asked.append(str(request.url).partition("?")[0])
        assert request.headers["Authorization"] == "Bearer k"
        raise requests.exceptions.ConnectTimeout

    with mock.patch("requests.adapters.HTTPAdapter.send", unreachable):
        command("check", {"courier": {"api_key": "k"} | ({"region": region} if region else {})})

    assert set(asked) == {f"https://{host}/messages"}


def test_check_of_courier_alone_reads_one_page_of_messages(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    sandbox.courier.messages = [message(number, days_ago=number) for number in range(1, 48)]

    checked = command("check", config)

    assert checked.of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
    assert paths(sandbox) == {"/messages": 1}


def test_check_of_both_names_the_one_that_fails(
    sandbox: Sandbox, address: str, config: dict[str, Any], command: Command
) -> None:
    iterable = {"api_key": "sandbox-iterable-key", "start_date": "2026-01-01T00:00:00Z", "api_url": address}
    wrong = {"courier": config["courier"] | {"api_key": "wrong"}}

    (status,) = command("check", iterable | wrong).of_type("CONNECTION_STATUS")

    assert status["status"] == "FAILED"
    assert "stream messages: HTTP 401" in status["message"]
    assert "`courier.api_key` must be a key of this workspace" in status["message"]


@pytest.mark.parametrize(
    ("given", "vendors"), [("iterable", {"lists"}), ("courier", {"messages"}), ("both", {"lists", "messages"})]
)
def test_the_streams_of_a_vendor_exist_with_its_key(
    config: dict[str, Any], command: Command, given: str, vendors: set[str]
) -> None:
    iterable = {"api_key": "k", "start_date": "2026-01-01T00:00:00Z"}
    chosen = {"iterable": iterable, "courier": config, "both": iterable | config}[given]

    discovered = command("discover", chosen)

    names = {stream["name"] for stream in discovered.of_type("CATALOG")[0]["streams"]}
    assert names & {"lists", "messages"} == vendors


@pytest.mark.parametrize(
    ("courier", "sentence"),
    [
        ({}, "No API key: fill in `api_key` to read Iterable, `courier.api_key` to read Courier, or both."),
        ({"api_key": "k", "region": "APAC"}, "`courier.region` must be US or EU."),
        (
            {"api_key": "k", "start_date": "2027-01-01T00:00:00Z"},
            "`courier.start_date` must be a date in the past, spelled like YYYY-MM-DDTHH:mm:ssZ.",
        ),
        ({"api_key": "k", "lookback_days": -1}, "`courier.lookback_days` must be a whole number from 0 to 3650."),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_one_sentence(
    command: Command, clock: VirtualClock, courier: dict[str, Any], sentence: str
) -> None:
    assert str(command("check", {"courier": courier}).crash) == sentence


def test_a_translation_that_does_not_say_how_it_is_encoded_is_unicode(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.courier.messages = [message(0, days_ago=1)]
    sandbox.courier.profiles = {"user-0": {"profile": {"locale": "fr_FR"}}}
    vars(sandbox.courier)["locales"] = [{"id": "fr_FR"}]
    vars(sandbox.courier)["translations"] = {"fr_FR": [{"translation": "never sent"}]}
    sandbox.faults.add(Fault("/translations/", Answer(200, 'msgstr "Élan"', "text/plain")))

    assert [row["translation"] for row in sync("translations").records["translations"]] == ['msgstr "Élan"']


@pytest.mark.parametrize(("stream", "path"), [("profiles", "/profiles/"), ("message_history", "/history$")])
def test_no_content_is_no_rows(seeded: Sandbox, sync: Syncing, stream: str, path: str) -> None:
    seeded.faults.add(Fault(path, Answer(204), times=None))

    assert sync(stream).records.get(stream, []) == []


def test_a_state_of_before_any_message_is_gone_on_from(sandbox: Sandbox, sync: Syncing) -> None:
    first = sync("messages")
    sandbox.courier.messages = [message(0, days_ago=1)]

    assert len(sync("messages", state=first.final_state).records["messages"]) == 1


@pytest.mark.parametrize("stream", ["message_history", "message_output"])
def test_a_cursor_that_nobody_documents_numbers_no_row_twice(sandbox: Sandbox, sync: Syncing, stream: str) -> None:
    sandbox.courier.messages = [message(0, days_ago=1)]
    sandbox.courier.history, sandbox.courier.outputs = {"m0": []}, {"m0": []}
    paged = {"results": [{"type": "SENT"}], "paging": {"cursor": "next", "more": True}}
    sandbox.faults.add(Fault("/(history|output)$", Answer(200, paged), times=None))

    assert [row["position"] for row in sync(stream).records[stream]] == [0]


def test_a_schedule_that_two_topics_name_is_read_once(sandbox: Sandbox, sync: Syncing) -> None:
    schedules = {"digest": {"schedules": [{"schedule_id": "s"}]}}
    sandbox.courier.preference_sections = [{"id": "p"}]
    sandbox.courier.preference_topics = {"p": [{"id": name, **schedules} for name in "ab"]}
    vars(sandbox.courier)["digests"] = [{"id": "s"}]
    vars(sandbox.courier)["digest_instances"] = {"s": [{"id": "i", "digest_instance_id": "i"}]}

    assert len(sync("digest_instances").records["digest_instances"]) == 1
