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

# Programs that `make test-codex` and `make test-node` install from npm, about 1 GB; kept between runs.
CLIENTS ?= .cache/clients
CODEX := $(CLIENTS)/codex-0.169.0
NODE := $(CLIENTS)/node
OPENCODE := $(CLIENTS)/opencode-1.18.33
# Tests of random examples.
FUZZED := tests/test_fuzz_*.py tests/test_*properties.py tests/test_machine.py tests/test_stream_guard.py tests/test_sse.py
# What leads the rest of `make fuzz`, beside .venv, and the seconds that each target has.
ATHERIS := .cache/atheris
FUZZ_SECONDS ?= 60
NPM_INSTALL := npm install --no-audit --no-fund --no-save --no-package-lock --loglevel=error

# What `make bench` needs besides .venv, and where it writes what it has measured.
FAST := .cache/fast
PEER := .cache/peer
BENCH ?= .cache/bench.json

.PHONY: help demo test test-codex test-node chaos soak fuzz check fmt docs bench bench-peer serve

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Show the bridge at work: no network, no key
	@$(BIN)/python -m examples.demo

test: $(READY) ## Run all tests with branch coverage
	@$(BIN)/coverage erase
	@PYTHONHASHSEED=0 $(BIN)/coverage run -m pytest -n auto --maxprocesses 4 --dist loadfile; status=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$status

test-codex: $(READY) $(CODEX)/.ready ## Run Codex CLI through the bridge; installs it from npm (400 MB)
	@RESPONSES_ASGI_CODEX="$(abspath $(CODEX))/node_modules/.bin/codex" $(BIN)/pytest tests/codex

test-node: $(READY) $(NODE)/.ready $(OPENCODE)/.ready ## Run AI SDK, Agents SDK and opencode through the bridge; from npm (650 MB)
	@RESPONSES_ASGI_NODE="$(abspath $(NODE))" \
	RESPONSES_ASGI_OPENCODE="$(abspath $(OPENCODE))/node_modules/.bin/opencode" $(BIN)/pytest tests/node

chaos: $(READY) ## Break upstreams, clients and servers in every way, with real processes; about 10 minutes
	@$(BIN)/pytest tests/chaos --ignore tests/chaos/test_soak.py

soak: $(READY) ## Let 1,000 streams run, and look for what they leave; some minutes
	@$(BIN)/pytest tests/chaos/test_soak.py --capture no

fuzz: $(READY) $(ATHERIS)/.ready ## Try 20 times as many random examples as `make test`, and fuzz every way in (FUZZ_SECONDS=60)
	@RESPONSES_ASGI_EXAMPLES=20 $(BIN)/pytest --timeout 0 -n auto --maxprocesses 4 $(FUZZED)
	@if test -d $(ATHERIS)/atheris; then \
		PYTHONPATH="$(ATHERIS)" $(BIN)/python -m tests.fuzz --seconds "$(FUZZ_SECONDS)"; \
	else \
		echo "SKIPPED: fuzzing led by coverage: atheris could not be installed; it is for Python 3.11 to 3.13 on Linux"; \
	fi

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

bench: $(READY) $(FAST)/.ready ## Measure what the bridge costs, side by side with doing without; fifteen minutes
	@$(BIN)/python -m benchmarks --json "$(BENCH)"
	@echo; echo "Written: $(BENCH)"; echo "To the docs: $(BIN)/python -m benchmarks.report $(BENCH)"

bench-peer: $(READY) $(FAST)/.ready $(PEER)/.ready ## Measure LiteLLM's proxy beside the bridge; installs it (750 MB)
	@$(BIN)/python -m benchmarks peer peer-paced

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

$(CODEX)/.ready:
	@echo "Installing Codex CLI into $(CODEX) (once)"
	@mkdir -p $(CODEX)
	@$(NPM_INSTALL) --prefix $(CODEX) @openai/codex@0.169.0
	@touch $@

# The newest SDKs want node 22, which comes with them.
$(NODE)/.ready: tests/node/package.json
	@echo "Installing node 22 and the SDKs into $(NODE) (once)"
	@mkdir -p $(NODE)
	@cp tests/node/package.json $(NODE)
	@$(NPM_INSTALL) --prefix $(NODE)
	@$(NODE)/node_modules/.bin/node --version | grep -q '^v22' || { echo "no node 22 in $(NODE)"; exit 1; }
	@touch $@

$(OPENCODE)/.ready:
	@echo "Installing opencode into $(OPENCODE) (once)"
	@mkdir -p $(OPENCODE)
	@$(NPM_INSTALL) --prefix $(OPENCODE) opencode-ai@1.18.33
	@touch $@

# The extra `fast`, beside .venv: the tests are not to depend on it.
$(FAST)/.ready: pyproject.toml | $(READY)
	@echo "Installing the extra fast into $(FAST) (once)"
	@$(BIN)/python -m benchmarks.installed
	@touch $@

# There are wheels for some systems; to build it takes clang. Where there is none, the rest of `make fuzz` runs.
$(ATHERIS)/.ready: | $(READY)
	@echo "Installing atheris into $(ATHERIS) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --only-binary :all: --target $(ATHERIS) "atheris>=3,<4" \
		&& touch $@ || echo "atheris cannot be installed here"

$(PEER)/.ready:
	@echo "Installing LiteLLM's proxy into $(PEER) (once)"
	@test -x $(PEER)/bin/python || $(PYTHON) -m venv $(PEER)
	@$(PEER)/bin/python -m pip install --quiet --disable-pip-version-check "litellm[proxy]"
	@touch $@
