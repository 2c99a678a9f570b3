# One line a target; `make help` lists them. Everything lands in .venv and in the cache folder.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# More than there are cores: much of what the tests do is waiting for clusters.
PROCESSES ?= $(shell echo $$(($$(nproc) + 3)))
# Bytecode is kept, whatever the caller's habit: without it each start of a process costs twice.
unexport PYTHONDONTWRITEBYTECODE
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mpiop
# What mypy knows of the dependencies is for every clone: half a minute of each check.
export MYPY_CACHE_DIR := $(CACHE)/mypy
# So are the wheels: pip asks an index only where one is missing, and believes hashes alone.
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PINNED := --find-links $(CACHE)/wheels --no-deps --require-hashes
# Most modules of the official client are imported by nobody: compiled is what is.
cached = $(PIP) install --no-compile --no-index $(PINNED) -r $(1)
install = @$(cached) 2>/dev/null || { $(PIP) download --dest $(CACHE)/wheels $(PINNED) -r $(1) && $(cached); }
# Run a command, then say how long it took.
timed = @echo '$(1)'; begin=$$(date +%s); $(1); code=$$?; echo "  $$(($$(date +%s) - begin)) s"; exit $$code
.DEFAULT_GOAL := help
.PHONY: help setup demo format lint types imports current docs controlplane test e2e e2e-node check bench bench-node mutants lock clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 14

$(VENV)/.run: requirements/run.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing pinned dependencies into $(VENV) ..."
	$(call install,requirements/run.txt)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'import mpiop.cli.running'
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "installing pinned development tools into $(VENV) ..."
	$(call install,requirements/dev.txt)
	@touch $@

setup: $(VENV)/.dev ## virtual environment with everything, from pinned hashes

demo: $(VENV)/.run ## run a sample MPIJob on this machine to its end
	@$(BIN)/mpiop run deploy/samples/openmpi-helloworld.yaml

format: setup ## rewrite the code in house style
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: setup ## style
	$(call timed,$(BIN)/ruff format --check . && $(BIN)/ruff check .)

types: setup ## types, strictly
	$(call timed,$(BIN)/mypy)

imports: setup ## who may import whom
	$(call timed,$(BIN)/lint-imports)

docs: setup ## make anew what is generated
	$(BIN)/python -m tests.generated

controlplane: setup ## build Kubernetes for the tests, once; K8S=1.33 an old one
	@$(BIN)/python -m tests.support.assets

test: setup ## tests alone; ARGS="-k word" narrows
	$(BIN)/python -m pytest $(ARGS)

e2e: setup ## tests that need an API server; those of any cluster on that of MPIOP_E2E_KUBECONFIG
	@$(BIN)/python -m tests.support.assets --if-possible
	$(BIN)/python -m pytest -m kubernetes $(ARGS)

e2e-node: setup ## tests on a real node: kubelet, containerd, every MPI; root on Debian
	@$(BIN)/python -m tests.support.assets --if-possible
	$(BIN)/python -m pytest tests/e2e/node $(ARGS)

current: setup ## what is generated is what its source says, the pins included
	$(call timed,$(BIN)/python -m tests.generated --check)
	$(call timed,$(BIN)/python -m tests.support.locks --check)

collected: setup ## that the tests can be collected; keeps their bytecode
	$(call timed,$(BIN)/python -m pytest --quiet --deselect tests || test $$? = 5)

check: setup ## everything CI runs, each step with its seconds; ends in pytest's summary
	@$(MAKE) --no-print-directory --jobs=$$(nproc) --output-sync=target collected types lint imports current
	$(call timed,$(BIN)/python -m tests.support.assets --if-possible)
	$(BIN)/python -m pytest -n $(PROCESSES) --cov --cov-report=term --durations=10

bench: setup ## figures of this machine; ARGS="--json FILE" keeps them
	@$(BIN)/python -m bench $(ARGS)

bench-node: setup ## figures on a real node: a job's start, the operator at rest, deaths
	@$(BIN)/python -m tests.e2e.node figures
	@$(BIN)/python -m tests.e2e.node deaths

mutants: setup ## break each property on purpose; its test must notice
	@$(BIN)/python -m tests.mutants $(ARGS)

lock: setup ## pin dependencies anew
	@$(BIN)/python -m tests.support.locks

clean: ## remove what `make` made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
