# A short front for CMake and Ninja. `make` builds build/bfn and the tests; `make test` needs nothing installed beforehand.
BUILD  ?= build
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)
CTEST   = ctest --output-on-failure -j$(JOBS)
SOURCES = $(shell find include src cli tests examples -name '*.[ch]' | sort)

.NOTPARALLEL:
.PHONY: all setup test test-long demo bench asan tsan clang fuzz coverage tidy format check-format install clean help

all:
	@sh tools/setup.sh --check
	@test -f $(BUILD)/build.ninja || cmake --preset release -B $(BUILD)
	@cmake --build $(BUILD)

help:
	@echo "make [all] | setup | test | test-long | demo | bench | install PREFIX=/usr/local | clean"
	@echo "developers: asan | tsan | clang | fuzz | coverage | tidy | format | check-format"

# Debian packages; a second run finds nothing to do and is instant.
setup:
	@sh tools/setup.sh

test: setup all
	@$(CTEST) --test-dir $(BUILD) -LE long

test-long: setup all
	@$(CTEST) --test-dir $(BUILD)

demo: setup all
	@sh tools/demo.sh

bench: all
	@$(BUILD)/bfn bench --model $(firstword $(wildcard models/text8-*.safetensors))

asan tsan clang: setup
	@cmake --preset $@
	@cmake --build --preset $@
	@$(CTEST) --test-dir build-$@ -LE long

# Run one with: build-fuzz/tests/fuzz/fuzz_<name> tests/fuzz/corpus/<name>
fuzz: setup
	@cmake --preset fuzz
	@cmake --build --preset fuzz

coverage: setup
	@cmake --preset coverage
	@cmake --build --preset coverage
	@find build-coverage -name '*.gcda' -delete
	@$(CTEST) --test-dir build-coverage -LE long
	@sh tools/coverage.sh build-coverage

tidy:
	@sh tools/setup.sh --developer
	@cmake --preset clang >/dev/null
	@sh tools/tidy.sh build-clang

format:
	@clang-format -i $(SOURCES)

check-format:
	@clang-format --dry-run -Werror $(SOURCES)

install: all
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build build-asan build-tsan build-clang build-fuzz build-coverage build-debug
