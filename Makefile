# `make test` needs nothing but the Rust toolchain; `make compat` and `make bench` set up the outside clients they use.

.PHONY: build lint test simulate simulate-disk compat compat-quick diff docker-test bench bench-instructions fuzz fmt clean

build:
	cargo build --release

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --manifest-path fuzz/Cargo.toml --target-dir "$${CARGO_TARGET_DIR:-target}" -- -D warnings

test:
	cargo test

# Groups and transactions under faults, from seeds: how far they get, and by which invariant each planted bug is caught.
# OTTLA_SIM_SEEDS says how many; OTTLA_SIM_SEED=17 runs one, with its trace.
simulate:
	OTTLA_SIM_SEEDS=$${OTTLA_SIM_SEEDS:-2000} cargo test --lib broker::simulation -- --nocapture --test-threads=1

# One log on a disk that fails and loses power, from seeds; which planted bugs are caught, and by what.
# OTTLA_DISK_SEEDS says how many; OTTLA_DISK_SEED=17 runs one, with its trace.
simulate-disk:
	OTTLA_DISK_SEEDS=$${OTTLA_DISK_SEEDS:-20000} cargo test --lib log::tests::simulation -- --nocapture --test-threads=1

# Real clients and Kafka's own tools against the release build.
compat: build
	compat/run.sh

compat-quick: build
	compat/run.sh --quick

# The same requests to Kafka's broker and to ours: every script at every version, and random requests on top.
diff: build
	compat/diff/run.sh

# The container image, built and tried as its users do; installs and starts Docker where it is missing.
docker-test:
	docker/test.py

# Prints ratios beside a JVM broker; a measurement, not a test.
bench: build
	compat/perf/run.sh
	$(MAKE) bench-instructions

# How many instructions the hot functions take, beside a baseline; UPDATE=1 makes a new one. It needs valgrind.
bench-instructions:
	benches/run.py

# Arbitrary bytes into the decoders, the record path and the files: FUZZ_SECONDS (600) for each target.
fuzz:
	fuzz/run.sh

fmt:
	cargo fmt

clean:
	cargo clean
