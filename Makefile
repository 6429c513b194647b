# einsim: `make attention` runs the main job, `make test` runs the tests; each sets up what it needs.
.POSIX:
.PHONY: attention test lint types bench rtl setup clean
BIN = .venv/bin
WORKERS = 2

attention: ## FuseMax's published attention evaluation: tables and figures in results/fusemax-attention
	@scripts/setup.sh
	$(BIN)/einsim sweep experiments/fusemax/attention.yaml --out results/fusemax-attention

test: ## all tests
	@scripts/setup.sh dev
	$(BIN)/python -m pytest -n $(WORKERS)

lint: ## style
	@scripts/setup.sh dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: ## static types
	@scripts/setup.sh dev
	$(BIN)/mypy

bench: ## benchmarks, as ratios measured in one run
	@scripts/setup.sh dev
	$(BIN)/python -m benchmarks

rtl: ## the hardware in rtl/ and the pictures of docs/rtl.md, written anew
	@scripts/setup.sh dev
	scripts/rtl.sh

setup:
	@scripts/setup.sh dev

clean:
	rm -rf .venv results
