# Everything a contributor or an operator of a checkout types. Needs Python >= 3.11 and git; nothing else for demo and test.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

# Tests start the programs again and again: each start would compile them anew where bytecode is not written.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check test-all fmt bench interop screenshots docs clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.has-dev ## make .venv with everything the targets below need (done by them on demand)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Deputize needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian and Ubuntu install the package python3-venv"; exit 1; }

# One stamp for each set of dependencies in pyproject.toml, so that the demo does not wait for linters.
$(VENV)/.has-%: pyproject.toml constraints.txt | $(BIN)/python tools/install.py
	@echo "Setting up $(VENV) for $* (once; a minute or less) ..."
	@$(BIN)/python tools/install.py $*
	@touch $@

demo: $(VENV)/.has-demo ## run the whole use case once: agent identity, consent, exchange, gateway, audit, refusals
	@$(BIN)/python -m demo

up: $(VENV)/.has-demo ## start the same and stay, printing URLs, credentials and the agent's command line
	@$(BIN)/python -m demo --stay

test: $(VENV)/.has-test ## the fast suite: no browser, no database server, no Node
	$(BIN)/python -m pytest -q -n 2 -m 'not browser and not slow'

check: $(VENV)/.has-dev ## lint, types, import contracts, sizes, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/sizes.py
	$(BIN)/python -m tools.reference --check
	$(BIN)/python -m tools.mcp_shapes --check

test-all: $(VENV)/.has-dev $(VENV)/.has-browser $(VENV)/.has-postgresql ## every suite, on PostgreSQL and Chromium too (installed from Debian's packages when missing), on Python 3.11 to 3.13 where present
	tools/install-browser
	HYPOTHESIS_PROFILE=full $(BIN)/python -m pytest -q -n 2 -m 'not browser'
	tools/with-postgresql $(BIN)/python -m pytest -q tests/contract
	$(BIN)/python -m pytest -q -m browser  # by itself: the browser driver keeps an event loop of its own in the process
	tools/test-pythons
	$(BIN)/python -m interop --quick

fmt: $(VENV)/.has-dev ## format and mend what can be mended by machine
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

bench: $(VENV)/.has-bench ## measure beside peers in the same run (Debian packages, npm), write docs/explanation/performance.md
	@$(BIN)/python -m bench.run $(BENCH)

interop: $(VENV)/.has-demo ## try other programs with authority and gateway (npm), write docs/reference/interoperability.md
	@$(BIN)/python -m interop $(INTEROP)

screenshots: $(VENV)/.has-browser ## take pictures of every page of the console, write docs/reference/console.md
	tools/install-browser
	@PYTHONPATH=tests $(BIN)/python -m browser.screenshots

docs: $(VENV)/.has-demo ## write generated pages and the shapes of MCP's messages anew
	$(BIN)/python -m tools.reference
	$(BIN)/python -m bench.page
	$(BIN)/python -m interop.page
	$(BIN)/python -m tools.mcp_shapes

clean: ## remove what setup made
	rm -rf $(VENV)
