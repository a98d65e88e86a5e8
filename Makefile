# make quickstart   profile this machine, search, plot and export: the main job, in minutes
# make test         the whole gate: lint, types, layering, tests
# make bench        every measurement that needs this machine alone, hours
# make bench-published DATA=folder   those on measurements that others published
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: quickstart test check bench bench-published clean

quickstart: $(VENV)/.installed
	$(BIN)/hwnas quickstart

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	# two threads on two cores wait for each other longer than they work
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest

bench: $(VENV)/.installed-dev
	for name in evaluation_speed calibration_speed nsga2_vs_random search_speed search_loop search_exact \
			search_parallel search_halving lowering peak_memory transport_overhead disturbed_profile \
			quickstart transferred_table search_confidence node_times int8 int8_wide int8_front; do \
		$(BIN)/python -m benchmarks.$$name || exit 1; \
	done
	for precision in fp32 int8; do \
		$(BIN)/python -m benchmarks.latency_table --precision $$precision || exit 1; \
	done

bench-published: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.latency_calibration --data $(DATA)/latency_fbnet.npz $(DATA)/latency_nb201.npz
	for space in fbnet nb201; do \
		$(BIN)/python -m benchmarks.latency_transfer --library $(DATA)/latency_$$space.npz \
			--target $(DATA)/latency_$$space.npz || exit 1; \
	done
	$(BIN)/python -m benchmarks.imagenet_predictor --rows $(DATA)/ofa_mbv3_w1.0_imagenet.jsonl
	$(BIN)/python -m benchmarks.search_tabular --problem $(DATA)/search_*.npz

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hwnas needs Python 3.11 or newer; say which with: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[litert]'
	touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
