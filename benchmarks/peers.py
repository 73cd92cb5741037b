"""Other people's connectors for the same vendor, as programs to measure.

Each is installed from the package index for the run, unmodified, into an environment of its own. Its requests are sent
to the benchmark's server from outside (redirect/sitecustomize.py).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from benchmarks.programs import RECORD, Program, written
from messaging_sync.source import Stream

REDIRECT: Final = Path(__file__).resolve().parent / "redirect"


class InstallError(Exception):
    """A connector that is not to be had; the message says why."""


@dataclass
class Peer(ABC):
    """A connector that reads Iterable. `folder` holds its environment."""

    folder: Path
    name: ClassVar[str]
    requirement: ClassVar[str]
    framework: ClassVar[str]
    row: ClassVar[bytes]

    @cached_property
    def programs(self) -> Path:
        """The folder of its programs. Raises InstallError."""
        # Both pin libraries that do not run on a later Python.
        python = next((path for minor in (11, 10, 9) if (path := shutil.which(f"python3.{minor}"))), sys.executable)
        _output(python, "-m", "venv", str(self.folder / self.name))
        programs = self.folder / self.name / "bin"
        _output(programs / "pip", "install", "--quiet", "--disable-pip-version-check", self.requirement)
        return programs

    @property
    def versions(self) -> str:
        """Its own version and that of what it is built on."""
        listed = json.loads(_output(self.programs / "python", "-m", "pip", "list", "--format", "json"))
        versions = {one["name"]: one["version"] for one in listed}
        return f"{versions[self.name]}, {self.framework} {versions[self.framework]}"

    @cached_property
    def streams(self) -> dict[str, Any]:
        """Its description of each stream, by name. Raises InstallError."""
        return self._described(written(self.folder / self.name / "discover.json", _config("2020-01-01T00:00:00Z")))

    def read(self, stream: str, rows: int, start_date: str, address: str, folder: Path) -> Program:
        """Reads one stream, with the files it needs in a folder."""
        command = self._read(stream, written(folder / "config.json", _config(start_date)), folder)
        environment = {"PYTHONPATH": str(REDIRECT), "REDIRECTED_TO": address}
        return Program(f"{stream} {self.name}", command, rows, self.row, environment)

    @abstractmethod
    def _described(self, config: str) -> dict[str, Any]:
        """Its streams by name, as it prints them."""

    @abstractmethod
    def _read(self, stream: str, config: str, folder: Path) -> list[str]:
        """The command that reads one stream."""


class AirbyteIterable(Peer):
    """Airbyte's own connector."""

    name = "airbyte-source-iterable"
    requirement = "airbyte-source-iterable==1.0.1"
    framework = "airbyte-cdk"
    row = RECORD

    def _described(self, config: str) -> dict[str, Any]:
        printed = _output(self.programs / "source-iterable", "discover", "--config", config)
        messages = [json.loads(line) for line in printed.splitlines()]
        catalogs = [message["catalog"] for message in messages if message["type"] == "CATALOG"]
        return {one["name"]: one for one in catalogs[0]["streams"]}

    def _read(self, stream: str, config: str, folder: Path) -> list[str]:
        catalog = written(folder / "catalog.json", {"streams": [Stream(self.streams[stream]).configured()]})
        return [str(self.programs / "source-iterable"), "read", "--config", config, "--catalog", catalog]


class TapIterable(Peer):
    """Singer's: the newest that installs."""

    name = requirement = "tap-iterable"
    framework = "singer-python"
    row = b'{"type": "RECORD"'

    def _described(self, config: str) -> dict[str, Any]:
        printed = _output(self.programs / "tap-iterable", "--config", config, "--discover")
        return {one["tap_stream_id"]: one for one in json.loads(printed)["streams"]}

    def _read(self, stream: str, config: str, folder: Path) -> list[str]:
        chosen = self.streams[stream]
        for about in chosen["metadata"]:
            if not about["breadcrumb"]:
                about["metadata"]["selected"] = True
        catalog = written(folder / "catalog.json", {"streams": [chosen]})
        return [str(self.programs / "tap-iterable"), "--config", config, "--catalog", catalog]


def _config(start_date: str) -> dict[str, str]:
    return {"api_key": "benchmark", "start_date": start_date, "region": "US"}


def _output(program: str | Path, *words: str) -> str:
    """Return the output of a program. Raises InstallError when it does not run."""
    environment = {**os.environ, "PYTHONPATH": ""}
    # What is run is what was installed, told to install, to list or to describe itself.
    try:
        ended = subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise InstallError(str(error)) from error
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines() or ["nothing"]
        raise InstallError(f"{program} ended with exit code {ended.returncode} and said: {said[-1]}")
    return ended.stdout
