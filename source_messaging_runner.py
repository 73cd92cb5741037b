"""Runs the connector on this machine, with the framework: what `source-messaging` does not answer by itself.

The same manifest and components run in Airbyte's image and in the Connector Builder. This runner is for
everyone else (command line, PyAirbyte's `local_executable`, tests). It differs from the CDK's own in this:

* it always runs the manifest it was installed with, whatever directory it is called from;
* it trusts the components next to that manifest and hands the saved state to them;
* what is wrong with a file or the configuration is one sentence, not a stack trace;
* SIGINT and SIGTERM end it at once and after a whole message: the last state on stdout is one to go on from.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Mapping, MutableMapping
from pathlib import Path
from types import ModuleType
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import assemble_uncaught_exception
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.utils.airbyte_secrets_utils import get_secrets, update_secrets
from airbyte_cdk.utils.constants import ENV_REQUEST_CACHE_PATH
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from connector_process import config_error, read_json, run_to_the_end
from source_messaging import HERE, load_manifest, stream_name


class SourceMessaging(ConcurrentDeclarativeSource):
    """The source of `manifest.yaml`, which reads its input files with an error a user can act on."""

    @staticmethod
    def write_config(config: Mapping[str, Any], config_path: str) -> None:
        """Nothing: nobody reads the copy, which would leave a key on the disk of a process that is killed."""

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        """The configuration, an object."""
        config = read_json(config_path, "config")
        if not isinstance(config, dict):
            raise config_error(f"The config file {config_path} must hold a JSON object.")
        return config

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        """The configured catalog: which streams to read, and how."""
        content = read_json(catalog_path, "catalog")
        try:
            return ConfiguredAirbyteCatalogSerializer.load(content)
        except Exception as error:  # the serializer documents no error type
            raise config_error(
                f"The catalog file {catalog_path} is not a configured catalog: {_in_one_line(error)}."
            ) from error

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """The states a sync emitted last, one for each stream; none for an empty object or list."""
        content = (read_json(state_path, "state") if state_path else None) or []
        wrong = f"The state file {state_path} is not a list of Airbyte state messages"
        if not isinstance(content, list):
            raise config_error(f"{wrong}.")
        try:
            states = [AirbyteStateMessageSerializer.load(entry) for entry in content]
        except Exception as error:  # the serializer documents no error type
            raise config_error(f"{wrong}: {_in_one_line(error)}.") from error
        if any(not (state.stream or state.global_ or state.data) for state in states):
            raise config_error(f"{wrong}: an entry has neither `stream` nor `global`.")
        return states


def create_source(
    config: Mapping[str, Any] | None = None,
    catalog: ConfiguredAirbyteCatalog | None = None,
    state: list[AirbyteStateMessage] | None = None,
    streams: Collection[str] | None = None,
) -> SourceMessaging:
    """The connector as the runner runs it; AirbyteTracedException when the configuration cannot work.

    streams: names of the streams to build; by default those of the catalog, or all if there is none. Few of them start
    about two seconds sooner.
    """
    manifest = load_manifest()
    if streams is None and catalog is not None:
        streams = [configured.stream.name for configured in catalog.streams]
    if streams is not None:
        manifest = narrowed(manifest, streams)
    if config:
        # The framework masks secrets only once the source exists, and building it may fail.
        specification = manifest.get("spec", {}).get("connection_specification", {})
        update_secrets(get_secrets(specification, config))
    components = register_components()
    if components is not None and config is not None:
        # The framework would first compare it with the specification, which names neither field nor remedy.
        components.refuse_mistakes(config)
    # No `config_path`: with it the framework would write a migrated configuration over the user's file.
    return SourceMessaging(catalog=catalog, config=config, state=state or [], source_config=manifest)


def narrowed(manifest: dict[str, Any], streams: Collection[str]) -> dict[str, Any]:
    """The manifest with some rows of its table and with what they refer to: built in a fraction of the time."""
    blocks = [
        block | {"streams": [row for row in block["streams"] if stream_name(row, manifest) in streams]}
        for block in manifest["streams"]
    ]
    used: dict[str, dict[str, Any]] = {"definitions": {}, "schemas": {}}
    missing = _references(blocks)
    while missing:
        section, name = missing.pop()
        if name not in used[section]:
            used[section][name] = manifest[section][name]
            missing |= _references(manifest[section][name])
    return {**manifest, **used, "streams": blocks}


def _references(part: Any) -> set[tuple[str, str]]:
    return set(re.findall(r"#/(definitions|schemas)/(\w+)", json.dumps(part)))


def register_components() -> ModuleType | None:
    """Makes the components beside this file, if any, those that the manifest names, whatever is on the import path."""
    path = HERE / "components.py"
    module = sys.modules.get("components")
    if path.exists() and (module is None or Path(module.__file__ or "").resolve() != path):
        found = importlib.util.spec_from_file_location("components", path)
        if found is None or found.loader is None:
            raise ImportError(f"{path} is no Python module")
        module = importlib.util.module_from_spec(found)
        sys.modules["components"] = module  # first, because dataclasses look their module up while it runs
        found.loader.exec_module(module)
    if module is not None:
        sys.modules["source_declarative_manifest.components"] = module
    return module


def run(arguments: argparse.Namespace) -> int:
    """Runs one command, messages to stdout; the exit code, which is 0 for a `check` that says FAILED."""
    try:
        source = _source_for(arguments)
        for line in AirbyteEntrypoint(source).run(arguments):
            _print(line)
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        return 1
    except AirbyteTracedException as error:
        if error.failure_type == FailureType.config_error and error.message:
            return _report_config_error(arguments.command, error)
        _print_message(error.as_sanitized_airbyte_message())
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost frame: a bug becomes a message with its stack trace
        _print_message(assemble_uncaught_exception(type(error), error).as_sanitized_airbyte_message())
        return 1
    return 0


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line, by the CDK's own parser; a wrong one prints its usage and exits 2."""
    parsed = AirbyteEntrypoint.parse_args(arguments)
    if parsed.command is None:
        _exit_for_usage("say what to do: spec, check, discover or read")
    for option in ("manifest_path", "components_path"):
        if getattr(parsed, option, None):
            _exit_for_usage(
                f"--{option.replace('_', '-')} is for source-declarative-manifest; this command has its own"
            )
    return parsed


