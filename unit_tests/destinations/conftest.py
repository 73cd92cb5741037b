"""Both destinations against the sandbox, on the sandbox's clock."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from destinations.base import MessagingDestination
from destinations.courier.destination import DestinationCourier
from destinations.rudderstack.destination import DestinationRudderStack
from unit_tests.support.destination import Message, Ran, catalog_of, run

ROOT = Path(__file__).parents[2]
Writing = Callable[..., Ran]

KEYS = ("sandbox-courier-key", "sandbox-rudderstack-key")


@pytest.fixture
def courier_config(address: str) -> dict[str, Any]:
    return {"api_key": "sandbox-courier-key", "route": "segment", "api_url": address}


@pytest.fixture
def rudderstack_config(address: str) -> dict[str, Any]:
    return {"data_plane_url": address, "write_key": "sandbox-rudderstack-key"}


@pytest.fixture
def to_courier(tmp_path: Path, courier_config: dict[str, Any]) -> Writing:
    """Writes lines; `of` names the streams in the catalog, further keywords are settings."""
    return _writing(tmp_path, DestinationCourier(), courier_config)


@pytest.fixture
def to_rudderstack(tmp_path: Path, rudderstack_config: dict[str, Any]) -> Writing:
    return _writing(tmp_path, DestinationRudderStack(), rudderstack_config)


def _writing(folder: Path, destination: MessagingDestination, config: dict[str, Any]) -> Writing:
    """A sync fails the test on an error, unless it is said to fail; none ever tells a key or an e-mail address."""

    def write(
        lines: Iterable[str | bytes],
        *,
        of: Sequence[str] = ("events",),
        catalog: Message | None = None,
        fails: bool = False,
        **settings: Any,
    ) -> Ran:
        ran = run(folder, destination, "write", config | settings, catalog or catalog_of(*of), lines)
        assert (ran.exit_code != 0) == fails, ran.output
        assert bool(ran.errors) == fails, ran.output
        assert "@" not in ran.output
        assert not any(key in ran.output for key in KEYS)
        return ran

    return write
