# Needs Python 3.11 or later and make, nothing else. Everything is installed into .venv.
#
#   make demo        fit on the table that ships with the package, and write its page
#   make test        format, lint, types, import rules, and all quick tests
#   make test-slow   the tests that take longer
#   make fuzz        10,000 hostile tables, files and command lines, about ten minutes
#   make lint        the checks of `make test` without the tests
#   make bench       the engine and reading beside others, about five minutes; the others go into .venv-bench
#   make bench-tables  scores and seconds on tables beside others, an hour or two; needs their folder in DANLU_DATA

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check install --constraint constraints.txt
# One thread a worker, and threads that sleep while they wait: two workers would wait for each other.
PYTEST := OMP_NUM_THREADS=1 GOMP_SPINCOUNT=1000 $(BIN)/python -m pytest --quiet --numprocesses 2

# Stamps: what .venv holds was installed from these two files. Nothing is done while they are older.
RUN := .venv/.installed-run
DEV := .venv/.installed-dev

# The tools that Danlu is measured beside have an environment of their own, without Danlu.
PEERS := .venv-bench

.DEFAULT_GOAL := demo
.PHONY: demo test test-slow fuzz lint bench bench-tables docs

demo: $(RUN)
	@$(BIN)/danlu demo

test: lint
	@$(PYTEST) -m "not slow"

test-slow: $(DEV)
	@$(PYTEST) -m slow

fuzz: $(DEV)
	@DANLU_FUZZ=10000 $(PYTEST) tests/fuzz

lint: $(DEV)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/pyrefly check --output-format=min-text --summary=none
	@$(BIN)/lint-imports --no-logo 2>&1

bench: $(DEV) $(PEERS)/.installed
	@$(BIN)/python benchmarks/engine.py --peers $(PEERS)/bin/python
	@$(BIN)/python benchmarks/read_csv.py

# What was measured before a run was broken off is kept in bench-tables.jsonl, and not measured again.
bench-tables: $(DEV) $(PEERS)/.installed
	@$(BIN)/python benchmarks/tables.py --peers $(PEERS)/bin/python --out bench-tables.jsonl --summary bench-tables.md

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
	@for extra in live tensorboard browser; do $(PIP) --editable ".[$$extra]" \
	|| echo "The extra $$extra could not be installed: its tests are skipped."; done
	@touch $@

# One after another: what cannot be installed is not measured, and the rest is.
$(PEERS)/.installed: pyproject.toml constraints.txt
	@echo "Installing the peers into $(PEERS) (once; some gigabytes) ..."
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS) || true
	@all=yes; for each in $$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"])'); do \
	$(PEERS)/bin/python -m pip -qq --disable-pip-version-check install --constraint constraints.txt "$$each" \
	|| { all=no; echo "$$each could not be installed: measuring without it."; }; done; \
	test $$all = no || touch $@
