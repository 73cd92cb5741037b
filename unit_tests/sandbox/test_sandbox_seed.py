"""The made-up data: deterministic, complete, hostile where it says so."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from itertools import pairwise

import pytest

from sandbox import Sandbox
from sandbox.iterable import data_types
from sandbox.iterable.api import ROUTES
from sandbox.iterable.campaigns import MEDIA, TEMPLATE_TYPES
from sandbox.iterable.seed import history
from sandbox.iterable.seed.shapes import SHAPES
from sandbox.iterable.timestamps import epoch_seconds

ANCHOR = date(2026, 3, 15)
MIDNIGHT = 1773532800.0  # of the anchor
DAY = 86400


def listings(sandbox: Sandbox) -> str:
    project = sandbox.iterable
    held = {name: value for name, value in vars(project).items() if isinstance(value, list | dict) and name != "events"}
    return json.dumps(held, sort_keys=True)


def test_the_same_anchor_gives_the_same_data(seeded):
    again = Sandbox(anchor=ANCHOR, clock=seeded.clock)
    assert again.iterable.events == seeded.iterable.events
    assert listings(again) == listings(seeded)


def test_another_anchor_moves_the_data_along(seeded):
    users = seeded.iterable.users
    today, tomorrow = (list(history.rows("journeyExit", users, day)) for day in (ANCHOR, date(2026, 3, 16)))
    assert [epoch_seconds(row.pop("createdAt")) + DAY for row in today] == [
        epoch_seconds(row.pop("createdAt")) for row in tomorrow
    ]
    assert [row["workflowId"] for row in today] == [row["workflowId"] for row in tomorrow]


@pytest.mark.parametrize("data_type", data_types.ALL)
def test_every_data_type_has_rows_within_the_400_days_before_the_anchor(seeded, data_type):
    before = [event for event in seeded.iterable.events[data_type] if event.at < MIDNIGHT]
    assert 40 <= len(before) <= 400
    assert min(event.at for event in before) >= MIDNIGHT - 400 * DAY


def test_every_data_type_but_user_has_a_shape():
    assert set(SHAPES) == set(data_types.EVENTS)


@pytest.mark.parametrize("data_type", ["emailSend", "emailOpen", "emailClick"])
def test_email_keeps_coming_every_thirty_seconds_for_two_days_and_then_every_hour(seeded, data_type):
    after = [event.at - MIDNIGHT for event in seeded.iterable.events[data_type] if event.at >= MIDNIGHT]
    busy = [at for at in after if at < 2 * DAY]
    assert len(busy) == pytest.approx(5760, abs=3)
    gaps = [later - earlier for earlier, later in pairwise(busy)]
    assert (min(gaps), max(gaps)) == (26, 37)
    assert len(after) - len(busy) == pytest.approx(58 * 24, abs=3)
    assert 59 * DAY < max(after) < 60 * DAY


def test_a_second_look_minutes_later_finds_new_rows(ask):
    now = [MIDNIGHT + 43_200]
    sandbox = Sandbox(anchor=ANCHOR, clock=lambda: now[0], budgets=False)
    window = {"startDateTime": "2026-03-15 00:00:00", "endDateTime": "2026-03-16 00:00:00"}

    def sends() -> int:
        return len(ask(sandbox, "/api/export/data.json", dataTypeName="emailSend", **window).rows)

    first = sends()
    now[0] += 300
    assert sends() - first == 10


def test_a_row_is_indexed_no_later_than_three_minutes_after_it_happened(seeded):
    delays = Counter(event.indexed_at - event.at for event in seeded.iterable.events["emailSend"])
    assert set(delays) == {0, 180}
    assert delays[180] > 1000


def test_listings_are_large_enough_to_be_paged(seeded):
    project = seeded.iterable
    assert (len(project.campaigns), len(project.templates)) == (55, 55)
    assert len([row for row in project.journeys if not row["isArchived"]]) > 10
    assert len(project.experiments) > 20
    assert len(project.metadata["stores"]) > 20
    assert len(project.catalogs) > 10
    assert len(project.catalogs["products"]) > 20


@pytest.mark.parametrize(
    "path",
    [route.pattern for route in ROUTES if "{" not in route.pattern and route.method == "GET"]
    + [
        "/api/lists/949815/size",
        "/api/metadata/stores",
        "/api/metadata/stores/store07",
        "/api/catalogs/products/items",
    ],
)
def test_every_endpoint_has_something_to_tell(seeded, ask, path):
    query = {
        "dataTypeName": "emailSend",
        "range": "All",
        "listId": 949815,
        "campaignId": 5551201,
        "startDateTime": "2025-01-01 00:00:00",
        "email": "ana.0@example.com",
        "includeCustomEvents": "true",
    }
    answer = ask(seeded, path, **query)
    assert answer.status == 200
    assert answer.text not in ("", "{}", "id,\n")


def test_the_events_of_every_user_are_readable(seeded, ask):
    for user in seeded.iterable.users[::20]:
        key = "email" if "email" in user else "userId"
        query = {key: user[key], "includeCustomEvents": "true"}
        rows = ask(seeded, "/api/export/userEvents", **query).rows
        assert {row[key] for row in rows} == {user[key]}
        assert {row["_type"] for row in rows} >= {"emailSend", "emailOpen", "emailClick"}


def test_templates_cover_every_type_with_every_medium(seeded):
    combinations = {(row["templateType"], row["messageMedium"]) for row in seeded.iterable.templates}
    assert len(combinations) == len(TEMPLATE_TYPES) * len(MEDIA)


def test_ids_of_one_kind_are_unique(seeded):
    project = seeded.iterable
    for rows, key in (
        (project.lists, "id"),
        (project.campaigns, "id"),
        (project.templates, "templateId"),
        (project.channels, "id"),
        (project.message_types, "id"),
        (project.journeys, "id"),
        (project.experiments, "id"),
    ):
        assert len({row[key] for row in rows}) == len(rows)


def test_messages_refer_to_campaigns_of_their_medium(seeded):
    medium = {row["id"]: row["messageMedium"] for row in seeded.iterable.campaigns}
    for data_type, (expected, _) in SHAPES.items():
        campaigns = {row["campaignId"] for row in seeded.iterable.rows(data_type) if "campaignId" in row}
        assert {medium[campaign] for campaign in campaigns} <= {expected}


def test_users_are_identified_in_every_way_a_hybrid_project_knows(seeded):
    users = seeded.iterable.users
    ways = Counter(tuple(name in user for name in ("email", "userId", "itblUserId")) for user in users)
    assert len(users) == 220
    assert set(ways) == {
        (True, True, True),
        (True, True, False),
        (True, False, True),
        (True, False, False),
        (False, True, True),
        (False, True, False),
    }


def test_user_fields_are_typed_and_dotted(seeded):
    fields = seeded.iterable.user_fields
    assert (fields["email"], fields["emailListIds"], fields["signupDate"]) == ("string", "long", "date")
    assert (fields["account id"], fields["balance"], fields["data.seats"]) == ("long", "double", "long")
    assert (fields["industry"], fields["Industry"]) == ("string", "string")


def test_list_members_mix_addresses_and_user_ids_in_no_order(seeded):
    members = seeded.iterable.list_members[949815]
    assert len(members) == len(set(members)) == 350
    assert sum("@" not in member for member in members) == 22
    assert members != sorted(members)
    assert {row["listType"] for row in seeded.iterable.lists} == {
        "Standard",
        "Dynamic",
        "Suppression",
        "Internal",
    }


def test_some_opens_and_clicks_differ_in_one_field_only(seeded):
    for data_type, differing in (("emailOpen", "ip"), ("emailClick", "url")):
        rows = seeded.iterable.rows(data_type)
        one, other = (row for row in rows if row.get("messageId") == "0f2b6c1d9e7a4c55b1f0a3d2c4e5f601")
        assert {name for name in one if one[name] != other[name]} == {differing}


def test_each_of_the_last_seven_days_has_a_row_in_its_first_and_its_last_second(seeded):
    moments = {event.at for event in seeded.iterable.events["emailSend"]}
    for day in range(1, 8):
        assert {MIDNIGHT - day * DAY, MIDNIGHT - (day - 1) * DAY - 1} <= moments


def test_rows_disagree_about_spelling_and_types(seeded):
    project = seeded.iterable
    assert {row["createdAt"][-6:] for row in project.rows("smsSend")} == {"+00:00", " +0000"}
    assert {type(row["espAccountId"]) for row in project.rows("whatsAppSend")} == {int, str}
    assert {type(row["data"]) for row in project.rows("customEvent") if "data" in row} == {
        int, float, str, bool, type(None), list, dict
    }  # fmt: skip
    assert {"shoppingCartItems" in row for row in project.rows("purchase")} == {True, False}
    internal = {("itblInternal" in row, "itblInternal.documentCreatedAt" in row) for row in project.rows("emailOpen")}
    assert internal == {(False, False), (True, False), (False, True)}


def test_transactional_data_is_text_that_need_not_be_json(seeded):
    texts = {row["transactionalData"] for row in seeded.iterable.rows("emailSend") if "transactionalData" in row}
    assert {'{"orderId":"A-17"}', "", '{"orderId":', "null"} <= texts
    assert all(isinstance(text, str) for text in texts)
