# SPDX-License-Identifier: GPL-2.0-or-later
#
# Front door of the build.  `make help` lists what it does.
#
# User space is built by meson into build/, guest modules by kbuild into
# build/modules/RELEASE/, guest images by the scripts of image/ into
# build/images/.  What is downloaded is kept in build/cache/.

MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

KERNEL := $(shell build-aux/kernel-release 6.1 2>/dev/null)
KDIR ?= /usr/src/linux-headers-$(KERNEL)

# What the modules and the small guests are made of.
GUEST_SOURCES := $(shell find abi channel/range.h channel/signal_queue.h guest -name '*.[ch]' -o -name Kbuild)
IMAGE_SOURCES := $(shell find image guest -type f ! -name '*.[ch]')

.PHONY: all
all: build modules

.PHONY: help
help:
	@echo 'make run              install what is missing, build, boot the demo guest (Debian 12)'
	@echo 'make check [T=GLOB]   install what is missing, build, run all tests, or those whose name matches'
	@echo 'make check-debug      the guest tests on a kernel with KASAN and lockdep, which is built first'
	@echo 'make bench            the benchmarks, beside their peers'
	@echo 'make bench-report     puts the tables of the last runs into docs/benchmarks.md'
	@echo 'make build            the programs: build/mullion, build/mulliond, build/mullion-disk ...'
	@echo 'make modules [KDIR=]  the guest modules: build/modules/RELEASE/*.ko'
	@echo 'make images           the built-in guest and the demo guest: build/images/'
	@echo 'make install [DESTDIR=]  programs, modules, built-in guest, man pages'
	@echo 'make deps             install the packages of build-aux/packages that are missing'
	@echo 'make clean            remove what was built, keep what was downloaded (distclean: that too)'

.PHONY: deps deps-check
deps:
	@build-aux/install-deps build
deps-check:
	@build-aux/install-deps check

build/build.ninja:
	@meson setup build >build/setup.log 2>&1 || { cat build/setup.log; exit 1; }

.PHONY: build
build: | build/
	@[ -e build/build.ninja ] || $(MAKE) build/build.ninja
	@log=$$(ninja -C build 2>&1) || { echo "$$log"; exit 1; }

build/:
	@mkdir -p build

.PHONY: modules
modules:
	@build-aux/modules $(KDIR)

# Made once for each state of the sources, so that images know when to follow.
build/modules/%/stamp: $(GUEST_SOURCES) build-aux/modules
	@build-aux/modules /usr/src/linux-headers-$* >build/modules-$*.log 2>&1 || \
		{ cat build/modules-$*.log; exit 1; }
	@touch $@

build/images/builtin/initrd.img: build/modules/$(KERNEL)/stamp $(IMAGE_SOURCES)
	@image/builtin $(KERNEL) $(@D)

build/images/debian/initrd.img: build/modules/$(KERNEL)/stamp $(IMAGE_SOURCES)
	@image/debian $(KERNEL) $(@D)

# The guests of the tests: the small one with tools, for both kernels.
KERNEL_6.1 = $(KERNEL)
KERNEL_6.12 := $(shell build-aux/kernel-release 6.12 2>/dev/null)
define test_image
build/images/test-$(1)/initrd.img: build/modules/$(KERNEL_$(1))/stamp $(IMAGE_SOURCES)
	@image/builtin --test $(KERNEL_$(1)) $$(@D)
.PHONY: image-test-$(1)
image-test-$(1): | build/
	@$$(MAKE) -s build/images/test-$(1)/initrd.img
endef
$(foreach series,6.1 6.12,$(eval $(call test_image,$(series))))

.PHONY: images image-builtin image-debian
images: image-builtin image-debian
image-builtin: | build/
	@$(MAKE) -s build/images/builtin/initrd.img
image-debian: | build/
	@$(MAKE) -s build/images/debian/initrd.img

# The demo guest writes to a copy; `rm build/demo.img` starts it afresh.
.PHONY: run
run:
	@$(MAKE) deps
	@$(MAKE) build images
	@[ build/demo.img -nt build/images/debian/disk.img ] || \
		cp --sparse=always build/images/debian/disk.img build/demo.img
	@build/mullion run --root build/demo.img --net nat

.PHONY: check
check:
	@$(MAKE) deps-check
	@tests/run '$(T)'

.PHONY: check-debug
check-debug:
	@$(MAKE) deps-check
	@tests/run --debug-kernel '$(T)'

.PHONY: bench bench-net
bench:
	@build-aux/install-deps bench
	@$(MAKE) bench-build image-builtin image-test-6.1
	@bench/run --table build/bench/process.md
	@bench/guest --table build/bench/guest.md
	@bench/net --table build/bench/net.md
	@bench/guest-net --table build/bench/guest-net.md

# Of these, what is about networks.
bench-net:
	@build-aux/install-deps bench
	@$(MAKE) bench-build image-test-6.1
	@bench/net --table build/bench/net.md
	@bench/guest-net --table build/bench/guest-net.md

# Puts the tables of the last runs into docs/benchmarks.md.
.PHONY: bench-report
bench-report:
	@bench/report

# The fio engine for the tests; `make bench-build` makes it too.
.PHONY: fio-engine
fio-engine: build/build.ninja
	@bench/get-peers fio
	@[ -e build/bench/fio-mullion.so ] || meson setup --reconfigure -Dbench=true build \
		>build/setup.log 2>&1 || { cat build/setup.log; exit 1; }
	@$(MAKE) build

# The benchmark program and the fio engine.
.PHONY: bench-build
bench-build: build/build.ninja
	@bench/get-peers
	@meson setup --reconfigure -Dbench=true build >build/setup.log 2>&1 || { cat build/setup.log; exit 1; }
	@$(MAKE) build

.PHONY: install
install: build modules image-builtin
	@DESTDIR='$(DESTDIR)' meson install -C build --quiet
	@build-aux/install-guest '$(DESTDIR)/usr/lib/mullion'

.PHONY: clean distclean
clean:
	@[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +
distclean:
	@rm -rf build
