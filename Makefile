# Secateur: `make` shows one screen of help; every board in targets/ is a target of its own.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:

PYTHON  ?= $(firstword $(foreach v,3.11 3.12 3.13,$(shell command -v python$(v) 2>/dev/null)) python3)
RECIPE  ?= demo
CLI     := .venv/bin/secateur
STAMP   := .venv/.installed
PYTEST  := .venv/bin/pytest -q -n 2 --dist loadfile --no-loadscope-reorder
BENCHMARKS := $(sort $(notdir $(patsubst %/__main__.py,%,$(wildcard tests/benchmarks/*/__main__.py))))
BOARDS  := $(sort $(basename $(notdir $(wildcard targets/*.toml))))
# HOST counts only from make's own command line: shells and CI systems set a HOST of their own.
HOST_IS := $(if $(filter command line,$(origin HOST)),$(HOST))
given    = $(if $(2),--$(1) '$(2)')
flags    = $(call given,host,$(HOST_IS)) $(call given,runtime,$(RUNTIME)) \
           $(call given,threads,$(THREADS)) $(call given,affinity,$(AFFINITY)) \
           $(call given,regime,$(REGIME)) $(call given,rate-hz,$(RATE_HZ)) \
           $(call given,governor,$(GOVERNOR)) \
           $(if $(filter 1,$(PUBLISH)),--publish)

.PHONY: help demo compare test test-all check clean $(BENCHMARKS:%=benchmark-%) $(BOARDS)

help:  ## this page
	@echo "Secateur: cut a PyTorch model until it fits the board, and prove it on the board."
	@echo
	@echo "  make BOARD [HOST=user@board] [RECIPE=name or file.toml] [PUBLISH=1]"
	@echo "             [RUNTIME=..] [THREADS=..] [AFFINITY=2,3] [GOVERNOR=..]"
	@echo "             [REGIME=sustained] [RATE_HZ=30]"
	@echo
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile
	@echo "  make benchmark-X     $(BENCHMARKS):"
	@echo "                       our claims beside other tools; tests/benchmarks/X/README.md, hours"
	@echo; echo "boards (targets/*.toml):"
	@awk 'FNR == 1 {n = FILENAME; gsub(/.*\/|\.toml/, "", n); sub(/^# */, ""); printf "  %-20s %s\n", n, $$0}' targets/*.toml
	@echo; echo "recipes (recipes/*.toml):"
	@awk 'FNR == 1 {n = FILENAME; gsub(/.*\/|\.toml/, "", n); sub(/^# */, ""); printf "  %-20s %s\n", n, $$0}' recipes/*.toml
	@echo; echo "Single steps: .venv/bin/secateur --help (after the first make of a board)"

demo: $(STAMP)  ## the whole job on this machine: train, prune, convert, verify, measure
	@$(CLI) run demo --target local

$(BOARDS): $(STAMP)
	@$(CLI) run $(RECIPE) --target $@ $(flags)

compare: $(STAMP)  ## table, CSV, JSON and plot of all measurements, in build/
	@$(CLI) compare

test: $(STAMP)  ## the tests a change must pass
	@$(PYTEST) -m "not slow"

test-all: $(STAMP)  ## all tests, the slow ones too
	@$(PYTEST)

check: $(STAMP)  ## format, lint, types and import layers
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports

$(BENCHMARKS:%=benchmark-%): benchmark-%: $(STAMP)
	@.venv/bin/python -P -m tests.benchmarks.$* $(NETS) $(CELLS) $(KINDS) $(DEPLOY) \
	  $(if $(filter 1,$(SIMULATED)),--simulated)

clean:  ## delete .venv and build/ (measurements in results/ stay)
	rm -rf .venv build

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13))' \
	  || { echo "make: $(PYTHON) is not Python 3.11 to 3.13; name one with PYTHON=python3.x" >&2; exit 2; }
	@echo "creating .venv: about 3 GB, some minutes ..." >&2
	@$(PYTHON) -m venv .venv \
	  || { echo "make: no venv module; on Debian: sudo apt-get install python3-venv" >&2; exit 2; }
	@[ -t 1 ] && quiet= || quiet=--quiet; \
	  .venv/bin/pip install $$quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

.DEFAULT:
	@echo "make: no board or command '$@'; boards are: $(BOARDS); see make help" >&2; exit 2
