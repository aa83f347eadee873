#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# needs: fio-engine
#
# A process guest: verified random reads and writes, several block sizes,
# depths 1 and 32, on two logical units.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"
need_engine

truncate -s 64M a.img b.img c.img
process_guest f "$PWD/a.img" "$PWD/b.img"
process_guest direct "$PWD/c.img,cache=none"
for depth in 1 32; do
	for size in 512 4k 64k 256k; do
		io=$([ $size = 512 ] && echo 4m || echo 128m)
		fio_process f 0:1 --rw=randrw --bs=$size --iodepth=$depth \
			--size=128m --io_size="$io" --verify=crc32c --verify_fatal=1 ||
			fail "depth $depth, blocks of $size"
	done
done
fio_process f 0:1 --rw=randrw --bsrange=512-256k --bs_unaligned=0 --iodepth=16 \
	--size=128m --io_size=64m --verify=crc32c --verify_fatal=1 || fail "mixed sizes"
fio_process direct 0 --rw=randrw --bsrange=512-256k --iodepth=16 --size=64m --io_size=32m \
	--verify=crc32c --verify_fatal=1 || fail "mixed sizes, cache=none"
expect "errors" 0 "$(shown f devices.0.counters.errors)"
info "fio verified $(($(shown f devices.0.counters.bytes_in) >> 20)) MiB written, $(($(shown f devices.0.counters.bytes_out) >> 20)) MiB read"
