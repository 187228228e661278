# `make` sets up .venv and runs the whole pipeline, `make test` sets up and runs the tests. See README.md.

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run test bench lint setup lock
.DEFAULT_GOAL := run

run: .venv/pipeline
	dvc repro

test: .venv/tests
	pytest

setup: .venv/pipeline .venv/tests

# Each mark is touched when its installation has ended well, so that an interrupted one is done again.
.venv/pipeline: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 13) else \
	  f"Python 3.10 to 3.13 is needed, and $(PYTHON) is {v[0]}.{v[1]}: try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	pip install --disable-pip-version-check --quiet --progress-bar on -r requirements.txt
	@touch $@

.venv/tests: tests/requirements.txt .venv/pipeline
	pip install --disable-pip-version-check --quiet --progress-bar on -r tests/requirements.txt
	@touch $@

# Pin what requirements.in and tests/requirements.in leave open, for all Pythons from 3.10 on.
lock:
	uv pip compile --universal --python-version 3.10 --no-annotate --no-header --upgrade requirements.in -o requirements.txt
	cd tests && uv pip compile --universal --python-version 3.10 --no-annotate --no-header --upgrade requirements.in -o requirements.txt
