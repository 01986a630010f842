# Every target works on a fresh machine with Python >= 3.11 and make: .venv is created and filled on first use.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

CONFIG ?=
UPSTREAM ?=
PROFILE ?=
PORT ?= 8000

.PHONY: help demo test check fmt docs bench serve

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Show the bridge at work: no network, no key
	@$(BIN)/python -m examples.demo

test: $(READY) ## Run all tests with branch coverage
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest; status=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$status

check: $(READY) ## Check format, lint, types and import contracts
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	@$(BIN)/lint-imports

fmt: $(READY) ## Format the code and mend what the linter can mend
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

docs: $(READY) ## Write the pages that are made from the code
	@$(BIN)/python -m docs.mapping
	@$(BIN)/python -m docs.configuration

bench: $(READY) ## Measure the translator against plain JSON work
	@$(BIN)/python -m benchmarks.translator

serve: $(READY) ## Serve a demo model, a file (CONFIG=gateway.yaml) or a server (UPSTREAM=http://localhost:11434)
	@exec $(BIN)/responses-asgi serve $(CONFIG) --port "$(PORT)" $(if $(UPSTREAM),--upstream "$(UPSTREAM)") $(if $(PROFILE),--profile "$(PROFILE)")

# pip is upgraded first: dependency groups need pip >= 25.1, and Python 3.11 brings an older one.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; name one with PYTHON=python3.12")'
	@echo "Setting up .venv (once; about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $(READY)
