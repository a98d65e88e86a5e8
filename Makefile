# make quickstart   profile this machine, search, plot and export: the main job, in minutes
# make test         the whole gate: lint, types, layering, tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: quickstart test check bench clean

quickstart: $(VENV)/.installed
	$(BIN)/hwnas quickstart

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.evaluation_speed
	$(BIN)/python -m benchmarks.nsga2_vs_random
	$(BIN)/python -m benchmarks.lowering
	$(BIN)/python -m benchmarks.peak_memory
	for runtime in onnxruntime litert; do for precision in fp32 int8; do \
		$(BIN)/python -m benchmarks.latency_table --space mbv3_small_32 \
			--runtime $$runtime --precision $$precision && \
		$(BIN)/python -m benchmarks.latency_table --space ofa_mbv3_w1.0 \
			--resolution 160 192 224 --runtime $$runtime --precision $$precision || exit 1; \
	done; done
	$(BIN)/python -m benchmarks.transport_overhead
	$(BIN)/python -m benchmarks.disturbed_profile
	$(BIN)/python -m benchmarks.quickstart
	$(BIN)/python -m benchmarks.int8
	$(BIN)/python -m benchmarks.int8_wide
	$(BIN)/python -m benchmarks.int8_front

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
