# The runbook. `make` alone prints what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
# What FOCUS's validator runs in, and the month that it is asked about.
PYTHON312 ?= python3.12
FOCUS := data/focus-venv
MONTH ?= $(shell date +%Y-%m)
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo nightly test test-all lint format bench torture docs new-vendor dbt focus-validate clean lock

help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(RUN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY) ## Load two weeks of simulated vendors and show what a morning looks like
	@$(RUN)/llm-usage demo

nightly: $(READY) ## Load what is new from the vendors set up in .dlt/, then build, test, publish
	@$(RUN)/llm-usage nightly

test: $(READY) lint ## Check style and types, run the tests
	$(RUN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-all: $(READY) lint ## The same with the tests that take minutes each
	$(RUN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m ''

lint: $(READY) ## Check style, types and SQL
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/sqlfluff lint --processes 2 --disable-progress-bar sql

format: $(READY) ## Put Python and SQL into the house style
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .
	$(RUN)/sqlfluff fix --disable-progress-bar sql

bench: $(READY) ## Measure what a load costs against others that read the same pages
	$(RUN)/python -m llm_usage_warehouse.dev.bench

torture: $(READY) ## Kill, end, starve and mislead nights for an hour or two; the next one must heal each
	@$(RUN)/python -m llm_usage_warehouse.dev.torture

docs: $(READY) ## Write what the documentation says of tables and queries, after `make demo`
	@$(RUN)/python -m llm_usage_warehouse.dev.docs

new-vendor: $(READY) ## Begin the vendor NAME=acme: its source, simulator, staging, seeds and test
	@$(RUN)/python -m llm_usage_warehouse.dev.new_vendor $(NAME)

dbt: $(READY) ## Run dbt as a night does: ARGS="--dev build" tries a change on a copy
	@$(RUN)/llm-usage dbt $(ARGS)

focus-validate: $(READY) ## Hold the file for finance of MONTH=2026-10 against FOCUS's official validator
	@$(PYTHON312) -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2> /dev/null \
		|| { echo "FOCUS's validator needs Python 3.12 or newer; name one: make focus-validate PYTHON312=python3.13"; exit 2; }
	@test -x $(FOCUS)/bin/focus-validator || { $(PYTHON312) -m venv --clear $(FOCUS) \
		&& $(FOCUS)/bin/pip install --quiet --disable-pip-version-check focus-validator==2.2.1 'pyarrow<22'; }
	@$(RUN)/llm-usage focus --month $(MONTH) --out data
	@$(FOCUS)/bin/python pipelines/dev/focus_validate.py data/focus_$(MONTH).csv

clean: ## Remove the data folder; asks where it is not the demo's (FORCE=1 does not)
	@if [ -d data ] && [ ! -e data/DEMO ] && [ "$(FORCE)" != 1 ]; then \
		echo "data/ holds real rows, and the only memory of what past reports said;"; \
		echo "llm-usage backup FOLDER keeps both. Remove it for good? Type yes, or run make clean FORCE=1"; \
		read -r answer; [ "$$answer" = yes ] || { echo "nothing was removed"; exit 1; }; \
	fi
	rm -rf data

lock: $(READY) ## Resolve the lock anew, for every supported Python at once
	$(RUN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header -q -o requirements.lock
