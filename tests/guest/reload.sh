#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: 6.12
# also: guest-physical
# also: ram
#
# The modules are taken away from under running I/O and loaded again, ten
# times; the disk is the same afterwards, and so is the other side's view.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

head -c 16M /dev/urandom >a.img
sum=$(sha256sum <a.img)

# shellcheck disable=SC2016
guest --disk a.img -- sh -c '
	fail() { echo "FAILED: $*"; dmesg | tail -n 30; exit 1; }
	present() {
		for i in $(seq 2000); do
			[ -b /dev/sda ] && dd if=/dev/sda of=/dev/null bs=4k count=1 2>/dev/null &&
				return 0
			sleep 0.1
		done
		return 1
	}
	for round in $(seq 10); do
		present || fail "round $round: no disk"
		# Reads that are cut off, or that end just before.
		fio --minimal --output=/dev/null --ioengine=libaio --direct=1 --rw=randread \
			--bs=4k --iodepth=16 --time_based --runtime=60 --name=a \
			--filename=/dev/sda >/dev/null 2>&1 &
		reader=$!
		before=$(awk "{ print \$1 }" /sys/block/sda/stat)
		for i in $(seq 300); do
			[ "$(awk "{ print \$1 }" /sys/block/sda/stat)" -gt $((before + 200)) ] && break
			sleep 0.05
		done
		device=$(ls /sys/bus/visorbus/devices | grep :dev | head -n 1)
		echo "$device" >/sys/bus/visorbus/drivers/visorhba/unbind || fail "unbind"
		# It goes on at a disk without sectors; it would not end with I/O stuck.
		kill $reader
		wait $reader
		rmmod visorhba || fail "round $round: rmmod visorhba"
		if [ $((round % 2)) = 0 ]; then
			rmmod visornic || fail "round $round: rmmod visornic"
			rmmod visorbus || fail "round $round: rmmod visorbus"
			load-module /modules/visorbus.ko || fail "round $round: insmod visorbus"
			insmod /modules/visornic.ko || fail "round $round: insmod visornic"
		fi
		insmod /modules/visorhba.ko || fail "round $round: insmod visorhba"
	done
	present || fail "no disk at the end"
	'"$leak_check"'
	dd if=/dev/sda bs=64k iflag=direct 2>/dev/null | sha256sum
' >out || {
	cat out
	fail "see above"
}
# the reader may say something of its own when it is killed
expect "content after ten reloads" "$sum" "$(tail -n 1 out)"
