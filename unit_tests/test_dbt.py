"""The dbt package on what two syncs of the sandbox have loaded into DuckDB and PostgreSQL.

A user changes the address and the lists between the syncs, so that the second build is an incremental one. What the
models should hold is counted from the records. fivetran_tables.json is what Fivetran's dbt_iterable 1.4.1 reads.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
import yaml

import source_messaging
from sandbox import Sandbox, serve
from scripts import streams
from unit_tests.conftest import NOW
from unit_tests.support import postgres
from unit_tests.support.clock import VirtualClock
from unit_tests.support.connector import Sync, catalog_of, run
from unit_tests.support.warehouse import (
    ROOT,
    DbtProject,
    DuckDb,
    PostgresDatabase,
    Row,
    Table,
    Tables,
    needs_dbt,
    tables_of,
)

MODELS = ROOT / "dbt" / "models"
FACTS: dict[str, dict[str, str]] = json.loads(
    (ROOT / "unit_tests" / "data" / "fivetran_tables.json").read_text(encoding="utf-8")
)
SOURCES = [
    table["name"]
    for table in yaml.safe_load((MODELS / "sources.yml").read_text(encoding="utf-8"))["sources"][0]["tables"]
]
DOCUMENTED = {
    model["name"]: [column["name"] for column in model["columns"]]
    for file in MODELS.glob("*/_*.yml")
    for model in yaml.safe_load(file.read_text(encoding="utf-8"))["models"]
    if "columns" in model
}
PAGE = (ROOT / "docs" / "from-fivetran.md").read_text(encoding="utf-8")
EVENTS = (ROOT / "dbt" / "macros" / "events.sql").read_text(encoding="utf-8")
FIVETRAN, OTHERS = (re.findall(r"'(\w+)'", block) for block in re.findall(r" = \[\n(.*?)\]", EVENTS, re.DOTALL)[:2])
RAW, TARGET, FRESH, OTHER = "raw", "analytics", "fresh", "other"
# What loaders add to a row, and what two tables lack, as those of other loaders do.
LOADED_AT = "2026-03-17T12:00:00.5"
AIRBYTE = {
    "_airbyte_raw_id": ("string", "7f4f6f3c"),
    "_airbyte_extracted_at": ("timestamp", f"{LOADED_AT}Z"),
    "_airbyte_meta": ("object", {"changes": []}),
    "_airbyte_generation_id": ("integer", 3),
}
DLT = {"_dlt_id": ("string", "7f4f6f3c"), "_dlt_row": ("integer", 3), "_dlt_load_id": ("string", "1773748800.5")}
BARE = ("lists", "email_open")
DAY = 86400
# One in so many, since each takes two calls; it shares no factor with the rounds in which they are made up.
EVERY_MESSAGE = 7
needs_postgres = pytest.mark.skipif(
    not postgres.INSTALLED and not os.environ.get("CI"), reason="`make test-all` installs PostgreSQL on Debian"
)


# ------------------------------------------------------------------------------------- what needs no database


def test_the_models_read_streams_that_there_are() -> None:
    known = list(streams.streams_of(streams.resolve(streams.MANIFEST.read_text(encoding="utf-8"))))
    exports = {stream.name for stream in known if stream.data_type and stream.name != "users"}

    assert sorted(SOURCES) == sorted(set(SOURCES) & {stream.name for stream in known})
    assert sorted(FIVETRAN + OTHERS) == sorted(exports)
    assert len(FIVETRAN) == 33


def test_no_model_asks_dbt_for_the_tables_that_there_are() -> None:
    """Its look-up fails now and then when threads share a DuckDB file."""
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "dbt").rglob("*.sql"))

    assert re.findall(r"get_relation|get_columns_in_relation|load_relation|load_cached_relation", code) == []


def test_the_page_names_the_variables_and_what_has_no_counterpart() -> None:
    variables = yaml.safe_load((ROOT / "dbt" / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]["messaging"]
    table = re.findall(r"^\| (`\w+`.*?) \|", PAGE.partition("## Variables")[2], re.MULTILINE)
    extension = (MODELS / "fivetran_iterable" / "event_extension.sql").read_text(encoding="utf-8")

    assert [name for cell in table for name in re.findall(r"`(\w+)`", cell)] == list(variables)
    assert set(WEBHOOK_ONLY) <= FACTS["event_extension"].keys()
    assert len(WEBHOOK_ONLY) == extension.count("webhook_field(") + extension.count("cast(null as") == 10
    assert f"Of the {sum(map(len, FACTS.values()))} columns" in PAGE


WEBHOOK_ONLY = re.findall(r"`(\w+)`", re.findall(r"\*\*Ten columns of `event_extension`(.*?)\. ", PAGE, re.DOTALL)[0])


# ----------------------------------------------------------------------------------------------------- two syncs


@dataclass
class Loaded:
    """The tables after the first and after the second sync, and the user who changed in between."""

    first: Tables
    second: Tables
    changed: Row

    def events(self, *names: str) -> list[Row]:
        return [row | {"stream": name} for name in names or FIVETRAN + OTHERS for row in self.second[name].rows]


@pytest.fixture(scope="module")
def loaded(discovered: Sync, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("sync")
    catalog = catalog_of(discovered, SOURCES)
    table = source_messaging.narrowed(source_messaging.load_manifest(), SOURCES)
    with VirtualClock(NOW).running() as clock, mock.patch.object(source_messaging, "load_manifest", return_value=table):
        sandbox = Sandbox(anchor=NOW.date(), clock=clock.now, budgets=False)
        sandbox.courier.messages = sandbox.courier.messages[::EVERY_MESSAGE]
        chosen = {row["messageId"] for row in sandbox.iterable.rows("emailSend")[::EVERY_MESSAGE]}
        chosen |= {row["messageId"] for row in sandbox.iterable.rows("emailClick") if "url" in row}
        for data_type in ("emailSend", "emailOpen", "emailClick"):
            events = sandbox.iterable.events[data_type]
            sandbox.iterable.events[data_type] = [each for each in events if each.row["messageId"] in chosen]
        changed = next(row for row in sandbox.iterable.users if any(_of(row, sandbox.iterable.rows("emailOpen"))))
        with serve(sandbox) as address:
            config = {
                "api_key": sandbox.iterable.api_key,
                "start_date": "2025-02-08T00:00:00Z",
                "api_url": address,
                "courier": {"api_key": sandbox.courier.api_key, "api_url": address},
                "budget_share": 1000,
            }
            sandbox.iterable.add_events("user", [changed | {"profileUpdatedAt": "2026-03-01 09:00:00 +00:00"}])
            first = run(folder, "read", config, catalog)
            clock.advance(2 * DAY)
            moved = {
                "email": "moved@example.com",
                "emailListIds": [949816, 949814],
                "lastName": "Moved",
                "unsubscribedMessageTypeIds": [47257, 47258],
                "profileUpdatedAt": "2026-03-16 09:00:00 +00:00",
            }
            sandbox.iterable.add_events("user", [changed | moved])
            second = run(folder, "read", config, catalog, first.final_state)
    assert not first.errors
    assert not second.errors
    assert all(second.records[name] for name in ("users", "email_send", "campaigns"))
    return Loaded(tables_of(discovered, first), tables_of(discovered, first, second), changed)


def _of(user: Row, rows: list[Row]) -> Iterator[bool]:
    return (row.get("itblUserId") == user.get("itblUserId") is not None for row in rows)


class Built:
    """The models of each target after the two syncs, by name."""

    def __init__(self, project: DbtProject, loaded: Loaded, added: dict[str, tuple[str, Any]]) -> None:
        self._warehouse = project.warehouse
        self._added = added
        variables = {"messaging_schema": RAW}
        self._load(loaded.first)
        project.build(TARGET, **variables)
        self._load(loaded.second)
        project.build(TARGET, **variables)
        project.build(FRESH, "--exclude-resource-type", "test", **variables)
        self._project, self._variables = project, variables
        self._rows: dict[tuple[str, str], list[Row]] = {}

    def _load(self, tables: Tables) -> None:
        added = {name: table if name in BARE else table.with_columns(self._added) for name, table in tables.items()}
        self.write(RAW, added)

    def write(self, schema: str, tables: Tables) -> None:
        self._warehouse.write(schema, tables)

    def build(self, target: str, *models: str, **variables: Any) -> None:
        self._project.build(target, "--select", *models, **self._variables | variables)
        self._rows.clear()

    def rows(self, model: str, target: str = TARGET) -> list[Row]:
        if (target, model) not in self._rows:
            kind = "fivetran_iterable" if model in {*FACTS, *HELPERS} else "messaging"
            self._rows[target, model] = self._warehouse.rows(f'SELECT * FROM {target}_{kind}."{model}"')
        return self._rows[target, model]

    def query(self, query: str) -> list[Row]:
        return self._warehouse.rows(query)

    def columns(self, model: str, target: str = TARGET) -> dict[str, str]:
        """Each column's type, in lower case."""
        found = self._warehouse.rows(
            "SELECT column_name AS name, lower(data_type) AS type FROM information_schema.columns"
            f" WHERE table_schema LIKE '{target}_%' AND table_name = '{model}' ORDER BY ordinal_position"
        )
        return {row["name"]: row["type"] for row in found}


