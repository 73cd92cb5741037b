"""Throw-away environments for what is not the project's own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


class InstallError(Exception):
    """Packages that are not to be had; the message is the installer's last line."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment to be made; `python` is the interpreter to make it with."""

    folder: Path
    python: str = sys.executable

    def with_packages(self, *packages: str) -> Path:
        """The folder of its programs, once the packages are in it. Raises InstallError."""
        programs = self.folder / "bin"
        self._run(self.python, "-m", "venv", str(self.folder))
        self._run(str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", *packages)
        return programs

    def _run(self, *command: str) -> None:
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 — ours
        except OSError as error:
            raise InstallError(str(error)) from error
        if ended.returncode:
            said = [line for line in (ended.stdout + ended.stderr).splitlines() if "ERROR" in line]
            raise InstallError(said[-1] if said else f"{command[0]} ended with exit code {ended.returncode}")
