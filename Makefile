# The commands of this repository. Each sets up what it needs: Python 3.11 or newer has to be there, and either the
# internet or Go for the control plane's binaries.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

CORE := omeflow/api omeflow/components omeflow/rollout strategies
FIRST := tests/unit tests/conformance
UV := uv==0.13.9
LOCK := $(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url pyproject.toml

TOGETHER ?= 6
EDITS ?= 200

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test setup lint format binaries unit system stories contract chaos scaled conformance lock image clean

help: ## List these commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-12s %s\n", $$1, $$2 }'

demo: setup binaries ## Run the main job on a local cluster, with everything it needs
	$(BIN)/omeflow demo $(ARGS)

test: setup lint binaries unit system ## Check and test everything

setup: $(INSTALLED) ## Create .venv with the locked dependencies

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: omeflow needs Python 3.11 or newer, not $$($(PYTHON) --version 2>&1);" \
	    "name another one, as in: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	@echo "== installing the locked dependencies into $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv $(VENV) || { \
	    echo "error: $(PYTHON) makes no virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PIP) install --require-hashes --only-binary=:all: --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

lint: setup ## Check style, types and layers
	@echo "== style, types, layers"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy bench
	$(BIN)/lint-imports

format: setup ## Format the code and sort its imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

binaries: setup ## Find, fetch or build etcd, Kubernetes and kwok
	@echo "== the control plane's binaries (built from source if they cannot be fetched: 8 minutes on 2 cores, once)"
	@$(BIN)/python -m omeflow.local.preparing

unit: setup ## Test what decides: without servers, with its coverage
	@echo "== unit and conformance tests, coverage of the pure core"
	$(BIN)/pytest $(FIRST) -n 2 -rs $(CORE:%=--cov=%) --cov-report=term:skip-covered --cov-fail-under=90 $(ARGS)

# Two tests run at a time: what is quiet may only be slow.
SHARING := OMEFLOW_CONFORMANCE_QUIET=5

system: setup binaries ## Test against real servers: integration, end to end, chaos
	@echo "== tests against a real API server, a real Temporal server, and containers"
	$(SHARING) $(BIN)/pytest tests $(FIRST:%=--ignore=%) -n 2 --dist loadscope -ra --durations=10 $(ARGS)

stories: setup ## Check the invariants of 10,000 random stories in memory (RUNS=... SEED=...; SEED alone: that one)
	@echo "== random stories on all cores, about 20 a second on each; a failure names its seed"
	OMEFLOW_STORIES_RUNS=$(or $(RUNS),$(if $(SEED),1,10000)) OMEFLOW_STORIES_SEED=$(SEED) \
	    $(BIN)/pytest tests/unit/stories/test_random_stories.py -s $(ARGS)

contract: setup binaries ## Tell every story of rollouts with every backend, each write judged (ARGS="-k rollback")
	@echo "== the contract of all backends, simulated unless the environment names their managers: about ten minutes on 2 cores"
	OMEFLOW_CONTRACT=all $(BIN)/pytest tests/e2e/backends -ra --durations=10 $(ARGS)

chaos: setup binaries ## Run the main job 500 times with faults at random points (RUNS=... TOGETHER=... ARGS=...)
	@echo "== servers that are gone for two minutes; then $(or $(RUNS),500) runs with faults, $(TOGETHER) at a time, about 9 s each"
	OMEFLOW_CHAOS_RUNS=$(or $(RUNS),500) OMEFLOW_CHAOS_TOGETHER=$(TOGETHER) OMEFLOW_CHAOS_OUTAGE=120 \
	    $(BIN)/pytest tests/chaos -s $(ARGS)

scaled: setup binaries ## Edit templates 200 times while a scaler writes a count every second (EDITS=... ARGS=...)
	@echo "== $(EDITS) edits, half of them of a Deployment, half of a LeaderWorkerSet"
	OMEFLOW_SCALED_EDITS=$(EDITS) $(BIN)/pytest tests/e2e/rollouts/test_rollouts_scaled.py -s $(ARGS)

conformance: setup binaries ## Play every recorded case of OME's own controller against omeflow (ARGS="-k lifecycle")
	@echo "== all recorded cases against omeflow up, one after another: half an hour on 2 cores"
	OMEFLOW_CONFORMANCE=all $(BIN)/pytest tests/e2e/conformance -ra $(ARGS)

lock: ## Resolve the dependencies anew
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip --disable-pip-version-check install --quiet $(UV)
	$(LOCK) --upgrade --all-extras --output-file requirements.lock
	$(LOCK) --upgrade --extra build --constraint requirements.lock --output-file deploy/requirements.lock

image: ## Build the image of worker and watcher
	docker build --file deploy/Dockerfile --tag omeflow:dev .

clean: ## Remove .venv and the tools' caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
