"""Endpoints other than exports."""

from __future__ import annotations

import csv
import io

import pytest

CAMPAIGNS = [{"id": number, "name": f"c{number}", "createdAt": 1000 - number} for number in range(1, 46)]


def ids(answer, name: str) -> list[int]:
    return [row["id"] for row in answer.json[name]]


def table(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/lists", {"lists": [{"id": 1}]}),
        ("/api/channels", {"channels": [{"id": 2}]}),
        ("/api/messageTypes", {"messageTypes": [{"id": 3}]}),
        ("/api/snippets", {"snippets": [{"id": 4}]}),
        ("/api/webhooks", {"webhooks": [{"id": 5}]}),
        ("/api/users/getFields", {"fields": {"email": "string"}}),
        ("/api/users/forgotten", {"hashedEmails": ["6f"]}),
        ("/api/users/forgottenUserIds", {"hashedUserIds": ["7f"]}),
        ("/api/metadata", {"results": [{"name": "rates"}]}),
    ],
)
def test_a_plain_listing_is_what_the_project_holds(empty, ask, path, expected):
    project = empty.iterable
    project.lists, project.channels, project.message_types = [{"id": 1}], [{"id": 2}], [{"id": 3}]
    project.snippets, project.webhooks, project.user_fields = [{"id": 4}], [{"id": 5}], {"email": "string"}
    project.forgotten, project.forgotten_user_ids, project.metadata = ["6f"], ["7f"], {"rates": []}
    assert ask(empty, path).json == expected


def test_list_members_come_one_a_line(empty, ask):
    project = empty.iterable
    project.lists, project.list_members = [{"id": 8}], {8: ["a@x.org", "u-2", "c@x.org"]}
    project.add_user({"email": "a@x.org", "userId": "u-1", "profileUpdatedAt": "2026-03-14 08:00:00 +00:00"})

    answer = ask(empty, "/api/lists/getUsers", listId=8)

    assert (answer.text, answer.content_type) == ("a@x.org\nu-2\nc@x.org\n", "text/plain; charset=utf-8")
    assert ask(empty, "/api/lists/getUsers", listId=8, preferUserId="true").text == "u-1\nu-2\nc@x.org\n"
    assert ask(empty, "/api/lists/8/size").text == "3"


def test_an_unknown_list_is_bad_params(empty, ask):
    expected = {
        "msg": "Invalid email list id",
        "code": "BadParams",
        "params": {"projectId": "4242", "listId": "42"},
    }
    for path, query in (("/api/lists/getUsers", {"listId": 42}), ("/api/lists/42/size", {})):
        answer = ask(empty, path, **query)
        assert (answer.status, answer.json) == (400, expected)


def test_campaigns_come_in_pages_of_twenty_linked_to_their_neighbours(empty, ask):
    empty.iterable.campaigns = CAMPAIGNS
    first = ask(empty, "/api/campaigns")
    second = ask(empty, first.json["nextPageUrl"])
    third = ask(empty, second.json["nextPageUrl"])

    assert ids(first, "campaigns") == list(range(1, 21))
    assert ids(third, "campaigns") == list(range(41, 46))
    assert "totalCampaignsCount" not in first.json
    assert {**second.json, "campaigns": ...} == {
        "campaigns": ...,
        "nextPageUrl": "/api/campaigns?page=3&pageSize=20",
        "previousPageUrl": "/api/campaigns?page=1&pageSize=20",
        "totalCampaignsCount": 45,
    }
    assert "nextPageUrl" not in third.json


def test_all_campaigns_fit_on_a_page_of_a_thousand_but_not_more(empty, ask):
    empty.iterable.campaigns = CAMPAIGNS
    assert ids(ask(empty, "/api/campaigns", page=1, pageSize=1000), "campaigns") == list(range(1, 46))
    assert ids(ask(empty, "/api/campaigns", page=3, pageSize=1000), "campaigns") == []
    for query in ({"pageSize": 1001}, {"pageSize": 0}, {"page": 0}, {"page": "one"}):
        assert ask(empty, "/api/campaigns", **query).json["code"] == "BadParams"


