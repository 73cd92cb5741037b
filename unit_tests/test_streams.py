"""Every stream delivers what the project holds, once, whole and typed: one first sync of everything there is.

The project is the seeded sandbox, odd rows included, but without the e-mail that keeps coming: so all that it
holds can be compared with all that came out.
"""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import pytest
import requests
from airbyte_cdk import HttpRequester

from components import snake_case
from sandbox import Sandbox, serve
from sandbox.courier import message_log
from sandbox.courier.listings import LISTINGS
from sandbox.courier.seed import CREDENTIAL
from sandbox.courier.seed import listed as courier_seed
from sandbox.courier.timestamps import DAY, iso, milliseconds
from sandbox.courier.workspace import CourierWorkspace
from sandbox.iterable import data_types, metrics
from sandbox.iterable.listings import content
from sandbox.iterable.project import IterableProject
from sandbox.iterable.timestamps import epoch_seconds, midnight, spelt
from sandbox.messages import Request
from scripts import streams as table
from unit_tests.conftest import NOW, Syncing
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import Sync, catalog_of, run
from unit_tests.support.invariants import Row, differences, leaves, misfits, unpacked, unusable_keys, without

pytestmark = pytest.mark.slow  # one sync of the whole manifest
START = "2025-08-18T00:00:00Z"
FIVE_MINUTES_AGO = "2026-03-15T11:55:00+00:00"
MIDNIGHT = "2026-03-16"
NO_CURSOR = {"__ab_no_cursor_state_message": True}
MEMBERS = 30
NOON = int(NOW.timestamp() * 1000)

STREAMS = {
    stream.name: stream for stream in table.streams_of(table.resolve(table.MANIFEST.read_text(encoding="utf-8")))
}
ITERABLE = {name: stream for name, stream in STREAMS.items() if stream.vendor == "Iterable"}
COURIER = {name: stream for name, stream in STREAMS.items() if stream.vendor == "Courier"}
CONTENTS = {
    "email_templates": "Email",
    "push_templates": "Push",
    "sms_templates": "SMS",
    "in_app_templates": "InApp",
    "embedded_templates": "Embedded",
}
EXPORTS = {name: stream for name, stream in STREAMS.items() if stream.kind == "exports"}