@pytest.fixture(scope="module")
def on_duckdb(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("duckdb")
    return Built(DbtProject(folder / "dbt", DuckDb(folder / "messaging.duckdb"), (TARGET, FRESH, OTHER)), loaded, DLT)


@pytest.fixture(scope="module")
def on_postgres(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    with postgres.postgres() as server:
        folder = tmp_path_factory.mktemp("postgres")
        yield Built(DbtProject(folder, PostgresDatabase(server), (TARGET, FRESH, OTHER)), loaded, AIRBYTE)


@pytest.fixture(
    params=[
        pytest.param("on_duckdb", marks=needs_dbt),
        pytest.param("on_postgres", marks=[*needs_dbt, needs_postgres]),
    ]
)
def built(request: pytest.FixtureRequest) -> Built:
    """Each warehouse."""
    found: Built = request.getfixturevalue(request.param)
    return found


# ------------------------------------------------------------------------------------------------------ the schema

# dbt_iterable makes text of its numeric ids, where 7 must not become 7.000000; and Iterable takes any text for
# a template's client id.
HELPERS = {"event_row", "user_identity", "user_state"}
TYPES = {"int": "bigint", "numeric": "bigint", "string": "text", "timestamp": "timestamp", "boolean": "boolean"}
ANY_TEXT = ("template_history", "client_template_id")
SPELLED = {"character varying": "text", "varchar": "text", "timestamp without time zone": "timestamp"}


@pytest.mark.parametrize("model", FACTS)
def test_a_table_has_the_columns_and_types_that_dbt_iterable_reads(built: Built, model: str) -> None:
    found = {name: SPELLED.get(kind, kind) for name, kind in built.columns(model).items()}

    assert found == {name: "text" if (model, name) == ANY_TEXT else TYPES[kind] for name, kind in FACTS[model].items()}


def test_every_column_is_documented(built: Built) -> None:
    assert {model: list(built.columns(model)) for model in DOCUMENTED} == DOCUMENTED
    assert DOCUMENTED.keys() == {file.stem for file in MODELS.glob("*/*.sql")} - HELPERS


# ---------------------------------------------------------------------------------------------------------- counts


class Users:
    """The profiles, found by what an event or a list's member names."""

    def __init__(self, table: Table) -> None:
        self._found: dict[tuple[str, str], Row] = {}
        for row in sorted(table.rows, key=lambda row: str(row["profileUpdatedAt"])):
            for name in IDENTIFIERS:
                if row.get(name):
                    self._found[name, row[name]] = row

    def of(self, row: Row) -> Row | None:
        found = (self._found.get((name, row[name])) for name in IDENTIFIERS if row.get(name))
        return next((user for user in found if user), None)

    def key_of(self, row: Row) -> str | None:
        user = self.of(row)
        named: list[str] = [row[name] for name in IDENTIFIERS if row.get(name)]
        return user["user_key"] if user else next(iter(named), None)


IDENTIFIERS = ("itblUserId", "email", "userId")
ONE_NAME = {"email_unsubscribe": "emailUnSubscribe"}


def event_name(stream: str) -> str:
    first, *rest = stream.split("_")
    return ONE_NAME.get(stream, first + "".join(word.capitalize() for word in rest))


def test_events_are_as_many_as_ours_by_type_campaign_and_user(built: Built, loaded: Loaded) -> None:
    users = Users(loaded.second["users"])
    expected = Counter((event_name(row["stream"]), row.get("campaignId"), users.key_of(row)) for row in loaded.events())
    rows = built.rows("event")

    assert Counter((row["event_name"], row["campaign_id"], row["_fivetran_user_id"]) for row in rows) == expected
    assert {event for event, _, _ in expected} == set(map(event_name, FIVETRAN + OTHERS))
    assert {row["_fivetran_id"] for row in rows} == {row["event_id"] for row in loaded.events()}


def test_both_tables_of_events_hold_the_same_events_of_the_same_users(built: Built) -> None:
    events, extensions = (
        Counter((row["_fivetran_id"], row["_fivetran_user_id"]) for row in built.rows(model))
        for model in ("event", "event_extension")
    )

    assert events == extensions


# Of each table, which of our rows its rows are about, and by which of its columns.
LISTINGS = {
    "campaign_history": ("campaigns", "id", "id"),
    "channel": ("channels", "id", "id"),
    "list": ("lists", "id", "id"),
    "message_type": ("message_types", "id", "id"),
    "template_history": ("templates", "templateId", "id"),
}


@pytest.mark.parametrize("model", LISTINGS)
def test_a_table_of_names_has_a_row_for_each_of_ours(built: Built, loaded: Loaded, model: str) -> None:
    stream, field, column = LISTINGS[model]

    assert Counter(row[column] for row in built.rows(model)) == Counter(
        row[field] for row in loaded.second[stream].rows
    )


ARRAYS = {
    "campaign_label_history": ("campaigns", "labels", "campaign_id", "label"),
    "campaign_list_history": ("campaigns", "listIds", "campaign_id", "list_id"),
    "campaign_suppression_list_history": ("campaigns", "suppressionListIds", "campaign_id", "suppressed_list_id"),
    "user_unsubscribed_channel": ("users", "unsubscribedChannelIds", "_fivetran_id", "channel_id"),
    "user_unsubscribed_message_type": ("users", "unsubscribedMessageTypeIds", "_fivetran_id", "message_type_id"),
}


@pytest.mark.parametrize("model", ARRAYS)
def test_each_element_of_an_array_is_a_row(built: Built, loaded: Loaded, model: str) -> None:
    stream, field, key, column = ARRAYS[model]
    (name,) = loaded.second[stream].key

    expected = Counter((row[name], str(value)) for row in loaded.second[stream].rows for value in row.get(field) or [])
    assert Counter((row[key], str(row[column])) for row in built.rows(model)) == expected
    assert expected


def test_members_of_lists_are_users_and_their_lists_are_numbered_from_zero(built: Built, loaded: Loaded) -> None:
    users = Users(loaded.second["users"])
    expected = Counter(
        (users.key_of(row) or row["identifier"], row["listId"]) for row in loaded.second["list_users"].rows
    )
    rows = built.rows("list_user")

    assert Counter((row["_fivetran_id"], row["list_id"]) for row in rows) == expected
    ordered = sorted(rows, key=lambda row: (row["_fivetran_id"], row["list_id"]))
    places: Counter[str] = Counter()
    for row in ordered:
        assert row["index"] == places[row["_fivetran_id"]]
        places[row["_fivetran_id"]] += 1


# -------------------------------------------------------------------------------------------------------- the values

# Fields with a column of their own in event or event_extension.
PLACED = set(
    re.findall(
        r"\w+",
        """
        event_id email messageBusId messageId recipientState status unsubSource userAgent userAgentDevice url region
        city country platformEndpoint smsMessage renderedSmsMessage toPhoneNumber fromPhoneNumber fromSMSSenderId
        clickedUrl workflowId workflowName errorCode messageStatus reason campaignId contentId messageTypeId
        catalogCollectionCount catalogLookupCount mmsSendCount smsSendCount appAlreadyRunning isSMSEstimation createdAt
        expiresAt transactionalData deviceInfo data stream
        """,
    )
)


def test_what_has_no_column_is_in_additional_properties(built: Built, loaded: Loaded) -> None:
    moments = {name for table in loaded.second.values() for name, kind in table.columns.items() if kind == "timestamp"}
    found = {row["_fivetran_id"]: json.loads(row["additional_properties"]) for row in built.rows("event")}

    for row in loaded.events():
        left = {name: value for name, value in row.items() if name not in PLACED and value is not None}
        expected = left | (row.get("data") or {})
        properties = found[row["event_id"]]
        assert properties.keys() == expected.keys()
        assert {name: properties[name] for name in expected.keys() - moments} == {
            name: without_nulls(expected[name]) if name in left else expected[name]
            for name in expected.keys() - moments
        }


def without_nulls(value: Any) -> Any:
    """A column's value, of which keys with null are left out: {"a": {"b": null}} → {"a": {}}."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return value


# A column of event or event_extension, and the field it is, of these streams.
FIELDS = {
    ("event", "created_at"): ("createdAt", "email_send custom_event"),
    ("event", "message_id"): ("messageId", "email_send"),
    ("event", "content_id"): ("contentId", "push_send"),
    ("event", "unsub_source"): ("unsubSource", "email_unsubscribe"),
    ("event", "transactional_data"): ("transactionalData", "email_send"),
    ("event_extension", "device"): ("deviceInfo", "in_app_open"),
    ("event_extension", "expires_at"): ("expiresAt", "in_app_send"),
    ("event_extension", "link_url"): ("url", "email_click"),
    ("event_extension", "sms_message"): ("smsMessage", "sms_received"),
    ("event_extension", "error_code"): ("errorCode", "sms_usage_info"),
    ("event_extension", "is_sms_estimation"): ("isSMSEstimation", "sms_usage_info"),
}


@pytest.mark.parametrize("place", FIELDS, ids=".".join)
def test_a_column_is_the_field_of_that_event(built: Built, loaded: Loaded, place: tuple[str, str]) -> None:
    (model, column), (field, names) = place, FIELDS[place]
    found = {row["_fivetran_id"]: row[column] for row in built.rows(model)}
    rows = loaded.events(*names.split())

    assert any(row.get(field) is not None for row in rows)
    for row in rows:
        expected, value = row.get(field), found[row["event_id"]]
        if isinstance(expected, dict):
            assert json.loads(value) == expected
        elif loaded.second[row["stream"]].columns[field] == "timestamp" and expected:
            assert datetime.fromisoformat(value).replace(tzinfo=UTC) == datetime.fromisoformat(expected)
        else:
            assert str(value) == str(expected)


def test_an_event_has_its_campaigns_journey_labels_and_experiment(built: Built, loaded: Loaded) -> None:
    campaigns = {row["id"]: row for row in loaded.second["campaigns"].rows}
    journeys = {row["id"]: row["name"] for row in loaded.second["journeys"].rows}
    experiments: dict[tuple[int, int], int] = {}
    for row in sorted(loaded.second["experiment_metrics"].rows, key=lambda row: int(row["experiment_id"])):
        experiments[row["campaign_id"], row["template_id"]] = row["experiment_id"]
    found = {row["_fivetran_id"]: row for row in built.rows("event_extension")}
    seen: Counter[str] = Counter()

    for row in loaded.events("email_send"):
        campaign = campaigns[row["campaignId"]]
        journey = campaign.get("workflowId")
        expected = {
            "workflow_id": str(journey) if journey else None,
            "workflow_name": journeys.get(journey) if journey else None,
            "labels": ", ".join(sorted(campaign.get("labels") or [])) or None,
            "experiment_id": str(experiments.get((row["campaignId"], row["templateId"])) or "") or None,
        }
        assert {name: found[row["event_id"]][name] for name in expected} == expected
        seen.update(name for name, value in expected.items() if value)
    assert seen.keys() == {"workflow_id", "workflow_name", "labels", "experiment_id"}


@pytest.mark.parametrize("model", sorted(FACTS.keys() - {"event_extension"}))
def test_a_row_was_synced_when_the_loader_says_so_and_else_at_its_own_time(built: Built, model: str) -> None:
    for row in built.rows(model):
        is_bare = model == "list" or row.get("event_name") == "emailOpen"
        assert row["_fivetran_synced"] == (row["created_at"] if is_bare else LOADED_AT)


# -------------------------------------------------- traps: dbt_iterable's own tests pass, and its numbers are wrong


def test_what_only_webhooks_send_is_empty(built: Built) -> None:
    rows = built.rows("event_extension")

    assert {name for name in WEBHOOK_ONLY if any(row[name] is not None for row in rows)} == set()


def test_a_user_who_changed_keeps_his_earlier_state(built: Built, loaded: Loaded) -> None:
    """Else dbt_iterable, which holds the earlier state as the present one, has him twice after its next build.

    His states have one address, since dbt_iterable takes the last state of each address for a present one.
    """
    key = loaded.changed["itblUserId"]
    states = sorted(built.rows("user_history"), key=lambda row: str(row["updated_at"]))

    assert [
        (row["updated_at"], row["email"], row["email_list_ids"], row["last_name"])
        for row in states
        if row["_fivetran_id"] == key
    ] == [
        ("2026-03-01T09:00:00", "moved@example.com", lists_of(loaded.changed), None),
        ("2026-03-16T09:00:00", "moved@example.com", "[949814,949816]", "Moved"),
    ]
    others = Counter(row["_fivetran_id"] for row in states if row["_fivetran_id"] != key)
    assert others == Counter(row["user_key"] for row in loaded.second["users"].rows if row["user_key"] != key)


def lists_of(user: Row) -> str:
    """The lists in numerical order, without blanks: by their text dbt_iterable tells a change."""
    return json.dumps(sorted(user["emailListIds"] or []), separators=(",", ":"))


def test_a_user_on_no_list_has_an_empty_one(built: Built, loaded: Loaded) -> None:
    """dbt_iterable drops a user whose lists are null."""
    latest = {
        row["_fivetran_id"]: row["email_list_ids"]
        for row in sorted(built.rows("user_history"), key=lambda row: str(row["updated_at"]))
    }

    assert latest == {row["user_key"]: lists_of(row) for row in loaded.second["users"].rows}


@pytest.mark.parametrize("model", [pytest.param("user_state", marks=needs_dbt)])
def test_a_full_refresh_keeps_the_earlier_states_of_users(on_duckdb: Built, loaded: Loaded, model: str) -> None:
    before = on_duckdb.rows(model)
    on_duckdb.build(TARGET, model, "--full-refresh")

    assert sorted(map(str, on_duckdb.rows(model))) == sorted(map(str, before))
    key = loaded.changed["itblUserId"]
    assert {row["email"] for row in before if row["_fivetran_id"] == key} == {
        loaded.changed["email"],
        "moved@example.com",
    }


def test_an_event_has_the_address_that_its_user_has_now(built: Built, loaded: Loaded) -> None:
    """dbt_iterable groups by user and address, so of a user with two addresses it makes two."""
    users = Users(loaded.second["users"])
    key = loaded.changed["itblUserId"]
    rows = built.rows("event")

    assert {row["email"] for row in rows if row["_fivetran_user_id"] == key} == {"moved@example.com"}
    expected = {row["event_id"]: (users.of(row) or row).get("email") for row in loaded.events()}
    assert {row["_fivetran_id"]: row["email"] for row in rows} == expected


@pytest.mark.parametrize("model", ["channel", "list", "message_type"])
def test_nothing_that_is_there_counts_as_deleted(built: Built, model: str) -> None:
    """Where the column is not there, dbt_iterable takes every list and message type for deleted."""
    assert {row["_fivetran_deleted"] for row in built.rows(model)} == {False}


@pytest.fixture(scope="module")
def filled(on_duckdb: Built) -> Built:
    """The variables are the same SQL everywhere, so one warehouse will do."""
    (selection,) = re.findall(r"dbt build --select (messaging\.\w+)", PAGE)
    on_duckdb.build(OTHER, selection, fill_email=True, fivetran_event_types_only=True)
    return on_duckdb


@pytest.mark.parametrize("model", [pytest.param(model, marks=needs_dbt) for model in ("user_history", "event")])
def test_users_without_an_address_can_be_told_apart(filled: Built, loaded: Loaded, model: str) -> None:
    """dbt_iterable takes all users without an address for one; `fill_email` gives each the key in its place."""
    key = "_fivetran_id" if model == "user_history" else "_fivetran_user_id"
    without = {row[key] for row in filled.rows(model) if row["email"] is None}
    rows = filled.rows(model, OTHER)

    assert without == {row["user_key"] for row in loaded.second["users"].rows if not row.get("email")}
    assert [row for row in rows if row["email"] is None] == []
    assert {row[key]: row["email"] for row in rows if row[key] in without} == {each: each for each in without}


@pytest.mark.parametrize("model", [pytest.param("event", marks=needs_dbt)])
def test_the_pages_comparison_shows_the_days_that_differ(on_duckdb: Built, loaded: Loaded, model: str) -> None:
    """Rows that Fivetran loaded are ours but for the push messages."""
    (query,) = re.findall(r"```sql\n( +SELECT.*?)```", PAGE, re.DOTALL)
    theirs = Table({"created_at": "timestamp", "event_name": "string"}, ("_fivetran_id",), replaced=True)
    theirs.records = {
        (row["_fivetran_id"],): {name: row[name] for name in theirs.columns}
        for row in on_duckdb.rows(model)
        if row["event_name"] != "pushSend"
    }
    on_duckdb.write("iterable", {model: theirs})

    expected = Counter(row["createdAt"][:10] for row in loaded.events("push_send"))
    assert on_duckdb.query(query) == [
        {"day": day, "event_name": "pushSend", "ours": count, "theirs": None} for day, count in sorted(expected.items())
    ]


@pytest.mark.parametrize("schema", [pytest.param("nowhere", marks=needs_dbt)])
def test_a_schema_without_tables_is_an_error_and_no_empty_model(on_duckdb: Built, schema: str) -> None:
    with pytest.raises(AssertionError, match=r"no tables in messaging\.nowhere: set messaging_schema to"):
        on_duckdb.build(OTHER, "users_latest", messaging_schema=schema)


@pytest.mark.parametrize("model", [pytest.param("event", marks=needs_dbt)])
def test_events_can_be_kept_to_the_types_that_fivetran_reads(filled: Built, model: str) -> None:
    assert {row["event_name"] for row in filled.rows(model, OTHER)} == {event_name(name) for name in FIVETRAN}


# ------------------------------------------------------------------------------------------------- builds and places


@pytest.mark.parametrize("model", DOCUMENTED)
def test_a_second_build_makes_what_a_first_one_would(built: Built, model: str) -> None:
    again, fresh = ([without_synced(row) for row in built.rows(model, target)] for target in (TARGET, FRESH))
    if model == "user_history":
        again = latest_states(again)

    assert sorted(map(str, again)) == sorted(map(str, fresh))


@needs_postgres
@pytest.mark.parametrize("model", [pytest.param(model, marks=needs_dbt) for model in DOCUMENTED])
def test_both_warehouses_hold_the_same(on_duckdb: Built, on_postgres: Built, model: str) -> None:
    ours, theirs = ([as_objects(row) for row in built.rows(model)] for built in (on_duckdb, on_postgres))

    assert sorted(ours) == sorted(theirs)


@pytest.mark.parametrize("model", [pytest.param("users_latest", marks=[*needs_dbt, needs_postgres])])
def test_names_may_be_in_capitals_and_streams_may_be_left_out(on_postgres: Built, loaded: Loaded, model: str) -> None:
    """Snowflake's tables have such names; and people sync what they need."""
    on_postgres.write("capitals", {name.upper(): loaded.second[name].in_capitals() for name in ("users", "email_send")})
    on_postgres.build(OTHER, "messaging", "--exclude-resource-type", "test", messaging_schema="capitals")

    assert sorted(map(str, on_postgres.rows(model, OTHER))) == sorted(map(str, on_postgres.rows(model)))
    assert {each for each in DOCUMENTED if on_postgres.rows(each, OTHER)} == {
        *("users_latest", "message_funnel", "user_history", "user_unsubscribed_channel"),
        *("user_unsubscribed_message_type", "event", "event_extension"),
    }


def without_synced(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "_fivetran_synced"}


def latest_states(rows: list[Row]) -> list[Row]:
    return list({row["_fivetran_id"]: row for row in sorted(rows, key=lambda row: str(row["updated_at"]))}.values())


def as_objects(row: Row) -> list[str]:
    """Each value as JSON that depends on nothing but what it says: not on blanks, the order of keys or .0."""
    return [re.sub(MOMENT, r"\1T\2Z", json.dumps(as_object(value), sort_keys=True)) for value in row.values()]


MOMENT = r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d[.\d]*)\+00(?::00)?"


def as_object(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value, parse_float=lambda text: as_object(float(text)))
    return int(value) if isinstance(value, float) and value.is_integer() else value
