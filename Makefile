# The two commands: `make run` and `make test`. Both work on a fresh Debian 12 with Python 3.11 and
# Node 20, as root. Everything they install is locked; nothing comes from outside PyPI, npm, Debian.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := .venv-extras
RAY := .venv-ray
CONSOLE := gateway/console/index.html
LINTERS := tests/environment/linters/node_modules/.installed
WEB_SOURCES := $(shell find web/src web/public web/index.html web/vite.config.ts -type f 2>/dev/null)

.PHONY: help run test test-thorough test-postgresql test-extras test-ray check format console bench bench-quick soak chaos clean

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(VENV)/.run $(CONSOLE) ## start the gateway with four demo cameras
	$(BIN)/gridsight serve --demo

test: $(VENV)/.test tests/environment/.debian $(LINTERS) $(CONSOLE) check ## install what the tests need and run them
	npm --prefix web run --silent test
	tests/environment/run_tests.sh $(BIN)/pytest

test-thorough: $(VENV)/.test tests/environment/.debian $(CONSOLE) ## the tests of whole gateways that take longest
	tests/environment/run_tests.sh $(BIN)/pytest thorough

test-postgresql: $(VENV)/.test tests/environment/.debian $(CONSOLE) ## the gateway's tests with their rows in PostgreSQL
	TEST_DATABASE=postgresql $(BIN)/pytest --numprocesses 2 --dist loadfile \
		$$(sed -n 's/^tests/--ignore=&/p' tests/environment/thorough_tests.txt) tests/gateway

test-extras: $(EXTRAS)/.installed ## install gridsight[ultralytics] apart and test it
	$(EXTRAS)/bin/pytest -m extras tests/search/detectors

test-ray: $(RAY)/.installed tests/environment/.debian $(CONSOLE) ## install gridsight[ray] apart and test it
	$(RAY)/bin/pytest -m extras tests/gateway tests/chaos

check: $(VENV)/.test web/node_modules/.installed ## types, format and lint, Python and console
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	npm --prefix web run --silent check

format: $(VENV)/.test ## format and fix what can be fixed by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

console: $(CONSOLE) ## build the console

bench: $(VENV)/.test tests/environment/.debian $(CONSOLE) ## every benchmark, whole; prints a table
	$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.test tests/environment/.debian $(CONSOLE) ## every benchmark, 45 s each
	$(BIN)/python -m benchmarks --quick

soak: $(VENV)/.test tests/environment/.debian ## record under faults for an hour
	$(BIN)/pytest -m soak --timeout 5400

chaos: $(VENV)/.test tests/environment/.debian ## sixty faults on two machines, in an order that is said
	CHAOS_FAULTS=60 CHAOS_SEED=$${CHAOS_SEED:-$$(date +%s)} $(BIN)/pytest -s tests/chaos

clean: ## remove what was built; keeps data
	rm -rf $(VENV) $(EXTRAS) $(RAY) web/node_modules tests/environment/linters/node_modules gateway/console build *.egg-info tests/environment/.debian

$(VENV)/bin/python:
	tests/environment/create_venv.sh "$(PYTHON)" $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.test: requirements-dev.lock $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	touch $@

$(EXTRAS)/.installed: requirements-dev.lock requirements-ultralytics.lock requirements-torch-cpu.lock requirements-torch-cuda.lock
	tests/environment/create_venv.sh "$(PYTHON)" $(EXTRAS)
	tests/environment/install_ultralytics.sh $(EXTRAS)
	touch $@

$(RAY)/.installed: requirements-dev.lock requirements-ray.lock
	tests/environment/create_venv.sh "$(PYTHON)" $(RAY)
	$(RAY)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock -r requirements-ray.lock
	$(RAY)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# Not `npm ci`: it insists on the packages of platforms that are not this one, which a closed
# registry mirror need not hold. Versions and hashes still come from the lock file.
web/node_modules/.installed: web/package-lock.json
	npm --prefix web install --no-save --no-audit --no-fund
	touch $@

$(LINTERS): tests/environment/linters/package-lock.json
	npm --prefix tests/environment/linters install --no-save --no-audit --no-fund
	touch $@

$(CONSOLE): web/node_modules/.installed $(WEB_SOURCES)
	npm --prefix web run --silent build
	touch $@

tests/environment/.debian: tests/environment/debian_packages.txt
	tests/environment/install_debian_packages.sh $<
	touch $@