def test_campaigns_can_be_sorted_and_chosen_by_state(empty, ask):
    empty.iterable.campaigns = [
        {"id": 1, "createdAt": 30, "campaignState": "Draft"},
        {"id": 2, "createdAt": 20, "campaignState": "Finished"},
        {"id": 3, "createdAt": 10, "campaignState": "Running"},
    ]
    assert ids(ask(empty, "/api/campaigns", sort="createdAt"), "campaigns") == [3, 2, 1]
    assert ids(ask(empty, "/api/campaigns", sort="-id"), "campaigns") == [3, 2, 1]
    assert ids(ask(empty, "/api/campaigns", sort="+id"), "campaigns") == [1, 2, 3]
    assert ids(ask(empty, "/api/campaigns", campaignState=["Draft", "Running"]), "campaigns") == [1, 3]
    assert ask(empty, "/api/campaigns", sort="size").json["msg"] == "Invalid sort: size"


def test_templates_are_those_of_one_type_and_medium_without_saying_so(empty, ask):
    def template(number, template_type, medium):
        return {
            "templateId": number,
            "createdAt": number * 1000,
            "templateType": template_type,
            "messageMedium": medium,
        }

    empty.iterable.templates = [
        template(1, "Blast", "Email"),
        template(2, "Blast", "SMS"),
        template(3, "Base", "Email"),
        template(4, "Blast", "Email"),
    ]

    def found(**query):
        return ask(empty, "/api/templates", **query).json["templates"]

    assert found() == [{"templateId": 1, "createdAt": 1000}, {"templateId": 4, "createdAt": 4000}]
    assert found(templateType="Base", messageMedium="Email") == [{"templateId": 3, "createdAt": 3000}]
    assert found(templateType="Blast", messageMedium="SMS") == [{"templateId": 2, "createdAt": 2000}]
    assert found(startDateTime="1970-01-01 00:00:04") == [{"templateId": 4, "createdAt": 4000}]
    assert found(endDateTime="1970-01-01 00:00:04") == [{"templateId": 1, "createdAt": 1000}]
    assert ask(empty, "/api/templates", messageMedium="Fax").json["msg"] == "Invalid value for messageMedium: Fax"


def test_journeys_in_use_and_archived_ones_are_listed_apart(empty, ask):
    empty.iterable.journeys = [{"id": number, "isArchived": number > 12} for number in range(1, 15)]
    first = ask(empty, "/api/journeys")
    assert ids(first, "journeys") == list(range(1, 11))
    assert first.json["totalJourneysCount"] == 12
    assert ids(ask(empty, first.json["nextPageUrl"]), "journeys") == [11, 12]
    assert ids(ask(empty, "/api/journeys", state="Archived"), "journeys") == [13, 14]
    assert ask(empty, "/api/journeys", pageSize=51).status == 400


def test_campaign_metrics_have_the_columns_of_the_media_asked_about(empty, ask):
    empty.iterable.campaigns = [
        {"id": 1, "messageMedium": "Email", "createdAt": 1000, "sendSize": 50},
        {"id": 2, "messageMedium": "SMS", "createdAt": 1000, "sendSize": 50},
    ]

    def metrics(*campaigns):
        return table(ask(empty, "/api/campaigns/metrics", campaignId=campaigns, startDateTime="1970-01-01"))

    email, sms = metrics(2, 1, 1, 99)
    assert (email["id"], sms["id"]) == ("1", "2")
    assert email["Total Email Sends"].isdigit()
    assert email["Total SMS Sent"] == sms["Total Email Sends"] == ""
    assert "Total SMS Sent" not in metrics(1)[0]
    assert metrics(1)[0].items() <= email.items()


def test_campaign_metrics_count_what_falls_into_the_window(empty, ask):
    empty.iterable.campaigns = [{"id": 1, "messageMedium": "Email", "createdAt": 86400000, "sendSize": 50}]

    def sends(**window):
        return table(ask(empty, "/api/campaigns/metrics", campaignId=1, **window))[0]["Total Emails Delivered"]

    assert sends(startDateTime="1970-01-02", endDateTime="1970-01-03") == sends(startDateTime="1970-01-01") != "0"
    assert sends(startDateTime="1970-01-03") == sends(startDateTime="1970-01-01", endDateTime="1970-01-02") == "0"


def test_campaign_metrics_without_campaigns_are_a_header_and_without_a_start_are_rejected(empty, ask):
    answer = ask(empty, "/api/campaigns/metrics")
    assert (answer.status, answer.text, answer.content_type) == (200, "id,\n", "text/plain; charset=utf-8")
    assert ask(empty, "/api/campaigns/metrics", campaignId=1).status == 400


