# Every target works in a fresh checkout: the first one called makes the virtual environment `.venv`.

# The first of these that is new enough; name another with `make PYTHON=/path/to/python …`.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$python && break; done)
NEW_ENOUGH = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
CHECK_PYTHON = "$(or $(PYTHON),false)" -c '$(NEW_ENOUGH)' 2>/dev/null || { \
	echo "Python 3.11 or newer (up to 3.14) is needed; name one with: make PYTHON=/path/to/python" >&2; exit 1; }
WHICH = import sys; print(sys.base_prefix, sys.version_info[:3])
BIN = .venv/bin
READY = .venv/installed

# PyAirbyte holds other packages back, and Python; the image's Python is 3.13.
PYAIRBYTE = .venv-pyairbyte
PYAIRBYTE_PYTHON ?= $(shell for python in python3.11 python3.12; do \
	$$python -c '' 2>/dev/null && echo $$python && break; done)
# dbt as well, Python 3.14 among them.
DBT = .venv-dbt
DBT_PYTHON ?= $(shell for python in python3.11 python3.12 python3.13; do \
	$$python -c '' 2>/dev/null && echo $$python && break; done)
DBT_FILES ?= build/dbt
# Older releases of the framework that the Connector Builder may run: the oldest that will do, and one in the middle.
OLDER_CDK = .venv-cdk-7.23.8 .venv-cdk-7.31.0
VENV_313 = .venv313
PYTHON_313 ?= $(shell for python in python3.13 $(HOME)/.pyenv/versions/3.13*/bin/python; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && echo $$python && break; done)

UV = build/uv/bin/uv
OR_SAY = 2>build/install.log || { \
	echo "The pinned packages cannot be had: is a package index within reach? build/install.log says more." >&2; exit 1; }
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links

# A worker for each of two cores; a file's tests stay together and share what they set up.
TESTS = pytest --numprocesses=2 --dist=loadfile
PYTEST = $(BIN)/python -m $(TESTS)

CONFIG ?= secrets/config.json

# Where this is set, each command would compile the framework anew, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo demo-loop sync models sandbox test test-fast test-all test-313 test-hard unit-tests lint format schemas builder docs \
	new-stream bench audit lock clean postgresql

help: ## show this list
	@awk -F ' ## ' '/^[a-z0-9-]+:.* ## / {split($$1, t, ":"); printf "make %-10s %s\n", t[1], $$2}' Makefile

demo: $(READY) ## sync from a sandbox on this machine, no key needed; again to read what is new
	@$(BIN)/python -m scripts.demo

demo-loop: $(READY) ## send an event round: Segment → Courier → RudderStack, all on this machine
	@$(BIN)/python -m scripts.loop

sync: $(READY) ## load with your own key: CONFIG=… [DESTINATION=duckdb|postgres|…] [STREAMS=a,b] [DATASET=…]
	@$(BIN)/messaging-sync --config "$(CONFIG)" $(if $(DESTINATION),--destination "$(DESTINATION)") \
		$(if $(STREAMS),--streams "$(STREAMS)") $(if $(DATASET),--dataset "$(DATASET)")

models: DESTINATION ?= .demo/messaging.duckdb
models: $(DBT)/installed ## build the dbt models that docs/sql.md uses: on the demo's tables, or DESTINATION=….duckdb
	@test -f "$(DESTINATION)" || { echo "There is no $(DESTINATION); make demo or make sync writes it." >&2; exit 1; }
	@DESTINATION="$(DESTINATION)" DO_NOT_TRACK=1 $(DBT)/bin/dbt build --quiet --select messaging.messaging \
		--project-dir dbt --profiles-dir dbt --target-path "$(abspath $(DBT_FILES))" --log-path "$(abspath $(DBT_FILES))"
	@echo "The models are views in $(DESTINATION), schema main_messaging."

sandbox: $(READY) ## run the sandbox that secrets/config.example.json points to
	@$(BIN)/python -m sandbox --port 8642 --no-budgets

test: $(READY) ## before each commit: lint, check the types and run every test that needs nothing but .venv
	@$(MAKE) --no-print-directory --jobs=2 lint unit-tests

test-fast: $(READY) ## while you work: the tests that start no process and read no whole manifest
	@$(PYTEST) --dist=worksteal -m "not slow and not environments"

test-all: $(READY) $(PYAIRBYTE)/installed $(DBT)/installed $(OLDER_CDK:=/installed) postgresql ## before a release: everything, other environments too; what CI runs
	@$(MAKE) --no-print-directory lint
	@$(PYTEST) --durations=20

test-hard: $(READY) ## rarely: in random order, at odd hours, far away, on a busy machine: [ONLY=unit_tests/…]
	@.ci/hard $(ONLY)

unit-tests: $(READY)
	@$(PYTEST) -m "not environments"

test-313: | $(UV) ## run every test on Python 3.13, the image's, where it can be had
	@if test -z "$(PYTHON_313)"; then echo "There is no Python 3.13 here."; else \
		"$(PYTHON_313)" -m venv $(VENV_313) && \
		$(UV) pip install --quiet --python $(VENV_313)/bin/python --require-hashes -r requirements/dev.lock && \
		$(VENV_313)/bin/pip install -qq --no-input --no-build-isolation --no-deps --editable . && \
		$(VENV_313)/bin/python -m $(TESTS) -m "not environments"; fi

