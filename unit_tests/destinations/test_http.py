"""How calls are repeated, apart from any vendor."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from destinations.http import Api, Cancelled, vendor_message
from sandbox import Sandbox
from sandbox.faults import Answer, Fault
from unit_tests.support.clock import VirtualClock

KEY = "Bearer sandbox-courier-key"


@pytest.fixture
def api(address: str) -> Iterator[Api]:
    api = Api("Courier", "api_url", f"{address}/", KEY, agent="test", retries=0)
    yield api
    api.close()


def reply(body: str = "", **headers: str) -> requests.Response:
    response = requests.Response()
    response._content = body.encode()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def test_what_is_too_much_for_one_worker_is_too_much_for_all(api: Api, sandbox: Sandbox, clock: VirtualClock) -> None:
    sandbox.faults.add(Fault("/messages", Answer(429, headers={"Retry-After": "90"})))
    began = clock.now()

    with pytest.raises(AirbyteTracedException, match="Courier still answered HTTP 429 after 1 tries"):
        api.call("GET", "/messages")
    api.call("GET", "/lists")

    assert 90 <= sandbox.calls[-1].at - began < 91


def test_a_call_that_is_cancelled_ends_within_seconds(address: str, sandbox: Sandbox, clock: VirtualClock) -> None:
    api = Api("Courier", "api_url", address, KEY, agent="test")
    sandbox.faults.add(Fault("/messages", Answer(503, headers={"Retry-After": "3000"})))
    began = clock.now()

    with pytest.raises(Cancelled):
        api.call("GET", "/messages", is_cancelled=lambda: clock.now() - began > 7)

    assert clock.now() - began < 15
    api.close()


def test_no_netrc_file_replaces_the_key(
    api: Api, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    api.call("GET", "/messages")

    assert sandbox.calls[-1].headers["authorization"] == "Bearer sandbox-courier-key"


def test_a_redirect_is_an_answer_and_not_followed(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("/messages", Answer(302, headers={"Location": "/lists"})))

    assert api.call("GET", "/messages").status_code == 302
    assert [call.path for call in sandbox.calls] == ["/messages"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"message": "No such\\nthing", "type": "x"}', "No such thing"),
        ("plain words\n", "plain words"),
        ('"text"', "text"),
        ("<html><style>p {}</style><p>Bad <b>gateway</b></p>", "Bad gateway"),
        ('{"message": "ada@example.com and bob%40example.com are unknown"}', "… and … are unknown"),
        ("", "no explanation given"),
        ('{"message": {"nested": 1}}', "no explanation given"),
        ("[]", "no explanation given"),
        ("x" * 999, "x" * 200),
    ],
)
def test_a_vendor_is_quoted_in_one_short_line_without_addresses(body: str, words: str) -> None:
    assert vendor_message(reply(body)) == words
