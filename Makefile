# The only entry points; CI calls them and nothing else. `make help` lists them.
CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# Peers to measure beside: a folder, or the one that stands beside the project where there is one.
BENCH_PEERS ?= $(wildcard ../shared/bench/peers)
BENCH_PAGES ?= $(wildcard ../shared/eval/ocr/data/img)
# A python of our own with OpenCV in it.
OPENCV := $(TARGET_DIR)/opencv

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests run build test chaos fuzz docker-test check fmt bench bench-kinds bench-providers bench-streams bench-view eval

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

setup: ## install what building and running needs, where it is missing (Debian, Ubuntu)
	@scripts/setup

# What only the tests need, too.
setup-tests:
	@TARGET_DIR='$(TARGET_DIR)' scripts/setup tests

build:
	@# Examples too: with them cargo resolves the same features as for the tests, so that both share one build.
	$(CARGO) build --workspace --bins --examples

run: setup build ## build everything, start it, show a demonstration, serve on http://localhost:8000
	exec $(TARGET_DIR)/debug/zoetrope up --demo

test: setup-tests build ## run every test, the chaos tests over real processes included
	$(CARGO) test --workspace

chaos: setup-tests build ## bring faults upon real processes for 25 minutes (CHAOS_SEED=, CHAOS_CASES=C01,C02; S1 soaks for CHAOS_SOAK=60 minutes)
	$(TARGET_DIR)/debug/examples/chaos '$(CHAOS_SEED)' '$(CHAOS_CASES)' '$(CHAOS_SOAK)'

fuzz: ## feed made-up bytes to every parser of ours for FUZZ_SECONDS=60 each (FUZZ_TARGETS=amf0,flv)
	TARGET_DIR='$(TARGET_DIR)' CARGO='$(CARGO)' FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_TARGETS='$(FUZZ_TARGETS)' scripts/fuzz

docker-test: ## run docker-compose.yml for real with three workers; skipped where no Docker engine answers
	@scripts/docker-test

check: ## formatting, lints, documentation and the house rules
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps
	$(CARGO) test --workspace --test it -- tidy::

fmt: ## format the code
	$(CARGO) fmt --all

bench: setup build ## measure the queue (release build), beside BENCH_PEERS where that folder is there
	$(CARGO) build --release -p zoetrope-queue --example bench_worker
	BENCH_WORKER=$(TARGET_DIR)/release/examples/bench_worker BENCH_PEERS='$(BENCH_PEERS)' $(TARGET_DIR)/debug/examples/bench

bench-kinds: setup build ## measure tasks a minute of one worker, kind by kind, and idle memory (release build)
	$(CARGO) build --release -p zoetrope-api -p zoetrope-worker
	BENCH_PROGRAMS=$(abspath $(TARGET_DIR))/release $(if $(BENCH_PAGES),BENCH_PAGES=$(abspath $(BENCH_PAGES))) $(TARGET_DIR)/debug/examples/bench_kinds

bench-providers: setup build ## measure tasks that wait for a provider (release build)
	$(CARGO) build --release -p zoetrope-api -p zoetrope-worker
	BENCH_PROGRAMS=$(abspath $(TARGET_DIR))/release $(TARGET_DIR)/debug/examples/bench_providers

bench-streams: setup build ## measure live streams (release build) beside a loop of OpenCV's (BENCH_ROWS=live,walker,recorded,sixty,decode,overhead)
	$(CARGO) build --release -p zoetrope-api -p zoetrope-worker --bins --example decode_film
	test -x $(OPENCV)/bin/python || { python3 -m venv $(OPENCV) && $(OPENCV)/bin/pip install --quiet opencv-python-headless; }
	BENCH_PROGRAMS=$(abspath $(TARGET_DIR))/release BENCH_OPENCV=$(abspath $(OPENCV))/bin/python BENCH_DECODER=$(abspath $(TARGET_DIR))/release/examples/decode_film \
		BENCH_ROWS='$(BENCH_ROWS)' $(TARGET_DIR)/debug/examples/bench_streams

bench-view: setup build ## measure twenty viewers of one stream, one of them slow (release build)
	$(CARGO) build --release -p zoetrope-api -p zoetrope-worker
	BENCH_PROGRAMS=$(abspath $(TARGET_DIR))/release $(TARGET_DIR)/debug/examples/bench_view

eval: setup ## measure OCR and steps (release build) on the ground truths in ../shared/eval, where that folder is there
	@scripts/eval
