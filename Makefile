PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=
N ?= 200
SEED ?= 1
CANDLES ?=
DAEMON ?=
WORKERS := $(shell $(PYTHON) -c "import os; print(max(1, (os.cpu_count() or 1) * 3 // 2))")

.DEFAULT_GOAL := help
.PHONY: help install install-test demo test test-slow coverage check format lint types contracts parity trailing chaos chaos-store soak bench clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps -r requirements/runtime.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.test: $(VENV)/.runtime requirements/test.txt
	$(BIN)/pip install --quiet --no-deps -r requirements/test.txt
	$(BIN)/python -m compileall -q bench caos tests
	@touch $@

install: $(VENV)/.runtime ## Install into .venv

install-test: $(VENV)/.test ## Install what tests and checks need as well

demo: install ## The whole main job on candles it makes itself: train, evaluate, trade, report
	$(BIN)/python -m src.cli.demo

test: install-test ## Run the test suite (< 10 min)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-slow: install-test ## Run the tests that take minutes each
	$(BIN)/python -m pytest -m slow --timeout 1200

coverage: install-test ## How much of the core, and of API and CLI, their own tests run
	@mkdir -p build
	COVERAGE_FILE=build/.coverage $(BIN)/python -m coverage run --source src/nucleo -m pytest tests/nucleo
	COVERAGE_FILE=build/.coverage $(BIN)/python -m coverage report --skip-covered
	COVERAGE_FILE=build/.coverage $(BIN)/python -m coverage run --source src/cli,src/produccion/api -m pytest tests/cli tests/produccion/api
	COVERAGE_FILE=build/.coverage $(BIN)/python -m coverage report --skip-covered --fail-under 80

check: install-test format-check lint types contracts test ## Everything that must be clean before a commit

format: install-test ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: format-check
format-check: install-test
	$(BIN)/ruff format --check .

lint: install-test
	$(BIN)/ruff check .

types: install-test
	$(BIN)/mypy

contracts: install-test
	$(BIN)/lint-imports

parity: install ## Training = evaluation = dry run, counted: make parity DATA=candles.csv.gz
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m src.paridad $(if $(DATA),--data $(DATA))

trailing: install ## The same entries under each trailing stop, every move checked: make trailing DATA=ADAUSDT-1m.csv.gz [CANDLES=43200] [DAEMON=1]
	$(BIN)/python -m src.paridad.frenos $(if $(DATA),--data $(DATA)) $(if $(CANDLES),--candles $(CANDLES)) $(if $(DAEMON),--daemon)

chaos: install-test ## N kill -9s and 5·N faults, then the books: make chaos N=200 SEED=1 [CANDLES=5000] [DATA=file]
	$(BIN)/python -m caos --kills $(N) --seed $(SEED) $(if $(CANDLES),--candles $(CANDLES)) $(if $(DATA),--data $(DATA))

chaos-store: install-test ## Stop monitors killed, databases cut off mid-write, then the store's books: make chaos-store SEED=1 [STORE=sqlite]
	$(BIN)/python -m caos.almacen --seed $(SEED) $(if $(STORE),--store $(STORE))

soak: install-test ## 100,000 candles through simulator and daemon, and nothing grows: make soak [CANDLES=100000] [DATA=file]
	$(BIN)/python -m caos.resistencia $(if $(CANDLES),--candles $(CANDLES)) $(if $(DATA),--data $(DATA))

bench: install-test ## Every figure and its peer; writes build/bench.json
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m bench

clean: ## Remove what builds and tests leave behind
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
