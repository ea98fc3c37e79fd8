PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test test-all lint clean

# Every test process computes on one thread: two processes of many threads each would fight over the cores.
test test-all: export OMP_NUM_THREADS := 1

demo: $(VENV)/.core
	$(BIN)/skeletonllm demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .

# The core alone runs the demo; tests and training at scale need the rest.
$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	touch $(VENV)/.core $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
