# Two commands: `make demo` (the whole road on the embedded city) and `make test` (lint, types, contracts, tests).
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test check install clean
.DELETE_ON_ERROR:

demo: install
	$(BIN)/refinepoi

test: check
	$(BIN)/pytest -n 2 --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv artifacts runs sweeps
