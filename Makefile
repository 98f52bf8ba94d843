# Two commands: `make demo` shows the site, `make test` tries all of it. Both install what they miss.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lyceum
export CARGO_TARGET_DIR ?= $(cache)/target
export LYCEUM_TOOLS := $(cache)/tools
export PATH := $(LYCEUM_TOOLS)/node/bin:$(PATH):$(HOME)/.cargo/bin:$(LYCEUM_TOOLS)/bin

npm_ci := npm ci --silent --ignore-scripts --no-audit --no-fund

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# Tests build with --workspace throughout: for one package alone others get other features, and all is built twice.

# --- Running -----------------------------------------------------------------------------------

.PHONY: demo
demo: assets ## Fills ./data with the demo school and serves it at http://127.0.0.1:8000
	scripts/tools rust
	scripts/need ffmpeg:ffmpeg espeak-ng:espeak-ng rsvg-convert:librsvg2-bin fonts-dejavu-core
	cargo build --release --bin lyceum
	demo/recordings.sh
	"$$CARGO_TARGET_DIR/release/lyceum" demo
	exec "$$CARGO_TARGET_DIR/release/lyceum" serve

# --- Browser assets: web/dist, which the build embeds --------------------------------------------

asset_sources := $(shell find web -type d \( -name node_modules -o -name dist \) -prune -o -type f -print 2>/dev/null)

.PHONY: assets
assets: web/node_modules/.built ## Builds web/dist from web/, unless it is up to date

# npm writes this file at the end of an installation.
%/node_modules/.package-lock.json: %/package-lock.json
	scripts/tools node
	cd $* && $(npm_ci)
	touch $@

