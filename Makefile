# The few commands of this repository. Each says in scripts/ or below what it does.

.DEFAULT_GOAL := help
.PHONY: help run test fuzz bench docs

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build Headwall and try it in front of a sample app
	@scripts/run.sh

test: ## Check the format, lint, and run every test
	@scripts/test.sh

fuzz: ## Look for inputs that break a law, a minute for each kind (needs nightly and cargo-fuzz)
	@scripts/fuzz.sh

bench: ## Measure Headwall beside its peers (ARGS=--quick for a short run)
	@scripts/need.sh cc=build-essential make=build-essential cmake=cmake
	@scripts/need.sh --optional nginx=nginx haproxy=haproxy wrk=wrk
	cargo build --release --package headwall-server --package headwall-benches
	cargo run --release --package headwall-benches --bin compare -- $(ARGS)

docs: ## Build the handbook into docs/book
	@command -v mdbook >/dev/null || { echo "error: mdbook is missing; install it with: cargo install mdbook --locked" >&2; exit 1; }
	mdbook build docs
