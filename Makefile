# `make` sets up .venv and runs the whole pipeline, `make test` sets up and runs most tests. The others have commands of
# their own: `make test_extras` runs those of what optional packages add (JAX, Dask, ONNX, the page), `make
# test_endurance` those of memory, bytes of all kinds, other processors, benchmarks and a training that is killed again
# and again, `make test_sharing` those of remotes on real servers and of projects inside of others. `make bench` runs the
# benchmarks. `make setup REMOTES="s3 ssh"` adds what DVC needs for such remotes: azure, gs, s3, ssh or webdav. See
# README.md.

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run test test_extras test_endurance test_sharing bench setup lock
.DEFAULT_GOAL := run

run: .venv/pipeline
	.venv/bin/dvc repro

pytest = .venv/bin/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

test: .venv/tests
	$(pytest) -m "not extras and not endurance and not sharing"

test_extras test_endurance test_sharing: .venv/tests
	$(pytest) -m $(@:test_%=%)

bench: .venv/tests
	PYTHONPATH=tests:stages .venv/bin/python tests/benchmarks/bench.py

setup: .venv/pipeline
	$(if $(REMOTES),$(remotes) $(REMOTES:%=dvc-%))

# The constraints hold all that is installed already where it is.
remotes = .venv/bin/pip install --disable-pip-version-check -c requirements-remotes.txt

# Each mark is touched when its installation has ended well; an interrupted one, which pip can't tell from a whole one,
# is done again from the start.
.venv/pipeline: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 13) else \
	  f"Python 3.10 to 3.13 is needed, and $(PYTHON) is {v[0]}.{v[1]}: try make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/tests: tests/requirements.txt requirements-remotes.txt .venv/pipeline
	.venv/bin/pip install --disable-pip-version-check --force-reinstall -r tests/requirements.txt
	$(remotes) dvc-s3 dvc-ssh dvc-webdav
	@touch $@

# Pin what the files requirements*.in leave open, for all Pythons from 3.10 on; this needs uv.
lock: export UV_CUSTOM_COMPILE_COMMAND = make lock
lock:
	uv pip compile --quiet --universal --python-version 3.10 requirements.in --output-file requirements.txt
	uv pip compile --quiet --universal --python-version 3.10 requirements-remotes.in --output-file requirements-remotes.txt
	uv pip compile --quiet --universal --python-version 3.10 requirements-app.in --output-file requirements-app.txt
	cd tests && uv pip compile --quiet --universal --python-version 3.10 requirements.in --output-file requirements.txt
