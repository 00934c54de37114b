# openquidam: two commands for a newcomer, `make explore` and `make test`; both set themselves up.
#
#   make explore [NETWORK=vgg16] [LIBRARY=nangate45]      explore with the shipped models
#   make characterize PE=lightpe2|all [LIBRARY=osu018] [PLAN=quick|full|FILE] [JOBS=n] [SCHEDULER=tcp://HOST:PORT]
#   make adapt PE=lightpe2 [LIBRARY=osu018] [TARGET=3%] [ROUNDS=8]  measure where fits are least certain
#   make fit [LIBRARY=osu018]                             fit models on what was measured
#   make sim PE=lightpe2                                  testbench of one PE type
#   make rtl-table                                        cycles of simulated layers, predicted and taken
#   make test | make test-long                            at most 15 | 50 minutes

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup tools explore characterize adapt fit sim rtl-table test test-long lint clean

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
PE ?=
NETWORK ?= vgg16
PLAN ?= quick
JOBS ?= 2
SCHEDULER ?=
TARGET ?= 3%
ROUNDS ?= 8
characterize adapt fit: LIBRARY ?= osu018
explore: LIBRARY ?= nangate45

# Values reach commands through the environment, never through the text of a recipe.
export PE NETWORK LIBRARY PLAN JOBS SCHEDULER TARGET ROUNDS

help:
	@sed -n 's/^#   //p' Makefile

setup: $(READY)

# A virtual environment in the checkout with the pinned packages; once, until the pins change.
$(READY): requirements.lock
	@if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	  echo "openquidam needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv; \
	  elif sudo -n true 2>/dev/null; then sudo apt-get update -qq && sudo apt-get install -y -qq python3-venv; \
	  else echo "Python cannot make virtual environments; install: apt-get install python3-venv" >&2; exit 1; fi; fi
	@echo "setting up $(VENV) (once, about a minute) ..." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

$(READY_DEV): requirements-dev.lock $(READY)
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

# Programs that pip cannot install, and the cell library a fresh machine characterizes with.
tools: $(READY)
	@missing=""; \
	command -v iverilog >/dev/null || missing="$$missing iverilog"; \
	command -v sta >/dev/null || missing="$$missing opensta"; \
	[ -z "$(COMPILES)" ] || command -v c++ >/dev/null || missing="$$missing g++"; \
	[ -e /usr/share/qflow/tech/osu018/osu018_stdcells.lib ] || missing="$$missing qflow-tech-osu018"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq $$missing; \
	  elif sudo -n true 2>/dev/null; then sudo apt-get update -qq && sudo apt-get install -y -qq $$missing; \
	  else echo "these Debian packages are missing; install them: apt-get install$$missing" >&2; exit 1; fi; fi
	@$(PY) -m flows.warm

explore: $(READY)
	@$(PY) -m dse.explore --network "$$NETWORK" --library "$$LIBRARY"

characterize: tools
	@if [ -z "$$PE" ]; then echo "name a PE type: make characterize PE=lightpe2" >&2; exit 2; fi
	@$(PY) -m characterize --pe "$$PE" --library "$$LIBRARY" --plan "$$PLAN" --jobs "$$JOBS" \
	  $${SCHEDULER:+--scheduler "$$SCHEDULER"}

# Measures a plan and has the next one written, until there is none.
adapt: tools
	@if [ -z "$$PE" ]; then echo "name a PE type: make adapt PE=lightpe2" >&2; exit 2; fi
	@plan=quick; next="build/plans/adapt-$$$$.yaml"; trap 'rm -f "$$next"' EXIT; \
	for round in $$(seq "$$ROUNDS"); do \
	  $(PY) -m characterize --pe "$$PE" --library "$$LIBRARY" --plan "$$plan" --jobs "$$JOBS" \
	    $${SCHEDULER:+--scheduler "$$SCHEDULER"} && \
	  $(PY) -m models.sample --pe "$$PE" --library "$$LIBRARY" --target "$$TARGET" -o "$$next" || exit; \
	  [ -e "$$next" ] || exit 0; plan="$$next"; \
	done; echo "the target $$TARGET is not reached after $$ROUNDS rounds" >&2; exit 1

fit: $(READY)
	@$(PY) -m models.fit --library "$$LIBRARY"

sim: tools $(READY_DEV)
	@if [ -z "$$PE" ]; then echo "name a PE type: make sim PE=lightpe2" >&2; exit 2; fi
	@$(PY) -m pytest tests/hw/pe/test_pe_simulation.py --pe "$$PE" -v --no-header -m "" -k "not many"

rtl-table: tools $(READY_DEV)
	@$(PY) -m pytest tests/hw/array tests/hw/accelerator -m "" -k "layers or shapes or large" -n 2 --dist worksteal --rtl-table

lint: $(READY_DEV)
	@$(VENV)/bin/ruff check --quiet
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/mypy --no-error-summary
	@$(VENV)/bin/lint-imports --no-cache

# Verilator writes C++.
test test-long: COMPILES := yes

test: tools lint
	@$(PY) -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

test-long: tools $(READY_DEV)
	@$(PY) -m pytest -m long -n 2 --dist worksteal $(PYTEST_ARGS)

clean:
	rm -rf build/sim build/characterize build/cache
