# The commands anyone needs. Each sets up .venv first, once; a change of pyproject.toml or constraints.txt repeats it.
PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
MAKEFLAGS += --no-print-directory

.PHONY: help demo setup test lint clean
help:
	@echo "make demo   solve the example pattern that comes along"
	@echo "make setup  everything a developer needs, in $(VENV)"
	@echo "make lint   style, types, import contracts"
	@echo "make test   the tests"
	@echo "make clean  remove $(VENV)"

demo: $(VENV)/.stamp-run
	$(BIN)/pxrdgen demo

setup: $(VENV)/.stamp-dev

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.stamp-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "pxrdgen needs Python 3.11 or newer; try: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "cannot make a virtual environment; on Debian: sudo apt install python3-venv" >&2; exit 2; }

$(VENV)/.stamp-run: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt $(PIP_ARGS) -e .
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt $(PIP_ARGS) -e '.[all,dev]'
	@touch $@ $(VENV)/.stamp-run
