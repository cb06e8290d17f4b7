# NASH: `make` lists what there is.
# PYTHON=python3.12 chooses the interpreter; TORCH_INDEX=https://download.pytorch.org/whl/cpu takes torch's
# CPU-only build; ARGS="..." is handed on.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?=
TORCH_INDEX ?=
ARGS ?=
N ?= 3
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUN_STAMP := $(VENV)/.stamp-run
DEV_STAMP := $(VENV)/.stamp-dev
MANAGE := $(VENV)/bin/python manage.py
# Parallel tests share the cores: one thread each.
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest
# Whole files, in the order of tests/conftest.py instead of that of their numbers of tests.
LONGEST_FIRST := --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(RUN_STAMP) ## virtual environment and pinned requirements (once; the rest does it when needed)

.PHONY: demo
demo: $(RUN_STAMP) ## start the site and run a small search, followed in the terminal (ARGS=--exit ends then)
	@exec $(MANAGE) demo $(ARGS)

.PHONY: run
run: $(RUN_STAMP) ## start the site and its workers (ARGS="--host 0.0.0.0 --port 9000 --workers 4")
	@exec $(MANAGE) up $(ARGS)

.PHONY: test
test: $(DEV_STAMP) ## the quick tests, in parallel (ARGS="tests/nash -k widen")
	$(PYTEST) -n $(JOBS) --dist loadfile -m "not slow and not browser and not durability" $(ARGS)

.PHONY: test-slow
test-slow: $(DEV_STAMP) ## tests of more than ten seconds, in parallel
	$(PYTEST) -n $(JOBS) -m "slow and not browser and not durability" --ignore-glob="tests/test_benchmarks*" $(ARGS)

.PHONY: test-benchmarks
test-benchmarks: $(DEV_STAMP) ## a smoke run of the benchmarks, whose processes take both cores in turns
	$(PYTEST) -m slow tests/test_benchmarks*.py

.PHONY: test-browser
test-browser: $(DEV_STAMP) ## tests in Chromium, in parallel
	$(PYTEST) -n $(JOBS) $(LONGEST_FIRST) -m browser $(if $(findstring tests/,$(ARGS)),,tests/browser) $(ARGS)

.PHONY: test-durability
test-durability: $(DEV_STAMP) ## faults happen to a real `up` and its servers (N=30: 30 kills and the rest in proportion)
	NASH_TEST_N=$(N) $(PYTEST) -n $(JOBS) $(LONGEST_FIRST) -m durability \
		$(if $(findstring tests/,$(ARGS)),,tests/durability) $(ARGS)

.PHONY: bench
bench: $(RUN_STAMP) ## speed as ratios, on all of CIFAR-10, in ten minutes (ARGS=--quick: a smoke run; ARGS=--docs)
	$(VENV)/bin/python -m benchmarks $(ARGS)

.PHONY: bench-web
bench-web: $(DEV_STAMP) ## how live and quick the pages are, in ten minutes (ARGS=--quick: seconds; ARGS=--docs)
	$(VENV)/bin/python -m benchmarks.web $(ARGS)

.PHONY: pictures
pictures: $(DEV_STAMP) ## docs/pictures anew: screenshots of a real site with small searches, in some minutes
	$(VENV)/bin/python -m tools.pictures $(ARGS)

.PHONY: study-precision
study-precision: $(RUN_STAMP) ## does bfloat16 cost accuracy: 56 paired trainings, hours (ARGS="--jobs 2 --docs"; goes on where it was)
	$(VENV)/bin/python -m benchmarks.precision $(ARGS)

.PHONY: study-clipping
study-clipping: $(RUN_STAMP) ## what clip_gradient_norm does to children: 52 short trainings (ARGS="--jobs 2 --docs")
	$(VENV)/bin/python -m benchmarks.clipping $(ARGS)

.PHONY: check
check: $(DEV_STAMP) ## lint, types, import rules, migrations, deployment settings
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(MANAGE) makemigrations --check --dry-run
	NASH_HTTPS=1 NASH_DEBUG=0 $(MANAGE) check --deploy --fail-level WARNING

.PHONY: requirements
requirements: $(DEV_STAMP) ## pin again what pyproject.toml asks for (ARGS=--upgrade: newest versions)
	CUSTOM_COMPILE_COMMAND="make requirements" $(VENV)/bin/pip-compile --quiet $(ARGS) \
		--output-file requirements.txt pyproject.toml
	CUSTOM_COMPILE_COMMAND="make requirements" $(VENV)/bin/pip-compile --quiet $(ARGS) --extra dev \
		--constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

.PHONY: clean
clean: ## remove the virtual environment and caches; data/ stays
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './data/*' -prune -exec rm -rf {} +

# The interpreter: PYTHON if given, else the first one >= 3.11 that can make virtual environments.
$(VENV)/bin/python:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python); do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Virtual environment $(VENV) with $$("$$python" --version)"; \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "No usable Python >= 3.11 (tried $(or $(PYTHON),python3, python3.11 to 3.14)). Install one with its" \
		"venv module (Debian, Ubuntu: apt-get install python3 python3-venv) or name it:" \
		"make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3" >&2; \
	exit 1

$(RUN_STAMP): requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements (torch with CUDA needs 6 GB of disk; see README.md for the CPU-only build)"
	@if [ -n "$(TORCH_INDEX)" ]; then \
		$(VENV)/bin/pip install --quiet --index-url "$(TORCH_INDEX)" $$(grep -oE '^torch(vision)?==[^ ]+' requirements.txt); \
	fi
	@$(VENV)/bin/pip install --quiet -r requirements.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt $(RUN_STAMP)
	@$(VENV)/bin/pip install --quiet -r requirements-dev.txt
	@touch $@
