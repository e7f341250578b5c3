# Every target works in a fresh clone with Python 3.11+, make and a C library.
PYTHON ?= python3
BIN := .venv/bin
export DO_NOT_TRACK := 1
export GX_ANALYTICS_ENABLED := false

.PHONY: nightly test check lint types contracts tests coverage fix ui bench simulate measure docs lock record-demo clean help
.DEFAULT_GOAL := help

help:  ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

.venv/.ready: requirements.lock requirements-model.lock requirements-bootstrap.lock pyproject.toml
	@echo "setting up .venv from the hashed lock (once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Andon needs Python 3.11 or newer; set PYTHON=..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements-model.lock
	@UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -W ignore -c 'from orchestration.runtime.dbt_models import load_manifest; load_manifest()'
	@touch $@

nightly: .venv/.ready  ## Run the demo's nights and show the board
	@$(BIN)/andon nightly

test: .venv/.ready lint  ## The whole suite, as CI runs it
	@$(MAKE) --no-print-directory -j3 tests types contracts

check: lint types contracts  ## Lint, types, import contracts

lint: .venv/.ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.ready
	@$(BIN)/pyright

contracts: .venv/.ready
	@$(BIN)/lint-imports --no-cache

tests: .venv/.ready
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(COVERAGE)

coverage: COVERAGE := --cov=evals --cov=orchestration
coverage: tests  ## All tests, with line coverage

fix: .venv/.ready  ## Mend what can be mended without thinking
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

ui: .venv/.ready  ## Dagster and the board, until interrupted
	@$(BIN)/andon ui

bench: .venv/.ready  ## Figures with a bound or a peer in the same run, one JSON object a line
	@$(BIN)/python -m tests.bench

simulate: .venv/.ready  ## What the board's alarms do in simulated worlds, one JSON object a line
	@$(BIN)/python -m tests.simulate

measure: .venv/.ready  ## What the evaluators find in data that others labelled, one JSON object a line
	@$(BIN)/python -m tests.measure

docs: .venv/.ready  ## Write the pages that are made from the code
	@$(BIN)/python -m tests.docs

record-demo: .venv/.ready  ## Record the demo's answers again from the pinned local model
	@$(BIN)/python -m evals.experiments.demo_recording

lock: .venv/.ready  ## Resolve the versions anew
	@$(BIN)/uv pip compile pyproject.toml --extra platform --extra s3 --extra gcs --extra text --extra model --group dev --generate-hashes --universal \
		--python-version 3.11 --no-header --quiet -o requirements.lock

clean:  ## Remove what the targets made, data excepted
	rm -rf .venv dbt_project/target dbt_project/logs .pytest_cache .ruff_cache .hypothesis .coverage
