# Two commands: `make lab` runs the lab of the book, `make test` runs the project's tests.
# `make help` lists the others; .venv/bin/inv lists the verbs of a lab.
.PHONY: lab test test-all test-kvm bench setup lint lock vendor clean help

lab: ## install what is missing, create the lab, run the overlay exercise, write a report
	@.ci/install lab
	@.venv/bin/inv lab

setup: ## install what is missing for `lab`, without creating it
	@.ci/install lab

test: ## install what tests need, lint, and run every tier that this machine supports
	@.ci/install test
	@$(MAKE) --no-print-directory lint
	@.venv/bin/inv box || echo "no box could be built; the vm tier will report it"
	@# In CI beside two busy loops: no test may depend on how fast the machine is.
	@.venv/bin/python -m tests.support.busy $(if $(CI),2,0) .venv/bin/python -m pytest --numprocesses 2 tests/unit
	@.venv/bin/python -m pytest tests/browser
	@# Light hosts mostly wait: four files at a time, each worker with a network of its own.
	@.venv/bin/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder \
	  tests/hosts
	@.venv/bin/python -m pytest tests/containers
	@# Emulated machines compute: one lab at a time, or they boot for longer than a boot may take.
	@.venv/bin/python -m pytest tests/vm

test-all: ## as `test`, and the long tests as well: every fault, edited labs (hours)
	@SWARMRIG_FAULTS=all SWARMRIG_VM=all $(MAKE) --no-print-directory test

test-kvm: ## run the lab of the book on KVM, in an emulated machine that has it (half an hour, root)
	@.venv/bin/python -m tests.nested

bench: ## measure, and print ratios (half an hour; a single one: .venv/bin/python -m tests.bench list)
	@.ci/install test
	@.venv/bin/python -m tests.bench

lint: ## check style, types and import contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

lock: ## recreate requirements*.lock from pyproject.toml
	@.venv/bin/python -m pip install --quiet uv
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --extra dev pyproject.toml -o requirements-dev.lock

vendor: ## bring the page's files of other projects again, as npm has them, and compare checksums
	@.ci/vendor

clean: ## remove the Python environment (`inv destroy` removes labs)
	@rm -rf .venv

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12
