# The connectors as images. `docker build .` makes the source; `--target destination-courier` and `--target
# destination-rudderstack` make the others. All stand on Airbyte's image for declarative connectors, which brings Python,
# the framework and the user `airbyte` (1000), who may read what is copied here and change nothing of it.

# The framework's release: the same as in requirements/dev.lock, pyproject.toml and the manifest.
ARG CDK_VERSION=7.39.1
ARG VERSION=0.1.0

FROM docker.io/airbyte/source-declarative-manifest:${CDK_VERSION} AS base
WORKDIR /airbyte/integration_code
USER airbyte

# Platforms start a connector in a directory of their own, and by AIRBYTE_ENTRYPOINT rather than ENTRYPOINT.
FROM base AS destination
ENV PYTHONPATH=/airbyte/integration_code
COPY --chown=root:root --chmod=644 connector_process.py specification.py components.py ./
COPY --chown=root:root --chmod=644 destinations/*.py destinations/

FROM destination AS destination-courier
ARG VERSION
COPY --chown=root:root --chmod=644 destinations/courier/*.py destinations/courier/
ENV AIRBYTE_ENTRYPOINT="python -m destinations.courier"
ENTRYPOINT ["python", "-m", "destinations.courier"]
LABEL io.airbyte.name=messaging-connectors/destination-courier
LABEL io.airbyte.version=${VERSION}

FROM destination AS destination-rudderstack
ARG VERSION
COPY --chown=root:root --chmod=644 destinations/rudderstack/*.py destinations/rudderstack/
ENV AIRBYTE_ENTRYPOINT="python -m destinations.rudderstack"
ENTRYPOINT ["python", "-m", "destinations.rudderstack"]
LABEL io.airbyte.name=messaging-connectors/destination-rudderstack
LABEL io.airbyte.version=${VERSION}

# Our own command, for its sentences and its way to end. It stands where the base image's main.py would look for the
# manifest and the components, too, and finds them beside itself.
FROM base AS source
ARG VERSION
COPY --chown=root:root --chmod=644 manifest.yaml components.py connector_process.py specification.py source_messaging.py source_declarative_manifest/
ENV AIRBYTE_ENTRYPOINT="python /airbyte/integration_code/source_declarative_manifest/source_messaging.py"
ENTRYPOINT ["python", "/airbyte/integration_code/source_declarative_manifest/source_messaging.py"]
LABEL io.airbyte.name=messaging-connectors/source-messaging
LABEL io.airbyte.version=${VERSION}
