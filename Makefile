# `make` answers: what can be done here, and how long it takes. Everything runs inside .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ORACLES := $(VENV)/.oracles
EXTRAS := all
JOBS ?= 2
LAUNCH ?= launch/demo.yaml

# A virtual environment knows its own path: when the clone was moved, it is made anew.
ifneq ($(shell cat $(VENV)/.location 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif

.PHONY: help setup run format lint types layers check test nightly update-goldens train wheel clean
help:           ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(READY) ## make .venv with everything in it (1-2 min the first time)
$(READY): pyproject.toml constraints.txt
	@[ "$$(cat $(VENV)/.location 2>/dev/null)" = "$(CURDIR)" ] || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]' --group dev
	@printf '%s\n' '$(CURDIR)' > $(VENV)/.location
	@touch $@

$(ORACLES): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group oracles
	@touch $@

run: $(READY)   ## drive the demo, all its variants; LAUNCH=file picks another
	@$(BIN)/skylane run $(LAUNCH)

format: $(READY) ## put the code into shape
	@$(BIN)/ruff check --quiet --fix --exit-zero .
	@$(BIN)/ruff format --quiet .

lint: $(READY)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

types: $(READY)
	@$(BIN)/mypy

layers: $(READY)
	@$(BIN)/lint-imports --no-logo

check: lint types layers ## before every commit (2 min): lint, types, layers, fast tests
	@$(BIN)/pytest -q -n $(JOBS) -m "not slow and not real"

test: lint types layers $(ORACLES) ## what CI runs (15 min): the above and every test
	@$(BIN)/pytest -q -n $(JOBS) -m "not alone"
	@$(BIN)/pytest -q -m alone

nightly: lint types layers $(ORACLES) ## the same with many more examples per property (hours)
	@SKYLANE_EXAMPLES=100000 $(BIN)/pytest -q -n $(JOBS) -m "not alone" --hypothesis-profile=nightly --timeout=7200
	@SKYLANE_KILLS=1000 SKYLANE_HANGS=500 $(BIN)/pytest -q -m alone --timeout=7200

update-goldens: $(READY) ## write the launch files' output hashes anew; look at the diff before you commit it
	@$(BIN)/pytest -q -p no:randomly tests/goldens --update-goldens

train: $(READY)  ## train the detectors anew from the embedded world (an hour)
	@$(BIN)/skylane train

wheel: $(READY)  ## build a wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:          ## remove what the tools left behind; runs and .venv stay
	@rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
