# Everything a newcomer or CI types. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
IMAGE := examples/tabletop.png
QUESTION := How many red cubes are there?

.PHONY: help demo question test fast lint format types check wheel docs links clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 10

# The stamp depends on pyproject.toml: changed dependencies reinstall, nothing else does.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,dev]'
	touch $@

demo: $(STAMP)  ## answer a question about the example image, printing each hop
	$(BIN)/agent run --image $(IMAGE) --question "$(QUESTION)" --hops

question:  # what the demo asks, for .ci/run
	@echo "$(QUESTION)"

test: $(STAMP)  ## run the whole suite
	$(BIN)/python -m pytest

fast: $(STAMP)  ## run the suite without the slow tests and without Ray
	$(BIN)/python -m pytest -m "not slow and not ray"

lint: $(STAMP)  ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## rewrite the files as ruff wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# `-p foveal` through .typings, never `mypy agent tools`: each file would be read under two names.
types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy -p foveal
	$(BIN)/mypy tests

check: lint types test  ## lint, types and tests

wheel: $(STAMP)  ## build the wheel into dist/ and check what is in it
	$(BIN)/python -m build --wheel
	$(BIN)/check-wheel-contents dist/*.whl

# The variable keeps a notice about another major version of MkDocs out of the output.
docs: $(STAMP)  ## build the documentation into site/, any warning being an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Needed after adding a file to foveal/; tests/test_packaging.py says so.
links:  ## renew the links in .typings that type checkers read
	ln -sfn $(patsubst %,../../%,$(wildcard foveal/*.py foveal/py.typed) $(patsubst %/__init__.py,%,$(wildcard foveal/*/__init__.py))) .typings/foveal/

clean:  ## remove .venv and everything built
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
