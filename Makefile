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
# What Spark runs in; its jars and the lake lie beside it.
SPARK := data/spark/venv
# What the tests of a lake run in: DuckDB in the version that PyPI has the extension for.
LAKE := data/ducklake/venv
# What Superset runs in, and where it is served; what the notebook runs in.
SUPERSET := data/superset/venv
PORT ?= 8088
NOTEBOOK := data/notebook-venv

.DEFAULT_GOAL := help
.PHONY: help demo nightly test pytest test-fast test-all lint format bench torture docs new-vendor dbt focus-validate superset superset-test notebook spark-test spark-bench ducklake-test clean lock

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

# Both at once: the tests leave a core idle now and then.
test: $(READY) ## Check style and types, run the tests
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: $(READY)
	$(RUN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-fast: $(READY) ## The tests that neither load nor run dbt: under a minute
	$(RUN)/pytest --numprocesses 4 --dist worksteal -m 'not long and not slow and not superset and not ducklake and not spark'

test-all: $(READY) lint ## The same with every further case of them, before a release
	$(RUN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder -m 'not superset and not ducklake and not spark'

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

$(SUPERSET)/.ready: $(READY) pipelines/superset/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		|| { echo "Superset needs Python 3.11 or 3.12; name one: make superset PYTHON=python3.12"; exit 2; }
	@echo "installing Superset in $(SUPERSET), once"
	@mkdir -p data && mkdir -p -m 700 data/superset
	@$(PYTHON) -m venv --clear $(SUPERSET)
	@$(RUN)/uv pip install --quiet --python $(SUPERSET)/bin/python --require-hashes \
		-r pipelines/superset/requirements.txt
	@touch $@

$(NOTEBOOK)/.ready: Makefile
	@$(PYTHON) -m venv --clear $(NOTEBOOK)
	@$(NOTEBOOK)/bin/pip install --quiet --disable-pip-version-check \
		marimo==0.25.2 altair==6.3.0 pandas==3.1.1 duckdb==1.5.6
	@touch $@

$(SPARK)/.ready: $(READY) pipelines/dev/spark/requirements.txt
	@echo "installing Spark in $(SPARK), once"
	@mkdir -p data && $(PYTHON) -m venv --clear $(SPARK)
	@$(RUN)/uv pip install --quiet --python $(SPARK)/bin/python --require-hashes -r requirements.lock
	@# Without uv's own settings, which hold DuckDB at the version of the lock.
	@$(RUN)/uv --no-config pip install --quiet --python $(SPARK)/bin/python --require-hashes \
		-r pipelines/dev/spark/requirements.txt
	@$(RUN)/uv pip install --quiet --python $(SPARK)/bin/python --no-deps --no-build-isolation -e .
	@touch $@

$(LAKE)/.ready: $(READY) tests/lake/requirements.txt
	@echo "installing DuckLake in $(LAKE), once"
	@mkdir -p data && $(PYTHON) -m venv --clear $(LAKE)
	@$(RUN)/uv pip install --quiet --python $(LAKE)/bin/python --require-hashes -r requirements.lock
	@# Without uv's own settings, which hold DuckDB at the version of the lock.
	@$(RUN)/uv --no-config pip install --quiet --python $(LAKE)/bin/python --require-hashes \
		-r tests/lake/requirements.txt
	@$(RUN)/uv pip install --quiet --python $(LAKE)/bin/python --no-deps --no-build-isolation -e .
	@touch $@

superset: $(READY) $(SUPERSET)/.ready ## Serve a dashboard of the published file on 127.0.0.1:PORT (8088)
	@$(RUN)/python -m llm_usage_warehouse.superset $(SUPERSET) --port $(PORT)

superset-test: $(READY) $(SUPERSET)/.ready $(NOTEBOOK)/.ready ## See in a headless browser what that dashboard shows, after `make demo`
	$(RUN)/pytest -m superset tests/publish/test_superset_served.py tests/publish/test_notebook.py

notebook: $(READY) $(NOTEBOOK)/.ready ## Open the morning's questions as a marimo notebook, data/notebook.py
	@test -e data/notebook.py || cp sql/notebook.py data/notebook.py
	@$(NOTEBOOK)/bin/marimo edit data/notebook.py

spark-test: $(SPARK)/.ready ## Build the demo's two nights on a Spark cluster of this machine, too, and compare; whole nights, and kills
	@$(SPARK)/bin/python -m llm_usage_warehouse.dev.spark
	$(SPARK)/bin/pytest -m "" tests/lake/test_spark_nights.py tests/lake/test_spark_store.py \
		tests/lake/test_delta_loads.py

spark-bench: $(SPARK)/.ready ## Build the models over millions of calls on DuckDB and on Spark, CALLS=2000000
	@$(SPARK)/bin/python -m llm_usage_warehouse.dev.spark.bench $(if $(CALLS),--calls $(CALLS))

ducklake-test: $(LAKE)/.ready ## Nights into a lake, with either catalog, against those into a DuckDB file; kills, too
	$(LAKE)/bin/pytest -m "not spark" tests/lake tests/publish/test_targets_ducklake.py
	WAREHOUSE__ENGINE=ducklake $(LAKE)/bin/pytest --numprocesses 2 --dist loadfile \
		tests/aiproxy/test_source.py tests/weave/test_source.py tests/tencent_lke/test_source.py \
		tests/alibaba_model_router/test_source.py tests/load/test_crash.py tests/load/test_one_source.py

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
	$(RUN)/uv pip compile pipelines/superset/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header -q \
		-o pipelines/superset/requirements.txt
	$(RUN)/uv --no-config pip compile pipelines/dev/spark/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header -q \
		-o pipelines/dev/spark/requirements.txt
	$(RUN)/uv --no-config pip compile tests/lake/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header -q \
		-o tests/lake/requirements.txt
