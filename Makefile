# Everything works from a fresh clone with Python >= 3.11 and a C compiler:
#   make example    set up .venv, build, run examples/pisa.py
#   make test       set up .venv, build, run the tests
# `make help` lists the other targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
STAMP := $(VENV)/.built
DOCS_STAMP := $(VENV)/.docs
SOURCES := $(shell find sm_gllamm -name '*.py[x]' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.h')

# cython-lint calls pycodestyle by name.
export PATH := $(BIN):$(PATH)

.PHONY: help build example test study lint docs dist versions bench clean
.DEFAULT_GOAL := help

help:
	@echo "build     set up $(VENV) and build the extensions (all other targets do this first)"
	@echo "example   run examples/pisa.py"
	@echo "test      run the tests on two processes"
	@echo "study     run the simulation studies (long)"
	@echo "lint      ruff, cython-lint, mypy"
	@echo "docs      build the site in docs/_build/html, warnings are errors"
	@echo "dist      build sdist and wheel, install the sdist in an empty environment, fit a model"
	@echo "versions  build and fit a model under every Python found (3.11, 3.12, 3.13)"
	@echo "bench     time the package against its peers"
	@echo "clean     remove what was built"

build: $(STAMP)

# The first time, or when the build's description changed, pip installs everything; when only
# kernel sources changed, compiling them in place is enough and much quicker.
$(STAMP): pyproject.toml setup.py $(SOURCES)
ifeq ($(wildcard $(VENV)/bin/python),)
	$(PYTHON) -m venv $(VENV)
endif
	$(if $(filter pyproject.toml setup.py,$?),$(install),$(compile))
	@touch $@

define install
$(BIN)/python -m pip install --quiet "setuptools>=77" "Cython>=3.1,<4"
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[plot,dev]"
endef
define compile
$(BIN)/python setup.py --quiet build_ext --inplace
endef

# Only the extra's requirements: the package itself is installed already.
docs_requirements = $(shell $(BIN)/python -c "import tomllib; \
  extras = tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']; \
  print(*(repr(line) for line in extras['docs']))")

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet $(docs_requirements)
	@touch $@

example: $(STAMP)
	$(BIN)/python examples/pisa.py

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

study: $(STAMP)
	$(BIN)/python -m pytest -m study

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/cython-lint $(filter-out %.h %/_dispatch.pxi,$(SOURCES))
	$(BIN)/mypy

docs: $(DOCS_STAMP)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

dist: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m pytest -m packaging tests/test_packaging.py

versions:
	.ci/versions

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf build dist docs/_build docs/api/generated $(STAMP) $(DOCS_STAMP)
	find sm_gllamm -name '*.so' -o -name '*.pyd' | xargs rm -f
