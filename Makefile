# `make` alone prints help. Everything runs in .venv, which `make venv` creates and keeps up to date.
PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-all test-scatter stress lint format bench docs clean

help: ## print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

venv: $(STAMP) ## create .venv with everything in it (skipped when up to date)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "pyg_jets is tested with Python 3.11 to 3.13, but $(PYTHON) is %d.%d: run make PYTHON=python3.11 (or 3.12, 3.13)" % v)'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian: apt install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing pyg_jets and what it stands on into $(VENV): a few minutes the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --prefer-binary $(PIP_ARGS) -c constraints.txt -e '.[all,dev]'
	@touch $(STAMP)

demo: venv ## generate real W and QCD jets, train three taggers, write the report
	@$(BIN)/pyg-jets demo

test: venv ## run the test suite, without what is slow
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: venv ## run the whole test suite, as continuous integration does
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-scatter: venv ## build torch-scatter once, some ten minutes, and test the operations with and without it
	@$(BIN)/python -c 'import torch_scatter' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation $(PIP_ARGS) -c constraints.txt 'torch-scatter>=2.1.2'
	@PYG_JETS_KERNELS=0 $(BIN)/python -m pytest -n 2 tests/ops tests/nn
	@PYG_JETS_KERNELS=0 PYG_JETS_SCATTER=0 $(BIN)/python -m pytest -n 2 tests/ops tests/nn

stress: venv ## kill, damage and race what is promised to survive it, and write docs/reliability.md (half an hour)
	@$(BIN)/python -m tests.stress

lint: venv ## ruff (check, format) and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: venv ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: venv ## run every benchmark and write docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks

clean: ## remove .venv and caches (never data or runs)
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build *.egg-info
