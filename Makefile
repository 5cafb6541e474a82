# make demo   from an empty folder to scores and a figure
# make test   lint, types, import layers, tests

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow fuzz benchmark format clean

# Installed anew when what it is made from changes.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,simulate]'
	touch $@

demo: $(VENV)/.installed
	mkdir -p demo
	cd demo && ../$(BIN)/jetnae sample events.root --force
	cd demo && ../$(BIN)/jetnae score events.root --force
	cd demo && ../$(BIN)/jetnae plot events.scores.root --force --title 'Pythia 8 (13, 14 TeV), parametrised detector, no pile-up'

test: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

test-slow: $(VENV)/.installed
	$(BIN)/pytest -m slow

fuzz: $(VENV)/.installed
	$(BIN)/python -m tests.fuzz --seconds 600

benchmark: $(VENV)/.installed
	$(BIN)/pytest tests/benchmarks --benchmark-only -m ''

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache
