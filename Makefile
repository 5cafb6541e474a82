# make demo   from an empty folder to scores and a figure
# make test   lint, types, import layers, tests
# make study-semivisible   semivisible jets in QCD: simulation, training, analysis, figures; goes on where it was left
# make study-top-qcd   top jets in QCD and QCD jets in tops: the same

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA := $(or $(JETNAE_DATA),data)

.PHONY: demo test test-slow study-semivisible study-top-qcd fuzz benchmark format clean

# Installed anew when what it is made from changes.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,simulate]'
	touch $@

demo: $(VENV)/.installed
	mkdir -p demo
	cd demo && ../$(BIN)/jetnae sample events.root --force
	cd demo && ../$(BIN)/jetnae score events.root --force
	cd demo && ../$(BIN)/jetnae plot events.scores.root --force --title 'Pythia 8 (13, 14 TeV), parametrised detector, no pile-up'

test: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

test-slow: $(VENV)/.installed
	$(BIN)/pytest -m slow

# mediator in GeV : invisible fraction : seed of the simulation
SVJ_POINTS := 2000:0.1:121 2000:0.3:103 2000:0.5:125 2000:0.7:127 \
              3000:0.1:131 3000:0.3:133 3000:0.5:135 3000:0.7:137 \
              4000:0.1:141 4000:0.3:143 4000:0.5:145 4000:0.7:147
SVJ_QCD := $(DATA)/semivisible_qcd.root
SVJ_FILES := $(SVJ_QCD)
SVJ_RECIPE = $(BIN)/python data_recipes/semivisible.py --workers 2 --output-dir $(DATA)

define svj_signal
SVJ_FILES += $(DATA)/semivisible_$(1)_20_$(subst .,,$(2)).root
$(DATA)/semivisible_$(1)_20_$(subst .,,$(2)).root: | $(VENV)/.installed
	$$(SVJ_RECIPE) --process signal --m-mediator $(1) --r-inv $(2) --n-events 10000 --seed $(3)
endef
$(foreach point,$(SVJ_POINTS),$(eval $(call svj_signal,$(word 1,$(subst :, ,$(point))),$(word 2,$(subst :, ,$(point))),$(word 3,$(subst :, ,$(point))))))

$(SVJ_QCD): | $(VENV)/.installed
	$(SVJ_RECIPE) --process qcd --n-events 150000 --seed 100

study-semivisible: $(SVJ_FILES)
	JETNAE_DATA=$(DATA) OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
		$(BIN)/python -m analyses.semivisible --workers 2 --runs $(DATA)/runs/semivisible
	$(BIN)/python plots/semivisible.py

# file : process : jets : seed of the simulation
TOP_QCD_SAMPLES := qcd:qcd:150000:1 qcd_small:qcd:20000:11 qcd_mass:qcd:500000:41 qcd_mass_2:qcd:500000:42 \
                   top:top:60000:21 top_2:top:60000:22 top_small:top:10000:12 w:w:10000:31
TOP_QCD_FILES := $(DATA)/semivisible_2000_20_03.root

define top_qcd_sample
TOP_QCD_FILES += $(DATA)/$(1).root
$(DATA)/$(1).root: | $(VENV)/.installed
	$(BIN)/python data_recipes/qcd_top.py --process $(2) --name $(1) --n-jets $(3) --seed $(4) --workers 2 \
		--output-dir $(DATA)
endef
$(foreach sample,$(TOP_QCD_SAMPLES),$(eval $(call top_qcd_sample,$(word 1,$(subst :, ,$(sample))),$(word 2,$(subst :, ,$(sample))),$(word 3,$(subst :, ,$(sample))),$(word 4,$(subst :, ,$(sample))))))

study-top-qcd: $(TOP_QCD_FILES)
	JETNAE_DATA=$(DATA) OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
		$(BIN)/python -m analyses.top_qcd --workers 2 --runs $(DATA)/runs/top_qcd
	for figure in plots/top_qcd_*.py; do $(BIN)/python $$figure || exit 1; done

fuzz: $(VENV)/.installed
	$(BIN)/python -m tests.fuzz --seconds 600

benchmark: $(VENV)/.installed
	$(BIN)/pytest tests/benchmarks --benchmark-only -m ''

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache
