PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo demo-dance tiny-model tiny-generator test test-all lint docs clean

# Every test process computes on one thread: two processes of many threads each would fight over the cores.
test test-all: export OMP_NUM_THREADS := 1

demo: $(VENV)/.core
	$(BIN)/skeletonllm demo

demo-dance: $(VENV)/.dance
	$(BIN)/skeletonllm dance demo

# The model that ships with the package, from nothing; one thread, so that sums are taken in one order. What was
# interrupted goes on where it stopped; `rm -r runs/tiny` to begin anew.
tiny-model: export OMP_NUM_THREADS := 1
tiny-model: $(VENV)/.dev
	begin=$$(date +%s) && \
	$(BIN)/skeletonllm train --recipe tiny --output runs/tiny --resume && \
	$(BIN)/python -m skeletonllm.models.shipped runs/tiny && \
	echo "took $$(( ($$(date +%s) - begin) / 60 )) minutes"

# The generator that ships with the package, likewise.
tiny-generator: export OMP_NUM_THREADS := 1
tiny-generator: $(VENV)/.dance
	$(BIN)/skeletonllm dance train --recipe shipped --output runs/tiny_generator --resume
	$(BIN)/python -m skeletonllm.dance.shipped runs/tiny_generator

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .

# build/site/index.html; `mkdocs serve` shows it while it is written.
docs: $(VENV)/.dev
	$(BIN)/python -m mkdocs build --quiet --strict

# The core alone runs the first demo; the second needs what reads music; tests and training at scale need the rest.
$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.dance: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dance]'
	touch $(VENV)/.core $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	touch $(VENV)/.core $(VENV)/.dance $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache demo demo_dance
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
