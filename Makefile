# Every everyday task is one command; `make` alone lists them. Only Python 3.11+ and make are needed beforehand.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev
MANIFESTS := pyproject.toml sdk/pyproject.toml
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV_VERSION := 0.13.9
LOCK_VENV := .lockenv
UV_COMPILE := $(LOCK_VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links --no-emit-package grace-sdk

# The first interpreter that is new enough; override with `make PYTHON=/path/to/python3 setup`.
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11; do \
	if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$candidate; exit; fi; done)

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(DEV_READY) ## make .venv with everything for development

.PHONY: demo
demo: $(RUN_READY) ## break a real service and heal it, in about a minute (DEMOARGS=--keep to look around)
	@$(BIN)/python -m grace demo $(DEMOARGS)

.PHONY: serve
serve: $(RUN_READY) ## run the server on this machine (SERVEARGS="--port 9000")
	@$(BIN)/python -m grace serve $(SERVEARGS)

.PHONY: test
test: $(DEV_READY) ## run every test on all cores, the slow ones too (TESTARGS="tests/kit -x"; "-n0 ..." for one process)
	@# Tests start GRACE hundreds of times: each start without compiled modules would compile them all again.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto $(TESTARGS)

.PHONY: check
check: check-format check-lint check-imports check-parts check-types check-text ## lint, types, import directions, dependencies, lock files (`make -k check`: all of them)

.PHONY: check-format check-lint check-imports check-parts check-types check-text
check-format: $(DEV_READY)
	@$(BIN)/ruff format --check --quiet .
check-lint: $(DEV_READY)
	@$(BIN)/ruff check .
check-imports: $(DEV_READY)
	@$(BIN)/lint-imports --no-logo
check-parts: $(DEV_READY)
	@$(BIN)/deptry src
check-types: $(DEV_READY)
	@$(BIN)/pyright
check-text:
	@.ci/check-text

.PHONY: format
format: $(DEV_READY) ## rewrite the code the way `make check` wants it
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(DEV_READY) ## measure, and print one table of ratios (BENCHARGS="capture ledger")
	@$(BIN)/python -m bench.run $(BENCHARGS)

.PHONY: bench-triage
bench-triage: $(DEV_READY) ## measure the diagnosis beside keyword rules and TF-IDF (TRIAGE="FILE... --misses")
	@$(BIN)/python -m bench.triage $(TRIAGE)

.PHONY: lock
lock: $(LOCK_VENV)/bin/uv ## resolve the dependencies again and pin them by hash (LOCKARGS=--upgrade)
	@$(UV_COMPILE) $(LOCKARGS) --group build pyproject.toml -o requirements.lock
	@$(UV_COMPILE) $(LOCKARGS) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@.ci/check-text

.PHONY: clean
clean: ## remove everything that these commands made
	rm -rf $(VENV) $(LOCK_VENV) build dist sdk/dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src sdk tests bench examples -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "GRACE needs Python 3.11 or newer; found: $$(python3 --version 2>&1 || true)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 setup" >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$(PYTHON) cannot make virtual environments: its venv or ensurepip module is missing." >&2; \
		echo "On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; fi
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements.lock $(MANIFESTS) | $(BIN)/python
	@echo "Installing what GRACE needs to run (pinned by hash)"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e ./sdk -e .
	@touch $@

$(DEV_READY): requirements-dev.lock requirements.lock $(MANIFESTS) | $(BIN)/python
	@echo "Installing what GRACE needs to run and to be developed (pinned by hash)"
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e ./sdk -e .
	@touch $(RUN_READY) $@

$(LOCK_VENV)/bin/uv:
	@$(PYTHON) -m venv $(LOCK_VENV)
	@$(LOCK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
