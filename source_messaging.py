"""The command `source-messaging spec|check|discover|read`.

What follows from the manifest alone is answered here, in a tenth of the time: `spec`, and `discover` with a
configuration in which nothing can be wrong. These answers are the framework's own to the last byte. Everything else
goes to the runner, which imports the framework.
"""

import functools
import gc
import json
import operator
import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

DISTRIBUTION: Final = "messaging-connectors"
HERE: Final = Path(__file__).resolve().parent
# Objects made and not freed after which Python looks for garbage. Rows are freed as they go; looking for it among the
# thousands that are under way would take an eighth of all the time.
GARBAGE_AFTER: Final = 200_000

Json = dict[str, Any]


def main() -> None:
    """The console script."""
    answer = answer_from_manifest(sys.argv[1:])
    if answer is not None:
        _print(answer)
        return
    gc.set_threshold(GARBAGE_AFTER)
    import source_messaging_runner  # noqa: PLC0415 — it imports the framework, which the answers above do without

    source_messaging_runner.main()


def answer_from_manifest(arguments: Sequence[str]) -> Json | None:
    """The message that answers a command, if it follows from the manifest; None if only the runner knows."""
    try:
        match arguments:
            case ["spec"]:
                return {"type": "SPEC", "spec": _specification(load_manifest()["spec"])}
            case ["discover", "--config", path]:
                manifest, config = load_manifest(), json.loads(Path(path).read_text(encoding="utf-8"))
                if is_beyond_doubt(config, manifest["spec"]["connection_specification"]):
                    return {"type": "CATALOG", "catalog": {"streams": list(_catalog(manifest, config))}}
    except (OSError, ValueError, yaml.YAMLError):  # the runner says what is wrong with a file, as platforms read it
        pass
    return None


def load_manifest() -> Json:
    """The parsed manifest."""
    # The loader that PyYAML has where it was built with libyaml takes a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    manifest: Json = loader(manifest_path().read_bytes()).get_single_data()
    return manifest


def manifest_path() -> Path:
    """Where the manifest is: beside this file in a checkout, among the shared data of an installed wheel."""
    user_scheme = sysconfig.get_preferred_scheme("user")
    roots = [sysconfig.get_path("data"), sysconfig.get_path("data", user_scheme), str(HERE)]
    places = [HERE / "manifest.yaml"]
    places += [Path(root, "share", DISTRIBUTION, "manifest.yaml") for root in roots]
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"manifest.yaml belongs to {DISTRIBUTION} but is not installed with it")


def _specification(spec: Json) -> Json:
    return {
        "connectionSpecification": spec["connection_specification"],
        "supportsNormalization": False,
        "supportsDBT": False,
    }


def is_beyond_doubt(config: Any, specification: Json) -> bool:
    """Whether no mistake can be in a configuration; not so wherever it takes the components to tell."""
    from jsonschema import Draft7Validator  # noqa: PLC0415 — `spec` does without

    if not Draft7Validator(specification).is_valid(config):
        return False
    courier = config.get("courier")
    sections = [config, courier] if courier else [config]
    return (
        bool((courier or config).get("api_key"))
        and ("api_key" not in config or "start_date" in config)
        and all(_is_past(section["start_date"]) for section in sections if "start_date" in section)
        and not any("api_url" in section for section in sections)
        # 5.0 is an integer to the specification only.
        and not any(isinstance(value, float) for section in sections for value in section.values())
    )


def _is_past(start_date: str) -> bool:
    try:
        return datetime.fromisoformat(start_date) <= datetime.now(UTC)
    except ValueError:
        return False


def _catalog(manifest: Json, config: Json) -> Iterator[Json]:
    from jinja2.nativetypes import NativeEnvironment  # noqa: PLC0415 — `spec` does without

    templates = NativeEnvironment(autoescape=False)
    for block in manifest["streams"]:
        if templates.from_string(block["condition"]).render(config=config):
            yield from (_stream(row, manifest) for row in block["streams"])


def stream_name(row: Json, manifest: Json) -> str:
    """The name of the stream that a row of the manifest's table stands for."""
    return str(_opened(row, manifest)["$parameters"]["name"])


def _stream(row: Json, manifest: Json) -> Json:
    """The stream that a row stands for, as a catalog shows it."""
    stream = _opened(row, manifest)
    shown: Json = {
        "name": stream_name(stream, manifest),
        "json_schema": _resolved(stream["schema_loader"], manifest)["schema"],
        "supported_sync_modes": ["full_refresh"],
    }
    is_incremental = "incremental_sync" in stream
    if is_incremental:
        cursor = _opened(stream["incremental_sync"], manifest)
        shown["supported_sync_modes"].append("incremental")
        shown |= {"source_defined_cursor": True, "default_cursor_field": [cursor["cursor_field"]]}
    key = stream["primary_key"]
    shown["source_defined_primary_key"] = [[name] for name in ([key] if isinstance(key, str) else key)]
    return shown | {"is_resumable": is_incremental, "is_file_based": False}


def _resolved(part: Any, manifest: Json) -> Any:
    """A part of the manifest with everything in it that it refers to, however deep."""
    opened = _opened(part, manifest)
    if isinstance(opened, dict):
        return {name: _resolved(value, manifest) for name, value in opened.items()}
    return [_resolved(item, manifest) for item in opened] if isinstance(opened, list) else opened


def _opened(part: Any, manifest: Json) -> Any:
    """A part of the manifest with what it refers to itself; its own keys go before those it inherits."""
    if isinstance(part, str) and part.startswith("#/"):
        return _opened(functools.reduce(operator.getitem, part.removeprefix("#/").split("/"), manifest), manifest)
    if isinstance(part, dict) and "$ref" in part:
        return _opened(part["$ref"], manifest) | {name: value for name, value in part.items() if name != "$ref"}
    return part


def _print(message: Json) -> None:
    try:
        print(json.dumps(message, ensure_ascii=False, separators=(",", ":")), flush=True)
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        os._exit(1)


if __name__ == "__main__":
    main()
