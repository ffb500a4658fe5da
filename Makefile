# Two commands: `make demo` walks the whole loop, `make test` runs every test.
PYTHON ?= $(or $(shell command -v python3.11),$(shell command -v python3))
BIN := .venv/bin
READY := .venv/.ready
# Some machines forbid writing bytecode, which makes every start several times slower.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types imports docs coverage lock clean

help: ## this page
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "penstock needs Python 3.11 or newer: apt-get install python3 python3-venv, or make PYTHON=/path/to/python3 ..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "uv==$$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: $(READY) ## walk the loop on real flights: commit, gates, canary, rollback (under 3 minutes)
	$(BIN)/penstock demo $(DEMO)

test: $(READY) ## run all tests, with the checks of style, types and imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: lint types imports ## style, types and import rules

lint: $(READY)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

docs: $(READY) ## write the generated pages of docs/reference
	$(BIN)/python -m penstock.cli.reference

coverage: $(READY) ## tests with a coverage report
	$(BIN)/coverage run -m pytest -n 0 && $(BIN)/coverage report

lock: ## renew requirements.lock with the newest versions
	uv pip compile pyproject.toml --universal --python-version 3.11 --upgrade --generate-hashes --no-annotate \
	  --extra data --extra demo --extra grpc --extra onnx --extra tune --group dev \
	  --custom-compile-command "make lock" --output-file requirements.lock

clean: ## remove the environment and build products
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
