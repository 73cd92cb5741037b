"""The tables of listings: every row of each, once, over as many pages as it takes; and the made-up data in them."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from sandbox import Sandbox, samples
from sandbox.courier import listings as courier
from sandbox.courier.seed import CREDENTIAL
from sandbox.iterable import data_types
from sandbox.iterable import listings as iterable
from sandbox.iterable.seed.messaging import RECURRING, ids_of
from unit_tests.sandbox.conftest import ANCHOR, NOON, Clock

PARTS = {"{table}": "stores", "{catalog}": "products", "{id}": str(RECURRING)}
PARTS["ByClientTemplateId"] = "ByClientTemplateId?clientTemplateId=clientTemplateId%201%20%E2%9C%A8"


def pages(sandbox, ask, path, **query):
    """The bodies of all pages, by whichever way the reply says to go on."""
    while True:
        body = ask(sandbox, path, **query).json
        body = body["params"] if body.get("params") else body
        yield body
        paging = body.get("pagination", {})
        if "nextPageUrl" in body:
            path, query = body["nextPageUrl"], {}
        elif paging and paging["offset"] + paging["limit"] < paging["total"]:
            query = {"offset": paging["offset"] + paging["limit"]}
        elif "nextMarker" in body:
            query = {"nextMarker": body["nextMarker"]}
        elif cursor := body.get("paging", body).get("cursor") or body.get("next_cursor"):
            query = {**query, "cursor": cursor}
        else:
            return


@pytest.mark.parametrize("listing", iterable.LISTINGS, ids=lambda listing: listing.path)
def test_a_listing_of_iterable_is_read_to_its_end(seeded, ask, listing):
    path = listing.path
    for part, value in PARTS.items():
        path = path.replace(part, value)
    found = [row for page in pages(seeded, ask, path) for row in page[listing.array or path.rpartition("/")[2]]]

    held = seeded.iterable.held(listing.name)
    expected = len(held[path.split("/")[3]]) if "{" in listing.path and isinstance(held, dict) else len(held)
    if listing.path.endswith(("/templates", "/journeys", "/childCampaigns", "/fieldMappings", "TemplateId")):
        assert 0 < len(found) < expected
    else:
        assert len(found) == expected > 0


PAGED = [listing for listing in courier.LISTINGS if not listing.reply]


@pytest.mark.parametrize("listing", PAGED, ids=lambda listing: listing.path)
def test_a_listing_of_courier_is_read_to_its_end(seeded, ask, listing):
    held = seeded.courier.held(listing.name)
    parents = held if listing.parents else {"": held}
    for parent, rows in parents.items():
        path = re.sub(r"{.*}", quote(parent, safe=""), listing.path)
        bodies = list(pages(seeded, ask, path, archived="true"))
        array = next(name for name, value in bodies[0].items() if isinstance(value, list))
        found = [row[listing.key] for body in bodies for row in body[array]]
        wanted = [row[listing.key] for row in rows if row.get("version") != "draft" or listing.name == "brands"]
        assert sorted(found) == sorted(wanted)
    assert any(parents.values())


def test_what_is_below_an_unknown_parent_is_not_found(empty, ask):
    assert {ask(empty, path).status for path in ("/lists/a/subscriptions", "/tenants/a/users")} == {404}


def test_a_row_that_comes_while_paging_neither_shifts_nor_hides_another(empty, ask):
    empty.courier.brands = [{"id": f"b{number:02}"} for number in range(25)]
    first = ask(empty, "/brands").json
    empty.courier.brands.insert(0, {"id": "new"})
    second = ask(empty, "/brands", cursor=first["paging"]["cursor"]).json
    assert [row["id"] for row in second["results"]] == [f"b{number:02}" for number in range(10, 20)]


@pytest.mark.parametrize("cursor", ["not base64", "eA==", "/////w=="])
def test_a_made_up_cursor_is_an_invalid_request(empty, ask, cursor):
    answer = ask(empty, "/brands", cursor=cursor)
    assert (answer.status, answer.json) == (400, {"message": "Invalid cursor", "type": "invalid_request_error"})


def test_runs_are_those_that_have_begun_since_a_date_newest_first(empty, ask, clock):
    runs = [{"run_id": f"r{day}", "created_at": f"2026-03-{day}T12:00:01Z", "updated_at": "x"} for day in (13, 14, 15)]
    empty.courier.automation_runs = runs
    assert [row["run_id"] for row in ask(empty, "/automations/runs", start_date="2026-03-14").json["runs"]] == ["r14"]
    clock.now += 1
    assert ask(empty, "/automations/runs").json["runs"][0] == {"run_id": "r15", "created_at": "2026-03-15T12:00:01Z"}


@pytest.mark.parametrize("unknown", ["missing", "empty"])
def test_a_user_without_a_profile_is_not_found_or_has_an_empty_one(empty, ask, unknown):
    empty.courier.unknown_profile = unknown
    answer = ask(empty, "/profiles/u")
    assert (answer.status, answer.json.get("profile")) == ((404, None) if unknown == "missing" else (200, {}))


def test_list_members_come_one_a_line(empty, ask):
    project = empty.iterable
    project.lists, project.list_members = [{"id": 8}], {8: ["a@x.org", "u-2"]}
    project.users = [{"email": "a@x.org", "userId": "u-1", "profileUpdatedAt": "2026-03-14 08:00:00 +00:00"}]

    assert ask(empty, "/api/lists/getUsers", listId=8).text == "a@x.org\nu-2\n"
    assert ask(empty, "/api/lists/getUsers", listId=8, preferUserId="true").text == "u-1\nu-2\n"
    unknown = ask(empty, "/api/lists/getUsers", listId=42)
    params = {"projectId": "4242", "listId": "42"}
    assert (unknown.status, unknown.json["params"]) == (400, params)


def test_a_page_has_a_largest_size_and_neighbours(empty, ask):
    empty.iterable.campaigns = [{"id": number} for number in range(45)]
    body = ask(empty, "/api/campaigns", page=2).json
    assert [row["id"] for row in body["campaigns"]] == list(range(20, 40))
    assert (body["nextPageUrl"], body["previousPageUrl"]) == (
        "/api/campaigns?page=3&pageSize=20",
        "/api/campaigns?page=1&pageSize=20",
    )
    for query in ({"pageSize": 1001}, {"pageSize": 0}, {"page": 0}, {"page": "one"}):
        assert ask(empty, "/api/campaigns", **query).json["code"] == "BadParams"


def test_a_metadata_value_is_found_in_any_letter_case(seeded, ask):
    assert ask(seeded, "/api/metadata/RATES/eur").json["value"] == {"usd": 1.08, "note": None}
    assert ask(seeded, "/api/metadata/rates/chf").status == 404


def test_campaign_metrics_are_those_of_the_media_and_the_window_asked_about(empty, ask):
    row = {"createdAt": 86400000, "sendSize": 50}
    empty.iterable.campaigns = [{"id": 1, "messageMedium": "Email", **row}, {"id": 2, "messageMedium": "SMS", **row}]

    both = ask(empty, "/api/campaigns/metrics", campaignId=[2, 1], startDateTime="1970-01-01").text.split("\n")
    assert [line[:2] for line in both[1:3]] == ["1,", "2,"]
    sent = [
        ask(empty, "/api/campaigns/metrics", campaignId=1, startDateTime=start, endDateTime="1970-01-05").text
        for start in ("1970-01-02", "1970-01-03")
    ]
    assert "Total SMS Sent" not in sent[0]
    assert set(sent[1].split("\n")[1].split(",")) == {"1", "0", "0.0"} != set(sent[0].split("\n")[1].split(","))


# ------------------------------------------------------------------------------------------------ made-up data


def test_the_same_anchor_gives_the_same_data_and_another_one_moves_it_along(seeded):
    again = Sandbox(anchor=ANCHOR, clock=Clock(NOON))
    later = Sandbox(anchor=ANCHOR.replace(day=16), clock=Clock(NOON))
    assert again.iterable.events == seeded.iterable.events
    assert (again.courier.messages, again.courier.brands) == (seeded.courier.messages, seeded.courier.brands)
    moved = {row["enqueued"] - 86_400_000 for row in later.courier.messages}
    assert moved == {row["enqueued"] for row in seeded.courier.messages}


@pytest.mark.parametrize("data_type", data_types.ALL)
def test_every_data_type_has_rows_in_the_year_before_the_anchor(seeded, data_type):
    assert len(seeded.iterable.window(data_type, NOON - 366 * 86400, NOON - 43200)) > 10


def test_a_second_look_minutes_later_finds_new_rows(ask):
    clock = Clock(NOON)
    sandbox = Sandbox(anchor=ANCHOR, clock=clock, budgets=False)
    window = {"dataTypeName": "emailSend", "startDateTime": "2026-03-15 00:00:00"}
    counts = []
    for _ in range(2):
        counts.append((len(ask(sandbox, "/api/export/data.json", **window).rows), len(sandbox.courier.messages)))
        clock.now += 600
    assert counts[1][0] - counts[0][0] == 20


def test_ids_belong_together(seeded):
    campaigns = {row["id"]: row["messageMedium"] for row in seeded.iterable.campaigns}
    templates = {row["templateId"] for row in seeded.iterable.templates}
    assert len(campaigns) == len(templates) == len(seeded.iterable.campaigns)
    for row in seeded.iterable.rows("smsSend"):
        assert (campaigns[row["campaignId"]], row["templateId"] in templates) == ("SMS", True)
    assert ids_of("Push", 3).keys() == {"campaignId", "templateId", "channelId", "messageTypeId"}


def test_a_sampled_row_has_a_value_of_its_type_in_each_column_but_for_gaps():
    rows = [samples.row("tenants", number, str) for number in range(10)]
    assert [row["id"] for row in rows] == [f"id {number} ✨" for number in range(10)]
    assert {type(row["properties"]) for row in rows if row.get("properties")} == {dict}
    assert any("name" not in row for row in rows)
    assert any("name" in row and row["name"] is None for row in rows)


def test_credentials_are_in_profiles_histories_and_tenants(seeded):
    space = seeded.courier
    for held in (space.profiles, space.history, space.tenants, space.tenant_users):
        assert CREDENTIAL in str(held)
