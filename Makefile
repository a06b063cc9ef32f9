# `make` lists the targets; `make fig3` is the place to start.
PYTHON   ?= python3
SCALE    ?= laptop
LAUNCHER ?= local
TRACKER  ?= none
RECORDS  ?= runs
OVERRIDES ?=
VENV     := .venv
PY       := $(VENV)/bin/python
FIGURES  := $(sort $(patsubst figures/fig%.py,fig%,$(wildcard figures/fig*.py)))
# fig03_max_update -> fig3
SHORT    := $(foreach f,$(FIGURES),$(patsubst fig0%,fig%,$(firstword $(subst _, ,$(f)))))
READY    := $(VENV)/ready
REPRODUCE = $(PY) scripts/reproduce.py --scale $(SCALE) --launcher $(LAUNCHER) \
  --records $(RECORDS) $(if $(filter-out none,$(TRACKER)),tracker=$(TRACKER)) $(OVERRIDES)

.DEFAULT_GOAL := help
.PHONY: help all smoke figures report verdicts workspaces check test bench lint format clean $(SHORT)

help: ## list the targets
	@echo "make fig3 [SCALE=smoke|laptop|paper] [LAUNCHER=local|slurm] [TRACKER=none|wandb]"
	@echo "          [RECORDS=runs|reference] [OVERRIDES='seed=1']"
	@echo
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@for f in $(FIGURES); do \
	  printf '%-12s' $$(echo $$f | sed -E 's/_.*//; s/fig0/fig/'); \
	  sed -nE '1s/^"""(Figure [^:]*: )?(.*)"""$$/\2/p' figures/$$f.py; done

$(SHORT): $(READY) ## train what is missing, draw, print the verdicts
	@$(REPRODUCE) $@

all: $(READY) ## every figure, then the report, with the time that each took
	@$(REPRODUCE) --report

smoke: $(READY) ## the same in minutes, on runs of some steps: does the path hold?
	@$(MAKE) --no-print-directory all SCALE=smoke LAUNCHER=basic

figures: $(READY) ## every figure; RECORDS=reference trains nothing
	@$(REPRODUCE)

report: $(READY) ## one page of what was drawn; RECORDS=reference draws it first
	@$(if $(filter reference,$(RECORDS)),$(REPRODUCE) --report,$(PY) scripts/report.py --scale $(SCALE))

verdicts: $(READY) ## renew verdicts.md and the README's numbers from the reference records
	@$(PY) scripts/verdicts.py

workspaces: $(READY) ## save a W&B workspace for every figure: panels of its runs, in your project
	@$(PY) scripts/workspaces.py --scale $(SCALE)

check: $(READY) ## run the fast tests (under a minute on two cores)
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist worksteal -m "not slow"

test: $(READY) ## run all tests (at most 6 minutes on two cores)
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist worksteal

bench: $(READY) ## speed on this CPU, as ratios against plain torch, each with its limit
	@$(PY) scripts/bench.py cpu

lint: $(READY) ## check style and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: $(READY) ## rewrite the sources in the project's style
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean: ## remove pictures and caches; runs, data, reference and .venv stay
	rm -rf figures/out .pytest_cache .mypy_cache .ruff_cache .hypothesis build

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) scripts/setup_venv.py $(VENV)
