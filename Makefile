# The verbs of the project. On a fresh machine `make demo` and `make test`
# do all that is needed; both make .venv from the hashed lock first.

PYTHON ?= $(if $(filter Windows_NT,$(OS)),python,python3)
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/.ready
LOCK := requirements/dev.txt

PYTEST := $(BIN)/python -m pytest -q -n auto --dist loadfile
COMPILE := uv pip compile pyproject.toml --universal --no-header --no-annotate -q \
    --python-version 3.11 --generate-hashes --no-emit-package aura-blocks
# Beside .venv, since Airflow pins half of what there is.
AIRFLOW := .venv-airflow
AIRFLOW_READY := $(AIRFLOW)/.ready
AIRFLOW_LOCK := airflow/requirements.txt

REGISTRY ?= aura
TAG ?= dev

.PHONY: demo test test-all soak bench bench-beats bench-noise lint protos images test-images \
    test-k8s test-influxdb test-browser airflow airflow-env test-airflow lock upgrade \
    lock-airflow clean

demo: $(READY)  ## both solutions through real gRPC; DATA=dir for your own
	$(BIN)/aura demo $(if $(DATA),--data "$(DATA)")

test: $(READY)  ## the tests that need nothing but Python
	$(PYTEST)

test-all: test test-images test-k8s test-influxdb test-browser test-airflow  ## what cannot run here says why

soak: $(READY)  ## full counts of fuzzing and fault loops; hours
	AURA_SOAK=1 AURA_FUZZ=1000000 $(BIN)/python -m pytest -q -m "" tests

bench: $(READY)  ## speed and memory, side by side with peers
	$(BIN)/python -m benchmarks

bench-noise: $(READY)  ## R peaks in noise, beside peers that are installed
	$(BIN)/python -m benchmarks.noise --out docs/pictures/beats-noise.png

bench-beats: $(READY)  ## R peaks in generated rhythms, beside peers
	$(BIN)/python -m benchmarks.beats --out docs/pictures/beats-rhythms.png

lint: $(READY)  ## style, types, layers; protos and dashboards as generated
	$(BIN)/python -m flake8 --exclude $(VENV),$(AIRFLOW),build,dist,.git .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python protos/project.py --check
	$(BIN)/python -m blocks --check
	$(BIN)/python -m grafana --check

protos: $(READY)  ## what follows from protos/, the table of blocks and solutions/
	$(BIN)/python protos/project.py
	$(BIN)/python -m blocks

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('AURA blocks needs Python 3.11 or newer. Name one: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install -q --require-hashes -r $(LOCK)
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

images: $(READY)  ## of all blocks, with podman or docker; REGISTRY, TAG, PUSH=1
	$(BIN)/python -m blocks.images --registry $(REGISTRY) --tag $(TAG) $(if $(PUSH),--push)

test-images: $(READY)  ## build the images and run them
	$(BIN)/python -m pytest -q -m images -rs tests/images

test-k8s: $(READY)  ## both solutions on a local cluster; kubectl >= 1.21
	$(BIN)/python -m pytest -q -m k8s -rs tests/k8s

airflow: $(READY) airflow-env  ## Airflow with both pipelines; SHARED=dir
	$(if $(SHARED),SHARED_FOLDER_PATH="$(SHARED)") \
	    $(AIRFLOW)/bin/python airflow/start.py

airflow-env: $(AIRFLOW_READY)  ## only its environment

$(AIRFLOW_READY): $(AIRFLOW_LOCK)
	$(PYTHON) -m venv --clear $(AIRFLOW)
	$(AIRFLOW)/bin/pip install -q --require-hashes --no-deps -r $<
	@touch $@

test-browser: $(READY)  ## the review page in a headless chromium on PATH
	$(BIN)/python -m pytest -q -m browser -rs tests/browser

test-influxdb: $(READY)  ## real stores: influxd, victoria-metrics on PATH
	$(BIN)/python -m pytest -q -m influxdb -rs tests

test-airflow: $(READY) airflow-env  ## both DAGs under a real Airflow
	$(BIN)/python -m pytest -q -m airflow -rs tests/airflow

# With what there was when this Airflow was released and tested, as its own
# constraints have it.
lock-airflow:
	cd airflow && uv pip compile requirements.in --universal --no-header \
	    --no-annotate -q --python-version 3.11 --generate-hashes --upgrade \
	    --exclude-newer 2026-09-18 -o requirements.txt

lock:  ## the hashed locks of changed extras; versions stay (needs uv)
	$(COMPILE) --extra dev -o $(LOCK)
	for block in $$($(PYTHON) -c 'import tomllib; print(*(block["folder"] for \
	        block in tomllib.load(open("src/aura/blocks.toml", "rb"))["block"]))'); do \
	    $(COMPILE) -c $(LOCK) --extra $$(echo $$block | tr _ -) \
	    -o requirements/$$block.txt || exit; done

upgrade: COMPILE += --upgrade
upgrade: lock  ## the hashed locks with the newest versions

clean:
	rm -rf $(VENV) $(AIRFLOW) build dist demo-output .pytest_cache .mypy_cache
