# What one can do here: make setup, run, test, prove, bench, bench-train, docs. Each sets up what it needs in .venv.
# SPDX-License-Identifier: Apache-2.0

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
BIN := .venv/bin
DONE := .venv/.set-up
BEGUN := .venv/.being-set-up

# reduced: fewer repetitions in statistical tests. full: what `make prove` runs.
UNSEEN_PROOF ?= reduced
export UNSEEN_PROOF
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# A home need not exist.
export MPLCONFIGDIR := $(CURDIR)/.venv/.matplotlib

# Tests see the loopback interface only, one thread each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python tests/loopback_only.py $(BIN)/python -m pytest -n 2

.PHONY: help setup run test lint prove bench bench-deid bench-train docs
.DEFAULT_GOAL := help

help:
	@echo "make setup   the environment in .venv (the others do this themselves)"
	@echo "make run     the main job: a sensitive survey, released, attacked, reported"
	@echo "make test    lint, types, import contracts, tests, doctests, tutorials"
	@echo "make prove   the statistical tests with their full counts, and one table at the end"
	@echo "make bench   speed against peers; bench-deid for anonymity alone, bench-train for training, with OPTIONS='--models mlp,lenet'"
	@echo "make docs    where the documents are"

setup: $(DONE)

# An environment that was interrupted, or whose Python went away, is made anew.
# torch comes first and pinned: unpinned it may bring gigabytes that a CPU has no use for.
$(DONE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "unseen needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@if [ -e $(BEGUN) ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		rm -rf .venv && $(PYTHON) -m venv .venv; fi
	@touch $(BEGUN)
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0 hatchling
	$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e '.[all,test]'
	@$(BIN)/python -m pip check
	@rm -f $(BEGUN) && touch $@

# A fresh folder each time: what a ledger has spent stays spent.
run: setup
	$(BIN)/unseen run examples/affairs.toml --out runs/affairs-$$(date +%Y%m%d-%H%M%S)

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: lint
	$(PYTEST)

prove: UNSEEN_PROOF = full
prove: setup
	$(PYTEST) --prove tests

bench: setup
	@for script in benchmarks/bench_*.py; do \
		if [ -e "$$script" ]; then echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
		else echo "there is no benchmarks/bench_*.py yet"; fi; done

bench-deid: setup
	$(BIN)/python benchmarks/bench_deid.py

# Two threads wait for each other: on a machine that does other work, set OMP_WAIT_POLICY=passive.
# glibc is told to keep what was freed, or a step of any way may take its memory from the system anew.
bench-train: setup
	MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_MMAP_THRESHOLD_=1073741824 $(BIN)/python benchmarks/bench_train.py $(OPTIONS)

docs:
	@echo "The documents are plain files under docs/; the tutorials are Python that make test runs:"
	@find docs -type f \( -name '*.md' -o -path '*tutorials/*.py' \) 2>/dev/null | sort
