"""Images without an engine: what the Dockerfile says of a target, the files it leads to, and a process among them.

Of the base image, `airbyte/source-declarative-manifest`, this assumes what the framework's own Dockerfile writes:
`/airbyte/integration_code` holds `main.py` and a package `source_declarative_manifest` with the framework's runner as
`run.py`; `python main.py` is the entrypoint, the user `airbyte` is 1000:1000, and `python` has the framework installed.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from string import Template

from unit_tests.support.clock import INSTANT

BASE = "docker.io/airbyte/source-declarative-manifest"
CODE = PurePosixPath("/airbyte/integration_code")
# Where platforms put a connector's input files, and start it.
INPUT = PurePosixPath("/config")
AIRBYTE = "1000:1000"
# What an image has of its own and this machine has to lend.
SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sys", "/usr")


@dataclass(frozen=True)
class Copy:
    """Patterns of files in the checkout, and the directory they are copied to."""

    patterns: tuple[str, ...]
    directory: PurePosixPath
    options: Mapping[str, str]


@dataclass(frozen=True)
class Image:
    """A stage of the Dockerfile, with all it inherits."""

    base: str
    target: str = ""
    user: str = "airbyte"
    directory: PurePosixPath = CODE
    entrypoint: tuple[str, ...] = ("python", str(CODE / "main.py"))
    environment: Mapping[str, str] = field(default_factory=lambda: {"AIRBYTE_ENTRYPOINT": f"python {CODE / 'main.py'}"})
    labels: Mapping[str, str] = field(default_factory=dict)
    copies: tuple[Copy, ...] = ()


def images(dockerfile: str) -> dict[str, Image]:
    """The stages of a Dockerfile by name, in order; ValueError for an instruction that would go unnoticed here."""
    found: dict[str, Image] = {}
    shared: dict[str, str] = {}
    arguments: dict[str, str] = {}
    image: Image | None = None
    for name, rest in _instructions(dockerfile):
        if name == "ARG":
            argument, _, default = rest.partition("=")
            (arguments if image else shared)[argument] = default or shared[argument]
            continue
        if name == "FROM":
            origin, _, target = Template(rest).substitute(shared).partition(" AS ")
            image, arguments = replace(found.get(origin, Image(origin)), target=target), {}
        elif image is None:
            raise ValueError(f"{name} stands before the first FROM")
        else:
            image = _changed(image, name, Template(rest).substitute(arguments))
        found[image.target] = image
    return found


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for instruction in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = instruction.strip().partition(" ")
        if name:
            yield name, rest.strip()


def _changed(image: Image, name: str, rest: str) -> Image:
    if name == "USER":
        return replace(image, user=rest)
    if name == "WORKDIR":
        return replace(image, directory=image.directory / rest)
    if name == "ENTRYPOINT":
        return replace(image, entrypoint=tuple(json.loads(rest)))
    if name == "COPY":
        return replace(image, copies=(*image.copies, _copy(image, rest)))
    if name in ("ENV", "LABEL"):
        pairs = dict(word.split("=", 1) for word in shlex.split(rest))
        if name == "ENV":
            return replace(image, environment={**image.environment, **pairs})
        return replace(image, labels={**image.labels, **pairs})
    raise ValueError(f"{name} is not understood here: say in unit_tests/support/image.py what it does to the image")


def _copy(image: Image, rest: str) -> Copy:
    words = shlex.split(rest)
    options = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
    *patterns, directory = [word for word in words if not word.startswith("--")]
    if not directory.endswith("/") or "from" in options:
        raise ValueError("COPY is understood from the checkout and to a directory, which ends with a slash")
    return Copy(tuple(patterns), image.directory / directory, options)


def context(checkout: Path) -> set[Path]:
    """The files of a checkout that `.dockerignore` lets into a build; the last rule that fits a file counts."""
    lines = (checkout / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    return {path for path in _files(checkout) if not _ignored(path, rules)}


def _files(checkout: Path) -> Iterator[Path]:
    """Every file, relative; not those of environments and caches, of which there are too many to look at."""
    for folder, folders, names in os.walk(checkout):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name).relative_to(checkout) for name in names)


def _ignored(path: Path, rules: Sequence[str]) -> bool:
    ignored = False
    for rule in rules:
        # A rule for a directory holds for all below it.
        if any(_pattern(rule.removeprefix("!")).fullmatch(str(part)) for part in (path, *path.parents)):
            ignored = not rule.startswith("!")
    return ignored


@cache
def _pattern(rule: str) -> re.Pattern[str]:
    wildcards = {r"\*\*/": "(?:.*/)?", r"\*\*": ".*", r"\*": "[^/]*", r"\?": "[^/]"}
    pattern = re.escape(rule)
    for escaped, meaning in wildcards.items():
        pattern = pattern.replace(escaped, meaning)
    return re.compile(pattern)


def lay_out(image: Image, checkout: Path, root: Path) -> list[str]:
    """Writes the files of an image below `root`; the places of those that the Dockerfile adds to the base image."""
    runner = root / CODE.relative_to("/") / "source_declarative_manifest"
    runner.mkdir(parents=True)
    installed = resources.files("airbyte_cdk.cli.source_declarative_manifest")
    (runner / "__init__.py").touch()
    (runner / "run.py").write_text(installed.joinpath("_run.py").read_text(encoding="utf-8"), encoding="utf-8")
    (runner / "spec.json").write_text(installed.joinpath("spec.json").read_text(encoding="utf-8"), encoding="utf-8")
    (runner.parent / "main.py").write_text(
        "from source_declarative_manifest.run import run\n\nif __name__ == '__main__':\n    run()\n", encoding="utf-8"
    )
    sent, added = context(checkout), []
    for copy in image.copies:
        for pattern in copy.patterns:
            files = sorted(path for path in checkout.glob(pattern) if path.relative_to(checkout) in sent)
            if not files:
                raise FileNotFoundError(f"COPY {pattern}: the build would find no such file")
            for file in files:
                place = copy.directory / file.name
                copied = root / place.relative_to("/")
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copied)
                copied.chmod(int(copy.options["chmod"], 8))
                added.append(str(place))
    return added


# Builds the container's root in memory, in a mount namespace of its own, and turns into the connector.
_ENTER = """
set -eu
new=$1 tree=$2 input=$3 user=$4 directory=$5; shift 5
mount -t tmpfs -o mode=755 image "$new"
cp -R "$tree/." "$new/"
find "$new" -mindepth 1 -type d -exec chmod 755 {} +
cp -R "$input" "$new/config"
chmod -R go=u-w "$new/config"
mkdir "$new/tmp"; mount -t tmpfs -o mode=1777 temporary "$new/tmp"
for lent in $LENT; do
  if test -L "$lent"; then cp -P "$lent" "$new$lent"
  elif test -d "$lent"; then mkdir -p "$new$lent"; mount --rbind "$lent" "$new$lent"
  fi