@dataclass
class Whole:
    """A sync of every stream, the project and the workspace it read, and the paths called, altogether and by stream."""

    project: IterableProject
    workspace: CourierWorkspace
    sync: Sync
    called: set[str]
    asked: dict[str, set[str]]
    records: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def whole(discovered: Sync, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    with VirtualClock(NOW).running() as clock:
        sandbox = Sandbox(anchor=NOW.date(), clock=clock.now, budgets=False)
        quieten(sandbox)
        with serve(sandbox) as address:
            # The sandbox has no limits here, and waits would only take time.
            config = {
                "api_key": sandbox.iterable.api_key,
                "start_date": START,
                "api_url": address,
                "courier": {"api_key": sandbox.courier.api_key, "api_url": address},
                "budget_share": 100,
            }
            with asking() as asked:
                sync = run(tmp_path_factory.mktemp("whole"), "read", config, catalog_of(discovered))
    assert sync.crash is None
    called = {call.path for call in sandbox.calls}
    return Whole(sandbox.iterable, sandbox.courier, sync, called, asked, sync.records)


@contextmanager
def asking() -> Iterator[dict[str, set[str]]]:
    """The paths that are asked for, by the stream whose rows they bring: a parent asks under its own name."""
    asked: dict[str, set[str]] = defaultdict(set)
    send = HttpRequester.send_request

    def recorded(requester: HttpRequester, **options: Any) -> requests.Response | None:
        response = send(requester, **options)
        if response is not None and response.request.method == "GET":
            asked[requester.name].add(urlsplit(response.request.url or "").path)
        return response

    with mock.patch.object(HttpRequester, "send_request", recorded):
        yield asked


def quieten(sandbox: Sandbox) -> None:
    """Take out today's events and messages, since what is seen of them depends on the moment, and most list members,
    since each costs calls.
    """
    project = sandbox.iterable
    for data_type, events in project.events.items():
        if data_type != data_types.USER:
            project.events[data_type] = [event for event in events if event.at < midnight(NOW.date())]
    project.list_members = {number: members[:MEMBERS] for number, members in project.list_members.items()}
    today = milliseconds(NOW.date().isoformat())
    sandbox.courier.messages = [message for message in sandbox.courier.messages if message["enqueued"] < today]


# --------------------------------------------------------------------------------------------- all streams


def test_every_stream_is_complete_without_an_error(whole: Whole, discovered: Sync) -> None:
    names = [stream["name"] for stream in discovered.of_type("CATALOG")[0]["streams"]]

    assert whole.sync.statuses == dict.fromkeys(names, "COMPLETE")
    assert whole.sync.errors == {}
    assert [line for line in whole.sync.logs if "dated outside" in line] == []
    assert [line for line in whole.sync.logs if "left out" in line and line.split(":")[0] in ITERABLE] == []


@pytest.mark.parametrize("stream", STREAMS)
def test_records_fit_the_schema_and_bring_no_other_column(whole: Whole, stream: str) -> None:
    assert whole.records[stream]
    assert misfits(whole.records[stream], STREAMS[stream].schema) == []


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_are_there_and_tell_records_apart(whole: Whole, stream: str) -> None:
    assert unusable_keys(whole.records[stream], STREAMS[stream].primary_key) == []


def test_no_credential_leaves_the_source(whole: Whole) -> None:
    assert CREDENTIAL not in json.dumps(whole.sync.messages)
    assert "tokens_left" in json.dumps(whole.records["profiles"])


@pytest.mark.parametrize("stream", [name for name in ITERABLE if name not in CONTENTS])
def test_the_last_state_is_one_to_go_on_from(whole: Whole, stream: str) -> None:
    cursor = STREAMS[stream].cursor

    assert whole.sync.states[stream][-1] == (
        {cursor: MIDNIGHT if cursor == "day" else FIVE_MINUTES_AGO} if cursor else NO_CURSOR
    )


# ----------------------------------------------------------------------------------------------- endpoints

ENDPOINTS = {vendor: list(table.endpoints(vendor)) for vendor in table.SITES}


def endpoints_of(vendor: str, asked: set[str]) -> set[str]:
    """The documented endpoints that paths belong to; one with fewer parts to fill in comes first."""
    known = sorted((endpoint.path for endpoint in ENDPOINTS[vendor]), key=lambda path: path.count("{"))
    patterns = {path: re.escape(path).replace(r"\{\}", "[^/]+") for path in known}
    return {next((path for path in known if re.fullmatch(patterns[path], each)), each) for each in asked}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_calls_the_endpoints_that_the_reference_says(whole: Whole, stream: str) -> None:
    assert endpoints_of(STREAMS[stream].vendor, whole.asked[stream]) == set(STREAMS[stream].paths)


def test_every_call_is_made_for_a_stream(whole: Whole) -> None:
    assert whole.called == set().union(*whole.asked.values())


def test_what_is_called_besides_serves_streams_as_the_reference_says(
    whole: Whole, seeded: Sandbox, sync: Syncing
) -> None:
    with asking() as asked:
        sync("email_send", config={"export_method": "jobs"})
    called = whole.called.union(*asked.values())

    for vendor in table.SITES:
        of_vendor = {path for path in called if path.startswith("/api/") == (vendor == "Iterable")}
        besides = endpoints_of(vendor, of_vendor) - {path for stream in STREAMS.values() for path in stream.paths}
        assert besides == {endpoint.path for endpoint in ENDPOINTS[vendor] if endpoint.serves}


# ------------------------------------------------------------------------------------------------- exports


def lost_or_invented(whole: Whole, stream: str, held: Iterable[Row]) -> dict[str, Any]:
    """Where the records of a stream and the rows of the project differ."""
    return differences(*delivered_and_held(whole, stream, held))


def delivered_and_held(whole: Whole, stream: str, held: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """The records of a stream and the rows of the project, comparable.

    A null in a column is as good as none, and a field called like our own key is found as `row.<name>`.
    """
    keys = ("event_id", "user_key") if stream in ITERABLE else ()
    overflow = "other_fields" if "other_fields" in STREAMS[stream].columns else "data"
    columns = STREAMS[stream].columns.keys() - {overflow}
    rows = [{name: row[name] for name in row if row[name] is not None or name not in columns} for row in held]
    delivered = [without(unpacked(record, overflow), *keys) for record in whole.records[stream]]
    return [*delivered], [{_as_delivered(name, keys): value for name, value in row.items()} for row in rows]


def _as_delivered(name: str, keys: tuple[str, ...]) -> str:
    return f"row.{name}" if name in keys else name


def data_type_of(stream: str) -> str:
    data_type = data_types.canonical(EXPORTS[stream].data_type)
    assert data_type
    return data_type


@pytest.mark.parametrize("stream", EXPORTS)
def test_every_field_of_every_exported_row_is_delivered(whole: Whole, stream: str) -> None:
    span = epoch_seconds(START), epoch_seconds(FIVE_MINUTES_AGO)
    held = [event.row for event in whole.project.window(data_type_of(stream), *span)]

    assert held
    assert lost_or_invented(whole, stream, held) == {}


def test_every_event_of_every_member_is_delivered_once(whole: Whole) -> None:
    members = {member for listed in whole.project.list_members.values() for member in listed}
    held = [
        {name: value for name, value in row.items() if not name.startswith("itblInternal")} | {"_type": data_type}
        for data_type in data_types.EVENTS
        for row in whole.project.rows(data_type)
        if row.get("email") in members or row.get("userId") in members
    ]

    delivered = [without(unpacked(record), "event_id", "itblInternal") for record in whole.records["events"]]
    assert differences(delivered, [without(row, "event_id") for row in held]) == {}


# ------------------------------------------------------------------------------------------------ listings


def items_of(tables: Mapping[str, list[dict[str, Any]]], name: str) -> list[Row]:
    return [{name: owner, **item} for owner, items in tables.items() for item in items]


def members(project: IterableProject) -> Iterator[Row]:
    for number, listed in project.list_members.items():
        for member in listed:
            yield {"listId": number, "identifier": member, "email" if "@" in member else "userId": member}


def changed(project: IterableProject) -> list[dict[str, Any]]:
    return [
        row
        for row in project.templates
        if max(row["createdAt"], row.get("updatedAt") or 0) / 1000 >= epoch_seconds(START)
    ]


def contents(project: IterableProject, medium: str) -> list[Row]:
    """Return what the templates of a medium say, in every locale of those with an id of the customer's."""
    return [
        content(row, locale) | {"requestedLocale": locale or "", "updatedAt": row.get("updatedAt")}
        for row in changed(project)
        for locale in (None, *(project.locales.get(row["templateId"], []) if row.get("clientTemplateId") else []))
        if row["messageMedium"] == medium
    ]


ELSEWHERE = {"events", "campaigns_metrics", "campaigns_metrics_daily", "experiment_metrics"}
EXPECTED: dict[str, Callable[[IterableProject], list[Row]]] = {
    "templates": lambda project: [{**row, "createdAt": spelt(row["createdAt"] / 1000)} for row in changed(project)],
    "metadata": lambda project: [{"name": name} for name in project.metadata],
    "metadata_items": lambda project: items_of(project.metadata, "table"),
    "catalogs": lambda project: [{"name": name} for name in project.catalogs],
    "catalog_items": lambda project: items_of(project.catalogs, "catalogName"),
    "user_fields": lambda project: [{"name": name, "type": kind} for name, kind in project.held("user_fields").items()],
    "forgotten_users": lambda project: [
        *({"hash": value, "identifier_type": "email"} for value in project.held("forgotten")),
        *({"hash": value, "identifier_type": "userId"} for value in project.held("forgotten_user_ids")),
    ],
    "catalog_fields": lambda project: [
        {"catalogName": name, "name": field, "type": kind}
        for name, items in project.catalogs.items()
        for field, kind in {"name": "string", "stock": None, "id": "string", "color.name": "string"}.items()
        if items
    ],
    "list_users": lambda project: [*members(project)],
    "list_sizes": lambda project: [
        {"listId": row["id"], "size": len(project.list_members[row["id"]])} for row in project.lists
    ],
    "child_campaigns": lambda project: [row for row in project.campaigns if row.get("recurringCampaignId")],
}


def listed_by_iterable(project: IterableProject, stream: str) -> list[Row]:
    """Return what EXPECTED says, or the rows that the sandbox lists under the stream's name."""
    if stream in CONTENTS:
        return contents(project, CONTENTS[stream])
    return EXPECTED[stream](project) if stream in EXPECTED else [*project.held(stream)]


@pytest.mark.parametrize("stream", sorted(ITERABLE.keys() - EXPORTS.keys() - ELSEWHERE))
def test_every_field_of_every_listed_row_is_delivered(whole: Whole, stream: str) -> None:
    held = listed_by_iterable(whole.project, stream)

    assert held
    assert lost_or_invented(whole, stream, held) == {}


def figures(text: str) -> list[Row]:
    """The lines of a CSV, without their blank cells."""
    return [{name: cell for name, cell in line.items() if cell} for line in csv.DictReader(io.StringIO(text))]


def campaign_lines(project: IterableProject) -> list[Row]:
    ids = "&".join(f"campaignId={campaign['id']}" for campaign in project.campaigns)
    target = f"/api/campaigns/metrics?startDateTime={START}&{ids}"
    return figures(metrics.campaign_metrics(project, Request("GET", target)).body.decode())


def experiment_lines(project: IterableProject) -> list[Row]:
    return figures(metrics.experiment_metrics(project, Request("GET", "/api/experiments/metrics")).body.decode())


@pytest.mark.parametrize(
    ("stream", "lines"),
    [("campaigns_metrics", campaign_lines), ("experiment_metrics", experiment_lines)],
)
def test_every_figure_is_delivered_and_has_a_column_of_its_own(
    whole: Whole, stream: str, lines: Callable[[IterableProject], list[Row]]
) -> None:
    held = lines(whole.project)
    names = {name for line in held for name in line}

    assert differences([record["data"] for record in whole.records[stream]], held) == {}
    assert {snake_case(name) for name in names} - STREAMS[stream].columns.keys() == set()


# ------------------------------------------------------------------------------------------------- Courier


def below(owner: str, held: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Rows with the id of what they belong to."""
    return [{**row, owner: number} for number, rows in held.items() for row in rows]


def begun(runs: Iterable[Row]) -> list[Row]:
    """Return the runs of the past as a listing tells them; one that does not say when it began is none of them."""
    dated = [row for row in runs if row.get("created_at")]
    return [without(row, "updated_at") for row in dated if milliseconds(row["created_at"]) <= NOON]


def sent(workspace: CourierWorkspace) -> list[Row]:
    """The messages, archived ones among them, as far as each has come by noon."""
    rows = [message_log.as_of(row, NOON) for row in workspace.messages]
    return [without(row, *message_log.HIDDEN) | {"enqueued_at": iso(row["enqueued"])} for row in rows]


def listed(workspace: CourierWorkspace) -> list[Row]:
    return [without(row, *message_log.DETAILS_ONLY) for row in sent(workspace)]


def detailed(workspace: CourierWorkspace) -> list[Row]:
    """Return the messages that have details: expired ones are only listed."""
    return [row for row in sent(workspace) if row["id"] not in workspace.expired]


def told_of(workspace: CourierWorkspace, held: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Return what is kept below each message, for shorter than the message itself, in its place."""
    assert workspace.retention_days
    oldest = NOON - workspace.retention_days * DAY
    return [
        {**row, "message_id": message["id"], "message_enqueued": message["enqueued"], "position": place}
        for message in detailed(workspace)
        if message["enqueued"] >= oldest
        for place, row in enumerate(held[message["id"]])
    ]


def steps(workspace: CourierWorkspace, kind: str) -> list[Row]:
    """The steps of the runs that have begun, in their place."""
    held = workspace.held(f"{kind}_run_steps")
    return [
        {**row, "run_id": run["run_id"], "run_created_at": run["created_at"], "position": place}
        for run in begun(workspace.held(f"{kind}_runs"))
        for place, row in enumerate(held.get(run["run_id"], []))
    ]


def profiles_met(workspace: CourierWorkspace) -> list[Row]:
    """The profiles of everybody to whom something was sent, or who belongs to something."""
    met = {
        *(row.get("recipientId") for row in workspace.messages),
        *(row["member_id"] for row in below("audience_id", workspace.audience_members)),
        *(row["recipientId"] for row in below("list_id", workspace.list_subscriptions)),
        *(row["user_id"] for row in below("tenant_id", workspace.tenant_users)),
    }
    return [{"user_id": user, **profile} for user, profile in workspace.profiles.items() if user in met]


EXPECTED_COURIER: dict[str, Callable[[CourierWorkspace], list[Row]]] = {
    "automations": lambda workspace: [*workspace.automations],
    "courier_journeys": lambda workspace: [*workspace.journeys],
    "preference_sections": lambda workspace: [
        {**row, "topics": workspace.preference_topics[row["id"]]} for row in workspace.preference_sections
    ],
    "messages": listed,
    "message_info": detailed,
    "message_output": lambda workspace: told_of(workspace, workspace.outputs),
    "automation_runs": lambda workspace: begun(workspace.held("automation_runs")),
    "journey_runs": lambda workspace: begun(workspace.held("journey_runs")),
    "automation_run_steps": lambda workspace: steps(workspace, "automation"),
    "journey_run_steps": lambda workspace: steps(workspace, "journey"),
    "translations": lambda workspace: [
        {"locale": locale, "translation": row["translation"]}
        for locale, (row,) in workspace.held("translations").items()
    ],
    "profiles": profiles_met,
    "message_history": lambda workspace: told_of(
        workspace, {number: [row for row in rows if row["ts"] <= NOON] for number, rows in workspace.history.items()}
    ),
}


LISTED = {courier_seed.SCHEMAS.get(listing.name, listing.name): listing for listing in LISTINGS}


def listed_by_courier(workspace: CourierWorkspace, stream: str) -> list[Row]:
    """Return what EXPECTED_COURIER says, or the rows that the sandbox lists, with the id of what they belong to."""
    if stream in EXPECTED_COURIER:
        return EXPECTED_COURIER[stream](workspace)
    listing = LISTED[stream]
    held = workspace.held(listing.name)
    return below(COURIER[stream].primary_key[0], held) if listing.parents else [*held]


@pytest.mark.parametrize("stream", sorted(COURIER))
def test_every_field_of_every_row_of_courier_is_delivered_but_credentials(whole: Whole, stream: str) -> None:
    delivered, held = delivered_and_held(whole, stream, listed_by_courier(whole.workspace, stream))
    kept = [without_credentials(row) for row in held]

    assert held
    assert CREDENTIAL in str(held) or stream in EXPECTED_COURIER
    assert differences(map(filled_leaves, delivered), kept) == {}


def without_credentials(row: Row) -> Row:
    return {path: value for path, value in filled_leaves(row).items() if not str(value).startswith(CREDENTIAL)}


def filled_leaves(row: Row) -> Row:
    """Leaves without empty objects: whether one is left of what held nothing but credentials, is no promise."""
    return {path: value for path, value in leaves(row).items() if value != "{}"}


# --------------------------------------------------------------------------------------------------- pages


LONG = ("campaigns", "templates", "journeys", "catalogs", "experiments")


def test_long_listings_are_read_to_their_last_page(sandbox: Sandbox, sync: Syncing) -> None:
    project = sandbox.iterable
    project.campaigns = [{"id": number, "createdAt": number} for number in range(2001)]
    project.templates = [
        {"templateId": number, "createdAt": 1773500000000, "templateType": "Blast", "messageMedium": "Email"}
        for number in range(1001)
    ]
    project.journeys = [{"id": number, "isArchived": number % 2 == 1} for number in range(151)]
    project.catalogs = {f"catalog{number}": [] for number in range(201)}
    project.experiments = [{"id": number, "status": "running"} for number in range(201)]

    synced = sync(*LONG)

    for stream in LONG:
        assert differences(synced.records[stream], listed_by_iterable(project, stream)) == {}
    assert pages(sandbox, "/api/campaigns", "page") == [None, "2", "3"]
    email = {"templateType": "Blast", "messageMedium": "Email"}
    assert pages(sandbox, "/api/templates", "page", **email) == [None, "2"]
    assert pages(sandbox, "/api/journeys", "page", state="Archived") == [None, "2"]
    assert pages(sandbox, "/api/catalogs", "page") == [None, "2", "3"]
    assert pages(sandbox, "/api/experiments", "offset") == [None, "100", "200", "201"]


def pages(sandbox: Sandbox, path: str, parameter: str, **fixed: str) -> list[str | None]:
    """The values of a page parameter, in the order of the calls."""
    return [
        call.query.get(parameter, [None])[0]
        for call in sandbox.calls
        if call.path == path and all(call.query.get(name) == [value] for name, value in fixed.items())
    ]
