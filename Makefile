# Every target works in a fresh checkout: the first one called makes the virtual environment `.venv`.

# The first of these that is new enough; name another with `make PYTHON=/path/to/python …`.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$python && break; done)
NEW_ENOUGH = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
WHICH = import sys; print(sys.base_prefix, sys.version_info[:3])
BIN = .venv/bin
READY = .venv/installed

CONFIG ?= secrets/config.json
LOCK_PYTHON ?= python3.11
PIP_TOOLS = pip-tools==7.6.2

.DEFAULT_GOAL := help
.PHONY: help demo sync sandbox test unit-tests lint format schemas docs lock clean

help: ## show this list
	@awk -F ' ## ' '/^[a-z]+:.* ## / {split($$1, t, ":"); printf "make %-8s %s\n", t[1], $$2}' Makefile

demo: $(READY) ## sync from a sandbox on this machine, no key needed; again to read what is new
	@$(BIN)/python -m scripts.demo

sync: $(READY) ## sync with your own key: CONFIG=… [STREAMS=a,b] [CATALOG=…] [STATE=…] [OUT=….duckdb]
	@$(BIN)/python -m scripts.sync --config "$(CONFIG)" $(if $(STREAMS),--streams "$(STREAMS)") \
		$(if $(CATALOG),--catalog "$(CATALOG)") $(if $(STATE),--state "$(STATE)") $(if $(OUT),--out "$(OUT)")

sandbox: $(READY) ## run the sandbox that secrets/config.example.json points to
	@$(BIN)/python -m sandbox --port 8642 --no-budgets

test: $(READY) ## lint, check the types and run every test
	@$(MAKE) --no-print-directory --jobs=2 lint unit-tests

unit-tests: $(READY)
	@$(BIN)/python -m pytest

lint: $(READY) ## lint and check the types
	@$(BIN)/ruff check
	@$(BIN)/mypy

format: $(READY) ## bring the code into its usual form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

schemas: $(READY) ## write the schemas into manifest.yaml, after a change in schemas/
	@$(BIN)/python -m scripts.schemas

docs: $(READY) ## write docs/streams.md, after a change of the streams
	@$(BIN)/python -m scripts.streams

lock: ## resolve the pinned dependencies anew (takes minutes)
	@$(LOCK_PYTHON) -m venv build/lock
	@build/lock/bin/pip install --quiet --disable-pip-version-check $(PIP_TOOLS)
	@CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/pip-compile --quiet --upgrade --generate-hashes \
		--allow-unsafe --strip-extras --extra dev --extra demo --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --output-file requirements/dev.lock pyproject.toml

clean: ## remove everything that make has made, but not what `make sync` has loaded
	@rm -rf .venv .demo build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv of another Python would end up half of each. Not compiling what is installed saves half a minute; Python
# compiles what it imports.
$(READY): requirements/dev.lock
	@"$(or $(PYTHON),false)" -c '$(NEW_ENOUGH)' 2>/dev/null || { \
		echo "Python 3.11 or newer (up to 3.14) is needed; name one with: make PYTHON=/path/to/python" >&2; exit 1; }
	@test ! -e $(BIN)/python || test "$$($(BIN)/python -c '$(WHICH)' 2>&1)" = "$$("$(PYTHON)" -c '$(WHICH)')" || { \
		echo ".venv was made with another Python; make clean removes it" >&2; exit 1; }
	@echo "Installing pinned packages into .venv (once, about a minute) …"
	@"$(PYTHON)" -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check --no-input --no-compile --require-hashes \
		-r requirements/dev.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-input --no-build-isolation --no-deps --editable .
	@touch $@