def test_experiments_are_paged_by_limit_and_offset(empty, ask):
    empty.iterable.experiments = [
        {"id": number, "status": "running" if number % 2 else "finished", "startDate": f"2026-03-{number:02}"}
        for number in range(1, 31)
    ]
    first = ask(empty, "/api/experiments")
    assert ids(first, "experiments") == list(range(1, 21))
    assert first.json["pagination"] == {"limit": 20, "offset": 0, "total": 30}
    assert ids(ask(empty, "/api/experiments", limit=7, offset=25), "experiments") == [26, 27, 28, 29, 30]
    assert ids(ask(empty, "/api/experiments", state="running", limit=2), "experiments") == [1, 3]
    window = {"startDateTime": "2026-03-29", "endDateTime": "2026-03-30"}
    assert ids(ask(empty, "/api/experiments", **window), "experiments") == [29, 30]
    assert ask(empty, "/api/experiments", limit=101).status == 400


def test_experiment_metrics_are_those_of_the_experiments_and_campaigns_asked_for(empty, ask):
    def row(experiment, campaign):
        return {"Experiment ID": str(experiment), "Campaign ID": str(campaign)}

    empty.iterable.experiment_metrics = [row(1, 10), row(1, 11), row(2, 10)]

    def found(**query):
        rows = table(ask(empty, "/api/experiments/metrics", **query))
        return [(int(row["Experiment ID"]), int(row["Campaign ID"])) for row in rows]

    assert found() == [(1, 10), (1, 11), (2, 10)]
    assert found(experimentId=1) == [(1, 10), (1, 11)]
    assert found(experimentId=[1, 2], campaignId=10) == [(1, 10), (2, 10)]


def test_a_metadata_table_is_read_ten_keys_at_a_time(empty, ask):
    items = [{"key": f"k{number:02}", "size": 5, "lastModified": 7, "value": {"n": number}} for number in range(12)]
    empty.iterable.metadata = {"Rates": items}

    first = ask(empty, "/api/metadata/rates").json
    assert first["results"][0] == {"table": "Rates", "key": "k00", "size": 5, "lastModified": 7}
    assert (len(first["results"]), first["nextMarker"]) == (10, "k09")
    second = ask(empty, "/api/metadata/rates", nextMarker="k09").json
    assert [row["key"] for row in second["results"]] == ["k10", "k11"]
    assert "nextMarker" not in second


def test_a_metadata_value_is_found_in_any_letter_case(empty, ask):
    empty.iterable.metadata = {"Rates": [{"key": "EUR", "size": 5, "lastModified": 7, "value": {"usd": 1.08}}]}
    expected = {"table": "Rates", "key": "EUR", "size": 5, "lastModified": 7, "value": {"usd": 1.08}}
    assert ask(empty, "/api/metadata/rates/eur").json == expected
    missing = ask(empty, "/api/metadata/rates/chf")
    assert (missing.status, missing.json["code"]) == (404, "NotFound")


def test_catalogs_and_their_items_are_wrapped_and_paged_by_ten(empty, ask):
    item = {"itemId": "sku", "lastModified": 7, "size": 9, "value": {"price": 1.5}}
    empty.iterable.catalogs = {f"c{number}": [item] * 12 for number in range(11)}

    first = ask(empty, "/api/catalogs").json
    assert (first["msg"], first["code"], len(first["params"]["catalogNames"])) == ("", "Success", 10)
    assert first["params"]["totalCatalogsCount"] == 11
    last = ask(empty, first["params"]["nextPageUrl"]).json
    assert last["params"]["catalogNames"] == [{"name": "c10"}]

    items = ask(empty, "/api/catalogs/c1/items", page=2, pageSize=11).json["params"]
    assert items == {
        "catalogItemsWithProperties": [{"catalogName": "c1", **item}],
        "totalItemsCount": 12,
        "previousPageUrl": "/api/catalogs/c1/items?page=1&pageSize=11",
    }
    assert ask(empty, "/api/catalogs/none/items").json["code"] == "NotFound"


def test_a_user_is_found_by_email_and_a_stranger_is_an_empty_object(empty, ask):
    profile = {
        "email": "a@x.org",
        "userId": "u-1",
        "profileUpdatedAt": "2026-03-14 08:00:00 +00:00",
        "plan": "pro",
    }
    empty.iterable.add_user(profile)
    assert ask(empty, "/api/users/getByEmail", email="a@x.org").json == {
        "user": {
            "email": "a@x.org",
            "userId": "u-1",
            "dataFields": {"profileUpdatedAt": "2026-03-14 08:00:00 +00:00", "plan": "pro"},
        }
    }
    assert ask(empty, "/api/users/getByEmail", email="z@x.org").json == {}
