# Meterseal: each target is one readable step. `make help` lists them.
# A fresh Debian 12 needs: sudo apt install -y git make python3-venv
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
WORKERS ?= 3
NODE_READY := contracts/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.PHONY: help demo test floor check bench vectors contracts costs devnet tour nightly lock clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@echo "Setting up .venv (once, about a minute) ..."
	@$(PYTHON) -m venv .venv || { echo "No venv: sudo apt install -y python3-venv, then try again"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(NODE_READY): contracts/package-lock.json
	@cd contracts && npm ci --silent --no-audit --no-fund && touch node_modules/.package-lock.json

demo: $(READY) ## a street's day: metered, sealed, receipted, logged, credited, audited (ONCE=1 REPLAY=file BROKER=mosquitto WITH=private,chain)
	@case "$(WITH)" in *chain*) $(MAKE) --silent --no-print-directory $(NODE_READY) || true;; esac
	@$(BIN)/python -m deploy.demo

test: $(READY) ## every test; prints the ten slowest (ONLY=path to narrow, WORKERS=0 for one process)
	@$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --durations=10 $(ONLY)

floor: $(READY) ## unit and laws without the deep ones, about three minutes
	@$(MAKE) --no-print-directory test WORKERS=2 ONLY="-m 'not deep' tests/unit tests/laws"

check: $(READY) ## style, types, import contracts, golden vectors
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python proto/vectors/regenerate.py --check

bench: $(READY) ## measure beside the bare limit (ROOM=intake)
	@$(BIN)/python -m bench $(ROOM)

vectors: $(READY) ## write the golden vectors again, by their independent scripts
	@$(BIN)/python proto/vectors/regenerate.py

contracts: $(READY) ## the Clarity contracts on a simulated chain (Node 20; `make test` runs them too)
	@$(BIN)/pytest tests/contracts

costs: $(NODE_READY) ## what each contract function costs, and its share of a block (Node 20)
	@cd contracts && npm run --silent costs

devnet: $(NODE_READY) ## a Stacks node of your own on 127.0.0.1:20443, every contract deployed (Node 20; Ctrl-C ends it)
	@cd contracts && exec node devnet/server.mjs

tour: $(READY) $(NODE_READY) ## every duty of the contracts once, by signed transactions on a devnet of its own (Node 20)
	@cd contracts && METERSEAL_PYTHON=$(CURDIR)/$(BIN)/python node devnet/tour.mjs

nightly: $(READY) ## the slow rigs, from a fresh seed (MINUTES=10)
	@$(BIN)/python -m tests.nightly

lock: ## resolve the dependencies again into requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --all-extras --python-version 3.11 pyproject.toml -o requirements.lock

clean: ## remove .venv and every cache
	@rm -rf .venv .venv-peers .venv-node contracts/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
