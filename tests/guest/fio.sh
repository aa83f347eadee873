#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: 6.12
# also: guest-physical
# time: 1800
#
# Verified random reads and writes, several block sizes, depths 1 and 32, on
# two logical units.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

truncate -s 64M a.img b.img
# shellcheck disable=SC2016
guest --disk a.img,lun=0 --disk b.img,lun=1 -- sh -ec '
	for depth in 1 32; do
		for size in 512 4k 64k 1m; do
			io=$([ $size = 512 ] && echo 512k || echo 16m)
			fio --minimal --output=/tmp/fio.out \
				--ioengine=libaio --direct=1 --rw=randrw --bs=$size \
				--iodepth=$depth --size=32m --io_size=$io --verify=crc32c \
				--verify_fatal=1 --group_reporting \
				--name=a --filename=/dev/sda --name=b --filename=/dev/sdb ||
				{ cat /tmp/fio.out; exit 1; }
			echo "depth $depth, $size: verified"
		done
	done
	fio --minimal --output=/tmp/fio.out --ioengine=libaio --direct=1 --rw=randwrite \
		--bsrange=512-256k --bs_unaligned=0 --iodepth=16 --size=32m --io_size=16m \
		--verify=crc32c --verify_fatal=1 --name=mixed --filename=/dev/sda ||
		{ cat /tmp/fio.out; exit 1; }
	echo "mixed sizes: verified"
'
