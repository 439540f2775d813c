# Needs Python 3.11 or later and make, nothing else. Everything is installed into .venv.
#
#   make demo        fit on the table that ships with the package, and write its page
#   make test        format, lint, types, import rules, and all quick tests
#   make test-slow   the tests that take longer
#   make lint        the checks of `make test` without the tests
#   make bench       the measurements in benchmarks/

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check install --constraint constraints.txt
# One thread a worker: two workers with several threads each would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet --numprocesses 2

# Stamps: what .venv holds was installed from these two files. Nothing is done while they are older.
RUN := .venv/.installed-run
DEV := .venv/.installed-dev

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

bench: $(DEV)
	@for each in $(wildcard benchmarks/*.py); do echo "== $$each"; $(BIN)/python $$each || exit 1; done

docs: $(DEV)
	@$(BIN)/python docs/generate.py

$(RUN): pyproject.toml constraints.txt
	@echo "Installing Danlu into .venv (once; PyTorch makes it a few minutes) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Danlu needs Python 3.11 or later: make PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --editable .
	@touch $@

$(DEV): $(RUN)
	@$(PIP) --editable ".[dev]"
	@touch $@
