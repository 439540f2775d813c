# Needs Python 3.11 or later and make, nothing else. Everything is installed into .venv.
#
#   make demo        fit on the table that ships with the package, and write its page
#   make test        format, lint, types, import rules, and all quick tests
#   make test-slow   the tests that take longer
#   make lint        the checks of `make test` without the tests
#   make bench       the measurements in benchmarks/, about five minutes; JAX and scikit-learn go into .venv-bench

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check install --constraint constraints.txt
# One thread a worker, and threads that sleep while they wait: two workers would wait for each other.
PYTEST := OMP_NUM_THREADS=1 GOMP_SPINCOUNT=1000 $(BIN)/python -m pytest --quiet --numprocesses 2

# Stamps: what .venv holds was installed from these two files. Nothing is done while they are older.
RUN := .venv/.installed-run
DEV := .venv/.installed-dev

# The tools that the engine is measured beside have an environment of their own, without Danlu.
PEERS := .venv-bench

.DEFAULT_GOAL := demo
.PHONY: demo test test-slow lint bench docs

demo: $(RUN)
	@$(BIN)/danlu demo

test: lint
	@$(PYTEST) -m "not slow"

test-slow: $(DEV)
	@$(PYTEST) -m slow

lint: $(DEV)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/pyrefly check --output-format=min-text --summary=none
	@$(BIN)/lint-imports --no-logo 2>&1

bench: $(DEV) $(PEERS)/.installed
	@$(BIN)/python benchmarks/engine.py --peers $(PEERS)/bin/python
	@$(BIN)/python benchmarks/read_csv.py

docs: $(DEV)
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/learn.py

$(RUN): pyproject.toml constraints.txt
	@echo "Installing Danlu into .venv (once; PyTorch makes it a few minutes) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Danlu needs Python 3.11 or later: make PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --editable .
	@touch $@

$(DEV): $(RUN)
	@$(PIP) --editable ".[dev]"
	@touch $@

# What cannot be installed is not measured, and engine.py says so.
$(PEERS)/.installed: pyproject.toml constraints.txt
	@echo "Installing the engine's peers into $(PEERS) (once) ..."
	@{ { test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS); } && \
	$(PEERS)/bin/python -m pip -qq --disable-pip-version-check install --constraint constraints.txt \
	$$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"])') && \
	touch $@; } || echo "They could not be installed: measuring without them."
