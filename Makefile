# `make help` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help run test vm check bench soak format lock clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: $(INSTALLED) ## Set up, and run a satellite with an embedded relay on 127.0.0.1:2004
	$(BIN)/co2 satellite

test: $(INSTALLED) ## Set up, and run the tests
	$(BIN)/python -m pytest

vm: $(INSTALLED) ## Run the tests in a virtual machine too: slow, as root, with QEMU and libvirt
	CO2_VM=1 $(BIN)/python -m pytest -m vm

check: $(INSTALLED) ## Lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(INSTALLED) ## Measure against other servers, side by side; writes docs/performance.md
	$(BIN)/python -m bench

soak: $(INSTALLED) ## Run the long tests: hundreds of kills, cut links, backlogs, crowds
	$(BIN)/python -m soak

format: $(INSTALLED) ## Let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(INSTALLED) ## Write the versions that are installed to requirements.lock
	$(BIN)/pip freeze --all --exclude-editable | grep -v "^co2-satellite\|^setuptools" > $(LOCK)

clean: ## Remove what `make` has made; state/ and plugin/ stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(INSTALLED): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "co2 needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(LOCK) --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint $(LOCK) --editable . --group test --group check
	touch $@
