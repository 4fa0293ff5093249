# What people and the CI type; `make` alone lists it. Needs make, and Python 3.11 or newer with venv
# (`make test PYTHON=python3.12` names one). Whatever is made stays inside this folder.

BIN := .venv/bin
ROWS := 100000

# Another project's packages must not shine through, and no cache may land in the home folder.
unexport PYTHONHOME PYTHONPATH
# Compiled modules are kept: to compile torch anew at each start takes longer than to answer.
unexport PYTHONDONTWRITEBYTECODE
export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CACHE_DIR ?= $(CURDIR)/.cache/pip
export MPLCONFIGDIR ?= $(CURDIR)/.cache/matplotlib

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test trust bench growth lint format constraints types clean

help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

# The conversation is played in a copy of the data folder: what it caches and corrects would spoil
# the next one.
demo: ## set up, add the example documents, play a conversation; a terminal then gets a prompt
	@tools/environment cpu
	@mkdir -p .demo
	@MMRAG_HOME=.demo/knowledge $(BIN)/mmrag add examples/knowledge --collection demo
	@talk=$$(mktemp -d .demo/talk.XXXXXX) && trap 'rm -rf "$$talk"' EXIT HUP INT TERM && \
	cp -R .demo/knowledge/. "$$talk" && \
	MMRAG_HOME="$$talk" $(BIN)/python -m bots console --collection demo --name ana --script examples/demo.script

test: ## set up and run every check: lint, format, types, import layers, tests
	@tools/environment cpu,dev
	@$(start_checks) $(lint_checks) check 'pytest' $(BIN)/pytest; $(finish_checks)

trust: ## rerun every trial of docs/trust.md and write it anew; TRIALS=0.1 for a quick look
	@tools/environment cpu,dev
	@$(BIN)/python -m tests.trust --trials $(or $(TRIALS),1)

lint: ## the checks without the tests
	@tools/environment cpu,dev
	@$(start_checks) $(lint_checks) $(finish_checks)

format: ## rewrite the code as the linter and the formatter want it
	@tools/environment cpu,dev
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: ## speed beside LangChain, LlamaIndex, Haystack and Chroma; ROWS=10000 is quick
	@tools/environment cpu
	@tools/bench-environment
	@.bench/bin/python -m benchmarks.speed --rows $(ROWS)

growth: ## what one collection costs from 1,000 chunks to a million, and the curve in docs/growth.png
	@tools/environment cpu,dev
	@$(BIN)/python -m benchmarks.growth --picture docs/growth.png

constraints: ## resolve every dependency anew and pin it
	@tools/pin

types: ## install Slack's published types and a second Slack, which the tests then hold ours to; needs npm
	@npm ci --silent --prefix tests/slack_server/types
	@npm ci --silent --prefix tests/slack_server/emulate

clean: ## remove everything that was made here
	rm -rf .venv .bench .bench-reading .demo .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	rm -rf build dist *.egg-info
	rm -rf tests/slack_server/types/node_modules tests/slack_server/emulate/node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +

# Every check runs and says its outcome; one that fails makes the whole fail.
define start_checks
failed=0; outcomes=''; \
check() { \
	name=$$1; shift; \
	printf '\n--- %s\n' "$$name"; \
	if "$$@"; then outcome=passed; else outcome=FAILED; failed=1; fi; \
	outcomes=$$(printf '%s\n%-14s %s' "$$outcomes" "$$name" "$$outcome"); \
};
endef

define lint_checks
check 'ruff check' $(BIN)/ruff check .; \
check 'ruff format' $(BIN)/ruff format --check .; \
check 'mypy' $(BIN)/mypy; \
check 'import layers' $(BIN)/lint-imports;
endef

define finish_checks
printf '%s\n' "$$outcomes"; exit $$failed
endef
