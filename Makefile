# Two commands for a fresh machine with Python >= 3.11 and make:
#   make demo   set everything up and show every system at work; leaves kinema-demo/index.html
#   make test   set everything up and run the tests
# Both may be repeated; what is installed already is not installed again. `make docs` builds the documentation site,
# `make wheel` what can be installed elsewhere.

PYTHON ?= python3
VENV ?= .venv
# The version the project is tested with; any torch >= 2.11 that is already in the environment is kept.
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Blender, for the tests that open files in it, has an environment of its own: its package wants Python 3.11.
PYTHON311 ?= $(shell command -v python3.11 || echo $(PYTHON))
BLENDER := .venv-blender

# The tests that compare numbers; `make test-isa` runs them as two older processors would.
NUMERIC := tests/geometry tests/metrics tests/representations tests/motion tests/nn tests/proof \
  tests/protocols/forecasting tests/training/test_golden_losses.py

.PHONY: demo test test-long test-isa lint docs pictures bench fuzz kills blender wheel wheel-check clean

demo: $(VENV)/.installed
	$(BIN)/kinema demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --dist loadgroup

test-long: $(VENV)/.installed-test
	KINEMA_LONG=1 $(BIN)/python -m pytest -n auto --dist loadgroup -m long

test-isa: $(VENV)/.installed-test
	for capability in avx2 default; do \
	  ATEN_CPU_CAPABILITY=$$capability ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 \
	    $(BIN)/python -m pytest -n auto --dist loadgroup $(NUMERIC) || exit 1; \
	done

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

bench: $(VENV)/.installed-bench
	$(BIN)/python -m pytest benchmarks -o python_files='bench_*.py' --benchmark-columns=median,iqr,rounds

pictures: $(VENV)/.installed
	$(BIN)/python docs/pictures.py

fuzz: $(VENV)/.installed-test
	PYTHONPATH=tests $(BIN)/python tests/fuzz/fuzz_run.py --files 10000
	KINEMA_FUZZ_BODIES=1000 $(BIN)/python -m pytest tests/apps/test_serve.py -k malformed_bodies
	KINEMA_STUDIO_SECONDS=30 $(BIN)/python -m pytest tests/apps/studio/test_guard.py -k ten_hostile

kills: $(VENV)/.installed-test
	$(BIN)/python tests/kills/kills_run.py --kills 50

# The sdist, and the wheel that is built from it; weights and samples are in both.
wheel: $(VENV)/bin/python
	$(PIP) install 'build>=1.2'
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

# The wheel in an environment of its own, in an empty folder; torch and the other packages are those of $(VENV).
wheel-check: wheel $(VENV)/.installed
	.ci/wheel-check dist $(BIN)/python

blender: $(BLENDER)/.installed

$(BLENDER)/.installed:
	$(PYTHON311) -m venv $(BLENDER)
	$(BLENDER)/bin/python -m pip --disable-pip-version-check --quiet install bpy==5.0.1
	$(BLENDER)/bin/python -c 'import bpy'
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: | $(VENV)/bin/python
	$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) install '$(TORCH)'
	touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.torch
	$(PIP) install -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/.torch
	$(PIP) install -e '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.torch
	$(PIP) install -e '.[test,dev]'
	touch $@

# The site is made of the pages alone: it needs neither torch nor the package.
$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(PIP) install 'mkdocs>=1.6,<2' 'mkdocs-material>=9.5'
	touch $@

$(VENV)/.installed-bench: pyproject.toml $(VENV)/.torch
	$(PIP) install -e '.[test,bench]'
	touch $@

clean:
	rm -rf $(VENV) build dist site kinema-demo
