"""The command `source-messaging`: runs the source beside it, on this machine, in the image and under PyAirbyte.

It differs from the framework's own runner in this:

* it runs the manifest and the components it was installed with, whatever directory it is called from;
* a mistake in a file, the configuration, the catalog or the state is one sentence, not a stack trace;
* `catalog` prints a configured catalog that `read` takes;
* SIGINT and SIGTERM end it after a whole message: the last state on stdout is one to go on from.
"""

import argparse
import json
import logging
import os
import shutil
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import assemble_uncaught_exception
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    FailureType,
    StreamDescriptor,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.declarative.interpolation import InterpolatedBoolean
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from airbyte_cdk.utils.airbyte_secrets_utils import get_secrets, update_secrets
from airbyte_cdk.utils.constants import ENV_REQUEST_CACHE_PATH
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from airbyte_cdk.utils.yaml_loader import safe_load_yaml

import components
from connector_process import config_error, read_json, run_to_the_end
from specification import config_problems

HERE: Final = Path(__file__).resolve().parent
Json = dict[str, Any]

# The manifest names the components as they are called in Airbyte's image.
sys.modules["source_declarative_manifest.components"] = components


class SourceMessaging(ConcurrentDeclarativeSource):
    """The source of `manifest.yaml`, which reads its input files with an error a user can act on."""

    @staticmethod
    def write_config(config: Mapping[str, Any], config_path: str) -> None:
        """Nothing: nobody reads the copy, which would leave a key on the disk of a process that is killed."""

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        config = read_json(config_path, "config")
        if not isinstance(config, dict):
            raise config_error(f"The config file {config_path} must hold a JSON object.")
        return config

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        content = read_json(catalog_path, "catalog")
        try:
            return ConfiguredAirbyteCatalogSerializer.load(content)
        except Exception as error:  # the serializer documents no error type
            raise config_error(
                f"The catalog file {catalog_path} is not a configured catalog, such as `source-messaging catalog` "
                f"prints: {' '.join(str(error).split()).rstrip('.') or type(error).__name__}."
            ) from error

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """Return the states in a file: a list, the output of a sync, or `{"users": {"createdAt": "…"}}` as of old."""
        if state_path and not Path(state_path).exists():
            raise config_error(f"The state file {state_path} does not exist: for a first sync, leave out --state.")
        content = (read_json(state_path, "state") if state_path else None) or []
        if isinstance(content, dict) and all(isinstance(state, dict) for state in content.values()):
            content = [
                {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": state}}
                for name, state in content.items()
            ]
        entries = content if isinstance(content, list) else [content]
        messages = [entry["state"] for entry in entries if isinstance(entry, dict) and entry.get("type") == "STATE"]
        try:
            states = [AirbyteStateMessageSerializer.load(entry) for entry in messages or entries]
            if all(state.stream or state.global_ or state.data for state in states):
                return states
        except Exception:  # noqa: BLE001, S110 - the serializer documents no error type
            pass
        raise config_error(
            f"The state file {state_path} holds no states, which look like "
            '[{"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": '
            '{"profileUpdatedAt": "2026-03-24T11:55:00+00:00"}}}]; the output of a sync will do, too.'
        )


def create_source(
    config: Mapping[str, Any] | None = None,
    catalog: ConfiguredAirbyteCatalog | None = None,
    state: list[AirbyteStateMessage] | None = None,
    streams: Collection[str] | None = None,
) -> SourceMessaging:
    """Return the connector with the named streams, else the catalog's, or all; config_error when it cannot work."""
    if streams is None and catalog is not None:
        streams = [configured.stream.name for configured in catalog.streams]
    manifest = narrowed(load_manifest(), streams)
    if config is not None:
        specification = manifest["spec"]["connection_specification"]
        # The framework masks secrets once the source exists, and says what is wrong in words that name no field.
        update_secrets(get_secrets(specification, config))
        for problem in config_problems(specification, config):
            raise config_error(problem)
        components.validate_config(config)
    # No `config_path`: with it the framework would write a migrated configuration over the user's file.
    return SourceMessaging(catalog=catalog, config=config, state=state or [], source_config=manifest)


def load_manifest() -> Json:
    """Return the parsed manifest: the one beside this file, else that among the shared data of an installed wheel."""
    roots = (HERE, sysconfig.get_path("data"), sysconfig.get_path("data", sysconfig.get_preferred_scheme("user")))
    places = (HERE, *(Path(root, "share", "messaging-connectors") for root in roots))
    path = next(filter(Path.exists, (place / "manifest.yaml" for place in places)), HERE / "manifest.yaml")
    return dict(safe_load_yaml(path.read_bytes()))


def narrowed(manifest: Json, streams: Collection[str] | None) -> Json:
    """Return a manifest, resolved, with some rows of its table, or all, and without what only others need."""
    # The resolver follows references into a proxy, but does not walk through it as it does through a dict.
    shared = {key: MappingProxyType(manifest.get(key, {})) for key in ("definitions", "schemas")}
    resolve = ManifestReferenceResolver().preprocess_manifest

    def is_wanted(row: Json) -> bool:
        named = {"name": row["$parameters"]["name"] if "$parameters" in row else f"{row['$ref']}/$parameters/name"}
        return streams is None or resolve(shared | named)["name"] in streams

    blocks = [block | {"streams": list(filter(is_wanted, block["streams"]))} for block in manifest["streams"]]
    resolved = resolve(manifest | shared | {"streams": blocks})
    return {key: part for key, part in resolved.items() if key not in shared}


def configured_catalog(config: Mapping[str, Any], streams: Collection[str]) -> ConfiguredAirbyteCatalog:
    """Return a catalog of the named streams, or all, that `read` takes; incremental where a stream has a cursor."""
    source = create_source(config, streams=streams or None)
    for error in missing_streams(source.resolved_manifest, config, streams):
        raise error
    return ConfiguredAirbyteCatalog(
        [
            ConfiguredAirbyteStream(
                stream=stream,
                sync_mode=stream.supported_sync_modes[-1],
                destination_sync_mode=DestinationSyncMode.append,
                cursor_field=stream.default_cursor_field or [],
                primary_key=stream.source_defined_primary_key or [],
            )
            for stream in source.discover(logging.getLogger("airbyte"), config).streams
        ]
    )


def missing_streams(
    manifest: Mapping[str, Any], config: Mapping[str, Any], wanted: Iterable[str]
) -> Iterator[AirbyteTracedException]:
    """Yield an error for each wanted stream that a configuration does not make exist."""
    rows = ((row, block["condition"]) for block in manifest["streams"] for row in block["streams"])
    conditions = {row["$parameters"]["name"]: condition for row, condition in rows}
    for name in wanted:
        if name not in conditions:
            reason = "this source has no stream of that name"
        elif not InterpolatedBoolean(conditions[name], parameters={}).eval(config):
            reason = "no API key of its vendor is configured"
        else:
            continue
        yield AirbyteTracedException(
            message=f"Stream {name} cannot be read: {reason}. `discover` lists those that can.",
            failure_type=FailureType.config_error,
            stream_descriptor=StreamDescriptor(name=name),
        )


# Each command, and what it is told by files.
COMMANDS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "spec": ("print what may be configured", ()),
    "check": ("try the keys of a configuration", ("config",)),
    "discover": ("print the streams and their columns", ("config",)),
    "catalog": ("print a configured catalog for `read`", ("config",)),
    "read": ("print records and states", ("config", "catalog", "state")),
}


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the parsed command line; a wrong one prints its usage and exits 2."""
    parser = argparse.ArgumentParser("source-messaging", description="Reads Iterable and Courier, as Airbyte messages.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (purpose, files) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        command.add_argument("--debug", action="store_true", help="log what the framework does, too")
        for file in files:
            command.add_argument(f"--{file}", metavar="FILE", required=file != "state")
    commands.choices["catalog"].add_argument("--streams", metavar="A,B", default="", help="by default all")
    return parser.parse_args(words)


def main() -> None:
    """The console script."""
    arguments = parse_arguments(sys.argv[1:])
    # More workers than connections that are kept open is no fault: those beyond them open their own.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    # The framework keeps copies of replies in a folder that it names there; no other folder is removed.
    os.environ.pop(ENV_REQUEST_CACHE_PATH, None)
    run_to_the_end(lambda: run(arguments), lambda: shutil.rmtree(os.environ.get(ENV_REQUEST_CACHE_PATH, ""), True))


def run(arguments: argparse.Namespace) -> int:
    """Run one command, messages to stdout; return the exit code, which is 0 for a `check` that says FAILED."""
    code = 0
    try:
        given = vars(arguments)
        config = SourceMessaging.read_config(given["config"]) if "config" in given else None
        if arguments.command == "catalog":
            made = configured_catalog(config or {}, list(filter(None, arguments.streams.split(","))))
            PRINT_BUFFER.write(json.dumps(ConfiguredAirbyteCatalogSerializer.dump(made), indent=1) + "\n")
            return 0
        catalog = SourceMessaging.read_catalog(given["catalog"]) if "catalog" in given else None
        state = SourceMessaging.read_state(given.get("state") or "")
        source = create_source(config, catalog, state, streams=() if arguments.command == "spec" else None)
        wanted = [configured.stream.name for configured in catalog.streams] if catalog else []
        for error in missing_streams(source.resolved_manifest, config or {}, wanted):
            code = _report(arguments.command, error)
        for line in AirbyteEntrypoint(source).run(arguments):
            _print(line)
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        code = 1
    except Exception as failure:  # noqa: BLE001 - the outermost frame: a bug becomes a message with its stack trace
        code = _report(arguments.command, assemble_uncaught_exception(type(failure), failure))
    return code


def _report(command: str, error: AirbyteTracedException) -> int:
    """Print an error as Airbyte has it, a user's without a stack trace; return the exit code."""
    if command == "catalog":
        print(f"source-messaging: {error.message}", file=sys.stderr)
        return 1
    message, status = error.as_sanitized_airbyte_message(), error.as_connection_status_message()
    if command == "check" and status is not None:
        message = status
    elif error.failure_type == FailureType.config_error and message.trace and message.trace.error:
        message.trace.error.stack_trace = None
    _print(AirbyteEntrypoint.airbyte_message_to_string(message))
    return 0 if message is status else 1


def _print(line: str) -> None:
    """Write one message whole; all but records leave at once, so that a state is never held back."""
    PRINT_BUFFER.write(f"{line}\n")
    if not line.startswith('{"type":"RECORD"'):
        PRINT_BUFFER.flush()


if __name__ == "__main__":
    main()
