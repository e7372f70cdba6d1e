# SPDX-License-Identifier: Apache-2.0
# ROS 2 from PyPI wheels in .venv: each target sets up what it needs, once.
# With a system ROS 2, use colcon instead (README, "With ROS 2 installed").

PYTHON ?= python3
ARGS ?=

SETUP = @$(PYTHON) tools/setup_venv.py
BIN = .venv/bin

# Nothing that is started from here leaves this machine, unless the user says so.
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST
# A shell that has sourced another ROS 2 must not mix its packages into ours.
unexport PYTHONPATH AMENT_PREFIX_PATH LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE

.DEFAULT_GOAL := help
.PHONY: help setup run test bench lint format clean

help:  ## this list
	@echo 'make TARGET [ARGS="..."] [PYTHON=/path/to/python3.12]'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup:  ## set .venv up for `make run` (270 MB to download, 740 MB on disk, no torch)
	$(SETUP) run

run:  ## sort the sample bag through the real graph; ARGS go to `recycle-sorter run`
	$(SETUP) run
	@$(BIN)/recycle-sorter run $(ARGS)

test:  ## the whole suite (brings torch and the renderer: 3.3 GB, 7 GB on disk); ARGS go to pytest
	$(SETUP) test
	$(BIN)/python -m pytest $(ARGS)

bench:  ## the figures in benchmarks/out/; ARGS go to the benchmark runner
	$(SETUP) test
	$(BIN)/python -m benchmarks $(ARGS)

lint:  ## ruff and mypy --strict
	$(SETUP) lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format:  ## let ruff lay the code out
	$(SETUP) lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv, caches and colcon's build, install and log folders
	rm -rf .venv .venv.lock build install log .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src test tools benchmarks launch -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
