# The verbs of the project. On a fresh machine `make demo` and `make test`
# do all that is needed; both make .venv from the hashed lock first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := requirements/dev.txt

.PHONY: demo test test-all soak bench lint protos lock clean

demo: $(READY)  ## both solutions through real gRPC; DATA=dir for your own
	$(BIN)/aura demo $(if $(DATA),--data $(DATA))

test: $(READY)  ## the tests that need nothing but Python
	$(BIN)/python -m pytest -q

test-all: $(READY)  ## every test; what cannot run here says why
	$(BIN)/python -m pytest -q -m "" -rs

soak: $(READY)  ## full counts of fuzzing and fault loops; hours
	AURA_SOAK=1 AURA_FUZZ=1000000 $(BIN)/python -m pytest -q -m "" tests

bench: $(READY)  ## speed and memory, side by side with peers
	$(BIN)/python -m benchmarks

lint: $(READY)  ## style, types, and protos in step
	$(BIN)/python -m flake8 --exclude $(VENV),build,dist,.git .
	$(BIN)/python -m mypy
	$(BIN)/python protos/project.py --check

protos: $(READY)  ## project protos/aura.proto into modules and blocks
	$(BIN)/python protos/project.py

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
	    "AURA blocks needs Python 3.11 or newer; " + sys.executable + \
	    " is " + sys.version.split()[0] + \
	    ". Name a newer one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install -q --require-hashes -r $(LOCK)
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

lock:  ## renew the hashed locks (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --no-header -q \
	    --python-version 3.11 --generate-hashes --upgrade \
	    --no-emit-package aura-blocks -o $(LOCK)

clean:
	rm -rf $(VENV) build dist demo-output .pytest_cache .mypy_cache
