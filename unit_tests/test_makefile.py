"""Where an environment cannot be made, `make test` says why in one sentence."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.streams import ROOT

pytestmark = pytest.mark.slow
TOO_OLD = "Python 3.11 or newer (up to 3.14) is needed; name one with: make PYTHON=/path/to/python\n"
NO_INDEX = "The pinned packages cannot be had: is a package index within reach? build/install.log says more.\n"
HALF_MADE = ".venv is half-made; it is made anew\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh one, whose installer reaches no package index."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    failing(tmp_path / "build" / "uv" / "bin" / "uv")
    return tmp_path


def failing(program: Path) -> Path:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\necho a long story >&2\nexit 1\n")
    program.chmod(0o755)
    return program


def said(checkout: Path, python: Path, target: str = "test") -> str:
    """Return what make says of its own, without naming the rule that failed."""
    command = ["make", f"PYTHON={python}", target]
    made = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=300, check=False)
    assert made.returncode == 2
    return "".join(line for line in made.stderr.splitlines(keepends=True) if not line.startswith("make"))


def test_a_python_that_is_too_old_is_told(checkout: Path) -> None:
    assert said(checkout, failing(checkout / "python3.10")) == TOO_OLD


def test_a_package_index_out_of_reach_is_told(checkout: Path) -> None:
    assert said(checkout, Path(sys.executable)) == NO_INDEX


@pytest.mark.parametrize("file", ["pyvenv.cfg", "installed"])
def test_an_environment_without_its_python_is_made_anew(checkout: Path, file: str) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / file).touch()

    assert said(checkout, Path(sys.executable)) == HALF_MADE + NO_INDEX


def test_models_of_a_file_that_is_not_there_are_told(checkout: Path) -> None:
    (checkout / ".venv-dbt").mkdir()
    (checkout / ".venv-dbt" / "installed").touch()

    told = said(checkout, Path(sys.executable), "models")

    assert told == "There is no .demo/messaging.duckdb; make demo or make sync writes it.\n"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="This is no clone.")
def test_a_clone_holds_no_link_into_somebodys_machine() -> None:
    command = ["git", "-c", "safe.directory=*", "ls-files", "--stage"]  # whoever has cloned it
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert [line for line in listed.stdout.splitlines() if line.startswith("120000")] == []
