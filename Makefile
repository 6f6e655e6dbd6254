# make demo   install and speak          make test    install and test
# make setup  install only               make check   everything that CI runs
# make studio install and open the page
PYTHON ?= python3
TORCH ?= torch
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup demo test lint check studio reproducibility pins train-setup clean

setup: $(VENV)/.resay

demo: setup
	$(BIN)/python examples/demo.py

test: $(VENV)/.resay-dev
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/.resay-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: test lint

# Measures anew, for some minutes, and writes docs/reproducibility.md
reproducibility: $(VENV)/.resay
	$(BIN)/python bench/reproducibility.py

studio: $(VENV)/.resay-studio
	$(BIN)/resay studio

# TORCH=torch==2.13.0 or another exact version where the newest wheel is not the one wanted
train-setup: $(VENV)/.resay-train

# The exact versions that images are made of.
pins: $(VENV)/.resay-dev
	$(BIN)/python deploy/pins.py studio > deploy/constraints.new && mv deploy/constraints.new deploy/constraints.txt

clean:
	rm -rf $(VENV) build dist outputs .pytest_cache .ruff_cache .mypy_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "resay needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Stamps: what is installed is installed again only when pyproject.toml has changed.
$(VENV)/.resay: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e .
	@touch $@

$(VENV)/.resay-dev: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e ".[dev,evaluate,studio]"
	@touch $@ $(VENV)/.resay

$(VENV)/.resay-studio: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e ".[studio]"
	@touch $@ $(VENV)/.resay

$(VENV)/.resay-train: pyproject.toml | $(VENV)/bin/python
	$(PIP) "$(TORCH)" -e ".[train]"
	@touch $@
