"""One bad item costs itself alone: a no about it leaves it out; what may pass fails the stream after the others."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import Sandbox
from sandbox.faults import Answer, Cut, Fault, Late, Reset
from sandbox.messages import HTML, Reply, Request
from unit_tests.conftest import Syncing
from unit_tests.support.connector import Sync
from unit_tests.support.drawing import SYNCS

MEMBERS = "/api/lists/getUsers$"
USER = "/api/export/userEvents$"


def says(code: str, message: str = "No.", status: int = 400) -> Answer:
    return Answer(status, {"msg": message, "code": code, "params": None})


REFUSALS: dict[str, Answer] = {
    "404-page": Answer(404, "<html><title>Action not found</title></html>", HTML),
    "404": says("NotFound", status=404),
    "success": says("Success", "error.lists.invalidListId(2)"),
    "bad-params": says("BadParams"),
    "invalid-email": says("InvalidEmailAddressError"),
    "unknown-email": says("UnknownEmailError"),
    "unknown-user-id": says("UnknownUserIdError"),
    "forgotten": says("ForgottenUserError"),
    "a-code-of-tomorrow": says("SomethingElse", status=422),
    "plain-text": Answer(400, "No user with that id exists!"),
    "generic-error": says("GenericError", "An error occurred.", 500),
    "spelled-otherwise": says("Generic Error", "An error occurred.", 500),
}
TROUBLES: dict[str, Any] = {
    "cut-line": Cut(rows=1),
    "cut-line-end": Cut(rows=1, at="line_end"),
    "cut-chunk": Cut(rows=1, at="chunk"),
    "closed": Cut(rows=None),
    "reset": Reset(rows=1),
    "reset-at-once": Reset(rows=None),
    "late": Late(7300),
    "500-page": Answer(500, "<html><title>Oops</title></html>", HTML),
    "502": Answer(502, ""),
    "503": Answer(503, "Request timeout. Try again later."),
    "504": Answer(504, "<html>Gateway Time-out</html>", HTML),
    "429": Answer(429, "Slow down."),
    "error-report": Answer(200, {"msg": "An error occurred.", "code": "GenericError", "params": None}),
}
refusals = pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
three_refusals = pytest.mark.parametrize("answer", [REFUSALS[name] for name in ("404", "plain-text", "generic-error")])
troubles = pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)


def asked(sandbox: Sandbox, path: str, *names: str) -> list[tuple[str, str]]:
    """The calls to a path in order, each by the first of these parameters that it has."""
    calls = [call.query for call in sandbox.calls if call.path == path.rstrip("$")]
    return [next((name, query[name][0]) for name in names if name in query) for query in calls]


@pytest.fixture
def three_lists(sandbox: Sandbox) -> Sandbox:
    sandbox.iterable.lists = [{"id": number} for number in (1, 2, 3)]
    sandbox.iterable.list_members = {number: [f"{name}-{number}@example.com" for name in "ab"] for number in (1, 2, 3)}
    return sandbox


def members(synced: Sync) -> list[tuple[int, str]]:
    return [(row["listId"], row["identifier"]) for row in synced.records["list_users"]]


FIRST_AND_LAST = [(number, f"{name}-{number}@example.com") for number in (1, 3) for name in "ab"]


@refusals
def test_a_list_that_the_vendor_refuses_is_left_out_with_a_warning(
    three_lists: Sandbox, sync: Syncing, answer: Answer
) -> None:
    three_lists.faults.add(Fault(MEMBERS, answer, times=None, query={"listId": "2"}))

    synced = sync("list_users")

    tries = 3 if answer.status == 500 else 1
    assert members(synced) == FIRST_AND_LAST
    assert asked(three_lists, MEMBERS, "listId") == [("listId", number) for number in ("1", *tries * "2", "3")]
    assert synced.statuses == {"list_users": "COMPLETE"}
    (warning,) = [line for line in synced.logs if "left out" in line]
    assert warning.startswith(
        "list_users: left out 1 of its items; the first: listId 2: The API refused stream list_users: HTTP "
        f"{answer.status}, “"
    )
    assert warning.endswith("”: it is left out.")


@troubles
def test_a_list_that_cannot_be_had_fails_the_stream_after_the_others_were_read(
    three_lists: Sandbox, sync: Syncing, trouble: Any
) -> None:
    three_lists.faults.add(Fault(MEMBERS, trouble, times=None, query={"listId": "2"}))

    synced = sync("list_users", fails=True, config={"max_retries": 3})

    assert members(synced) == FIRST_AND_LAST
    assert asked(three_lists, MEMBERS, "listId") == [("listId", number) for number in "122223"]
    assert synced.errors["list_users"]["failure_type"] == "transient_error"
    assert synced.errors["list_users"]["message"].startswith(
        "Stream list_users lacks 1 of its items; all others were read, and the next sync asks again. The first: "
        "listId 2: "
    )
    assert "example.com" not in str(synced.errors)
    assert "remove the stream" not in str(synced.errors)


def test_what_is_refused_and_what_cannot_be_had_are_counted_apart(three_lists: Sandbox, sync: Syncing) -> None:
    three_lists.faults.add(Fault(MEMBERS, Answer(503, ""), times=None, query={"listId": "1"}))
    three_lists.faults.add(Fault(MEMBERS, says("BadParams"), times=None, query={"listId": "2"}))

    synced = sync("list_users", fails=True, config={"max_retries": 1})

    assert [number for number, _ in members(synced)] == [3, 3]
    assert [line for line in synced.logs if line.startswith("list_users: left out 1 of its items; the first: listId 2")]
    assert synced.errors["list_users"]["message"].startswith("Stream list_users lacks 1 of its items")
    assert "listId 1: " in synced.errors["list_users"]["message"]


@pytest.mark.parametrize("answer", [says("BadApiKey", status=401), says("Forbidden", status=403)], ids=["401", "403"])
def test_a_key_that_may_not_read_members_fails_the_stream_at_once(
    three_lists: Sandbox, sync: Syncing, answer: Answer
) -> None:
    three_lists.faults.add(Fault(MEMBERS, answer, times=None))

    synced = sync("list_users", fails=True)

    assert asked(three_lists, MEMBERS, "listId") == [("listId", "1")]
    assert synced.errors["list_users"]["failure_type"] == "config_error"


@pytest.mark.parametrize(
    ("stream", "path", "seconds", "tries"),
    [
        ("list_users", MEMBERS, 330, 1),
        ("list_users", MEMBERS, 7100, 1),
        ("list_users", MEMBERS, 7300, 2),
        ("lists", "/api/lists$", 290, 1),
        ("lists", "/api/lists$", 330, 2),
        ("campaigns_metrics", "/api/campaigns/metrics$", 330, 2),
        ("events", USER, 330, 2),
        ("users", "/api/export/data.json$", 330, 2),
    ],
)
def test_members_of_a_list_may_take_two_hours_to_begin_and_nothing_else_may(
    sandbox: Sandbox, sync: Syncing, stream: str, path: str, seconds: float, tries: int
) -> None:
    sandbox.iterable.lists = [{"id": 1}]
    sandbox.iterable.list_members = {1: ["u-1"]}
    sandbox.iterable.campaigns = [{"id": 1, "createdAt": 1_770_000_000_000}]
    profile = {"userId": "u-1", "itblUserId": "i", "profileUpdatedAt": "2026-03-15 11:00:00 +00:00"}
    sandbox.iterable.users = [profile]
    sandbox.iterable.add_events("emailSend", [{"userId": "u-1", "createdAt": "2026-03-01 00:00:00 +00:00"}])
    sandbox.faults.add(Fault(path, Late(seconds)))

    synced = sync(stream, config={"start_date": "2026-03-15T00:00:00Z"})

    assert len(synced.records[stream]) == 1
    assert len([call for call in sandbox.calls if call.path == path.rstrip("$")]) == tries + (stream == "users")


# ----------------------------------------------------------------------------------------------------- users of events

UNKNOWN = REFUSALS | {"nothing": Answer(200, ""), "empty-object": Answer(200, {})}


@pytest.fixture
def known(sandbox: Sandbox) -> Iterator[Callable[..., None]]:
    """Lets a list hold these members, each with one event under the parameter that the vendor knows it by, if any."""

    def know(parameters: Mapping[str, str], unknown: Answer) -> None:
        sandbox.iterable.lists = [{"id": 1}, {"id": 2}]
        sandbox.iterable.list_members = {1: [*parameters], 2: [*parameters][:1]}
        events = ({name: member, "createdAt": "2026-03-01 00:00:00 +00:00"} for member, name in parameters.items())
        sandbox.iterable.add_events("emailSend", events)

        def only_known(request: Request) -> Reply:
            reply, user = answer(request), {name: request.parameter(name) for name in ("email", "userId")}
            if reply.status != 200 or not request.path.endswith("/userEvents"):
                return reply
            is_known = any(member and parameters.get(member) == name for name, member in user.items())
            return reply if is_known else unknown.apply(reply)

        patched.setattr(sandbox, "answer", only_known)

    answer = sandbox.answer
    with pytest.MonkeyPatch.context() as patched:
        yield know


def users_asked(sandbox: Sandbox) -> list[tuple[str, str]]:
    return asked(sandbox, USER, "email", "userId")


ADDRESSES = ["ana@example.com", "ana+1@mail.example.co.uk", "o'neil@example.com"]
IDS_WITH_AT = ["auth0|ana@example.com", "crm@4711", "b@d@x", "@ana"]
ODD_IDS = [
    "u-7",
    "1e5",
    "007",
    "12_34",
    "None",
    "'quoted'",
    '"x"',
    "[1, 2]",
    "{'a': 1}",
    "a b&c=d+%41",
    "{{ 1 }}",
    "ü✨🎉",
]


@pytest.mark.parametrize("unknown", UNKNOWN.values(), ids=UNKNOWN)
def test_a_member_is_asked_for_as_what_it_looks_like_and_if_unknown_as_the_other(
    sandbox: Sandbox, sync: Syncing, known: Callable[..., None], unknown: Answer
) -> None:
    as_expected = dict.fromkeys(ADDRESSES, "email") | dict.fromkeys(IDS_WITH_AT, "userId")
    otherwise = {f"x{member}": {"email": "userId", "userId": "email"}[name] for member, name in as_expected.items()}
    known(as_expected | otherwise, unknown)

    synced = sync("events")

    tries = 3 if unknown.status == 500 else 1
    expected = {(name, member): 1 for member, name in (as_expected | otherwise).items()}
    expected |= {(as_expected[member[1:]], member): tries for member in otherwise}
    assert Counter(users_asked(sandbox)) == expected
    assert sorted(row.get("email") or row["userId"] for row in synced.records["events"]) == sorted(
        as_expected | otherwise
    )
    assert not [line for line in synced.logs if "left out" in line]


def test_an_id_of_any_characters_is_asked_for_as_it_is(
    sandbox: Sandbox, sync: Syncing, known: Callable[..., None]
) -> None:
    known(dict.fromkeys(ODD_IDS, "userId"), REFUSALS["plain-text"])

    synced = sync("events")

    assert Counter(users_asked(sandbox)) == Counter(("userId", member) for member in ODD_IDS)
    assert sorted(row["userId"] for row in synced.records["events"]) == sorted(ODD_IDS)


@pytest.mark.parametrize("first", ODD_IDS)
def test_a_list_may_begin_with_any_member(sandbox: Sandbox, sync: Syncing, first: str) -> None:
    sandbox.iterable.lists = [{"id": 1}]
    sandbox.iterable.list_members = {1: [first, "ana@example.com"]}

    assert members(sync("list_users")) == [(1, first), (1, "ana@example.com")]


@three_refusals
def test_a_user_whom_the_vendor_refuses_both_ways_is_left_out_and_counted_without_a_name(
    sandbox: Sandbox, sync: Syncing, known: Callable[..., None], answer: Answer
) -> None:
    known({"a@example.com": "email", "b@d@x": "nothing", "c@example.com": "email", "crm@4711": "nothing"}, answer)

    synced = sync("events")

    tries = 3 if answer.status == 500 else 1
    assert Counter(users_asked(sandbox)) == {
        ("email", "a@example.com"): 1,
        ("email", "c@example.com"): 1,
        **{(name, member): tries for name in ("email", "userId") for member in ("b@d@x", "crm@4711")},
    }
    assert sorted(row["email"] for row in synced.records["events"]) == ["a@example.com", "c@example.com"]
    assert synced.statuses == {"events": "COMPLETE"}
    (warning,) = [line for line in synced.logs if "left out" in line]
    assert warning.startswith("events: left out 2 of its items; the first: The API refused stream events: HTTP ")
    assert not [line for line in synced.logs if "b@d@x" in line or "crm@4711" in line or "remove the stream" in line]


@pytest.mark.parametrize("empty", [Answer(200, ""), Answer(200, {})], ids=["nothing", "empty-object"])
def test_a_user_without_events_is_none_that_is_left_out(
    sandbox: Sandbox, sync: Syncing, known: Callable[..., None], empty: Answer
) -> None:
    known({"a@example.com": "email", "b@example.com": "nothing", "u-1": "nothing"}, empty)
    sandbox.faults.add(Fault(USER, REFUSALS["plain-text"], times=None, query={"userId": "b@example.com"}))

    synced = sync("events")

    assert [row.get("email") for row in synced.records["events"]] == ["a@example.com"]
    assert not [line for line in synced.logs if "left out" in line]
    assert Counter(users_asked(sandbox)) == dict.fromkeys(
        [
            ("email", "a@example.com"),
            *((name, user) for name in ("email", "userId") for user in ("b@example.com", "u-1")),
        ],
        1,
    )


@troubles
def test_a_user_whose_events_cannot_be_had_fails_the_stream_after_the_others(
    sandbox: Sandbox, sync: Syncing, known: Callable[..., None], trouble: Any
) -> None:
    known({"a@example.com": "email", "b@example.com": "email", "u-1": "userId"}, REFUSALS["plain-text"])
    sandbox.faults.add(Fault(USER, trouble, times=None, query={"email": "b@example.com"}))

    synced = sync("events", fails=True, config={"max_retries": 2})

    assert sorted(row.get("email") or row["userId"] for row in synced.records["events"]) == ["a@example.com", "u-1"]
    assert Counter(users_asked(sandbox)) == {
        ("email", "a@example.com"): 1,
        ("email", "b@example.com"): 3,
        ("userId", "u-1"): 1,
    }
    assert synced.errors["events"]["message"].startswith(
        "Stream events lacks 1 of its items; all others were read, and the next sync asks again. The first: "
    )
    assert "b@example.com" not in str(synced.messages)


# ------------------------------------------------------------------------------------------------------------ templates


def template(number: int, medium: str = "Email", template_type: str = "Blast") -> dict[str, Any]:
    created = 1_772_000_000_000 + number
    return {"templateId": number, "templateType": template_type, "messageMedium": medium, "createdAt": created}


@three_refusals
def test_a_medium_that_the_vendor_refuses_is_left_out_of_the_templates(
    sandbox: Sandbox, sync: Syncing, answer: Answer
) -> None:
    media = ["Email", "Push", "InApp", "SMS", "WebPush", "Embedded", "WhatsApp", "RCS"]
    sandbox.iterable.templates = [template(number, medium) for number, medium in enumerate(media)]
    for medium in media[4:]:
        sandbox.faults.add(Fault("/api/templates$", answer, times=None, query={"messageMedium": medium}))

    synced = sync("templates")

    assert [(row["templateId"], row["messageMedium"]) for row in synced.records["templates"]] == [
        (number, medium) for number, medium in enumerate(media[:4])
    ]
    assert synced.states["templates"][-1] == {"createdAt": "2026-03-15T11:55:00+00:00"}
    (warning,) = [line for line in synced.logs if "left out" in line]
    assert warning.startswith("templates: left out 16 of its items; the first: messageMedium WebPush: The API refused")


def test_a_server_that_ignores_a_medium_it_does_not_know_brings_no_template_twice(
    sandbox: Sandbox, sync: Syncing
) -> None:
    sandbox.iterable.templates = [
        template(1), template(2, "Push"), template(3, "SMS", "Base"), template(4, "Email", "Workflow")
    ]  # fmt: skip
    answer = sandbox.answer

    def ignoring(request: Request) -> Reply:
        target = request.target
        for medium in ("WebPush", "Embedded", "WhatsApp", "RCS"):
            target = target.replace(f"messageMedium={medium}", "messageMedium=")
        return answer(replace(request, target=target))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sandbox, "answer", ignoring)
        synced = sync("templates")

    assert sorted(
        (row["templateId"], row["messageMedium"], row["templateType"]) for row in synced.records["templates"]
    ) == [(1, "Email", "Blast"), (2, "Push", "Blast"), (3, "SMS", "Base"), (4, "Email", "Workflow")]


def test_templates_that_cannot_be_had_leave_the_state_where_it_was(sandbox: Sandbox, sync: Syncing) -> None:
    sandbox.iterable.templates = [template(1), template(2, "Push")]
    sandbox.faults.add(Fault("/api/templates$", Answer(503, ""), times=None, query={"messageMedium": "Push"}))

    failed = sync("templates", fails=True, config={"max_retries": 1})
    sandbox.faults.clear()
    again = sync("templates", state=failed.final_state)

    assert [row["templateId"] for row in failed.records["templates"]] == [1]
    assert [row["templateId"] for row in again.records["templates"]] == [1, 2]
    assert failed.errors["templates"]["message"].startswith("Stream templates lacks 4 of its items")
    assert "messageMedium Push: " in failed.errors["templates"]["message"]


# ------------------------------------------------------------------------------------------------------------- the rest


@three_refusals
@pytest.mark.parametrize("stream", ["campaigns_metrics", "experiment_metrics"])
def test_one_bad_id_of_a_group_costs_that_id_alone(
    sandbox: Sandbox, sync: Syncing, stream: str, answer: Answer
) -> None:
    sandbox.iterable.campaigns = [
        {"id": number, "createdAt": 1_770_000_000_000, "messageMedium": "Email"} for number in range(1, 101)
    ]
    sandbox.iterable.experiments = [{"id": number} for number in range(1, 101)]
    sandbox.iterable.experiment_metrics = [
        {"Experiment ID": str(number), "Template ID": str(number), "Name": "A"} for number in range(1, 101)
    ]
    name = {"campaigns_metrics": "campaignId", "experiment_metrics": "experimentId"}[stream]
    sandbox.faults.add(Fault("/metrics$", answer, times=None, query={name: "17"}))

    synced = sync(stream)

    column = {"campaigns_metrics": "id", "experiment_metrics": "experiment_id"}[stream]
    assert sorted(row[column] for row in synced.records[stream]) == [*range(1, 17), *range(18, 101)]
    (warning,) = [line for line in synced.logs if "left out" in line]
    assert warning.startswith(f"{stream}: left out 1 of its items; the first: id [17]: The API refused stream {stream}")


@dataclass(frozen=True)
class Child:
    """A stream that asks once an item: the calls about item `i`, and the items that its rows are about."""

    path: str
    query: str
    item: Callable[[dict[str, Any]], int]


CHILDREN = {
    "list_users": Child(MEMBERS, "listId", lambda row: int(row["listId"])),
    "list_sizes": Child("/api/lists/%d/size$", "", lambda row: int(row["listId"])),
    "child_campaigns": Child(
        "/api/campaigns/recurring/%d/childCampaigns$", "", lambda row: int(row["recurringCampaignId"])
    ),
    "catalog_items": Child("/api/catalogs/%d/items$", "", lambda row: int(row["catalogName"])),
    "catalog_fields": Child("/api/catalogs/%d/fieldMappings$", "", lambda row: int(row["catalogName"])),
    "metadata_items": Child("/api/metadata/t/%d$", "", lambda row: int(row["key"])),
    "events": Child(USER, "userId", lambda row: int(row["userId"])),
}
outcomes = st.lists(st.sampled_from(["good", "passing", *REFUSALS, *TROUBLES]), max_size=6)


@pytest.mark.slow
@settings(SYNCS, max_examples=24)
@given(stream=st.sampled_from(list(CHILDREN)), outcomes=outcomes)
def test_whatever_becomes_of_each_item_every_other_is_read_once(
    sandbox: Sandbox, sync: Syncing, stream: str, outcomes: list[str]
) -> None:
    child, items, project = CHILDREN[stream], range(1, len(outcomes) + 1), sandbox.iterable
    sandbox.faults.clear()
    project.events["emailSend"] = []
    project.add_events("emailSend", [{"userId": str(n), "createdAt": "2026-03-01 00:00:00 +00:00"} for n in items])
    project.lists = [{"id": number} for number in items]
    project.list_members = {number: [str(number)] for number in items}
    project.catalogs = {str(number): [{"itemId": "x", "value": {"y": 1}}] for number in items}
    project.campaigns = [{"id": number, "campaignState": "Recurring"} for number in items]
    project.campaigns += [{"id": -1 - number, "campaignState": "", "recurringCampaignId": number} for number in items]
    project.metadata = {"t": [{"key": str(number), "size": 1, "value": {}} for number in items]}
    for number, outcome in enumerate(outcomes, 1):
        path = child.path % number if "%d" in child.path else child.path
        queries = [{child.query: str(number)}, {"email": str(number)}] if child.query else [{}]
        for query in queries if outcome != "good" else []:
            kind = {**REFUSALS, **TROUBLES, "passing": Answer(503, "")}[outcome]
            sandbox.faults.add(Fault(path, kind, times=1 if outcome == "passing" else None, query=query))
    refused = sum(outcome in REFUSALS for outcome in outcomes)
    failed = sum(outcome in TROUBLES for outcome in outcomes)

    synced = sync(stream, fails=bool(failed), config={"max_retries": 2})

    assert sorted(child.item(row) for row in synced.records[stream]) == [
        number for number, outcome in enumerate(outcomes, 1) if outcome in ("good", "passing")
    ]
    assert [line.partition(";")[0] for line in synced.logs if "left out" in line] == (
        [f"{stream}: left out {refused} of its items"] if refused else []
    )
    assert [error["message"].partition(";")[0] for name, error in synced.errors.items() if name] == (
        [f"Stream {stream} lacks {failed} of its items"] if failed else []
    )