lint: $(READY) ## lint, and check the form and the types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet --output-format concise
	@$(BIN)/mypy

format: $(READY) ## bring the code into its usual form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

new-stream: $(READY) ## add a stream to fill in: NAME=sms_read KIND=iterable-event|iterable-listing|courier-listing
	@$(BIN)/python -m scripts.new_stream $(NAME) $(KIND)

schemas: $(READY) ## write the schemas into manifest.yaml, after a change in schemas/
	@$(BIN)/python -m scripts.schemas

builder: $(READY) ## write what to paste into Airbyte's Connector Builder into build/builder: [VENDOR=iterable|courier]
	@$(BIN)/python -m scripts.builder $(VENDOR)

docs: $(READY) ## write docs/streams.md, docs/erd.md and docs/coverage.md, after a change of the streams
	@$(BIN)/python -m scripts.docs

bench: $(READY) ## measure against other connectors and write benchmarks/RESULTS.md (takes ten minutes)
	@$(BIN)/python -m benchmarks

audit: $(READY) ## look the dependencies up among known vulnerabilities (asks a public database)
	@"$(PYTHON)" -m venv build/audit && build/audit/bin/pip install -qq --disable-pip-version-check pip-audit
	@build/audit/bin/pip-audit --require-hashes --disable-pip -r requirements/dev.lock

lock: | $(UV) ## resolve the pinned dependencies anew
	@$(LOCK) --extra dev --extra load --output-file requirements/dev.lock pyproject.toml
	@$(LOCK) --extra pyairbyte --output-file requirements/pyairbyte.lock pyproject.toml
	@$(LOCK) --output-file requirements/dbt.lock requirements/dbt.in
	@echo uv | $(LOCK) --output-file requirements/tools.lock -

clean: ## remove everything that make has made, but not what `make sync` has loaded
	@rm -rf .venv $(PYAIRBYTE) $(DBT) $(OLDER_CDK) $(VENV_313) .demo .tmp build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv whose Python is gone is made anew, too.
ifneq ($(shell test -e $(READY) && ! $(BIN)/python -c '' 2>&1 && echo broken),)
.PHONY: $(READY)
endif

# A .venv of another Python would end up half of each.
$(READY): requirements/dev.lock pyproject.toml | $(UV)
	@$(CHECK_PYTHON)
	@test ! -e .venv || $(BIN)/python -c '' 2>/dev/null || { echo ".venv is half-made; it is made anew" >&2; rm -rf .venv; }
	@test ! -e $(BIN)/python || test "$$($(BIN)/python -c '$(WHICH)' 2>&1)" = "$$("$(PYTHON)" -c '$(WHICH)')" || { \
		echo ".venv was made with another Python; make clean removes it" >&2; exit 1; }
	@echo "Installing pinned packages into .venv (once, about a minute) …"
	@"$(PYTHON)" -m venv .venv
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.lock $(OR_SAY)
	@$(BIN)/pip install -qq --disable-pip-version-check --no-input --no-build-isolation --no-deps --editable .
	@touch $@

$(PYAIRBYTE)/installed: requirements/pyairbyte.lock | $(UV)
	@if test -z "$(PYAIRBYTE_PYTHON)"; then echo "There is no Python 3.11 or 3.12 for PyAirbyte; its test is skipped."; else \
		"$(PYAIRBYTE_PYTHON)" -m venv $(PYAIRBYTE) && \
		$(UV) pip install --quiet --python $(PYAIRBYTE)/bin/python --require-hashes -r requirements/pyairbyte.lock && \
		touch $@; fi

$(DBT)/installed: requirements/dbt.lock | $(UV)
	@if test -z "$(DBT_PYTHON)"; then echo "There is no Python 3.11 to 3.13 for dbt; its tests are skipped."; else \
		"$(DBT_PYTHON)" -m venv $(DBT) && \
		$(UV) pip install --quiet --python $(DBT)/bin/python --require-hashes -r requirements/dbt.lock && \
		touch $@; fi

# Not locked: what they bring along is older than ours by their own will.
$(OLDER_CDK:=/installed): .venv-cdk-%/installed: | $(UV)
	@"$(PYTHON)" -m venv .venv-cdk-$*
	@$(UV) pip install --quiet --python .venv-cdk-$*/bin/python airbyte-cdk==$* time-machine
	@touch $@

# The server, which the tests start in a folder of their own; elsewhere than as root on Debian, install it yourself.
postgresql:
	@if ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && \
		command -v apt-get >/dev/null && test "$$(id -u)" = 0; then \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends postgresql >/dev/null; fi

# Installs in seconds what pip takes two minutes for.
$(UV): requirements/tools.lock
	@$(CHECK_PYTHON)
	@"$(PYTHON)" -m venv build/uv
	@build/uv/bin/pip install -qq --disable-pip-version-check --no-input --require-hashes -r requirements/tools.lock $(OR_SAY)
	@touch $@