web/node_modules/.built: web/node_modules/.package-lock.json $(asset_sources) $(if $(wildcard web/dist/*),,FORCE)
	cd web && node build.mjs
	touch $@

.PHONY: FORCE
FORCE:

# --- Tests ---------------------------------------------------------------------------------------

.PHONY: test
test: test-scripts test-sqlite test-postgres test-s3 test-clients test-browser test-nodes ## Runs every test: on SQLite, on PostgreSQL, on S3, with clients of others, in Chromium, on many nodes

.PHONY: test-scripts
test-scripts: assets
	cd web && npm test --silent

.PHONY: test-sqlite
test-sqlite: assets
	scripts/tools rust nextest
	scripts/need ffmpeg:ffmpeg openssl:openssl redis-server:redis-server memcached:memcached
	cargo nextest run --workspace
	cargo test --quiet --workspace --doc

.PHONY: test-postgres
test-postgres: assets
	scripts/tools rust nextest
	scripts/need ffmpeg:ffmpeg openssl:openssl redis-server:redis-server memcached:memcached postgresql
	scripts/with-servers postgres -- env LYCEUM_TEST_DATABASE=postgres \
	  cargo nextest run --workspace --ignore-default-filter \
	    -E '(binary(it) | package(lyceum-backends)) & !test(/\bon_sqlite::/)'

.PHONY: test-s3
test-s3: assets ## Runs the tests that touch files against an S3 server
	scripts/tools rust nextest moto tuspy
	scripts/need ffmpeg:ffmpeg
	scripts/with-servers s3 -- cargo nextest run --workspace --run-ignored ignored-only -E 'test(/s3/)'
	scripts/with-servers s3 -- env LYCEUM_TEST_FILES=s3 \
	  cargo nextest run --workspace -E 'package(lyceum) & binary(it) & test(/^(tus|uploads|media|processing|contents|outline|library|captions|files)::/)'
	cargo build --workspace --bin lyceum
	scripts/with-servers s3 -- env LYCEUM_TEST_FILES=s3 \
	  "$$LYCEUM_TOOLS/tuspy/bin/python" tests/clients/tuspy_upload.py "$$CARGO_TARGET_DIR/debug/lyceum"

.PHONY: test-clients
test-clients: assets
	scripts/tools rust tuspy moto caches schemathesis openapi
	scripts/need curl:curl memcached:memcached redis-server:redis-server
	cargo build --workspace --bin lyceum
	cargo build --workspace --example cache
	"$$LYCEUM_TOOLS/tuspy/bin/python" tests/clients/tuspy_upload.py "$$CARGO_TARGET_DIR/debug/lyceum"
	"$$LYCEUM_TOOLS/moto/bin/python" tests/clients/aws_cloud.py "$$CARGO_TARGET_DIR/debug/lyceum" \
	  crates/backends/tests/data/mediaconvert-jobs.json
	"$$LYCEUM_TOOLS/caches/bin/python" tests/clients/caches.py "$$CARGO_TARGET_DIR/debug/examples/cache"
	"$$LYCEUM_TOOLS/openapi/bin/python" tests/clients/api_examples.py "$$CARGO_TARGET_DIR/debug/lyceum"
	"$$LYCEUM_TOOLS/openapi/bin/python" tests/clients/generated_client.py "$$CARGO_TARGET_DIR/debug/lyceum"
	"$$LYCEUM_TOOLS/schemathesis/bin/python" tests/clients/api_schema.py "$$CARGO_TARGET_DIR/debug/lyceum"

.PHONY: test-browser
test-browser: assets tests/browser/node_modules/.package-lock.json
	scripts/tools rust
	scripts/need ffmpeg:ffmpeg chromium:chromium
	cargo build --workspace --bin lyceum
	cd tests/browser && LYCEUM_BIN="$(abspath $(CARGO_TARGET_DIR))/debug/lyceum" npm test --silent

.PHONY: test-nodes
test-nodes: assets tests/browser/node_modules/.package-lock.json ## Runs three nodes and two workers behind nginx, and ends each part in turn
	scripts/tools rust moto nginx
	scripts/need ffmpeg:ffmpeg chromium:chromium openssl:openssl redis-server:redis-server memcached:memcached postgresql
	cargo build --workspace --bin lyceum
	cd tests/browser && PATH="$$PATH:$$LYCEUM_TOOLS/nginx/usr/sbin" LYCEUM_BIN="$(abspath $(CARGO_TARGET_DIR))/debug/lyceum" \
	  ../../scripts/with-servers postgres s3 -- npm run --silent test-nodes

# What `test-long` uploads through three kills of the server.
large := 2147483648

# Seconds that each of four roles tries the API in `test-long`.
trying := 600

.PHONY: test-long
test-long: assets tests/browser/node_modules/.package-lock.json ## Runs the property tests with a hundred times as many cases, lets rooms talk and the API be tried for long, and uploads 2 GiB
	scripts/tools rust nextest tuspy schemathesis
	scripts/need ffmpeg:ffmpeg chromium:chromium
	PROPTEST_CASES=25600 LYCEUM_TEST_LINES=10000 cargo nextest run --workspace --profile long
	cargo build --release --bin lyceum
	"$$LYCEUM_TOOLS/schemathesis/bin/python" tests/clients/api_schema.py "$$CARGO_TARGET_DIR/release/lyceum" $(trying)
	"$$LYCEUM_TOOLS/tuspy/bin/python" tests/clients/tuspy_upload.py "$$CARGO_TARGET_DIR/release/lyceum" $(large)
	cd tests/browser && LYCEUM_BIN="$(abspath $(CARGO_TARGET_DIR))/release/lyceum" LYCEUM_TEST_UPLOAD_BYTES=$(large) \
	  node --test --test-timeout=1800000 --test-reporter=spec tus.test.mjs

# Seconds that each parser is tried.
seconds := 60

.PHONY: fuzz
fuzz: assets ## Gives every parser random input, led by coverage, for a minute each (seconds=60)
	scripts/tools rust
	scripts/need g++:g++
	fuzz/run $(seconds)

.PHONY: bench
bench: assets ## Measures uploads, delivery and processing of a release build against their peers
	scripts/tools rust nginx
	scripts/need ffmpeg:ffmpeg redis-server:redis-server memcached:memcached
	cargo build --release --bin lyceum --bin lyceum-bench --workspace
	bench/run

# --- Lint ----------------------------------------------------------------------------------------

.PHONY: lint
lint: format assets ## Checks format, clippy, docs, dependencies, spelling
	scripts/tools rust deny machete typos
	typos
	cargo machete --with-metadata
	cargo deny --log-level warn check bans licenses sources
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --quiet

.PHONY: format
format:
	scripts/tools rust
	cargo fmt --all --check
