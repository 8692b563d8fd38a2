# grantlog. `make` shows what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo

help: ## Show this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

run: compiler ## Start the demo: service on :8080, demo pages on :8081; prints the link to click
	$(CARGO) run --bin grantlog -- dev

test: test-rust test-clients test-browser test-contract ## Run every test there is

test-rust: compiler ## Run the Rust tests
	$(CARGO) build --bin grantlog
	$(CARGO) test --workspace

test-clients: node-modules ## Run real OAuth clients against a real server
	$(CARGO) build --bin grantlog
	cd tests/clients && node --test --test-reporter=spec

test-browser: node-modules chromium ## Click through the demo in a headless Chromium
	$(CARGO) build --bin grantlog
	cd tests/browser && node --test --test-reporter=spec

test-contract: tests/contract/.venv/bin/schemathesis ## Send generated requests and compare the answers with the OpenAPI document
	$(CARGO) build --bin grantlog
	tests/contract/.venv/bin/python tests/contract/run.py

check: compiler ## Format, lint, and compare the generated files
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(MAKE) generate
	git diff --exit-code -- openapi docs
	test -z "$$(git status --porcelain -- openapi docs)"

generate: ## Write the files that are derived from code: openapi/, docs/{problems,events,conformance}.md
	$(CARGO) run -q --bin grantlog -- generate .
	GENERATE=1 $(CARGO) test -q -p grantlog-tests --test tidy fresh

golden: ## Write golden files for event types that have none (never changes one)
	GOLDEN=write $(CARGO) test -q -p grantlog-core golden

bench: compiler ## Load a release binary over loopback and print what it does
	$(CARGO) build --release --bin grantlog
	$(CARGO) run --release -p grantlog-bench -- --server target/release/grantlog

bench-history: compiler ## Measure starts with ten million events, and after they were dropped (15 GB, half an hour)
	$(CARGO) build --release --bin grantlog
	$(CARGO) run --release -p grantlog-bench -- history --server target/release/grantlog

bench-audit: compiler ## Measure auditors' questions, replay and verification with ten million events (20 GB, half an hour)
	$(CARGO) build --release --bin grantlog
	$(CARGO) run --release -p grantlog-bench -- audit --server target/release/grantlog

ci: check test ## What continuous integration runs

compiler:
	@scripts/need cc build-essential

chromium:
	@scripts/need chromium chromium

node-modules: tests/clients/node_modules tests/browser/node_modules

tests/%/node_modules: tests/%/package-lock.json
	@scripts/need npm npm
	cd tests/$* && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

tests/contract/.venv/bin/schemathesis: tests/contract/requirements.txt
	@scripts/need python3 python3
	@python3 -c 'import ensurepip' 2>/dev/null || scripts/need pyvenv python3-venv
	python3 -m venv tests/contract/.venv
	tests/contract/.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: help run test test-rust test-clients test-browser test-contract check generate golden bench bench-history bench-audit ci compiler chromium node-modules
