"""Recipients: ids and addresses, and profiles with the credentials that providers need."""

from __future__ import annotations

from sandbox.courier.workspace import Row

PEOPLE = 30
STRANGERS = 3
"""So many of them, the last, have no profile."""

CREDENTIAL = "sandbox-secret-"
"""How every token and credential in the made-up data starts."""

_NAMES = ("Ada", "Léo 🦊", "Ira", "Zoë", "Bjørn", "大和", "Tomás", "Noor", "O'Neil", 'Max "M" Doe')


def user_id(number: int) -> str:
    """Most ids are plain; one holds a slash, a space and signs that mean something in a URL."""
    return "crm/7 ü+ö?#%" if number == 7 else f"user-{number}"


def email(number: int) -> str:
    return f"person.{number}@example.com"


def phone(number: int) -> str:
    return f"+3360000{number:04}"


def profiles() -> dict[str, Row]:
    return {user_id(number): _held(number) for number in range(PEOPLE - STRANGERS)}


def _held(number: int) -> Row:
    """A profile, for some without preferences."""
    held: Row = {"profile": profile(number)}
    return held if number % 4 == 3 else {**held, "preferences": {"notifications": {}, "categories": {}}}


def profile(number: int) -> Row:
    return {
        "email": email(number),
        "phone_number": phone(number) if number % 2 else None,
        "name": _NAMES[number % len(_NAMES)],
        "locale": "fr_FR",
        "email_verified": number % 3 == 0,
        "address": {"country": "FR", "locality": "Lyon", "postal_code": "69001"},
        "custom": {"account id": 9007199254740993 + number, "loyalty.tier": "gold", "nickname": None},
        "plan": "pro" if number % 2 else "free",
        "tokens_left": number,
        **_credentials(number),
    }


def _credentials(number: int) -> Row:
    """Return what providers need to reach the user, in every form that profiles hold it in."""
    forms: tuple[Row, ...] = (
        {"firebaseToken": f"{CREDENTIAL}fcm-{number}", "apn": f"{CREDENTIAL}apn-{number}"},
        {
            "firebaseToken": {"tokens": [f"{CREDENTIAL}fcm-{number}"]},
            "apn": {"tokens": [f"{CREDENTIAL}apn-{number}"]},
        },
        {"expo": {"token": f"{CREDENTIAL}expo-{number}"}, "discord": {"user_id": f"d-{number}"}},
        {"expo": {"tokens": [{"token": f"{CREDENTIAL}expo-{number}"}]}},
        {"slack": {"access_token": f"{CREDENTIAL}slack-{number}", "channel": "C024BE91L"}},
        {"pagerduty": {"routing_key": f"{CREDENTIAL}pagerduty-{number}", "severity": "critical"}},
        {"webhook": {"url": "https://example.com/", "authentication": {"token": f"{CREDENTIAL}{number}"}}},
        {},
    )
    return forms[number % len(forms)]
