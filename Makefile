# ghostport: everything a fresh machine needs, in two commands: `make demo` and `make test`.
# Needed beforehand: Rust (https://rustup.rs) and make. libpcap's headers are installed when they are absent.

SHELL := /bin/bash
CARGO ?= cargo
BINARY := target/release/ghostport

.PHONY: help demo test lint bench bless build libpcap

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
                else COLUMNS=160 script -qec 'stty cols 160 2>/dev/null; $(1)' /dev/null </dev/null; fi

# One folder per story; the order of the arguments does not matter, the packets' times do.
DEMO := registered_service known_squatter nonstandard_port negotiated_port ephemeral_overlap scan misdirected \
        backscatter suspected_malware unidentified_listener undetermined

test: libpcap ## Run all tests
	$(CARGO) test --locked --all

lint: libpcap ## Formatting, clippy, documentation: warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

bench: libpcap ## Decode, flow update and whole replay, with criterion
	$(CARGO) bench --locked

bless: libpcap ## Write down what ghostport says now: captures/*/expect.jsonl and tests/snapshots
	BLESS=1 $(CARGO) test --locked --test integration -- captures cli::help

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