def main() -> None:
    """Runs the command of this process and ends it."""
    arguments = parse_arguments(sys.argv[1:])
    # The framework sets it to a folder of its own, which is removed at the end; nobody else's is.
    os.environ.pop(ENV_REQUEST_CACHE_PATH, None)
    run_to_the_end(lambda: run(arguments), call_off=_call_off_jobs, clean_up=_remove_temporary_files)


def _source_for(arguments: argparse.Namespace) -> SourceMessaging:
    given = vars(arguments)
    return create_source(
        config=SourceMessaging.read_config(given["config"]) if given.get("config") else None,
        catalog=SourceMessaging.read_catalog(given["catalog"]) if given.get("catalog") else None,
        state=SourceMessaging.read_state(given["state"]) if given.get("state") else None,
        streams=() if arguments.command == "spec" else None,
    )


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _report_config_error(command: str, error: AirbyteTracedException) -> int:
    """Airbyte's answer to an error of the user: a failed status for `check`, else a trace without a stack."""
    status = error.as_connection_status_message()
    if command == "check" and status is not None:
        _print_message(status)
        return 0
    message = error.as_sanitized_airbyte_message()
    if message.trace is not None and message.trace.error is not None:
        message.trace.error.stack_trace = None
    _print_message(message)
    return 1


def _print_message(message: AirbyteMessage) -> None:
    _print(AirbyteEntrypoint.airbyte_message_to_string(message))


def _print(line: str) -> None:
    """Writes one message whole; all but records leave at once, so that a state is never held back."""
    PRINT_BUFFER.write(f"{line}\n")
    if not line.startswith('{"type":"RECORD"'):
        PRINT_BUFFER.flush()


def _call_off_jobs() -> None:
    """Has the vendor end the export jobs that nobody would fetch any more."""
    components = sys.modules.get("components")
    if components is not None:
        components.call_off_jobs()


def _remove_temporary_files() -> None:
    """Removes the framework's folder of this run, which may hold copies of replies."""
    folder = os.environ.get(ENV_REQUEST_CACHE_PATH)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _exit_for_usage(message: str) -> None:
    print(f"source-messaging: {message}", file=sys.stderr)
    sys.exit(2)
