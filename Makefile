# `make help` lists the targets. Each sets up what it needs: a virtual environment in .venv, by Python's own venv and pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST := $(BIN)/pytest -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-threads test-udp soak bench lint types fmt clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

test: lint types ## style, types and every test that takes less than ten seconds
	$(PYTEST) -m "not slow"

test-slow: $(INSTALLED) ## the tests that take longer
	$(PYTEST) -m slow || test $$? -eq 5  # 5: there is none

soak: $(INSTALLED) ## kill a bank's servers, and worse, while clients use it; SOAK="--kills 50 --seed 7" for less
	$(BIN)/python -m tests.soak $(SOAK)

test-threads: $(INSTALLED) ## the whole scenario library on real threads
	$(BIN)/raftframe run scenarios/library --mode threads

test-udp: $(INSTALLED) ## the whole scenario library on real processes, over UDP
	$(BIN)/raftframe run scenarios/library --mode udp

lint: $(INSTALLED) ## ruff's checks
	$(BIN)/ruff check .

types: $(INSTALLED) ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy benchmarks tests/tidy tests/soak

fmt: $(INSTALLED) ## sort imports, mend what ruff can mend, format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## this engine alone, beside TLC and Stateright; a cluster of processes beside PySyncObj
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.transition
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.versus
	$(BIN)/python -m benchmarks.cluster

clean: ## remove everything that was made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build reports counterexamples
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# PIP_CONSTRAINT also binds the versions that build the package; pip 25.3 and later read PIP_BUILD_CONSTRAINT for that.
$(INSTALLED): pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "raftframe needs Python 3.11 or later as $(PYTHON); name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=requirements.txt PIP_BUILD_CONSTRAINT=requirements.txt \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --editable '.[test,dev]'
	@touch $@

demo: $(INSTALLED) ## run the scenarios, then find a planted bug, shorten it, replay it and draw it
	$(BIN)/raftframe run scenarios/library
	@echo; echo 'Now with a bug that real implementations have shipped: a vote of an earlier term counts in this one.'; echo
	$(BIN)/raftframe check --limit timeouts=3 --state-map counts_stale_votes \
	  --write reports/two_leaders.scenario --html reports/two_leaders.html || test $$? -eq 1
	@echo; cat reports/two_leaders.scenario; echo
	@echo 'Step through it in a browser: reports/two_leaders.html'
