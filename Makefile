# Every target prepares what it needs (.ci/prepare) and touches nothing outside this checkout but missing Debian packages.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-qemu10 test-systemd lint collected bench bench-whole load endure native sanitize install clean

PYTHON ?=
export PYTHON

DESTDIR ?=
PREFIX ?= /usr/local

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "  ARGS=... is passed on to demo, test, bench, bench-whole, load and endure; PYTHON=... chooses the interpreter."

demo: ## a real guest is replicated, killed, and comes back from the vault (1-2 minutes)
	@.ci/prepare guest
	@.venv/bin/understudy demo $(ARGS)

test: ## lint, then every test; real guests included, nothing skipped
	@.ci/prepare guest tests
	@$(MAKE) --no-print-directory -j 2 lint collected
	.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

test-qemu10: ## the source and real guests with QEMU 10, which is downloaded and not installed
	@.ci/qemu10 $(ARGS)

test-systemd: ## what `make install` installs, in a booted systemd; needs root and systemd-nspawn (Debian: systemd-container)
	@.ci/prepare guest tests
	@.ci/systemd </dev/null

lint: ## ruff and mypy --strict
	@.ci/prepare
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy --strict src

# Each process that runs tests reads all of them, and would prepare their assertions for itself. What is wrong is said by the run itself.
collected:
	@env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m pytest --collect-only -qq >/dev/null 2>&1 || true

bench: ## everything that is measured, a report with plots, and the ratios beside the recorded; 15 minutes (RECORD=1: into docs/)
	@.ci/prepare guest tests bench
	@.venv/bin/python -m bench $(if $(RECORD),--record) $(ARGS)

bench-whole: ## understudy beside restic, borg and plain copies of the same image; half an hour and 40 GiB (ARGS="--gib 0.5 ...")
	@.ci/prepare guest tests bench
	@.venv/bin/python -m bench.whole $(ARGS)

load: ## a hundred machines on a daemon: promises, kills, clocks; half an hour (ARGS="--machines 20 --minutes 2 ...")
	@.ci/prepare guest tests
	@.venv/bin/python -m tests.daemon.load $(ARGS)

endure: ## every acceptance run of failover, and of killed servers; as root, more than three hours (ARGS="rounds 2": that one)
	@.ci/prepare guest tests
	@.venv/bin/python -m tests.endurance $(ARGS)

native: ## build the native kernels
	@.ci/prepare

sanitize: ## the kernels and hostile input under AddressSanitizer
	@.ci/prepare
	@bash tests/sanitize/run.sh

install: ## the command, the service and an example configuration: DESTDIR=..., PREFIX=/usr/local
	@.ci/install "$(DESTDIR)" "$(PREFIX)" </dev/null

clean: ## remove everything that was built or downloaded here
	rm -rf .venv .cache build dist .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache src/*.egg-info
	rm -f native/*.c native/*.html src/understudy/native/*.so
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
