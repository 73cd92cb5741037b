"""Other people's connectors for the same vendor, as programs to measure.

Each is installed from the package index for the run, unmodified, into an environment of its own. Its requests are sent
to the benchmark's server from outside (redirect/sitecustomize.py).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from benchmarks.environments import Environment, InstallError
from benchmarks.processes import RECORD, SPACED_RECORD
from benchmarks.source import configured

HERE: Final = Path(__file__).resolve().parent
# Minor versions of Python 3, the best first: both peers pin libraries that do not run on later ones.
SUITABLE: Final = ("11", "10", "9")
LONG_AGO: Final = "2020-01-01T00:00:00Z"


@dataclass
class Peer(ABC):
    """A connector that reads Iterable. `folder` holds its environment."""

    folder: Path
    name: ClassVar[str]
    version: ClassVar[str] = ""
    program: ClassVar[str]
    row: ClassVar[bytes] = SPACED_RECORD

    @cached_property
    def programs(self) -> Path:
        """The folder of its programs. Raises InstallError."""
        return Environment(self.folder / self.name, suitable_python()).with_packages(self.name + self.version)

    @property
    def versions(self) -> str:
        """Its own version and those of what it is built on."""
        listed = self._output("python", "-m", "pip", "list", "--format", "json")
        wanted = {self.name, "airbyte-cdk", "singer-python"}
        found = [f"{one['name']} {one['version']}" for one in json.loads(listed) if one["name"] in wanted]
        python = self._output("python", "--version").strip()
        return ", ".join([*sorted(found, key=lambda one: self.name not in one), python])

    @cached_property
    def streams(self) -> dict[str, Any]:
        """What it says of each stream, by name. Raises InstallError when it says nothing that can be understood."""
        try:
            return self._described()
        except (LookupError, TypeError, ValueError) as error:
            raise InstallError(f"what it says of its streams cannot be understood ({type(error).__name__})") from error

    @abstractmethod
    def _described(self) -> dict[str, Any]:
        """Its streams by name, as it prints them."""

    @abstractmethod
    def read(self, stream: str, start_date: str, folder: Path) -> list[str]:
        """The command that reads one stream, with the files it needs in a folder."""

    def environment(self, address: str) -> dict[str, str]:
        """What its process is told, so that its requests arrive."""
        return {"PYTHONPATH": str(HERE / "redirect"), "REDIRECTED_TO": address}

    def _output(self, program: str, *words: str) -> str:
        """What one of its environment's programs prints. Raises InstallError when that does not run."""
        command = [str(self.programs / program), *words]
        environment = {**os.environ, "PYTHONPATH": ""}
        # What is run is what was installed, told to list or to describe itself.
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if ended.returncode:
            said = (ended.stderr or ended.stdout).strip().splitlines() or ["nothing"]
            raise InstallError(f"{program} ended with exit code {ended.returncode} and said: {said[-1]}")
        return ended.stdout

    def _config(self, folder: Path, start_date: str) -> str:
        return _written(folder / "config.json", {"api_key": "benchmark", "start_date": start_date, "region": "US"})


class AirbyteIterable(Peer):
    """Airbyte's own connector."""

    name = "airbyte-source-iterable"
    version = "==1.0.1"
    program = "source-iterable"
    row = RECORD

    def _described(self) -> dict[str, Any]:
        printed = self._output(self.program, "discover", "--config", self._config(self.folder, LONG_AGO))
        messages = [json.loads(line) for line in printed.splitlines()]
        catalogs = [message["catalog"] for message in messages if message["type"] == "CATALOG"]
        return {one["name"]: one for one in catalogs[0]["streams"]}

    def read(self, stream: str, start_date: str, folder: Path) -> list[str]:
        catalog = _written(folder / "catalog.json", {"streams": [configured(self.streams[stream])]})
        files = ["--config", self._config(folder, start_date), "--catalog", catalog]
        return [str(self.programs / self.program), "read", *files]


class TapIterable(Peer):
    """Singer's: the newest that installs."""

    name = "tap-iterable"
    program = "tap-iterable"

    def _described(self) -> dict[str, Any]:
        printed = self._output(self.program, "--config", self._config(self.folder, LONG_AGO), "--discover")
        return {one["tap_stream_id"]: one for one in json.loads(printed)["streams"]}

    def read(self, stream: str, start_date: str, folder: Path) -> list[str]:
        chosen = self.streams[stream]
        for about in chosen["metadata"]:
            if not about["breadcrumb"]:
                about["metadata"]["selected"] = True
        catalog = _written(folder / "catalog.json", {"streams": [chosen]})
        files = ["--config", self._config(folder, start_date), "--catalog", catalog]
        return [str(self.programs / self.program), *files]


def _written(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def suitable_python() -> str:
    """An interpreter that the peers run on. Raises InstallError."""
    if platform.python_version_tuple()[1] in SUITABLE:
        return sys.executable
    for name in (f"python3.{minor}" for minor in SUITABLE):
        path = shutil.which(name)
        # Of some version managers there is a program by the name that says only that there is none.
        if path and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:  # noqa: S603
            return path
    raise InstallError(f"It needs Python 3.{SUITABLE[-1]} to 3.{SUITABLE[0]}, and there is none on this machine.")