done
mount -o remount,ro "$new"
exec chroot $user "$new" env --ignore-environment --chdir="$directory" "$@"
"""


@dataclass(frozen=True)
class Container:
    """A container of an image, on a read-only root, as the image's user: nothing of the checkout is in it.

    Someone who may not change users (who is not root) has no other rights to lose and stays who he is.
    """

    image: Image
    tree: Path
    input: Path

    @staticmethod
    def is_possible() -> bool:
        """Return True if this machine lets us make mount namespaces."""
        if not shutil.which("unshare"):
            return False
        return subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode == 0

    def run(
        self, *arguments: str, directory: PurePosixPath = INPUT, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Runs the entrypoint, in the directory that a platform starts it in."""
        return subprocess.run(
            self.command(*self.image.entrypoint, *arguments, directory=directory),
            input=stdin,
            env=os.environ | {"LENT": " ".join(_lent())},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def command(self, *words: str, directory: PurePosixPath) -> list[str]:
        mount_point = self.tree.with_name(f"{self.tree.name}-root")
        mount_point.mkdir(exist_ok=True)
        clock = {"PYTHONPATH": str(INSTANT), "TEST_INSTANT": os.environ["TEST_INSTANT"]}
        environment = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", **clock, **self.image.environment}
        pairs = [f"{name}={value}" for name, value in environment.items()]
        user = f"--userspec={AIRBYTE}" if os.geteuid() == 0 else ""
        places = [str(mount_point), str(self.tree), str(self.input), user, str(directory)]
        return [*_UNSHARE, "sh", "-c", _ENTER, "enter", *places, *pairs, *words]


_UNSHARE = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--user", "--map-root-user")


def _lent() -> list[str]:
    """Directories of this machine that the container shows: the system's, those of Python, and the tests' clock."""
    python = {os.path.realpath(place) for place in (sys.prefix, sys.base_prefix)} | {sys.prefix, sys.base_prefix}
    return [*SYSTEM, str(INSTANT), *sorted(place for place in python if not place.startswith(SYSTEM))]
