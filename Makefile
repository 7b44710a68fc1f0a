# Everything a contributor or an operator of a checkout types. Needs Python >= 3.11 and git; nothing else for demo and test.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.deputize-setup
PIP     = $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check test-all fmt bench docs clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything the targets below need (done by them on demand)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Deputize needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian and Ubuntu install the package python3-venv"; exit 1; }
	$(PIP) install --quiet --only-binary :all: --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## run the whole use case once: agent identity, consent, exchange, gateway, audit, refusals
	@$(BIN)/python -m demo

up: $(STAMP) ## start the same and stay, printing URLs, credentials and the agent's command line
	@$(BIN)/python -m demo --stay

test: $(STAMP) ## the fast suite: no browser, no database server, no Node
	$(BIN)/python -m pytest -q -n 2 -m 'not browser and not slow'

check: $(STAMP) ## lint, types, import contracts, sizes, generated reference
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/sizes.py
	$(BIN)/python -m tools.reference --check

test-all: $(STAMP) ## every suite, on Chromium too (installed from Debian's packages when missing), on Python 3.11 to 3.13 where present
	tools/install-browser
	$(PIP) install --quiet --only-binary :all: --constraint constraints.txt '.[browser]'
	$(BIN)/python -m pytest -q
	tools/test-pythons

fmt: $(STAMP) ## format and mend what can be mended by machine
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

bench: $(STAMP) ## measure against nginx, Apache and node-oidc-provider in the same run (Debian packages, npm)
	$(PIP) install --quiet --only-binary :all: --constraint constraints.txt '.[bench]'
	$(BIN)/python bench/run.py

docs: $(STAMP) ## write the generated part of docs/reference anew
	$(BIN)/python -m tools.reference

clean: ## remove what setup made
	rm -rf $(VENV)
