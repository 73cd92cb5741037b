"""`make new-stream` leaves a checkout whose tests pass, so that a contributor starts from green."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import new_stream
from scripts.streams import ROOT

# None that a contributor would choose.
NAMES = {"iterable-event": "fax_read", "iterable-listing": "fax_codes", "courier-listing": "fax_devices"}
TESTS = [
    "test_manifest.py",
    "test_docs.py",
    "test_streams.py",
    "sandbox/test_sandbox_listings.py",
    "test_dbt.py::test_the_models_read_streams_that_there_are",
]
CHOSEN = f"{' or '.join(NAMES.values())} or faxCodes or fax-devices or all or every or computed or table or models"
NOT_COPIED = shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info", "node_modules")


def python(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a checkout; its own tests set the clock anew."""
    env = {"PATH": os.environ["PATH"], "HOME": str(checkout)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_new_stream_of_each_kind_passes_every_test_over_all_streams(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, ignore=NOT_COPIED)
    for kind, name in NAMES.items():
        made = python(checkout, "-m", "scripts.new_stream", name, kind)
        assert made.returncode == 0, made.stderr

    tests = [str(Path("unit_tests", name)) for name in TESTS]
    checked = python(checkout, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", CHOSEN, *tests)

    assert checked.returncode == 0, checked.stdout[-5000:]
    said = python(checkout, "-m", "pytest", "-q", "--collect-only", "-k", " or ".join(NAMES.values()), *tests).stdout
    assert [name for name in NAMES.values() if said.count(f"[{name}]") < 5] == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("smsRead", "NAME=smsRead is no snake_case name, such as sms_read."),
        ("email_send", "There is a stream in schemas/email_send.json already."),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_a_sentence(
    name: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["new_stream", name, "iterable-event"])

    with pytest.raises(SystemExit):
        new_stream.main()

    assert sentence in capsys.readouterr().err
